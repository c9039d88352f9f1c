"""A PDF as a DICOM object: Encapsulated PDF (PS3.3 A.45.1, C.24.2)."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.uid import EncapsulatedPDFStorage, EnhancedSRStorage

from sr_reports import codes
from sr_reports.document import PDF_SERIES, general, series_description
from sr_reports.opinion import ReportContent
from sr_reports.part10 import part10_of
from sr_reports.values import long


def encapsulate(content: ReportContent, pdf: bytes) -> bytes:
    """The PDF in the study of the SR that it renders, in a series of its own, as Part 10.

    A reader takes Encapsulated Document Length bytes: an odd PDF has a pad byte after it. The same content and PDF give
    the same bytes. Raises Unreportable for a header that cannot be read.
    """
    dataset = general(content)
    dataset.SOPClassUID = EncapsulatedPDFStorage
    dataset.SOPInstanceUID = content.uids.pdf_uid
    dataset.Modality = "DOC"
    dataset.SeriesInstanceUID = content.uids.pdf_series_uid
    dataset.SeriesNumber = PDF_SERIES
    dataset.ConversionType = "WSD"
    dataset.AcquisitionDateTime = None
    dataset.BurnedInAnnotation = "YES"
    dataset.RecognizableVisualFeatures = "NO"
    dataset.DocumentTitle = long(series_description(content))
    dataset.ConceptNameCodeSequence = [codes.DIAGNOSTIC_IMAGING_REPORT]
    dataset.DocumentClassCodeSequence = [codes.RADIOLOGY_CONSULT_NOTE]
    dataset.VerificationFlag = "VERIFIED"
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    dataset.EncapsulatedDocumentLength = len(pdf)
    dataset.SourceInstanceSequence = [_source(content)]
    return part10_of(dataset)


def _source(content: ReportContent) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = EnhancedSRStorage
    item.ReferencedSOPInstanceUID = content.uids.sr_uid
    return item
