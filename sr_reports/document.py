"""Everything of an SR document but its tree (PS3.3 A.35 and C.17): who, when, upon what, in which state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone

from highdicom.sr import CodedConcept
from pydicom import Dataset

from sr_reports import codes
from sr_reports.opinion import InstanceRef, ReportContent, Signer
from sr_reports.reference import patient_and_study
from sr_reports.values import long, person_name, short
from sr_reports.verbatim import as_written
from sr_reports.wording import subspecialty_name

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
SR_SERIES = 9200
PDF_SERIES = 9300


def general(content: ReportContent) -> Dataset:
    """Patient, study, equipment and dates, as SR and PDF share them.

    Dates and times are those of signing: in the timezone that the hospital's header states, so that one statement is
    true for its and our times alike; where it states none, in the zone of `signed_at`, and none is stated.
    """
    dataset = patient_and_study(content.reference)
    moment = _in_zone(content.signed_at, str(dataset.get("TimezoneOffsetFromUTC", "")))
    for event in ("InstanceCreation", "Series", "Content"):
        setattr(dataset, f"{event}Date", moment.strftime("%Y%m%d"))
        setattr(dataset, f"{event}Time", moment.strftime("%H%M%S"))
    dataset.Manufacturer = long(content.product)
    dataset.ManufacturerModelName = long(content.product)
    dataset.InstitutionName = long(content.institution)
    if content.software_version:
        dataset.SoftwareVersions = long(content.software_version)
    dataset.SeriesDescription = long(series_description(content))
    dataset.InstanceNumber = content.version
    return dataset


def series_description(content: ReportContent) -> str:
    """Second Opinion Report (Thoracic): what the study list of a PACS shows."""
    subspecialty = subspecialty_name(content.request.subspecialty)
    return f"Second Opinion Report ({subspecialty})" if subspecialty else "Second Opinion Report"


def sr_document(content: ReportContent, sop_class_uid: str, sop_uid: str) -> Dataset:
    """The whole document without its tree: final, complete and verified by the reader."""
    dataset = general(content)
    dataset.SOPClassUID = sop_class_uid
    dataset.SOPInstanceUID = sop_uid
    dataset.Modality = "SR"
    dataset.SeriesInstanceUID = content.uids.sr_series_uid
    dataset.SeriesNumber = SR_SERIES
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.PreliminaryFlag = "FINAL"
    dataset.CompletionFlag = "COMPLETE"
    dataset.VerificationFlag = "VERIFIED"
    dataset.VerifyingObserverSequence = [_verifying_observer(content)]
    dataset.AuthorObserverSequence = [_author(content)]
    dataset.ReferencedRequestSequence = [_request(content, dataset)]
    dataset.PerformedProcedureCodeSequence = []
    study = dataset.StudyInstanceUID
    dataset.CurrentRequestedProcedureEvidenceSequence = references(
        each for each in content.evidence if each.study_uid == study
    )
    if others := references(each for each in content.evidence if each.study_uid != study):
        dataset.PertinentOtherEvidenceSequence = others
    if content.predecessor:
        dataset.PredecessorDocumentsSequence = references([content.predecessor])
    dataset.ReferencedInstanceSequence = [_rendering(content)]
    dataset.CodingSchemeIdentificationSequence = [_scheme(designator) for designator in sorted(codes.SCHEMES)]
    return dataset


def references(instances: Iterable[InstanceRef]) -> list[Dataset]:
    """Hierarchical SOP Instance Reference Macro (PS3.3 C.17.2.1): study, series, instance, in the order given."""
    studies: dict[str, dict[str, dict[str, Dataset]]] = {}
    for each in instances:
        item = Dataset()
        item.add(as_written("ReferencedSOPClassUID", each.sop_class_uid))
        item.add(as_written("ReferencedSOPInstanceUID", each.sop_uid))
        studies.setdefault(each.study_uid, {}).setdefault(each.series_uid, {})[each.sop_uid] = item
    return [_study_reference(study_uid, series) for study_uid, series in studies.items()]


def _study_reference(study_uid: str, series: dict[str, dict[str, Dataset]]) -> Dataset:
    study = Dataset()
    study.add(as_written("StudyInstanceUID", study_uid))
    study.ReferencedSeriesSequence = [
        _series_reference(series_uid, list(instances.values())) for series_uid, instances in series.items()
    ]
    return study


def _series_reference(series_uid: str, instances: Sequence[Dataset]) -> Dataset:
    item = Dataset()
    item.add(as_written("SeriesInstanceUID", series_uid))
    item.ReferencedSOPSequence = list(instances)
    return item


def identification(signer: Signer) -> list[CodedConcept]:
    """The reader's registration as a code of our scheme, body and number: a number alone is not unique."""
    if not signer.registration_number:
        return []
    value = " ".join(f"{signer.registration_body} {signer.registration_number}".split())
    return [CodedConcept(value[:64], codes.PRIVATE, long(signer.display_name) or person_name(signer.name))]


def _verifying_observer(content: ReportContent) -> Dataset:
    item = Dataset()
    item.VerifyingOrganization = long(content.signer.organization or content.institution)
    item.VerificationDateTime = content.signed_at.strftime("%Y%m%d%H%M%S%z")
    item.VerifyingObserverName = person_name(content.signer.name)
    item.VerifyingObserverIdentificationCodeSequence = identification(content.signer)
    return item


def _author(content: ReportContent) -> Dataset:
    item = Dataset()
    item.ObserverType = "PSN"
    item.PersonName = person_name(content.signer.name)
    item.PersonIdentificationCodeSequence = identification(content.signer)
    item.InstitutionName = long(content.signer.organization or content.institution)
    item.InstitutionCodeSequence = []
    return item


def _request(content: ReportContent, study: Dataset) -> Dataset:
    """Our request for a second opinion, under the accession number that the hospital's study has."""
    item = Dataset()
    item.ReferencedStudySequence = []
    for keyword in ("StudyInstanceUID", "AccessionNumber", "IssuerOfAccessionNumberSequence"):
        if keyword in study:
            item.add(study[keyword])
    item.PlacerOrderNumberImagingServiceRequest = None
    item.FillerOrderNumberImagingServiceRequest = None
    item.RequestedProcedureID = short(content.request.case_number)
    item.RequestedProcedureDescription = long(series_description(content))
    item.RequestedProcedureCodeSequence = []
    return item


def _rendering(content: ReportContent) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = ENCAPSULATED_PDF
    item.ReferencedSOPInstanceUID = content.uids.pdf_uid
    item.PurposeOfReferenceCodeSequence = [codes.COMPLETE_RENDERING]
    return item


def _scheme(designator: str) -> Dataset:
    scheme = codes.SCHEMES[designator]
    item = Dataset()
    item.CodingSchemeDesignator = designator
    if scheme.uid:
        item.CodingSchemeRegistry = "HL7"
        item.CodingSchemeUID = scheme.uid
    item.CodingSchemeName = scheme.name
    return item


def _in_zone(moment: datetime, offset: str) -> datetime:
    if not offset:
        return moment
    shift = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5]))
    return moment.astimezone(timezone(-shift if offset[0] == "-" else shift))
