"""What an archive shows of a patient's studies and of one study's instances, by C-FIND, Study Root (PS3.4 C.4.1).

An answer is data of a stranger: there is a bound to how many are read, and what cannot be read is left out.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pynetdicom.association import Association

from scp.asked import MOST_INSTANCES, MOST_STUDIES, FoundStudy, Listed, Patient, said, well_formed
from scp.queries import STUDY_ROOT_FIND
from scp.requesting import Endpoint, Failure, PeerRefused, PeerUnavailable

log = structlog.get_logger()

_PENDING: Final = frozenset({0xFF00, 0xFF01})
_MOST_SERIES: Final = 2_000
_UNREADABLE: Final = (
    ValueError, TypeError, KeyError, AttributeError, NotImplementedError, OverflowError, RecursionError, struct.error,
)  # fmt: skip
"""What pydicom raises of bytes that are not what they should be."""
_DATE: Final = re.compile(r"\d{8}")
_STUDY_KEYS: Final = (
    "StudyInstanceUID", "PatientName", "PatientBirthDate", "IssuerOfPatientID", "StudyDate", "StudyDescription",
    "ModalitiesInStudy", "BodyPartExamined", "NumberOfStudyRelatedInstances",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Showing:
    """Questions to one archive on one association."""

    association: Association
    endpoint: Endpoint

    def studies_of(self, patient: Patient) -> list[FoundStudy]:
        """What it shows under this Patient ID: every study with a UID. Nothing is compared here.

        The issuer is asked for, not searched by: older images often name none. Raises PeerUnavailable, PeerRefused.
        """
        keys = _keys("STUDY", *_STUDY_KEYS, PatientID=patient.patient_id)
        read = (_study(found) for found in self._answers(keys, MOST_STUDIES))
        return [one for one in read if one is not None and well_formed([one.study_uid])]

    def instances_of(self, study_uid: str) -> tuple[Listed, ...]:
        """What it shows of one study, series by series (PS3.4 C.4.1.2.1). Raises PeerUnavailable, PeerRefused."""
        of_study = _keys("SERIES", "SeriesInstanceUID", "Modality", StudyInstanceUID=study_uid)
        answers = self._answers(of_study, _MOST_SERIES)
        series = {_text(found, "SeriesInstanceUID"): _text(found, "Modality") for found in answers}
        listed: list[Listed] = []
        for series_uid in filter(lambda each: well_formed([each]), series):
            found = self._instances_of_series(study_uid, series_uid, MOST_INSTANCES - len(listed))
            listed += [replace(one, modality=series[series_uid]) for one in found]
        return tuple({one.sop_uid: one for one in listed}.values())

    def _instances_of_series(self, study_uid: str, series_uid: str, most: int) -> list[Listed]:
        of_series = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid}
        keys = _keys("IMAGE", "SOPInstanceUID", "SOPClassUID", **of_series)
        found = ((_text(each, "SOPInstanceUID"), _text(each, "SOPClassUID")) for each in self._answers(keys, most))
        return [Listed(uid, kind, series_uid) for uid, kind in found if well_formed([uid, *filter(None, [kind])])]

    def _answers(self, keys: Dataset, most: int) -> Iterator[Dataset]:
        number = 0
        for status, found in self.association.send_c_find(keys, STUDY_ROOT_FIND):
            if "Status" not in status:
                raise PeerUnavailable(f"{self.endpoint} does not answer a query.", Failure.TIMEOUT)
            if status.Status in _PENDING:
                number += 1
                if number > most:
                    self.association.abort()
                    raise PeerRefused(f"{self.endpoint} answers a query with more than {most:,} matches.")
                if found is not None:
                    yield found
            elif status.Status:
                raise _refused(self.endpoint, status.Status)


def _refused(endpoint: Endpoint, status: int) -> PeerRefused | PeerUnavailable:
    words = f"{endpoint} does not carry out our query (status {status:04X})."
    return PeerRefused(words) if status in {0x0122, 0x0124, 0xA900} else PeerUnavailable(words)


def _keys(level: str, *asked: str, **given: str) -> Dataset:
    """A query: `given` is matched, `asked` is wanted in return."""
    keys = Dataset()
    keys.QueryRetrieveLevel = level
    if not all(each.isascii() for each in given.values()):
        keys.SpecificCharacterSet = "ISO_IR 192"
    for name in asked:
        setattr(keys, name, "")
    for name, value in given.items():
        setattr(keys, name, value)
    return keys


def _study(found: Dataset) -> FoundStudy | None:
    try:
        of_patient = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate")
        counted = _text(found, "NumberOfStudyRelatedInstances")
        return FoundStudy(
            _text(found, "StudyInstanceUID"),
            Patient(*(_text(found, name) for name in of_patient)),
            date_or_nothing(_text(found, "StudyDate")),
            _text(found, "StudyDescription"),
            _texts(found, "ModalitiesInStudy"),
            _texts(found, "BodyPartExamined"),
            int(counted) if counted.isdecimal() else None,
        )
    except _UNREADABLE as error:
        log.warning("an answer to a query cannot be read", error=type(error).__name__)
        return None


def date_or_nothing(text: str) -> str:
    """A DICOM DA; "" for anything else."""
    return text if _DATE.fullmatch(text) else ""


def _text(found: Dataset, keyword: str) -> str:
    try:
        return said(found.get(keyword) or "")
    except _UNREADABLE:
        return ""


def _texts(found: Dataset, keyword: str) -> tuple[str, ...]:
    value = found.get(keyword) or ()
    several: Sequence[object] = value if isinstance(value, MultiValue) else [value] if value else []
    return tuple(said(each) for each in several[:64])
