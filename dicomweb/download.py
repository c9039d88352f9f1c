"""A study as a zip for people: its files and their DICOMDIR, made while it is sent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from typing import Final

from flask import Response

from dicomweb.answers import answer, etag_of
from dicomweb.holdings import Held
from dicomweb.multipart import begun
from dicomweb.services import Services
from dicomweb.target import Target, held
from orthanc.cached import CachedInstance
from orthanc.dicomdir import Directory

ZIP: Final = "application/zip"
NAME: Final = "images.zip"
"""Nothing of the patient is in the name of a file that lies in somebody's downloads."""


def download(services: Services, target: Target) -> Response:
    """Send every instance of a study with a DICOMDIR, so that any viewer opens the unpacked folder or a CD of it."""
    instances = held(services, target)
    etag = etag_of("zip", *(f"{one.sop_uid} {one.sha256}" for one in instances))
    response = answer(etag, ZIP, lambda: begun(_zipped(services, instances)), length=None)
    response.headers["Content-Disposition"] = f'attachment; filename="{NAME}"'
    return response


class _Sink(io.RawIOBase):
    """Where the zip is written: taken away as it grows, never seen again."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, piece: bytes, /) -> int:  # type: ignore[override]  # what zipfile writes
        """Keep a piece until it is taken."""
        self._pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        """What was written since."""
        taken, self._pieces = self._pieces, []
        return b"".join(taken)


def _zipped(services: Services, instances: Sequence[Held]) -> Iterator[bytes]:
    """Yield the zip. Images are stored as they are: they hardly become smaller, and everybody would wait longer."""
    sink, directory = _Sink(), Directory()
    with zipfile.ZipFile(sink, "w") as packed:
        for path, one in zip(_paths(instances), instances, strict=True):
            cached = services.cache.get(one.sha256, one.archive_id)
            directory.add(cached, path)
            yield from _file(packed, sink, "/".join(path), cached)
        packed.writestr(_entry("DICOMDIR"), directory.write())
    yield sink.take()


def _file(packed: zipfile.ZipFile, sink: _Sink, name: str, cached: CachedInstance) -> Iterator[bytes]:
    with packed.open(_entry(name), "w", force_zip64=True) as out:
        for piece in cached.stream():
            out.write(piece)
            yield sink.take()


def _entry(name: str) -> zipfile.ZipInfo:
    """Always of the same moment, so that the same images are the same bytes."""
    return zipfile.ZipInfo(name)


def _paths(instances: Sequence[Held]) -> Iterator[tuple[str, str, str]]:
    """Names as media have them (PS3.10 section 8.2): one folder for each series."""
    series: dict[str, int] = {}
    for number, one in enumerate(instances, 1):
        folder = series.setdefault(one.series_uid, len(series) + 1)
        yield "DICOM", f"S{folder:07}", f"I{number:07}"
