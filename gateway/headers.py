"""What an instance says of itself, in the words of our tables."""

from __future__ import annotations

from orthanc.header import InstanceHeader
from worklist.images import SeriesText, StudyText


def study_text(header: InstanceHeader) -> StudyText:
    """Patient and study, as the instance has them."""
    return StudyText(**{name: getattr(header, _STUDY.get(name, name)) for name in StudyText.__dataclass_fields__})


def series_text(header: InstanceHeader) -> SeriesText:
    """The series, as the instance has it."""
    return SeriesText(**{name: getattr(header, _SERIES.get(name, name)) for name in SeriesText.__dataclass_fields__})


_STUDY = {"description": "study_description"}
_SERIES = {"number": "series_number", "description": "series_description"}
