"""Why an object is refused for good: one table of DIMSE statuses and of the words that go with them.

Failures of our own (a full disk) are not here: they are OSError and the sender shall try again.
https://dicom.nema.org/medical/dicom/current/output/chtml/part04/sect_B.2.3.html
"""

from enum import Enum


class Reason(Enum):
    """Something that sending the same object again will not change."""

    UNKNOWN_SYNTAX = "unknown syntax"
    DEFLATED = "deflated"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    TOO_DEEP = "too deep"
    TOO_MANY = "too many"
    META_INSIDE = "meta inside"
    DIRECTORY = "directory"
    TOO_LARGE = "too large"
    MISSING_UID = "missing uid"
    BAD_UID = "bad uid"
    TWO_UIDS = "two uids"
    OTHER_CLASS = "other class"
    OTHER_INSTANCE = "other instance"
    NOT_ASKED_FOR = "not asked for"


REASONS: dict[Reason, tuple[int, str]] = {
    Reason.OTHER_CLASS: (0xA900, "The object is of another SOP class than announced"),
    Reason.OTHER_INSTANCE: (0xA901, "The object has another SOP Instance UID than announced"),
    Reason.NOT_ASKED_FOR: (0xA904, "It was sent along with an earlier study, but not asked for"),
    Reason.UNKNOWN_SYNTAX: (0xC001, "The transfer syntax is not one that we read"),
    Reason.DEFLATED: (0xC002, "Deflated transfer syntaxes are not accepted"),
    Reason.TRUNCATED: (0xC010, "The object ends before its data does"),
    Reason.MALFORMED: (0xC011, "The object does not follow its transfer syntax"),
    Reason.TOO_DEEP: (0xC012, "Sequences are nested more than 32 deep"),
    Reason.TOO_MANY: (0xC013, "The object has more than 1,000,000 elements"),
    Reason.META_INSIDE: (0xC014, "The data set contains elements of group 0000 or 0002"),
    Reason.DIRECTORY: (0xC015, "This is a DICOMDIR, which holds no image"),
    Reason.TOO_LARGE: (0xC016, "The object is larger than the archive behind can give back"),
    Reason.MISSING_UID: (0xC020, "A UID that every object must have is missing"),
    Reason.BAD_UID: (0xC021, "A UID is not written as DICOM requires"),
    Reason.TWO_UIDS: (0xC022, "A UID that identifies the object is there twice"),
}
"""Status and sentence. Sentences fit Error Comment (0000,0902), 64 characters (VR LO)."""


class Unacceptable(Exception):  # noqa: N818 - it names what the object is
    """The object can never be kept as it is; `detail` says where the fault is, without any value of the object."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.reason = reason
        self.status, self.sentence = REASONS[reason]
        self.detail = detail
        super().__init__(f"{self.sentence} ({detail})" if detail else self.sentence)
