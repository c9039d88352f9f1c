"""The patient and the study, as the hospital's own instance states them: the return address of a report.

A PACS files what we send by these attributes, and refuses it when they differ from its own; so they are copied as they
are (PS3.3 C.7.1.1 Patient Module, C.7.2.1 General Study Module). Only what no reader of DICOM would accept is left out.
"""

from __future__ import annotations

import re
import warnings
from io import BytesIO

from pydicom import DataElement, Dataset, dcmread
from pydicom.datadict import dictionary_VR
from pydicom.uid import RawDataStorage

from sr_reports.errors import Unreportable
from sr_reports.part10 import part10_of
from sr_reports.verbatim import copied

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
TIMEZONE = "TimezoneOffsetFromUTC"
NO_INSTANCE = "2.25.0"  # names the file of a header, which is no instance


def patient_and_study(reference: bytes) -> Dataset:
    """The patient and study attributes of a Part 10 instance in Unicode, with its timezone if it states one.

    What must be present is, empty where the hospital left it out. Raises Unreportable if it cannot be read or names no
    study.
    """
    source = _read(reference)
    copy = Dataset()
    for keyword in (*PATIENT, *STUDY, TIMEZONE):
        element = copied(source, keyword)
        if element is not None:
            copy.add(element)
    for keyword in TYPE_2:
        if keyword not in copy:
            copy.add(DataElement(keyword, dictionary_VR(keyword), ""))
    if not re.fullmatch(r"[\d.]{1,64}", str(copy.get("StudyInstanceUID", ""))):
        raise Unreportable("The images have no valid Study Instance UID, so a report cannot be filed with them.")
    copy.SpecificCharacterSet = "ISO_IR 192"
    return copy


def header_of(part10: bytes) -> bytes:
    """A Part 10 file of a few hundred bytes that serves as `ReportContent.reference` as well as the whole instance.

    Raises Unreportable as `patient_and_study` does.
    """
    dataset = patient_and_study(part10)
    dataset.SOPClassUID = RawDataStorage
    dataset.SOPInstanceUID = NO_INSTANCE
    return part10_of(dataset)


def _read(reference: bytes) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values are judged one by one below
        try:
            return dcmread(BytesIO(reference), stop_before_pixels=True, force=True)
        except Exception as error:  # noqa: BLE001 - pydicom raises whatever a broken file makes it stumble over
            raise Unreportable("The header of the images cannot be read, so a report cannot be filed.") from error
