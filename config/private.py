"""Files for this user's eyes only."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path


def write_private(file: Path, content: Mapping[str, object], *, over: bool = True) -> None:
    """Write JSON with mode 0600, durably, whole or not at all; with `over` False a file that is there stays as it is.

    Raises OSError; nothing is left behind then.
    """
    fresh = file.with_suffix(f".{os.getpid()}.tmp")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump(content, out, indent=2)
            out.flush()
            os.fsync(out.fileno())
        if over:
            fresh.replace(file)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(fresh, file)
    finally:
        fresh.unlink(missing_ok=True)
    descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
