"""Storage Commitment in words of our own: what a peer asks, how we judge it, and both as data sets.

https://dicom.nema.org/medical/dicom/current/output/chtml/part04/chapter_J.html
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from io import BytesIO
from typing import Final

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pynetdicom.dsutils import decode

from scp.part10 import Buffer
from scp.reasons import Unacceptable
from scp.screen import screen_message, uid_text
from scp.syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

COMMITMENT: Final = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
REQUEST_COMMITMENT: Final = 1
"""The one action type (PS3.4 table J.3-1)."""
COMMITMENT_SYNTAXES: Final = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG})
MOST_REFERENCES: Final = 50_000
MOST_BYTES: Final = 16 << 20


class Refused(IntEnum):
    """Why a request is refused at once: the status of the N-ACTION response (PS3.7 section 10.1.4.1.10)."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_INSTANCE = 0x0112
    NO_SUCH_ARGUMENT = 0x0114
    INVALID_ARGUMENT = 0x0115
    NO_SUCH_CLASS = 0x0118
    CLASS_INSTANCE_CONFLICT = 0x0119
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORISED = 0x0124
    DUPLICATE_TRANSACTION = 0x0131
    MISTYPED_ARGUMENT = 0x0212
    RESOURCE_LIMITATION = 0x0213


REFUSALS: Final[dict[Refused, tuple[str, str]]] = {
    Refused.PROCESSING_FAILURE: ("The action information cannot be read", "Correct the software that wrote it"),
    Refused.NO_SUCH_INSTANCE: ("The instance is not 1.2.840.10008.1.20.1.1", "Ask the well-known instance"),
    Refused.NO_SUCH_ARGUMENT: ("Transaction UID or references are missing", "Send both"),
    Refused.INVALID_ARGUMENT: ("A UID is malformed, an instance named twice, or none named", "Correct the request"),
    Refused.NO_SUCH_CLASS: ("Not the Storage Commitment Push Model class", "Use 1.2.840.10008.1.20.1"),
    Refused.CLASS_INSTANCE_CONFLICT: ("The well-known instance is of another class", "Use 1.2.840.10008.1.20.1"),
    Refused.NO_SUCH_ACTION: ("The action type is not 1", "Ask for action type 1"),
    Refused.NOT_AUTHORISED: ("This application entity may not ask for commitment", "Have the coordinator allow it"),
    Refused.DUPLICATE_TRANSACTION: ("This Transaction UID is in use for other objects", "Use a new Transaction UID"),
    Refused.MISTYPED_ARGUMENT: ("The references are not a sequence of items", "Correct the request"),
    Refused.RESOURCE_LIMITATION: ("Disk full, or more than 50,000 references", "Ask later, or for fewer at once"),
}
"""Sentence (it fits Error Comment, 64 characters) and what the sender shall do."""

NAMES_NONE: Final = "The request names no instance"
NAMED_TWICE: Final = "The request names an instance twice"
MALFORMED: Final = "{} is not written as DICOM requires"
"""Which of the faults of an invalid argument it is; with the longest keyword it fits Error Comment, too."""


class FailureReason(IntEnum):
    """Why we do not commit to one instance: Failure Reason (0008,1197), PS3.3 section C.14.1.1."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    DUPLICATE_TRANSACTION = 0x0131


FAILURES: Final[dict[FailureReason, tuple[str, str]]] = {
    FailureReason.PROCESSING_FAILURE: (
        "What we hold under this UID is not provably what you sent",
        "Keep it and call the coordinator: it may lie in quarantine",
    ),
    FailureReason.NO_SUCH_INSTANCE: (
        "Nothing of yours is here under this UID",
        "Send it again, then ask again; if it was refused, the list of what arrived says why",
    ),
    FailureReason.CLASS_INSTANCE_CONFLICT: ("We hold it, as another SOP class", "Correct the request"),
    FailureReason.DUPLICATE_TRANSACTION: ("The Transaction UID is in use for other objects", "Use a new one"),
}
"""In words, and what the sender shall do."""


class RequestRefused(Exception):  # noqa: N818 - it says what we did
    """The request cannot be taken: answer with `why`, and with the message as comment."""

    def __init__(self, why: Refused, said: str = "") -> None:
        self.why = why
        super().__init__(said or REFUSALS[why][0])


@dataclass(frozen=True, slots=True)
class Reference:
    """One instance that a peer wants to be safe."""

    sop_class_uid: str
    sop_uid: str


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """One transaction as a peer asked for it. `origin` and `sender` are from our peer book; UIDs are well-formed."""

    origin: str
    sender: str
    transaction_uid: str
    references: tuple[Reference, ...]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Judgement:
    """What we answer: each reference is in one of both."""

    transaction_uid: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, FailureReason], ...]

    @property
    def event_type(self) -> int:
        """1 if all is safe, 2 if not (PS3.4 table J.3-2)."""
        return 2 if self.failed else 1

    def as_dataset(self) -> Dataset:
        """The event information; a sequence that would be empty is left out."""
        said = Dataset()
        said.TransactionUID = self.transaction_uid
        if self.committed:
            said.ReferencedSOPSequence = Sequence([_item(each) for each in self.committed])
        if self.failed:
            said.FailedSOPSequence = Sequence([_item(each, reason) for each, reason in self.failed])
        return said


def read_request(information: Buffer, transfer_syntax: str) -> tuple[str, tuple[Reference, ...]]:
    """Read Transaction UID and references of an N-ACTION; raise RequestRefused. Nothing unscreened is parsed."""
    if len(information) > MOST_BYTES:
        raise RequestRefused(Refused.RESOURCE_LIMITATION)
    try:
        screen_message(information, transfer_syntax)
    except Unacceptable as error:
        raise RequestRefused(Refused.PROCESSING_FAILURE) from error
    try:
        return _arguments(information, transfer_syntax)
    except RequestRefused:
        raise
    except Exception as error:  # pydicom raises whatever a malformed value makes it raise
        raise RequestRefused(Refused.PROCESSING_FAILURE) from error


def _arguments(information: Buffer, transfer_syntax: str) -> tuple[str, tuple[Reference, ...]]:
    said = decode(BytesIO(information), transfer_syntax == IMPLICIT_LITTLE, transfer_syntax != EXPLICIT_BIG)
    transaction_uid = _uid(said, "TransactionUID")
    if "ReferencedSOPSequence" not in said:
        raise RequestRefused(Refused.NO_SUCH_ARGUMENT)
    items = said.ReferencedSOPSequence
    if not isinstance(items, Sequence):
        raise RequestRefused(Refused.MISTYPED_ARGUMENT)
    if len(items) > MOST_REFERENCES:
        raise RequestRefused(Refused.RESOURCE_LIMITATION)
    references = tuple(
        Reference(_uid(item, "ReferencedSOPClassUID"), _uid(item, "ReferencedSOPInstanceUID")) for item in items
    )
    if not references:
        raise RequestRefused(Refused.INVALID_ARGUMENT, NAMES_NONE)
    if len({each.sop_uid for each in references}) != len(references):
        raise RequestRefused(Refused.INVALID_ARGUMENT, NAMED_TWICE)
    return transaction_uid, references


def _uid(said: Dataset, keyword: str) -> str:
    """Read a UID from its bytes: pydicom would only warn of a malformed one."""
    element = said.get_item(keyword)
    if element is None or not element.value:
        raise RequestRefused(Refused.NO_SUCH_ARGUMENT)
    try:
        return uid_text(bytes(element.value), keyword)
    except (Unacceptable, TypeError) as error:
        raise RequestRefused(Refused.INVALID_ARGUMENT, MALFORMED.format(keyword)) from error


def _item(reference: Reference, reason: FailureReason | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = reference.sop_class_uid, reference.sop_uid
    if reason is not None:
        item.FailureReason = int(reason)
    return item
