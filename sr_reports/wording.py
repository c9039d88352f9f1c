"""Dates, names and fixed sentences, as people read them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from pydicom.valuerep import PersonName

from sr_reports.opinion import Concordance

CONCORDANCE: dict[Concordance, str] = {
    Concordance.AGREE: "Agrees with the first report.",
    Concordance.MINOR: "Minor difference from the first report: it would not change management.",
    Concordance.MAJOR: "Major difference from the first report: it would change management.",
    Concordance.NOT_PROVIDED: "The first report was not provided, so no comparison was made.",
}
LIMITS = (
    "This interpretation is based on the images and the information given here alone; the patient was not examined."
)
MODALITIES = {
    "CR": "Radiography",
    "CT": "CT",
    "DX": "Radiography",
    "MG": "Mammography",
    "MR": "MR",
    "NM": "Nuclear medicine",
    "PT": "PET",
    "RF": "Fluoroscopy",
    "US": "Ultrasound",
    "XA": "Angiography",
}
SEXES = {"F": "Female", "M": "Male", "O": "Other"}
YOUNG, OLDEST = 24, 130
"""Below so many months an age is said in months; above so many years a date is a mistake."""


def human_date(value: date) -> str:
    """24 November 2026."""
    return f"{value.day} {value:%B %Y}"


def human_moment(value: datetime) -> str:
    """24 November 2026, 14:05 (UTC+01:00)."""
    offset = value.strftime("%z")
    zone = "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:5]}"
    return f"{human_date(value)}, {value:%H:%M} ({zone})"


def date_in_words(value: str) -> str:
    """A DICOM or ISO 8601 date as `human_date`; anything else as it is."""
    if re.fullmatch(r"\d{8}|\d{4}-\d{2}-\d{2}", value):
        try:
            return human_date(date.fromisoformat(value))
        except ValueError:
            return value
    return value


def age_at_examination(born: str, examined: str, stated_years: float | None = None) -> str:
    """52 years at the examination; in months below two years. "" when neither the dates (DICOM) nor anybody says it."""
    months = _months_between(born, examined)
    if months is None and stated_years is not None:
        months = int(stated_years * 12 + 1e-6)  # 23/12 years are 23 months
    if months is None or not 0 <= months <= OLDEST * 12:
        return ""
    if months == 0:
        return "less than 1 month at the examination"
    age = count(months // 12, "year") if months >= YOUNG else count(months, "month")
    return f"{age} at the examination"


def _months_between(born: str, examined: str) -> int | None:
    try:
        first, then = (datetime.strptime(da, "%Y%m%d").replace(tzinfo=UTC).date() for da in (born, examined))
    except ValueError:
        return None
    return (then.year - first.year) * 12 + then.month - first.month - (then.day < first.day)


def human_name(value: str) -> str:
    """A DICOM person name in reading order; the ideographic form first, the alphabetic one in brackets after it."""
    name = PersonName(value)
    ideographic = _components(name.ideographic)
    written = " ".join(part for part in (ideographic[0], ideographic[1]) if part)
    family, given, middle, prefix, suffix = _components(name.alphabetic)
    alphabetic = " ".join(part for part in (prefix, given, middle, family) if part)
    alphabetic = ", ".join(part for part in (alphabetic, suffix) if part)
    if written and alphabetic:
        return f"{written} ({alphabetic})"
    return written or alphabetic


def _components(group: str) -> list[str]:
    parts = [part.strip() for part in group.split("^")]
    return (parts + [""] * 5)[:5]


def count(number: int, noun: str) -> str:
    """1 image, 1,234 images."""
    return f"{number:,} {noun}" if number == 1 or noun == "series" else f"{number:,} {noun}s"


def subspecialty_name(value: str) -> str:
    """`head_and_neck` as "Head and neck"."""
    words = value.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
