"""What a reader may save from the viewer: statements about the images of their case, in series of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from typing import Final

from config.database import Database
from dicomweb.keeping import FailureReason, NotKept
from gateway.door import Looked
from orthanc.elements import read_part10
from orthanc.errors import Unreadable
from orthanc.header import header_of
from worklist.making import Place, digest_of, makers_of_series

CLASSES: Final[Mapping[str, str]] = {
    "1.2.840.10008.5.1.4.1.1.88.11": "Basic Text SR",
    "1.2.840.10008.5.1.4.1.1.88.22": "Enhanced SR",
    "1.2.840.10008.5.1.4.1.1.88.33": "Comprehensive SR",
    "1.2.840.10008.5.1.4.1.1.88.34": "Comprehensive 3D SR",
    "1.2.840.10008.5.1.4.1.1.88.59": "Key Object Selection",
    "1.2.840.10008.5.1.4.1.1.66.4": "Segmentation",
    "1.2.840.10008.5.1.4.1.1.66.5": "Surface Segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation",
    "1.2.840.10008.5.1.4.1.1.11.1": "Grayscale Softcopy Presentation State",
    "1.2.840.10008.5.1.4.1.1.11.2": "Color Softcopy Presentation State",
}
"""The SOP classes that are statements about images, never images."""


@dataclass(frozen=True, slots=True)
class MadeHere:
    """Judges what one reader saves into these studies, by their Study Instance UID."""

    database: Database
    person_id: int
    places: Mapping[str, Place]

    def check(self, looked: Looked) -> str:
        """Return the origin of the study that it belongs to. Raises NotKept."""
        place = self.places.get(looked.identity.study_uid)
        if place is None:
            raise refused(looked, FailureReason.OTHER_STUDY, "It belongs to another study than the request is for.")
        if looked.identity.sop_class_uid not in CLASSES:
            raise refused(looked, FailureReason.CLASS_NOT_SUPPORTED, "A reader saves no images.")
        if _patient_of(looked) != place.patient_id:
            raise refused(looked, FailureReason.OTHER_PATIENT, "Its Patient ID is not that of the study.")
        self._check_new(looked, place)
        return place.origin

    def _check_new(self, looked: Looked, place: Place) -> None:
        one = looked.identity
        with self.database.reading() as session:
            makers = makers_of_series(session, place.study_id, one.series_uid)
            known = digest_of(session, place.study_id, one.sop_uid)
        if makers - {self.person_id}:
            raise refused(looked, FailureReason.OTHER_SERIES, "Its series is somebody else's.")
        if known not in {None, looked.sha256()}:
            raise refused(
                looked, FailureReason.PROCESSING_FAILURE, "Its SOP Instance UID is in use for another content."
            )


def _patient_of(looked: Looked) -> str:
    whole = memoryview(
        mmap(looked.file.fileno(), 0, access=ACCESS_READ)
    )  # the heads of its elements alone are looked at
    try:
        return header_of(read_part10(whole)).patient_id
    except Unreadable as error:
        raise refused(looked, FailureReason.CANNOT_UNDERSTAND, str(error)) from error


def refused(looked: Looked, reason: FailureReason, words: str) -> NotKept:
    """The refusal of an object that says who it is."""
    one = looked.identity
    return NotKept(reason, words, sop_class_uid=one.sop_class_uid, sop_uid=one.sop_uid)
