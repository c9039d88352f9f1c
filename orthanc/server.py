"""An Orthanc of our own: what is installed, its configuration, how to start it, when it is ready.

Orthanc 1.10.1 cannot bind its HTTP port to one address. With `RemoteAccessAllowed` false it answers nobody but
127.0.0.1; whoever does come from there needs a password that exists only in the configuration (mode 0600).
The GDCM plugin is never loaded: it crashes on valid files. A configuration names plugins one by one, never a folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orthanc.errors import ArchiveUnavailable

if TYPE_CHECKING:
    from orthanc.archive import Archive

USERNAME = "overread"
BINARY_PLACES = (Path("/usr/sbin/Orthanc"), Path("/usr/local/sbin/Orthanc"), Path("/opt/orthanc/bin/Orthanc"))
BESIDE = ("share/orthanc/plugins", "lib/orthanc")
"""Where packages put plugins, below the folder that also has `bin` or `sbin`."""
PLUGIN_FOLDERS = tuple(Path(prefix, folder) for folder in BESIDE for prefix in ("/usr", "/usr/local"))
DICOMWEB_PATTERN = "libOrthancDicomWeb.so*"


@dataclass(frozen=True, slots=True)
class Installed:
    """What this machine has of Orthanc. An empty version: it is not installed, or does not run."""

    binary: Path | None
    version: str
    dicomweb: Path | None


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a program: its arguments, and what to add to its environment."""

    argv: tuple[str, ...]
    environment: dict[str, str]


def probe() -> Installed:
    """Look for Orthanc and its DICOMweb plugin; nothing is started but `Orthanc --version`."""
    binary = _find_binary()
    return Installed(binary, _version(binary) if binary else "", _find_dicomweb(binary))


def write_configuration(folder: Path, http_port: int, password: str) -> Path:
    """Write the configuration of the Orthanc that lives in `folder`, readable by this user alone; return its path.

    Written whole or not at all, and the same for the same arguments. OSError if the disk says no.
    """
    for name in ("storage", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / "orthanc.json"
    fresh = folder / f"orthanc.json.{os.getpid()}.tmp"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(_configuration(folder, http_port, password), out, indent=2)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
    return file


def command(configuration: Path) -> Command:
    """Return how to start the Orthanc of a configuration. Raises ArchiveUnavailable if there is no Orthanc here."""
    binary = _find_binary()
    if binary is None:
        raise ArchiveUnavailable("Orthanc is not installed. On Debian: apt-get install orthanc orthanc-dicomweb")
    # TCP_NODELAY: Debian's DCMTK leaves Nagle's algorithm on; 40 ms for each instance without it.
    return Command((str(binary), str(configuration)), {"TCP_NODELAY": "1", "LC_ALL": "C.UTF-8"})


def wait_until_ready(url: str, username: str, password: str, deadline: float) -> None:
    """Return when Orthanc answers at `url`. Raises ArchiveUnavailable if it does not within `deadline` seconds."""
    end = time.monotonic() + deadline
    from orthanc.archive import Archive  # it is large, and the supervisor can do without

    archive = Archive(url, username, password, connections=1, timeout=max(1.0, deadline))
    try:
        while not _answers(archive, last_try=time.monotonic() >= end):
            time.sleep(0.05)
    finally:
        archive.close()


def _answers(archive: Archive, *, last_try: bool) -> bool:
    try:
        archive.version()
    except ArchiveUnavailable:
        if last_try:
            raise
        return False
    return True


def _configuration(folder: Path, http_port: int, password: str) -> dict[str, Any]:
    shipped: dict[str, Any] = json.loads(resources.files("orthanc").joinpath("orthanc.json").read_text("utf-8"))
    plugin = _find_dicomweb(_find_binary())
    return shipped | {
        "StorageDirectory": str((folder / "storage").absolute()),
        "IndexDirectory": str((folder / "storage").absolute()),
        "TemporaryDirectory": str((folder / "tmp").absolute()),
        "HttpPort": http_port,
        "RegisteredUsers": {USERNAME: password},
        "Plugins": [str(plugin)] if plugin else [],
    }


def _find_binary() -> Path | None:
    found = shutil.which("Orthanc")
    candidates = (*((Path(found),) if found else ()), *BINARY_PLACES)
    return next((place for place in candidates if os.access(place, os.X_OK)), None)


def _find_dicomweb(binary: Path | None) -> Path | None:
    """Find the plugin: first that of the same installation, since one of another may not fit this binary."""
    beside = tuple(binary.parent.parent / folder for folder in BESIDE) if binary else ()
    found = (file for folder in (*beside, *PLUGIN_FOLDERS) for file in sorted(folder.glob(DICOMWEB_PATTERN)))
    return next((file for file in found if file.exists()), None)


def _version(binary: Path) -> str:
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    found = re.search(r"Orthanc (\S+)", said)
    return found[1] if found else ""
