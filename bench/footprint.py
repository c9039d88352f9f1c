"""Memory and idle CPU of every process below one, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Seen:
    """One process at one moment: its name, resident memory in MB, CPU seconds so far."""

    name: str
    resident_mb: float
    cpu_seconds: float


def look(root: int) -> dict[int, Seen]:
    """Every living process below `root`, and itself."""
    found = {}
    for pid in _family(root):
        with suppress(OSError):
            found[pid] = Seen(_name(pid), _resident_mb(pid), _cpu_of(pid))
    return found


def cpu_seconds(root: int) -> float:
    """The CPU time so far of all of them together."""
    return sum(seen.cpu_seconds for seen in look(root).values())


def machine_seconds() -> float:
    """The CPU time so far of everything on this machine: user, nice, system, interrupts, stolen (proc(5) `stat`)."""
    ticks = [int(field) for field in (PROC / "stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICKS


def _family(root: int) -> Iterator[int]:
    parents = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parents[int(entry.name)] = int(_stat(int(entry.name))[1])
    waiting = [root]
    while waiting:
        pid = waiting.pop(0)
        yield pid
        waiting += sorted(child for child, parent in parents.items() if parent == pid)


def _stat(pid: int) -> list[str]:
    """The fields of proc(5) `stat` from the state on: parent at 1, utime at 11, stime at 12."""
    return (PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()


def _cpu_of(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS


def _resident_mb(pid: int) -> float:
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS")), 0.0)


def _name(pid: int) -> str:
    words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    if "--part" in words:
        return words[words.index("--part") + 1]
    if words[0].endswith("Orthanc"):
        return "orthanc"
    return "supervisor" if "up" in words else "child of " + _name(int(_stat(pid)[1]))
