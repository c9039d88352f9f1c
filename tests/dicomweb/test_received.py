"""Claims about multipart bodies that are read as they come."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from dicomweb.received import BadBody, Part, StoreLimits, TooLarge, read_parts

LIMITS = StoreLimits(part_bytes=1000, total_bytes=200_000, parts=5)


class Dribble(io.BytesIO):
    """A stream that gives a few bytes at a time, as a network does."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(self._most, size if size is not None and size >= 0 else self._most))


def received(body: bytes, tmp_path: Path, *, boundary: str = "b", most: int = 10**6) -> list[tuple[str, bytes]]:
    parts: list[tuple[str, bytes]] = []

    def take(part: Part) -> None:
        content = part.content.read()
        assert len(content) == part.size
        parts.append((part.media_type, content))

    count = read_parts(Dribble(body, most), boundary, LIMITS, tmp_path, take)
    assert count == len(parts)
    return parts


TWO = (
    b"--b\r\nContent-Type: application/dicom\r\n\r\nfirst\r\n--b\r\n"
    b'Content-Type: Application/DICOM; transfer-syntax="1.2"\r\nContent-ID: <x>\r\n\r\nse\r\n-\r\n--cond\r\n--b--'
)


@pytest.mark.parametrize("most", [1, 2, 3, 7, 10**6])
def test_parts_come_whole_however_the_body_is_cut(tmp_path: Path, most: int) -> None:
    assert received(TWO, tmp_path, most=most) == [
        ("application/dicom", b"first"),
        ("application/dicom", b"se\r\n-\r\n--cond"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n" + TWO,  # as OHIF writes it
        b"A preamble\r\nof two lines\r\n" + TWO,
        TWO + b"\r\n",
        TWO + b"\r\nAn epilogue\r\n--b\r\n",
    ],
)
def test_what_stands_around_the_parts_is_skipped(tmp_path: Path, body: bytes) -> None:
    assert [content for _, content in received(body, tmp_path)] == [b"first", b"se\r\n-\r\n--cond"]


def test_a_part_may_name_no_type_and_be_empty(tmp_path: Path) -> None:
    assert received(b"--b\r\n\r\n\r\n--b--\r\n", tmp_path) == [("", b"")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        b"--b\nContent-Type: application/dicom\n\nfirst\n--b--",  # LF only is no MIME
        TWO[:-2],
        TWO[:60],
        b"--b\r\nContent Type: x\r\n\r\nfirst\r\n--b--",
        b"--b\r\n" + b"X: y\r\n" * 100 + b"\r\nfirst\r\n--b--",
        b"--b\r\nX: " + b"y" * 10000 + b"\r\n\r\nfirst\r\n--b--",
        b"x" * 100_000 + b"\r\n" + TWO,
    ],
)
def test_a_body_that_is_no_multipart_message_is_said_to_be_bad(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(BadBody):
        received(body, tmp_path)


@pytest.mark.parametrize("boundary", ["", "b" * 201, "\u00e4"])
def test_a_boundary_that_cannot_be_meant_is_bad(tmp_path: Path, boundary: str) -> None:
    with pytest.raises(BadBody):
        received(TWO, tmp_path, boundary=boundary)


@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\n\r\n" + b"x" * 1001 + b"\r\n--b--",
        b"".join(b"--b\r\n\r\nx\r\n" for _ in range(6)) + b"--b--",
    ],
)
def test_too_long_a_part_and_too_many_parts_are_cut(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(TooLarge):
        received(body, tmp_path, most=100)


def test_too_long_a_body_is_cut(tmp_path: Path) -> None:
    stream = Dribble(b"--b\r\n\r\n" + b"x" * 5000 + b"\r\n--b--", 100)
    with pytest.raises(TooLarge):
        read_parts(stream, "b", StoreLimits(total_bytes=2000), tmp_path, lambda _: None)
    assert stream.tell() < 3000


def test_nothing_stays_in_the_spool(tmp_path: Path) -> None:
    received(TWO, tmp_path)
    with pytest.raises(BadBody):
        received(TWO[:60], tmp_path)
    assert list(tmp_path.iterdir()) == []
