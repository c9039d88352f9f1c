"""A part tells the supervisor that it does its work."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gateway.installation import Folders


def ready_file(folders: Folders, part: str) -> Path:
    """Where a part says that it is ready: a file with its process id."""
    return folders.run_folder / f"{part}.ready"


def mark_ready(folders: Folders, part: str) -> Callable[..., object]:
    """A callable that says so."""
    file = ready_file(folders, part)
    return lambda *_: file.write_text(str(os.getpid()))
