"""A report's content as JSON, for the row that a signature freezes. The reference is kept beside it, as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from sr_reports.opinion import ReportContent

_CONTENT = TypeAdapter(ReportContent)


def to_json(content: ReportContent) -> dict[str, Any]:
    """Everything but `reference`, in JSON's own types; the offset of `signed_at` is kept."""
    frozen: dict[str, Any] = _CONTENT.dump_python(content, mode="json", exclude={"reference"})
    return frozen


def from_json(frozen: Mapping[str, Any], reference: bytes) -> ReportContent:
    """The content that `to_json` was given: equal, and so with the same bytes as SR and PDF."""
    return _CONTENT.validate_python({**frozen, "reference": reference})
