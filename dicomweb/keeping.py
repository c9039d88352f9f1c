"""What STOW-RS asks of whoever keeps instances, and how a refusal is told in DICOM's words.

The gateway's callable screens an object and puts it into the inbox; this package knows neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO

from worklist.access import Sight


class FailureReason(IntEnum):
    """Values of Failure Reason (0008,1197) that are not about one object's own faults (PS3.18 table I.2-2)."""

    PROCESSING_FAILURE = 0x0110
    CLASS_NOT_SUPPORTED = 0x0122
    OUT_OF_RESOURCES = 0xA700
    OTHER_STUDY = 0xA901
    OTHER_PATIENT = 0xA902
    OTHER_SERIES = 0xA903
    CANNOT_UNDERSTAND = 0xC000
    SYNTAX_NOT_SUPPORTED = 0xC122


@dataclass(frozen=True, slots=True)
class Kept:
    """One instance that is durable now."""

    sop_class_uid: str
    sop_uid: str
    study_uid: str
    series_uid: str


class NotKept(Exception):  # noqa: N818 - it names what became of the instance
    """This instance will never be kept as it is.

    `reason` is the Failure Reason, a status of the C-STORE service. The UIDs are "" where they are not known, and
    otherwise checked for syntax.
    """

    def __init__(self, reason: int, words: str, *, sop_class_uid: str = "", sop_uid: str = "") -> None:
        super().__init__(words)
        self.reason = reason
        self.sop_class_uid = sop_class_uid
        self.sop_uid = sop_uid


Keep = Callable[[BinaryIO], Kept]
"""Keep one file, open at its start: it returns when the instance is durable.

Raises NotKept (never again) or OSError (try again); nothing is kept then.
"""


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who keeps the instances of one request. `note` writes down what was refused before `keep` could look at it."""

    keep: Keep
    note: Callable[[NotKept], None]


Takes = Callable[[str, str], bool]
"""Whether the request is for instances of this origin and Study Instance UID."""

StoreTarget = Callable[[Sight, Takes], Keeper | None]
"""Where the instances of whoever asks are kept; None if they may not send any here. Asked before the body is read.

Its `keep` must raise NotKept(OTHER_STUDY) for an instance that the request does not take.
"""
