"""An opinion as a DICOM Structured Report: Enhanced SR, and Basic Text SR for a peer that does not take that."""

from __future__ import annotations

import hashlib
import warnings
from io import BytesIO
from uuid import UUID

from pydicom import Dataset, dcmread
from pydicom.multival import MultiValue
from pydicom.uid import BasicTextSRStorage, EnhancedSRStorage

from sr_reports.document import sr_document
from sr_reports.errors import Unreportable
from sr_reports.opinion import ReportContent, ReportUids
from sr_reports.part10 import part10_of
from sr_reports.problems import refuse_problems
from sr_reports.tid2000 import check_tid2000
from sr_reports.tree import content_tree


def build_sr(content: ReportContent) -> bytes:
    """The signed report as an Enhanced SR (TID 2000), Part 10. The same content gives the same bytes.

    Raises Unreportable, in plain words, for content that no signed report may have.
    """
    return _built(content, EnhancedSRStorage, content.uids.sr_uid, coded=True)


def build_basic_text_sr(content: ReportContent) -> bytes:
    """The same report as a Basic Text SR, an object of its own (`basic_text_uid`). Raises as `build_sr`."""
    return _built(content, BasicTextSRStorage, basic_text_uid(content.uids), coded=False)


def basic_text_uid(uids: ReportUids) -> str:
    """The SOP Instance UID of the Basic Text SR: always the same for one Enhanced SR, since no UID has two contents."""
    digest = hashlib.sha256(f"Basic Text SR of {uids.sr_uid}".encode()).digest()
    return f"2.25.{UUID(bytes=digest[:16], version=5).int}"


def dataset_digest(part10: bytes) -> str:
    """SHA-256, in hex, of the dataset in a file of ours: it stays the same when an archive rewrites the file's head."""
    meta_length = int.from_bytes(part10[140:144], "little")  # value of (0002,0000), first in every file
    return hashlib.sha256(part10[144 + meta_length :]).hexdigest()


def _built(content: ReportContent, sop_class_uid: str, sop_uid: str, *, coded: bool) -> bytes:
    refuse_problems(content)
    dataset = sr_document(content, sop_class_uid, sop_uid)
    tree = content_tree(content, coded=coded)
    for element in tree:
        dataset.add(element)
    if findings := check_tid2000(dataset):
        raise Unreportable("The report breaks the rules of its template: " + "; ".join(findings))
    part10 = part10_of(dataset)
    _compare(dataset, part10)
    return part10


def _compare(intended: Dataset, part10: bytes) -> None:
    """Refuse a document that lost a character on its way into bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the hospital's identifiers, which are copied however long they are
        stored = _texts(dcmread(BytesIO(part10)))
    for meant, found in zip(_texts(intended), stored, strict=True):
        if meant != found:
            raise Unreportable(f"This text cannot be written into a DICOM report: {meant[:200]}")


def _texts(dataset: Dataset) -> list[str]:
    evidence = {"CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"}
    found: list[str] = []
    for element in dataset:
        if element.VR == "SQ":
            found += (
                [text for item in element.value for text in _texts(item)] if element.keyword not in evidence else []
            )
        else:
            values = element.value if isinstance(element.value, list | MultiValue) else [element.value]
            found += [str(value or "") for value in values]
    return found
