"""The connections whose AE title is not known yet: strangers, who must not keep anybody else out.

Nobody is turned away. Where there are too many, the one that has been silent for longest makes room: first of the same
address, then of the address that has most. A peer that sends its association request at once is out of here before
its turn comes; it counts from then on as one of the associations, which are bounded apart from strangers.
"""

import contextlib
import socket
import threading
from collections import Counter
from dataclasses import dataclass

from scp.limits import Limits

Caller = tuple[str, int]
"""Address and port of a peer."""


@dataclass(slots=True)
class _Guest:
    connection: socket.socket


class Lobby:
    """Safe from any thread."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._guests: dict[Caller, _Guest] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._guests)

    def enter(self, caller: Caller, connection: socket.socket) -> None:
        """Note a new connection, ending others where there are too many."""
        with self._lock:
            counts = Counter(address for address, _ in self._guests)
            if counts[caller[0]] >= self._limits.strangers_per_address:
                self._end_oldest(caller[0])
            elif len(self._guests) >= self._limits.strangers:
                self._end_oldest(counts.most_common(1)[0][0])
            self._guests[caller] = _Guest(connection)

    def exchange(self, caller: Caller, connection: socket.socket) -> None:
        """Note that a connection goes on as another object (TLS)."""
        with self._lock:
            if caller in self._guests:
                self._guests[caller].connection = connection

    def leave(self, caller: Caller) -> None:
        """Forget a connection that became an association, or ended; may be repeated."""
        with self._lock:
            self._guests.pop(caller, None)

    def make_room(self) -> None:
        """End one connection, since the process has no room for more."""
        with self._lock:
            counts = Counter(address for address, _ in self._guests)
            if counts:
                self._end_oldest(counts.most_common(1)[0][0])

    def _end_oldest(self, address: str) -> None:
        oldest = next(caller for caller in self._guests if caller[0] == address)
        guest = self._guests.pop(oldest)
        with contextlib.suppress(OSError):  # its own thread sees the end, and closes it
            socket.socket.shutdown(guest.connection, socket.SHUT_RDWR)
