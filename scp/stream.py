"""The messages of one association, as their fragments come (PS3.7 section 6.3, PS3.8 Annex E).

The objects of C-STORE go fragment by fragment to where they are kept, and are answered here. Every other message is
handed on: as PDUs that hold one message each, which is what pynetdicom reads.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from scp.command import C_STORE_RQ, Command, NoCommand, read_command, store_response
from scp.limits import Limits
from scp.pdv import COMMAND, LAST, BadPdu, Pdv, pdata, pdvs
from scp.storing import Door, Storing

_LONGEST_COMMAND: Final = 16_384


class Violation(Enum):
    """Why an association is aborted by us as its service provider: a reason of PS3.8 table 9-26, and words."""

    STOPPING = (0, "the receiver is stopping")
    MESSAGE_TOO_LARGE = (0, "a message is larger than this receiver takes")
    EARLY_COMMAND = (5, "a command came before the end of a data set")
    NO_COMMAND = (5, "a data set came without its command")
    OTHER_CONTEXT = (5, "the presentation context changed within a message")
    UNKNOWN_CONTEXT = (6, "a presentation context was not accepted")
    LONG_COMMAND = (6, "a command is longer than any")
    BAD_COMMAND = (6, "a command cannot be read")
    BAD_PDU = (6, "the lengths within a PDU do not fit")
    PDU_TOO_LARGE = (6, "a PDU is larger than was agreed")


class Aborting(Exception):  # noqa: N818 - it says what is being done
    """The association cannot go on: abort it for this reason."""

    def __init__(self, violation: Violation) -> None:
        self.violation = violation
        super().__init__(violation.value[1])


@dataclass(frozen=True, slots=True)
class Line:
    """An association as its messages need it. `context`: abstract and transfer syntax of an accepted context ID."""

    key: Hashable
    calling: str
    context: Callable[[int], tuple[str, str] | None]
    longest_pdu: int
    send: Callable[[bytes], None]


class Stream:
    """Takes the body of each P-DATA-TF PDU in turn."""

    def __init__(self, line: Line, door: Door, limits: Limits) -> None:
        self._line, self._door, self._limits = line, door, limits
        self._context_id, self._context = 0, ("", "")
        self._command = bytearray()
        self._request: Command | None = None
        self._storing: Storing | None = None
        self._size = 0

    def take(self, body: memoryview) -> list[bytes]:
        """Go on by one PDU; return the PDUs to hand on. Raises Aborting."""
        handed_on: list[bytes] = []
        self._size += len(body)
        try:
            for pdv in pdvs(body):
                passed = self._command_fragment(pdv) if pdv[1] & COMMAND else self._data_fragment(pdv)
                if passed:
                    handed_on.append(passed)
        except BadPdu as error:
            raise Aborting(Violation.BAD_PDU) from error
        except NoCommand as error:
            raise Aborting(Violation.BAD_COMMAND) from error
        most = self._limits.message_bytes if self._storing is None else self._limits.object_bytes
        if self._size > most:
            raise Aborting(Violation.MESSAGE_TOO_LARGE)
        return handed_on

    @property
    def unfinished(self) -> str | None:
        """The study of the object that is just coming, "" while that is not known; None if no object is."""
        return self._storing.study_uid if self._storing is not None else None

    def drop(self) -> None:
        """Keep nothing of what has not come in whole."""
        storing, self._storing = self._storing, None
        if storing is not None:
            storing.drop()
            self._door.mark(self._line.key, busy=False)

    def _command_fragment(self, pdv: Pdv) -> bytes | None:
        context_id, control, fragment = pdv
        if self._request is not None:
            raise Aborting(Violation.EARLY_COMMAND)
        self._follow(context_id, is_first=not self._command)
        self._command += fragment
        if len(self._command) > _LONGEST_COMMAND:
            raise Aborting(Violation.LONG_COMMAND)
        if not control & LAST:
            return None
        command = bytes(self._command)
        self._command.clear()
        return self._begin(read_command(command), command)

    def _begin(self, request: Command, command: bytes) -> bytes | None:
        """Begin what the command asks for; return it if it is not for us."""
        if request.field != C_STORE_RQ:
            self._wait_for(request)
            return pdata(self._context_id, COMMAND | LAST, command)
        if self._door.closing.is_set():
            raise Aborting(Violation.STOPPING)
        self._door.mark(self._line.key, busy=True)
        self._storing = Storing(self._door, self._line.key, self._line.calling, request, self._context)
        self._request = request
        if not request.has_data_set:
            self._answer(self._storing, request)
        return None

    def _data_fragment(self, pdv: Pdv) -> bytes | None:
        context_id, control, fragment = pdv
        request = self._request
        if request is None:
            raise Aborting(Violation.NO_COMMAND)
        self._follow(context_id, is_first=False)
        if self._storing is None:
            if control & LAST:
                self._wait_for(None)
            return pdata(context_id, control, fragment)
        self._storing.write(fragment)
        if control & LAST:
            self._answer(self._storing, request)
        return None

    def _answer(self, storing: Storing, request: Command) -> None:
        answer = storing.finish()
        self._line.send(store_response(self._context_id, request, answer, self._line.longest_pdu))
        self.drop()
        self._wait_for(None)

    def _wait_for(self, request: Command | None) -> None:
        """Expect the data set of a request, or the next command."""
        self._request = request if request is not None and request.has_data_set else None
        self._size = 0

    def _follow(self, context_id: int, *, is_first: bool) -> None:
        """See to it that all fragments of a message have the same presentation context, which was accepted."""
        if is_first:
            context = self._line.context(context_id)
            if context is None:
                raise Aborting(Violation.UNKNOWN_CONTEXT)
            self._context_id, self._context = context_id, context
        elif context_id != self._context_id:
            raise Aborting(Violation.OTHER_CONTEXT)
