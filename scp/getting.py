"""A C-GET: what an archive sends on our own association goes the way of what hospitals send, piece by piece.

pynetdicom would have each object in memory as a whole. PS3.4 section C.4.3
"""

import time
from collections import deque
from typing import Final

import structlog
from pynetdicom.association import Association
from pynetdicom.transport import AddressInformation

from scp.asked import Wanted
from scp.command import Command
from scp.counters import Counters
from scp.inbox import Inbox
from scp.limits import Limits
from scp.pdv import PDATA, PDU_HEAD
from scp.peers import Peer, PeerBook
from scp.presence import Presence
from scp.reasons import Reason, Unacceptable
from scp.requesting import CallingSocket
from scp.screen import Identity
from scp.storing import Door
from scp.stream import Aborting, Line, Stream

log = structlog.get_logger()

_ESTABLISHED: Final = "Sta6"  # PS3.8 section 9.2
_PIECE: Final = 65_536
_SPARE: Final = 16
"""So many objects more than were listed may come before the association is ended."""


class GetDoor(Door):
    """Takes the instances of one study, and nothing else that an archive sends along."""

    def __init__(self, inbox: Inbox, counters: Counters, presence: Presence, peer: Peer, wanted: Wanted) -> None:
        super().__init__(PeerBook(inbox.folder / "nobody"), inbox, counters, presence)
        self._peer, self._wanted, self._sop_uids = peer, wanted, wanted.sop_uids
        self._left = 2 * len(wanted.listed) + _SPARE  # each may come twice: see DicomArchive
        self.is_flooded = False
        """Whether far more came than was listed."""
        self.missing = set(self._sop_uids)
        """What did not come yet."""

    def peer(self, calling: str) -> Peer:
        """Whom we called, whatever it calls itself."""
        del calling
        return self._peer

    def was_fetched(self, request: Command) -> bool:
        """All of it was."""
        del request
        return True

    def check(self, identity: Identity) -> None:
        """Raise Unacceptable for an object that was not asked for; of very many, the association is ended."""
        self._left -= 1
        self.is_flooded = self._left < 0
        if self.is_flooded:
            self.closing.set()
        if identity.study_uid != self._wanted.study_uid or identity.sop_uid not in self._sop_uids:
            raise Unacceptable(Reason.NOT_ASKED_FOR)

    def kept(self, identity: Identity) -> None:
        """It is one less to wait for."""
        self.missing.discard(identity.sop_uid)


class GettingSocket(CallingSocket):
    """Gives the objects on an association that we opened to a `Stream`, and leaves everything else to pynetdicom.

    A peer that says nothing at all for `silence` seconds is hung up on.
    """

    def __init__(
        self, assoc: Association, address: AddressInformation, door: Door, limits: Limits, silence: float
    ) -> None:
        super().__init__(assoc, address=address)
        self._door, self._limits, self._silence = door, limits, silence
        self._stream: Stream | None = None
        self._handed_on: deque[bytes] = deque()
        self._heard_at = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether there is something that pynetdicom shall read."""
        if self._handed_on:
            return True
        if not super().ready:
            return self._give_up_a_mute_one()
        self._heard_at = time.monotonic()
        if self.assoc.dul.state_machine.current_state != _ESTABLISHED:
            return True
        try:
            return self._take()
        except (Aborting, OSError) as error:
            log.warning("an archive that we asked is hung up on", why=str(error))
            self.close()
            return False

    def recv(self, nr_bytes: int) -> bytearray:
        """Read what was handed on, else from the connection."""
        if not self._handed_on:
            return super().recv(nr_bytes)
        first = self._handed_on.popleft()
        if len(first) > nr_bytes:
            self._handed_on.appendleft(first[nr_bytes:])
        return bytearray(first[:nr_bytes])

    def close(self) -> None:
        """As pynetdicom has it, with nothing of an unfinished object left behind."""
        if self._stream is not None:
            self._stream.drop()
        super().close()

    def _take(self) -> bool:
        """Take one PDU; tell whether something of it is for pynetdicom."""
        head = self._exactly(PDU_HEAD.size)
        kind, length = PDU_HEAD.unpack(head)
        if kind != PDATA:
            self._handed_on.append(bytes(head))
            return True
        if length > self._limits.pdu_bytes:
            raise OSError(f"a PDU of {length} bytes is refused")
        self._handed_on.extend(self._the_stream().take(memoryview(self._exactly(length))))
        self.assoc.dul._idle_timer.restart()
        return bool(self._handed_on)

    def _exactly(self, size: int) -> bytearray:
        connection = self.socket
        if connection is None:
            raise ConnectionError("the connection is closed")
        connection.settimeout(self._limits.pdu_seconds)
        taken = bytearray(size)
        view = memoryview(taken)
        while view:
            read = connection.recv_into(view[:_PIECE])
            if not read:
                raise ConnectionError("the peer hung up")
            view = view[read:]
        return taken

    def _give_up_a_mute_one(self) -> bool:
        waited = time.monotonic() - self._heard_at
        if self._is_connected and waited > self._silence:
            self.close()
        return False

    def _the_stream(self) -> Stream:
        if self._stream is None:
            longest = self.assoc.acceptor.maximum_length or 0
            line = Line(self.assoc, self.assoc.acceptor.ae_title, self._context, longest, self.send)
            self._stream = Stream(line, self._door, self._limits)
        return self._stream
