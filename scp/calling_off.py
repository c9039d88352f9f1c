"""Ending a retrieval that nobody wants any more: a C-CANCEL, and an abort where that does not help soon.

https://dicom.nema.org/medical/dicom/current/output/chtml/part07/sect_9.3.3.3.html
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Final

from pynetdicom.association import Association

MESSAGE: Final = 1
"""The Message ID of what is cancelled: the only request on its association."""
_LOOK_EVERY: Final = 0.5
"""Seconds: an archive that says nothing for long, or sends something large, is hung up on as well."""
_HEEDED_WITHIN: Final = 5.0
"""Seconds that an archive has to heed a C-CANCEL."""


class CallingOff:
    """Ends the retrieval on one association once `goes_on` says no; safe to `look` from any thread."""

    def __init__(self, association: Association, model: str, goes_on: Callable[[], bool]) -> None:
        self._association, self._model, self._goes_on = association, model, goes_on
        self._lock, self._cancelled = threading.Lock(), threading.Event()

    def look(self) -> bool:
        """Ask whether it is wanted still; cancel it the first time that it is not."""
        if not self._cancelled.is_set() and self._goes_on():
            return True
        with self._lock:
            if not self._cancelled.is_set():
                self._cancelled.set()
                with contextlib.suppress(RuntimeError, ValueError):  # it has ended by itself
                    self._association.send_c_cancel(MESSAGE, query_model=self._model)
        return False

    def watch(self, over: threading.Event) -> None:
        """Look until it is over; abort what goes on in spite of a C-CANCEL."""
        while self.look():
            if over.wait(_LOOK_EVERY):
                return
        if not over.wait(_HEEDED_WITHIN):
            self._association.abort()
            self._association.dimse.msg_queue.put((None, None))  # whoever waits for an answer waits for none


@contextlib.contextmanager
def watched(association: Association, model: str, goes_on: Callable[[], bool]) -> Iterator[CallingOff]:
    """Let a retrieval of this model end soon after `goes_on` says no, whatever the archive does meanwhile."""
    calling_off, over = CallingOff(association, model, goes_on), threading.Event()
    watching = threading.Thread(target=calling_off.watch, args=(over,), name="called off?", daemon=True)
    watching.start()
    try:
        yield calling_off
    finally:
        over.set()
        watching.join()
