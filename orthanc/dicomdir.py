"""The directory of a set of files on a medium (DICOMDIR), written from what the cache knows of them.

https://dicom.nema.org/medical/dicom/current/output/chtml/part03/chapter_F.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

import orjson
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage, generate_uid

from orthanc.cached import CachedInstance

FILE_SET: Final = "OVERREAD"
LEVELS: Final = (("PATIENT", "PatientID"), ("STUDY", "StudyInstanceUID"), ("SERIES", "SeriesInstanceUID"))
FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "PATIENT": ("PatientName", "PatientID"),
    "STUDY": ("StudyDate", "StudyTime", "AccessionNumber", "StudyDescription", "StudyInstanceUID", "StudyID"),
    "SERIES": ("Modality", "SeriesInstanceUID", "SeriesNumber"),
    "IMAGE": ("InstanceNumber",),
    "SR DOCUMENT": ("InstanceNumber", "ContentDate", "ContentTime", "ConceptNameCodeSequence", "CompletionFlag",
                    "VerificationFlag"),
    "KEY OBJECT DOC": ("InstanceNumber", "ContentDate", "ContentTime", "ConceptNameCodeSequence"),
    "PRESENTATION": ("InstanceNumber", "ContentLabel", "ContentDescription", "PresentationCreationDate",
                     "PresentationCreationTime", "ContentCreatorName"),
    "ENCAP DOC": ("InstanceNumber", "ContentDate", "ContentTime", "DocumentTitle", "ConceptNameCodeSequence",
                  "MIMETypeOfEncapsulatedDocument"),
    "RT STRUCTURE SET": ("InstanceNumber", "StructureSetLabel", "StructureSetDate", "StructureSetTime"),
    "RT PLAN": ("InstanceNumber", "RTPlanLabel", "RTPlanDate", "RTPlanTime"),
    "RT DOSE": ("InstanceNumber", "DoseSummationType"),
    "REGISTRATION": ("InstanceNumber", "ContentDate", "ContentTime", "ContentLabel", "ContentDescription"),
    "FIDUCIAL": ("InstanceNumber", "ContentDate", "ContentTime", "ContentLabel", "ContentDescription"),
    "WAVEFORM": ("InstanceNumber", "ContentDate", "ContentTime"),
}  # fmt: skip
"""What a record of each kind says (PS3.3 section F.5)."""
UTF_8: Final = "ISO_IR 192"

_ITEM_HEAD: Final = 8
_KINDS: Final = {
    "SR": "SR DOCUMENT", "KO": "KEY OBJECT DOC", "PR": "PRESENTATION", "RTSTRUCT": "RT STRUCTURE SET",
    "RTPLAN": "RT PLAN", "RTDOSE": "RT DOSE", "REG": "REGISTRATION", "FID": "FIDUCIAL", "ECG": "WAVEFORM",
}  # fmt: skip


@dataclass(slots=True)
class _Node:
    """A directory record and those below it; `at` is where its item begins in the file."""

    record: Dataset
    below: dict[str, _Node] = field(default_factory=dict)
    at: int = 0

    def all(self) -> Iterator[_Node]:
        """This one, and every one below it, in the order in which they are written."""
        yield self
        for node in self.below.values():
            yield from node.all()


class Directory:
    """Gathers files, then writes their directory."""

    def __init__(self) -> None:
        self._roots: dict[str, _Node] = {}

    def add(self, instance: CachedInstance, path: Sequence[str]) -> None:
        """Add one file; `path` are the components of its name on the medium, of at most 8 characters each."""
        said = _described(instance)
        nodes = self._roots
        for kind, keyword in LEVELS:
            key = str(said.get(keyword, ""))
            nodes = nodes.setdefault(key, _Node(_record(kind, said))).below
        record = _record(_kind_of(instance, said), said)
        record.ReferencedFileID = list(path)
        record.ReferencedSOPClassUIDInFile = instance.index.sop_class_uid
        record.ReferencedSOPInstanceUIDInFile = instance.index.sop_uid
        record.ReferencedTransferSyntaxUIDInFile = instance.transfer_syntax
        nodes[instance.index.sop_uid] = _Node(record)

    def write(self) -> bytes:
        """Return the DICOMDIR: written twice, because offsets are known when everything has its length."""
        nodes = [node for root in self._roots.values() for node in root.all()]
        at = len(_file(nodes, 0, 0)) - sum(map(_length, nodes))
        for node in nodes:
            node.at = at
            at += _length(node)
        _link(self._roots.values())
        roots = list(self._roots.values())
        return _file(nodes, roots[0].at, roots[-1].at) if roots else _file([], 0, 0)


def _described(instance: CachedInstance) -> Dataset:
    """What the instance says of itself, without what lies elsewhere."""
    said: dict[str, Any] = orjson.loads(instance.metadata)
    return Dataset.from_json({tag: value for tag, value in said.items() if "BulkDataURI" not in str(value)})


def _kind_of(instance: CachedInstance, said: Dataset) -> str:
    return "ENCAP DOC" if instance.index.document_type else _KINDS.get(str(said.get("Modality", "")), "IMAGE")


def _record(kind: str, said: Dataset) -> Dataset:
    """A directory record; what the instance does not say is there and empty."""
    record = Dataset()
    for keyword in FIELDS.get(kind, FIELDS["IMAGE"]):
        setattr(record, keyword, said.get(keyword))
    record.OffsetOfTheNextDirectoryRecord = 0
    record.RecordInUseFlag = 0xFFFF
    record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.DirectoryRecordType = kind
    record.SpecificCharacterSet = UTF_8
    return record


def _length(node: _Node) -> int:
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, node.record, UTF_8)
    return _ITEM_HEAD + len(out.getvalue())


def _link(nodes: Iterable[_Node]) -> None:
    """Let each record say where the next one of its level is, and the first one below it."""
    siblings = list(nodes)
    for place, node in enumerate(siblings, 1):
        first = next(iter(node.below.values()), None)
        node.record.OffsetOfTheNextDirectoryRecord = siblings[place].at if place < len(siblings) else 0
        node.record.OffsetOfReferencedLowerLevelDirectoryEntity = first.at if first else 0
        _link(node.below.values())


def _file(nodes: Sequence[_Node], first: int, last: int) -> bytes:
    directory = Dataset()
    directory.file_meta = FileMetaDataset()
    directory.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    directory.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    directory.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["overread", *map(_name, nodes)])
    directory.FileSetID = FILE_SET
    directory.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = first
    directory.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = last
    directory.FileSetConsistencyFlag = 0
    directory.DirectoryRecordSequence = [node.record for node in nodes]
    out = BytesIO()
    dcmwrite(out, directory, enforce_file_format=True)
    return out.getvalue()


def _name(node: _Node) -> str:
    return str(node.record.get("ReferencedSOPInstanceUIDInFile", ""))
