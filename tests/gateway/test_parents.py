"""No part of ours outlives the one that started it, not even where that one dies at the first moment."""

from __future__ import annotations

import subprocess
import sys

ORPHAN = """
import os, signal, time
from gateway.supervisor import die_with_parent
reading, writing = os.pipe()
parent = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == parent:
    time.sleep(0.01)
signal.signal(signal.SIGTERM, lambda *_: (print("ends", flush=True), os._exit(0)))
die_with_parent(parent)
print("goes on", flush=True)
"""


def test_who_is_an_orphan_before_it_asks_to_die_with_its_parent_ends_at_once() -> None:
    """A web process whose parent was killed while it started stayed for ever, and with it its port."""
    done = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "ends\n"
