"""DCMTK as the hospital: storescu sends, storescp receives and does not make sure that anything is durable."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.images import portions
from bench.notebook import NotMeasured
from bench.programs import environment, free_port, listens, running, wait_for

HOSPITAL = "BENCH_PACS"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who takes C-STORE."""

    ae_title: str
    port: int


def send(to: Receiver, files: Sequence[Path], associations: int = 1) -> float:
    """Send files over so many associations at once; the seconds from the first start to the last end.

    Raises NotMeasured unless every instance was taken.
    """
    begun = time.perf_counter()
    senders = [
        subprocess.Popen(
            ["storescu", "-aet", HOSPITAL, "-aec", to.ae_title, "127.0.0.1", str(to.port), *map(str, portion)],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        for portion in portions(files, associations)
    ]
    said = [sender.communicate()[1] for sender in senders]
    seconds = time.perf_counter() - begun
    if any(sender.returncode for sender in senders) or any("E:" in each for each in said):
        raise NotMeasured(f"storescu to {to.ae_title}: {' '.join(said).strip()[:300]}")
    return seconds


@contextmanager
def receiving(folder: Path, ae_title: str) -> Iterator[Receiver]:
    """Run storescp, a process for each association, writing into `folder`, which is gone at the end."""
    folder.mkdir(parents=True)
    port = free_port()
    argv = ("storescp", "--fork", "-pdu", "131072", "-aet", ae_title, "-od", str(folder), str(port))
    try:
        with running(argv, folder.parent / "storescp.log"):
            wait_for(lambda: listens(port), 20, "storescp listening")
            yield Receiver(ae_title, port)
    finally:
        shutil.rmtree(folder)
