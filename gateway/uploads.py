"""What a patient uploads: a DICOM file, or a zip of a CD. By the same door as everything else: screen, then inbox."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from sqlalchemy import select

from config.database import Database
from gateway.door import looked_at, put
from gateway.portal.services import Outcome, UploadVerdict
from scp.inbox import Inbox
from scp.part10 import NotDicom
from scp.reasons import Reason, Unacceptable
from worklist import cases, lifecycle
from worklist.access import Viewer
from worklist.models import Case, Instance, Study
from worklist.states import CaseState

TAKES_IMAGES = frozenset({CaseState.DRAFT, CaseState.AWAITING_IMAGES})
MOST_ENTRIES = 20_000
MOST_BYTES = 20 << 30  # unpacked, of one zip
MOST_RATIO = 200  # unpacked to packed; more is a bomb, unless it is small anyway
HARMLESS = 64 << 20
PIECE = 1 << 20
MOST_LOOKED_AT = 5_000  # entries of the inbox, to tell whether a case's are among them
# what Python's decompressors raise over an entry that is damaged, protected or packed in a way they do not know
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, NotImplementedError, EOFError, ValueError)
NO_IMAGE = "not a DICOM image"


@dataclass(frozen=True, slots=True)
class Uploads:
    """Takes uploaded files into the inbox on behalf of a case."""

    database: Database
    inbox: Inbox
    folder: Path  # for entries of a zip on their way

    def keep(self, who: Viewer, case_id: int, file: Path, name: str) -> list[UploadVerdict]:
        """Keep one file, or every file of a zip; one verdict each. Durable on return.

        Raises NotFound, NotAllowed, WrongState; OSError when the disk says no (nothing was kept of that file).
        """
        with self.database.reading() as session:
            _allow(cases.get(session, who, case_id), who)
        if zipfile.is_zipfile(file):
            return list(self._zip(case_id, file, name))
        return [self._file(case_id, file, name)]

    def on_their_way(self, case_id: int) -> int:
        """How many of the case's uploads still wait in the inbox, as far as that is looked at: its oldest entries."""
        return sum(each.arrival.origin == _origin(case_id) for each in self.inbox.waiting(MOST_LOOKED_AT))

    def _zip(self, case_id: int, file: Path, name: str) -> Iterator[UploadVerdict]:
        try:
            with zipfile.ZipFile(file) as archive:
                entries = [entry for entry in archive.infolist() if not entry.is_dir()]
                problem = _too_much(entries)
                if problem:
                    yield UploadVerdict(name, Outcome.REFUSED, problem)
                    return
                for entry in entries:
                    yield self._entry(case_id, archive, entry)
        except zipfile.BadZipFile:
            yield UploadVerdict(name, Outcome.REFUSED, "the zip file is damaged; make it again and upload it again")

    def _entry(self, case_id: int, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> UploadVerdict:
        with NamedTemporaryFile(dir=self.folder) as unpacked:
            problem = _unpack(archive, entry, unpacked)
            if problem:
                return UploadVerdict(entry.filename, Outcome.REFUSED, problem)
            return self._file(case_id, Path(unpacked.name), entry.filename)

    def _file(self, case_id: int, file: Path, name: str) -> UploadVerdict:
        origin = _origin(case_id)
        try:
            with file.open("rb") as content:
                looked = looked_at(content, self.inbox.largest)
                if self._known_digest(origin, looked.identity.sop_uid) == looked.sha256():
                    return UploadVerdict(name, Outcome.KNOWN)
                put(self.inbox, looked, origin)
        except NotDicom:
            return UploadVerdict(name, Outcome.SKIPPED, NO_IMAGE)
        except Unacceptable as error:
            if error.reason is Reason.DIRECTORY:
                return UploadVerdict(name, Outcome.SKIPPED, "the CD's table of contents")
            return UploadVerdict(name, Outcome.REFUSED, error.sentence)
        return UploadVerdict(name, Outcome.STORED)

    def _known_digest(self, origin: str, sop_uid: str) -> str | None:
        with self.database.reading() as session:
            query = select(Instance.sha256).join(Study, Study.id == Instance.study_id)
            return session.scalars(query.where(Study.origin == origin, Instance.sop_uid == sop_uid)).first()


def _origin(case_id: int) -> str:
    return f"case:{case_id}"


def _allow(case: Case, who: Viewer) -> None:
    if case.patient_id != who.person_id:
        raise lifecycle.NotAllowed("Only the patient whose request this is can add images to it.")
    if case.state not in TAKES_IMAGES:
        raise lifecycle.WrongState("This request is already being read; images cannot be added to it any more.")


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, out: IO[bytes]) -> str:
    """Write an entry of a zip into a file; why it cannot be unpacked, "" if it was. Raises OSError of our disk."""
    try:
        with archive.open(entry) as packed:
            left = entry.file_size
            while piece := packed.read(min(PIECE, left + 1)):
                left -= len(piece)
                if left < 0:
                    return "it is larger than the zip file says"
                out.write(piece)
    except DAMAGED as error:
        return "it is protected by a password" if "password" in str(error) else "it is damaged in the zip"
    except OSError as error:
        if error.errno is not None:
            raise
        return "it is damaged in the zip"  # so says bz2
    out.flush()
    return ""


def _too_much(entries: list[zipfile.ZipInfo]) -> str:
    """Why a zip is not even opened: "" if it may be."""
    if len(entries) > MOST_ENTRIES:
        return f"the zip holds more than {MOST_ENTRIES:,} files; split it"
    total = sum(entry.file_size for entry in entries)
    if total > MOST_BYTES:
        return "the zip holds more than 20 GB; split it"
    packed = sum(entry.compress_size for entry in entries)
    if total > MOST_RATIO * packed + HARMLESS:
        return "the zip is packed in a way that only harmful files are"
    return ""
