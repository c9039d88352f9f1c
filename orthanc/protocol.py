"""What travels between the application and its decoder process: a question with the frame's bytes, an answer."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, Any, Final, Protocol

import orjson

READY: Final = b"R"
OK: Final = 0
FAILED: Final = 1
_QUESTION = struct.Struct("<LQQ")
_ANSWER = struct.Struct("<BQ")


class Look(Protocol):
    """How a picture shall look, in the words of whoever asks: PS3.18 8.3.5.1 says what they mean."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Columns and rows into which it has to fit, None for its own."""

    @property
    def window(self) -> tuple[float, float, str] | None:
        """Centre, width and function ("linear", "linear-exact", "sigmoid"), None for the frame's own."""

    @property
    def quality(self) -> int:
        """Of a JPEG, 1 to 100."""


@dataclass(frozen=True, slots=True)
class Window:
    """A VOI window (PS3.3 C.11.2.1.2); `function` is linear, linear-exact or sigmoid."""

    center: float
    width: float
    function: str = "linear"


@dataclass(frozen=True, slots=True)
class Rendering:
    """A look and its media type, as they travel to the decoder process."""

    media_type: str
    size: tuple[int, int] | None
    window: Window | None
    quality: int


def rendering_of(media_type: str, look: Look) -> Rendering:
    """Write down how somebody wants a picture."""
    return Rendering(media_type, look.size, Window(*look.window) if look.window else None, look.quality)


@dataclass(frozen=True, slots=True)
class Question:
    """One frame to decode. `header`: the file up to its pixel data; no `how`: the decoded samples themselves."""

    frame: int
    how: Rendering | None
    seconds: float
    header: bytes
    pixels: bytes


def send_question(out: IO[bytes], question: Question) -> None:
    """Write a question."""
    said = orjson.dumps({"frame": question.frame, "how": question.how, "seconds": question.seconds})
    out.write(_QUESTION.pack(len(said), len(question.header), len(question.pixels)))
    for part in (said, question.header, question.pixels):
        out.write(part)
    out.flush()


def receive_question(source: IO[bytes]) -> Question | None:
    """Read a question; None if nobody will ask any more."""
    head = source.read(_QUESTION.size)
    if len(head) < _QUESTION.size:
        return None
    said, header, pixels = (source.read(length) for length in _QUESTION.unpack(head))
    question: dict[str, Any] = orjson.loads(said)
    return Question(question["frame"], _rendering(question["how"]), question["seconds"], header, pixels)


def send_answer(out: IO[bytes], status: int, content: bytes) -> None:
    """Write an answer: the image or the samples, or why there are none."""
    out.write(_ANSWER.pack(status, len(content)))
    out.write(content)
    out.flush()


def receive_answer(source: IO[bytes]) -> tuple[int, bytes]:
    """Read an answer. Raises EOFError if the other side died."""
    head = source.read(_ANSWER.size)
    if len(head) < _ANSWER.size:
        raise EOFError
    status, length = _ANSWER.unpack(head)
    content = source.read(length)
    if len(content) < length:
        raise EOFError
    return status, content


def _rendering(said: dict[str, Any] | None) -> Rendering | None:
    if said is None:
        return None
    window, size = said["window"], said["size"]
    return Rendering(
        media_type=said["media_type"],
        size=(size[0], size[1]) if size else None,
        window=Window(**window) if window else None,
        quality=said["quality"],
    )
