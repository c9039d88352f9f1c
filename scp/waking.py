"""Letting pynetdicom's threads wait instead of poll.

Each association has two threads that look a thousand times a second whether there is something to do: 20 idle
associations cost three quarters of a core. Both look into queues, so queues that wake or wait are enough:

* the transport thread blocks on its socket (`BoundedSocket.ready`) and is woken when something is to be sent;
* the service thread blocks on its queue of messages, and is woken when a release or an abort comes instead of one.
"""

import os
import threading
from collections.abc import Callable
from queue import Queue
from typing import Final, TypeVar

from pynetdicom.association import Association

_T = TypeVar("_T")

WAIT_SECONDS: Final = 0.8
"""The longest that a thread waits before it looks at its timers and whether it shall end."""
_STEP_SECONDS: Final = 0.1
_LOOP_SECONDS: Final = 0.0002
_MOST_STEPS: Final = 16


class Wake:
    """Ends another thread's poll of a descriptor."""

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._is_open = True

    def call(self) -> None:
        """Wake the thread that polls, or the next one that will; after `close`, do nothing."""
        with self._lock:  # else the number might be another file's by now
            if self._is_open:
                os.eventfd_write(self.descriptor, 1)

    def answered(self) -> None:
        """Sleep again."""
        os.eventfd_read(self.descriptor)

    def close(self) -> None:
        """Give the descriptor back, when nobody polls it any more; may be repeated."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                os.close(self.descriptor)


class WakingQueue(Queue[_T]):
    """A queue whose reader waits for a descriptor."""

    def __init__(self, wake: Wake) -> None:
        super().__init__()
        self._wake = wake

    def put(self, item: _T, block: bool = True, timeout: float | None = None) -> None:
        """Put and wake."""
        super().put(item, block, timeout)
        self._wake.call()


class PatientQueue(Queue[_T]):
    """A queue whose reader, asking without waiting, is made to wait a little, and does its steps before."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Callable[[], bool]] = []

    def get(self, block: bool = True, timeout: float | None = None) -> _T:
        """Return an item, after a short wait even if no waiting was asked for."""
        if self.steps:
            self.steps = [step for step in self.steps if not step()]
        return super().get(True, timeout if block else _STEP_SECONDS if self.steps else WAIT_SECONDS)


class AnnouncingQueue(Queue[_T]):
    """A queue whose reader waits at another one: an empty message tells it to look here."""

    def __init__(self, other: Queue[tuple[None, None]]) -> None:
        super().__init__()
        self._other = other

    def put(self, item: _T, block: bool = True, timeout: float | None = None) -> None:
        """Put and announce."""
        super().put(item, block, timeout)
        self._other.put((None, None))


def make_patient(association: Association) -> Wake:
    """Give an association that has not started yet queues that wait, and return what wakes its transport thread."""
    wake = Wake()
    messages: PatientQueue[tuple[None, None]] = PatientQueue()
    association.dimse.msg_queue = messages  # type: ignore[assignment]
    association.dul.to_provider_queue = WakingQueue(wake)
    association.dul.to_user_queue = AnnouncingQueue(messages)
    association.dul._run_loop_delay = _LOOP_SECONDS
    return wake


def between_messages(association: Association, step: Callable[[], bool]) -> None:
    """Have the thread that answers the peer do something before it waits for a message, until it says True.

    Called in that thread. Nothing else sends at that moment, so that a step may. Beyond a few steps: not done.
    """
    messages = association.dimse.msg_queue
    if isinstance(messages, PatientQueue) and len(messages.steps) < _MOST_STEPS:
        messages.steps.append(step)
