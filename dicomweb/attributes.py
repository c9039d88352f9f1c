"""What can be searched for and what a search returns: PS3.18 section 10.6 as one table.

https://dicom.nema.org/medical/dicom/current/output/chtml/part18/sect_10.6.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

from worklist.models import Instance, Series, Study


class Level(IntEnum):
    """What one result of a search is."""

    STUDY = 1
    SERIES = 2
    INSTANCE = 3


class Matching(Enum):
    """How a key's value is compared (PS3.4 section C.2.2.2)."""

    NONE = "returned only"
    TEXT = "case-sensitive, with * and ?"
    NAME = "in any case, whole or one component group, with * and ?"
    UID = "a list of UIDs"
    DATE = "a date or a range of dates"
    TIME = "a time or a range of times"
    NUMBER = "an integer"
    MODALITY = "some series of the study is of one of them"
    SOP_CLASS = "some instance of the study is of one of them"
    REQUEST = "some item of the sequence fits all of its keys, case-sensitive, with * and ?"


class Returned(Enum):
    """When an attribute is in a result."""

    ALWAYS = "always, without a value if it has none"
    KNOWN = "if it has a value, or if asked for"
    ASKED = "if asked for"
    WITHIN = "with the sequence that it is in"


@dataclass(frozen=True, slots=True)
class Found:
    """One result: the row it is about and those above it, with what was counted below it."""

    level: Level
    study: Study
    series: Series | None
    instance: Instance | None
    number_of_series: int
    number_of_instances: int
    number_in_series: int
    modalities: tuple[str, ...]
    sop_classes: tuple[str, ...]
    retrieve_url: str
    character_set: str = "ISO_IR 192"
    availability: str = "ONLINE"

    @property
    def timezone(self) -> str:
        """Timezone Offset From UTC of the study."""
        return self.study.timezone

    @property
    def requests(self) -> tuple[dict[str, str], ...]:
        """The items of Request Attributes Sequence: values by tag."""
        found = self.series.requests if self.series else ()
        return tuple({"00400009": one.step_id, "00401001": one.procedure_id} for one in found)

    @property
    def bits(self) -> int | None:
        """Bits Allocated; None if the instance is no image."""
        return (self.instance.bits or None) if self.instance else None

    @property
    def rows(self) -> int | None:
        """Height of the image; None if the instance is none."""
        return (self.instance.rows or None) if self.instance else None

    @property
    def columns(self) -> int | None:
        """Width of the image; None if the instance is none."""
        return (self.instance.columns or None) if self.instance else None

    @property
    def frames(self) -> int | None:
        """Number of frames; None if the instance is no multi-frame image."""
        return self.instance.frames if self.instance and self.instance.frames > 1 else None


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a search. `level` None: it belongs to the result itself, of whatever level that is.

    `source` names a column of the level's table; if `computed`, it names a field of `Found`. An attribute of a
    sequence's items has a path for its tag; it is matched on, and returned with its sequence.
    """

    tag: str
    keyword: str
    vr: str
    level: Level | None
    matching: Matching
    source: str
    returned: Returned = Returned.ALWAYS
    computed: bool = False


def _told(tag: str, keyword: str, vr: str, level: Level | None, source: str) -> Attribute:
    return Attribute(tag, keyword, vr, level, Matching.NONE, source, computed=True)


def _requested(tag: str, keyword: str, source: str) -> Attribute:
    path, words = f"00400275.{tag}", f"RequestAttributesSequence.{keyword}"
    return Attribute(path, words, "SH", Level.SERIES, Matching.REQUEST, source, Returned.WITHIN)


_STUDY, _SERIES, _INSTANCE = Level.STUDY, Level.SERIES, Level.INSTANCE
_KNOWN, _ASKED = Returned.KNOWN, Returned.ASKED

ATTRIBUTES: Final[tuple[Attribute, ...]] = (
    _told("00080005", "SpecificCharacterSet", "CS", None, "character_set"),
    _told("00080056", "InstanceAvailability", "CS", None, "availability"),
    Attribute("00080201", "TimezoneOffsetFromUTC", "SH", None, Matching.NONE, "timezone", _KNOWN, computed=True),
    _told("00081190", "RetrieveURL", "UR", None, "retrieve_url"),
    # Studies, table 10.6.3-3
    Attribute("00080020", "StudyDate", "DA", _STUDY, Matching.DATE, "study_date"),
    Attribute("00080030", "StudyTime", "TM", _STUDY, Matching.TIME, "study_time"),
    Attribute("00080050", "AccessionNumber", "SH", _STUDY, Matching.TEXT, "accession"),
    Attribute("00080061", "ModalitiesInStudy", "CS", _STUDY, Matching.MODALITY, "modalities", computed=True),
    Attribute("00080062", "SOPClassesInStudy", "UI", _STUDY, Matching.SOP_CLASS, "sop_classes", _ASKED, computed=True),
    Attribute("00080090", "ReferringPhysicianName", "PN", _STUDY, Matching.NAME, "referring"),
    Attribute("00081030", "StudyDescription", "LO", _STUDY, Matching.TEXT, "description", _ASKED),
    Attribute("00100010", "PatientName", "PN", _STUDY, Matching.NAME, "patient_name"),
    Attribute("00100020", "PatientID", "LO", _STUDY, Matching.TEXT, "patient_id"),
    Attribute("00100021", "IssuerOfPatientID", "LO", _STUDY, Matching.TEXT, "issuer", _ASKED),
    Attribute("00100030", "PatientBirthDate", "DA", _STUDY, Matching.DATE, "birth_date"),
    Attribute("00100040", "PatientSex", "CS", _STUDY, Matching.TEXT, "sex"),
    Attribute("0020000D", "StudyInstanceUID", "UI", _STUDY, Matching.UID, "study_uid"),
    Attribute("00200010", "StudyID", "SH", _STUDY, Matching.TEXT, "study_id"),
    _told("00201206", "NumberOfStudyRelatedSeries", "IS", _STUDY, "number_of_series"),
    _told("00201208", "NumberOfStudyRelatedInstances", "IS", _STUDY, "number_of_instances"),
    # Series, table 10.6.3-4
    Attribute("00080021", "SeriesDate", "DA", _SERIES, Matching.DATE, "series_date", _ASKED),
    Attribute("00080031", "SeriesTime", "TM", _SERIES, Matching.TIME, "series_time", _ASKED),
    Attribute("00080060", "Modality", "CS", _SERIES, Matching.TEXT, "modality"),
    Attribute("00080070", "Manufacturer", "LO", _SERIES, Matching.TEXT, "manufacturer", _ASKED),
    Attribute("00080080", "InstitutionName", "LO", _SERIES, Matching.TEXT, "institution", _ASKED),
    Attribute("00081010", "StationName", "SH", _SERIES, Matching.TEXT, "station", _ASKED),
    Attribute("0008103E", "SeriesDescription", "LO", _SERIES, Matching.TEXT, "description", _KNOWN),
    Attribute("00180015", "BodyPartExamined", "CS", _SERIES, Matching.TEXT, "body_part", _ASKED),
    Attribute("00181030", "ProtocolName", "LO", _SERIES, Matching.TEXT, "protocol", _ASKED),
    Attribute("0020000E", "SeriesInstanceUID", "UI", _SERIES, Matching.UID, "series_uid"),
    Attribute("00200011", "SeriesNumber", "IS", _SERIES, Matching.NUMBER, "number"),
    Attribute("00200060", "Laterality", "CS", _SERIES, Matching.TEXT, "laterality", _ASKED),
    _told("00201209", "NumberOfSeriesRelatedInstances", "IS", _SERIES, "number_in_series"),
    Attribute("00400244", "PerformedProcedureStepStartDate", "DA", _SERIES, Matching.DATE, "performed_date", _KNOWN),
    Attribute("00400245", "PerformedProcedureStepStartTime", "TM", _SERIES, Matching.TIME, "performed_time", _KNOWN),
    Attribute("00400275", "RequestAttributesSequence", "SQ", _SERIES, Matching.NONE, "requests", _KNOWN, computed=True),
    _requested("00400009", "ScheduledProcedureStepID", "step_id"),
    _requested("00401001", "RequestedProcedureID", "procedure_id"),
    # Instances, table 10.6.3-5
    Attribute("00080016", "SOPClassUID", "UI", _INSTANCE, Matching.UID, "sop_class_uid"),
    Attribute("00080018", "SOPInstanceUID", "UI", _INSTANCE, Matching.UID, "sop_uid"),
    Attribute("00200013", "InstanceNumber", "IS", _INSTANCE, Matching.NUMBER, "number"),
    Attribute("00280008", "NumberOfFrames", "IS", _INSTANCE, Matching.NUMBER, "frames", _KNOWN, computed=True),
    Attribute("00280010", "Rows", "US", _INSTANCE, Matching.NUMBER, "rows", _KNOWN, computed=True),
    Attribute("00280011", "Columns", "US", _INSTANCE, Matching.NUMBER, "columns", _KNOWN, computed=True),
    Attribute("00280100", "BitsAllocated", "US", _INSTANCE, Matching.NUMBER, "bits", _KNOWN, computed=True),
)

TABLES: Final[dict[Level, type[Study] | type[Series] | type[Instance]]] = {
    Level.STUDY: Study,
    Level.SERIES: Series,
    Level.INSTANCE: Instance,
}

BY_NAME: Final[dict[str, Attribute]] = {
    name: attribute for attribute in ATTRIBUTES for name in (attribute.tag, attribute.keyword)
}

UNIQUE_KEYS: Final = frozenset({"0020000D", "0020000E", "00080018"})
"""Returned at and below their level, so that a result always says where it belongs."""
