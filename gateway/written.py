"""What the receivers write into files for the worker, looked at when it has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def when_written(folder: Path, pattern: str, note: Callable[[], object]) -> Callable[[], bool]:
    """A step that calls `note` when a file of this pattern was written since; it is called again if it raises."""
    noted: dict[Path, int] = {}

    def step() -> bool:
        nonlocal noted
        written = {path: path.stat().st_mtime_ns for path in folder.glob(pattern)}
        if written != noted:
            note()
            noted = written
        return False

    return step
