"""What the worklist wants to know of an instance, as text and numbers that are safe to keep.

Odd values never raise: a date that is none is "", a number that is none is None. Person names keep their component
groups, "Alphabetic=Ideographic=Phonetic" (PS3.5 6.2.1.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from config.text import charset, decode
from orthanc.elements import Buffer, Element, Part10, read_part10

LONGEST: Final = 1024
"""Characters of a value that are kept; the longest that DICOM allows here are PN with 3 x 64 and LO with 64."""

LIMITS: Final = {
    "sop_class_uid": 64,
    "sop_uid": 64,
    "study_uid": 64,
    "series_uid": 64,
    "birth_date": 8,
    "sex": 16,
    "study_date": 8,
    "study_time": 16,
    "modality": 16,
    "series_date": 8,
    "series_time": 16,
    "laterality": 16,
    "timezone": 16,
    "performed_date": 8,
    "performed_time": 16,
}
"""Characters of what is kept in a column of limited width, whatever an object says; other text may have LONGEST."""

MOST_REQUESTS: Final = 16
"""Items of a Request Attributes Sequence that are kept."""

GREATEST: Final = 2**31 - 1
"""Of a number that is kept; one beyond it, on either side, is none."""

_AGE = re.compile(r"(\d{1,3})([DWMY])")
_AGE_UNITS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_DATE = re.compile(r"(\d{4})[.]?(\d{2})[.]?(\d{2})")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
_NUMBER = re.compile(r"[+-]?\d{1,10}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class InstanceHeader:
    """One instance's identity and description. Dates are DICOM DA, times DICOM TM, both "" when unknown.

    `requests` has Scheduled Procedure Step ID and Requested Procedure ID of each item that has one of them.
    """

    transfer_syntax: str
    sop_class_uid: str
    sop_uid: str
    study_uid: str
    series_uid: str
    # the patient
    patient_name: str
    patient_id: str
    issuer: str
    birth_date: str
    sex: str
    age_years: float | None
    # the study
    study_date: str
    study_time: str
    accession: str
    study_id: str
    study_description: str
    referring: str
    timezone: str
    # the series
    modality: str
    series_number: int | None
    series_description: str
    series_date: str
    series_time: str
    performed_date: str
    performed_time: str
    requests: tuple[tuple[str, str], ...]
    institution: str
    station: str
    manufacturer: str
    protocol: str
    body_part: str
    laterality: str
    # the instance
    instance_number: int | None
    rows: int
    columns: int
    frames: int
    bits: int


def read_header(file: Buffer) -> InstanceHeader:
    """Read the header of a file. Raises Unreadable if it is not DICOM; odd values come out blank."""
    return header_of(read_part10(file))


def header_of(part10: Part10) -> InstanceHeader:
    """Read the header of a file that was taken apart."""
    top = _Values(part10, part10.elements)
    birth_date, study_date = _date(top.text(0x00100030)), _date(top.text(0x00080020))
    return InstanceHeader(
        transfer_syntax=part10.transfer_syntax,
        sop_class_uid=top.text(0x00080016)[: LIMITS["sop_class_uid"]],
        sop_uid=top.text(0x00080018)[: LIMITS["sop_uid"]],
        study_uid=top.text(0x0020000D)[: LIMITS["study_uid"]],
        series_uid=top.text(0x0020000E)[: LIMITS["series_uid"]],
        patient_name=top.name(0x00100010),
        patient_id=top.text(0x00100020),
        issuer=top.text(0x00100021),
        birth_date=birth_date,
        sex=top.text(0x00100040).upper()[: LIMITS["sex"]],
        age_years=_age(top.text(0x00101010), birth_date, study_date),
        study_date=study_date,
        study_time=_time(top.text(0x00080030)),
        accession=top.text(0x00080050),
        study_id=top.text(0x00200010),
        study_description=top.text(0x00081030),
        referring=top.name(0x00080090),
        timezone=top.text(0x00080201)[: LIMITS["timezone"]],
        modality=top.text(0x00080060).upper()[: LIMITS["modality"]],
        series_number=top.integer(0x00200011),
        series_description=top.text(0x0008103E),
        series_date=_date(top.text(0x00080021)),
        series_time=_time(top.text(0x00080031)),
        performed_date=_date(top.text(0x00400244)),
        performed_time=_time(top.text(0x00400245)),
        requests=tuple(_requests(top)),
        institution=top.text(0x00080080),
        station=top.text(0x00081010),
        manufacturer=top.text(0x00080070),
        protocol=top.text(0x00181030),
        body_part=_body_part(top),
        laterality=(top.text(0x00200060) or top.text(0x00200062)).upper()[: LIMITS["laterality"]],
        instance_number=top.integer(0x00200013),
        rows=top.unsigned(0x00280010),
        columns=top.unsigned(0x00280011),
        frames=max(1, top.integer(0x00280008) or 1),
        bits=top.unsigned(0x00280100),
    )


class _Values:
    """The values of one data set by their tags."""

    __slots__ = ("_charset", "_elements", "_part10")

    def __init__(self, part10: Part10, elements: Iterable[Element], outer: tuple[str, ...] = ()) -> None:
        self._part10 = part10
        self._elements = {element.tag: element for element in elements}
        declared = self._raw(0x00080005)
        self._charset = charset(declared) if declared or not outer else outer

    def text(self, tag: int) -> str:
        """Return the first value, or "" if there is none."""
        return _clean(decode(self._raw(tag), self._charset).split("\\")[0])

    def name(self, tag: int) -> str:
        """Return the first person name with its component groups, those at its end that are empty left away."""
        groups = self.text(tag).split("=")[:3]
        return "=".join(group.strip().rstrip("^") for group in groups).rstrip("=")

    def integer(self, tag: int) -> int | None:
        """Return the first value of an integer string that a column can keep; also of one that was written as 1.0."""
        whole, _, rest = self.text(tag).partition(".")
        if not _NUMBER.fullmatch(whole) or rest.strip("0"):
            return None
        number = int(whole)
        return number if abs(number) <= GREATEST else None

    def unsigned(self, tag: int) -> int:
        """Return an unsigned number of two bytes or more, 0 if there is none."""
        return int.from_bytes(self._raw(tag)[:2], "big" if self._part10.swapped else "little")

    def items(self, tag: int) -> list[_Values]:
        """Return the items of a sequence."""
        element = self._elements.get(tag)
        items = element.items or () if element else ()
        return [_Values(self._part10, item, self._charset) for item in items]

    def _raw(self, tag: int) -> bytes:
        element = self._elements.get(tag)
        if element is None or element.items is not None:
            return b""
        return bytes(self._part10.data[element.offset : element.offset + min(element.length, 4 * LONGEST)])


def _requests(top: _Values) -> Iterable[tuple[str, str]]:
    for item in top.items(0x00400275)[:MOST_REQUESTS]:
        request = item.text(0x00400009), item.text(0x00401001)
        if any(request):
            yield request


def _body_part(top: _Values) -> str:
    """Body Part Examined, or what the anatomic region's code means; enhanced images say it for all their frames."""
    if said := top.text(0x00180015):
        return said
    shared = [anatomy for groups in top.items(0x52009229) for anatomy in groups.items(0x00209071)]
    regions = (region for owner in (top, *shared) for region in owner.items(0x00082218))
    return next((meaning for region in regions if (meaning := region.text(0x00080104))), "")


def _clean(text: str) -> str:
    return _CONTROLS.sub(" ", text).strip()[:LONGEST]


def _date(text: str) -> str:
    """Return a date as DA if it is one; the dots of ACR-NEMA are allowed (PS3.5 6.2)."""
    found = _DATE.fullmatch(text)
    return "".join(found.groups()) if found and _calendar("".join(found.groups())) else ""


def _time(text: str) -> str:
    text = text.replace(":", "")
    return text if _TIME.fullmatch(text) else ""


def _calendar(da: str) -> date | None:
    try:
        return date(int(da[:4]), int(da[4:6]), int(da[6:]))
    except ValueError:
        return None


def _age(said: str, birth_date: str, study_date: str) -> float | None:
    """Patient's Age, or the years between birth and study. "000Y" is what devices say that do not know."""
    found = _AGE.fullmatch(said.upper())
    if found and found[0] != "000Y":
        return int(found[1]) * _AGE_UNITS[found[2]]
    born, studied = _calendar(birth_date), _calendar(study_date)
    if born and studied and born <= studied:
        return (studied - born).days / 365.25
    return None
