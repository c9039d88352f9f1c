"""Does the archive hold exactly this? Asked of the archive, never of a row."""

from __future__ import annotations

import hashlib

from orthanc.archive import Archive
from orthanc.errors import AlteredInArchive, GoneFromDisk, NotInArchive
from scp.part10 import NotDicom, split_part10

_HEAD = 64 << 10  # more than any file meta


def holds(archive: Archive, archive_id: str, md5: str, sha256: str) -> bool:
    """Whether the archive, reading its disk again, has this file (its MD5), or at least its dataset (SHA-256), under an
    identifier. Its index alone proves nothing: it outlives files in a power cut.

    The same dataset may lie there with another file head, e.g. of an earlier version of Overread. Raises
    ArchiveUnavailable.
    """
    try:
        if archive.md5(archive_id) == md5:
            return archive.verify(archive_id)
        return _dataset_digest(archive, archive_id) == sha256
    except (NotInArchive, GoneFromDisk, AlteredInArchive):
        return False


def says_so(archive: Archive, archive_id: str, md5: str) -> bool:
    """Whether the archive names this digest for what it took a moment ago. Raises ArchiveUnavailable."""
    try:
        return archive.md5(archive_id) == md5
    except NotInArchive:
        return False


def _dataset_digest(archive: Archive, archive_id: str) -> str:
    digest, start = hashlib.sha256(), b""
    pieces = archive.stream(archive_id)
    for piece in pieces:
        start += piece
        if len(start) >= _HEAD:
            break
    try:
        digest.update(split_part10(start)[1])
    except NotDicom:
        return ""
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
