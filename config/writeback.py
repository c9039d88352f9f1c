"""Having the kernel begin to write a file to the disk before anybody waits for it."""

import ctypes
import os
from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_SYNC_FILE_RANGE_WRITE: Final = 2
_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)  # Linux has it, in every C library


def begin_writeback(descriptor: int, start: int, end: int) -> None:
    """Begin to write the bytes from `start` to `end` of a file that grows by them; a later fsync finds less to do.

    It waits for nothing, promises nothing and raises nothing: what could not be written, fsync tells. The last page is
    left to the next call as long as it is not full, or it would be written twice. https://man7.org/linux/man-pages/man2/sync_file_range.2.html
    """
    first, last = start // _PAGE * _PAGE, end // _PAGE * _PAGE
    if _sync_file_range is not None and last > first:
        _sync_file_range(descriptor, ctypes.c_int64(first), ctypes.c_int64(last - first), _SYNC_FILE_RANGE_WRITE)
