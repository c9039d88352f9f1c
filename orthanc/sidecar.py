"""What the cache knows of an instance without reading all of its file: identity, frames, large values, metadata.

It stands behind the instance in the same sealed file: the index as one line of JSON, then the metadata as they go out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from orthanc.bulk import PIXEL_TAGS, Bulk
from orthanc.elements import Part10
from orthanc.errors import Unreadable
from orthanc.frames import CompressedFrames, Frames, NativeFrames, find_frames
from orthanc.header import header_of
from orthanc.metadata import instance_metadata

FORMAT: Final = 3
"""Grows when a sidecar or its metadata say something else; one of another format counts as absent and is made again."""

_PIXEL_HEAD: Final = 12
_MIME_TYPE: Final = 0x00420012


@dataclass(frozen=True, slots=True)
class Index:
    """One cached file. `header_length`: its bytes before the pixel data's element."""

    transfer_syntax: str
    source_transfer_syntax: str
    length: int
    header_length: int
    sop_class_uid: str
    sop_uid: str
    study_uid: str
    series_uid: str
    instance_number: int | None
    rows: int
    columns: int
    document_type: str
    frames: Frames
    bulk: dict[str, Bulk]


def index_of(part10: Part10, source_transfer_syntax: str) -> tuple[Index, bytes]:
    """Index a little endian file; return the index and the metadata."""
    header = header_of(part10)
    metadata = instance_metadata(part10)
    pixels = (element.offset - _PIXEL_HEAD for element in part10.elements if element.tag in PIXEL_TAGS)
    mime = next((part10.value(element) for element in part10.elements if element.tag == _MIME_TYPE), b"")
    index = Index(
        transfer_syntax=part10.transfer_syntax,
        source_transfer_syntax=source_transfer_syntax,
        length=len(part10.data),
        header_length=min(pixels, default=len(part10.data)),
        sop_class_uid=header.sop_class_uid,
        sop_uid=header.sop_uid,
        study_uid=header.study_uid,
        series_uid=header.series_uid,
        instance_number=header.instance_number,
        rows=header.rows,
        columns=header.columns,
        document_type=mime.decode("ascii", "replace").strip(" \0"),
        frames=find_frames(part10),
        bulk=metadata.bulk,
    )
    return index, metadata.json


def pack(index: Index, metadata: bytes) -> bytes:
    """Write the sidecar of a file."""
    return b"%b\n%b" % (orjson.dumps({"format": FORMAT, "index": index}, default=tuple), metadata)


def unpack(sidecar: bytes) -> tuple[Index, bytes]:
    """Read a sidecar. Raises Unreadable if it is of another format."""
    line, _, metadata = sidecar.partition(b"\n")
    said: dict[str, Any] = orjson.loads(line)
    if said["format"] != FORMAT:
        raise Unreadable("A sidecar of the cache is of another version.")
    index: dict[str, Any] = said["index"]
    bulk = {path: Bulk(vr, _pieces(pieces)) for path, (vr, pieces) in index["bulk"].items()}
    return Index(**(index | {"frames": _frames(index["frames"]), "bulk": bulk})), metadata


def _frames(said: dict[str, Any]) -> Frames:
    if "table" in said:
        return CompressedFrames(tuple(_pieces(frame) for frame in said["table"]))
    return NativeFrames(**said)


def _pieces(said: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((offset, length) for offset, length in said)
