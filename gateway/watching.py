"""What wakes a worker that rests: a file that comes into a folder, and the bell of those who have written rows.

inotify(7): whoever puts a file somewhere need not know that anybody waits for it. Nothing is done by this alone, it is
only done at once: a worker also looks by itself every few seconds.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger()

IN_ATTRIB: Final = 0x4
IN_MOVED_TO: Final = 0x80
IN_CREATE: Final = 0x100
_EVENT: Final = struct.Struct("iIII")  # descriptor, mask, cookie, length of the name behind it
_READ: Final = 64 << 10


class Bell:
    """A file that is touched when rows were written; ringing costs one system call, and never fails."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def ring(self) -> None:
        """Wake the workers of this machine, if there are any."""
        with suppress(OSError):
            os.utime(self.file)


class Watch:
    """Says in which folder something came. `folders` by what is said of them; the `bell` is "rows"."""

    def __init__(self, folders: Mapping[str, Path], bell: Bell) -> None:
        """Begin to watch. A kernel without room for it is logged: then only the clock wakes anybody."""
        self.stopping, self._stop = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._names: dict[int, str] = {}
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        bell.file.touch()
        self._add("rows", bell.file, IN_ATTRIB)
        for name, folder in folders.items():
            self._add(name, folder, IN_MOVED_TO | IN_CREATE)
        self._poll = select.poll()
        for descriptor in (self.stopping, self._descriptor):
            if descriptor >= 0:
                self._poll.register(descriptor, select.POLLIN)

    def stop(self) -> None:
        """Let `wait` return at once, now and from now on; may be called by a signal's handler."""
        with suppress(BlockingIOError):
            os.write(self._stop, b"!")

    def wait(self, seconds: float) -> set[str] | None:
        """Return where something came within this time, nowhere if nothing did; None after `stop`."""
        ready = {descriptor for descriptor, _ in self._poll.poll(1000 * seconds)}
        if self.stopping in ready:
            return None
        return self._heard() if ready else set()

    def close(self) -> None:
        """Watch no longer."""
        for descriptor in (self.stopping, self._stop, self._descriptor):
            if descriptor >= 0:
                os.close(descriptor)

    def _add(self, name: str, path: Path, mask: int) -> None:
        number = self._libc.inotify_add_watch(self._descriptor, os.fsencode(path), mask)
        if number < 0:
            log.warning("nothing wakes the worker but the clock", what=name, reason=os.strerror(ctypes.get_errno()))
        else:
            self._names[number] = name

    def _heard(self) -> set[str]:
        """Whatever came since; if the kernel had no room to remember all of it, everywhere."""
        data, at, heard = os.read(self._descriptor, _READ), 0, set()
        while at < len(data):
            number, _, _, length = _EVENT.unpack_from(data, at)
            heard |= {self._names[number]} if number in self._names else set(self._names.values())
            at += _EVENT.size + length
        return heard
