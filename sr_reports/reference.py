"""The patient and the study, as the hospital's own instance states them: the return address of a report.

A PACS files what we send by these attributes, and refuses it when they differ from its own; so they are copied as they
are (PS3.3 C.7.1.1 Patient Module, C.7.2.1 General Study Module). Only what no reader of DICOM would accept is left out.
"""

from __future__ import annotations

import re
import warnings
from io import BytesIO

from pydicom import DataElement, Dataset, Sequence, dcmread, dcmwrite
from pydicom.datadict import dictionary_description, dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import PersonName

from sr_reports.errors import Unreportable

PATIENT = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "TypeOfPatientID",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientBirthDateInAlternativeCalendar",
    "PatientDeathDateInAlternativeCalendar",
    "PatientAlternativeCalendar",
    "PatientSex",
    "QualityControlSubject",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "EthnicGroup",
    "PatientComments",
    "PatientSpeciesDescription",
    "PatientSpeciesCodeSequence",
    "PatientBreedDescription",
    "PatientBreedCodeSequence",
    "BreedRegistrationSequence",
    "ResponsiblePerson",
    "ResponsiblePersonRole",
    "ResponsibleOrganization",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
)
STUDY = (
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "ReferringPhysicianIdentificationSequence",
    "ConsultingPhysicianName",
    "ConsultingPhysicianIdentificationSequence",
    "StudyID",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "StudyDescription",
    "PhysiciansOfRecord",
    "PhysiciansOfRecordIdentificationSequence",
    "RequestingService",
    "RequestingServiceCodeSequence",
    "ProcedureCodeSequence",
)
TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
IDENTITY = frozenset({"PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyInstanceUID"})
LEGAL = {  # a value that does not match is left out; identifiers are not judged
    "PatientSex": re.compile(r"[MFO]"),
    "PatientBirthDate": re.compile(r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"),
    "StudyDate": re.compile(r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"),
    "PatientBirthTime": re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?"),
    "StudyTime": re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?"),
    "QualityControlSubject": re.compile(r"YES|NO"),
    "PatientIdentityRemoved": re.compile(r"YES|NO"),
    "TimezoneOffsetFromUTC": re.compile(r"[+-](0\d|1[0-4])[0-5]\d"),
    "TypeOfPatientID": re.compile(r"TEXT|RFID|BARCODE"),
}
TIMEZONE = "TimezoneOffsetFromUTC"
LOST = "\ufffd"


def patient_and_study(reference: bytes) -> Dataset:
    """The patient and study attributes of a Part 10 instance in Unicode, with its timezone if it states one.

    What must be present is, empty where the hospital left it out. Raises Unreportable if it cannot be read, names no
    study, or carries a name or number that its own character set cannot decode.
    """
    source = _read(reference)
    copy = Dataset()
    for keyword in (*PATIENT, *STUDY, TIMEZONE):
        element = _element(source, keyword)
        if element is not None:
            copy.add(element)
    for keyword in TYPE_2:
        if keyword not in copy:
            copy.add(DataElement(keyword, dictionary_VR(keyword), None))
    if not re.fullmatch(r"[\d.]{1,64}", str(copy.get("StudyInstanceUID", ""))):
        raise Unreportable("The images have no valid Study Instance UID, so a report cannot be filed with them.")
    copy.SpecificCharacterSet = "ISO_IR 192"
    return copy


def header_of(part10: bytes) -> bytes:
    """A Part 10 file of a few hundred bytes that serves as `ReportContent.reference` as well as the whole instance.

    Raises Unreportable as `patient_and_study` does.
    """
    dataset = patient_and_study(part10)
    source = _read(part10)
    dataset.SOPClassUID = str(source.get("SOPClassUID", ""))
    dataset.SOPInstanceUID = str(source.get("SOPInstanceUID", ""))
    return part10_of(dataset)


def part10_of(dataset: Dataset) -> bytes:
    """The dataset as an Explicit VR Little Endian file: the same dataset gives the same bytes."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _read(reference: bytes) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values are judged one by one below
        try:
            return dcmread(BytesIO(reference), stop_before_pixels=True, force=True)
        except Exception as error:  # noqa: BLE001 - pydicom raises whatever a broken file makes it stumble over
            raise Unreportable("The header of the images cannot be read, so a report cannot be filed.") from error


def _element(source: Dataset, keyword: str) -> DataElement | None:
    """The element in Unicode, or None where absent or not legal. Raises Unreportable for an unreadable identity."""
    if keyword not in source:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            element = _in_unicode(source[keyword])
            value = "" if element.value is None else str(element.value)
        except (ValueError, TypeError, LookupError, AttributeError, NotImplementedError):
            _refuse_identity(keyword)
            return None
    if LOST in value:
        _refuse_identity(keyword)
        return None
    legal = LEGAL.get(keyword)
    return element if legal is None or legal.fullmatch(value.strip()) else None


def _in_unicode(element: DataElement) -> DataElement:
    """A copy that no longer depends on the character set of the file it comes from."""
    value = element.value
    if element.VR == "SQ":
        value = Sequence([_item_in_unicode(item) for item in value])
    elif element.VR == "PN" and value:
        names = [PersonName(str(name)) for name in (value if isinstance(value, MultiValue) else [value])]
        value = names[0] if len(names) == 1 else names
    return DataElement(element.tag, element.VR, value, already_converted=True)


def _item_in_unicode(item: Dataset) -> Dataset:
    copy = Dataset()
    for element in item:
        if element.keyword != "SpecificCharacterSet" and not element.tag.is_private:
            copy.add(_in_unicode(element))
    return copy


def _refuse_identity(keyword: str) -> None:
    if keyword in IDENTITY:
        raise Unreportable(
            f"The {dictionary_description(keyword)} in the images cannot be decoded with the character set that they "
            "state. The sender has to correct the images."
        )
