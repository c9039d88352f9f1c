"""The opinion as it comes over the API, and a report's content as a signature freezes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC

import pytest

from sr_reports import snapshot
from sr_reports.errors import InvalidOpinion
from sr_reports.opinion import Answer, Concordance, Opinion, ReportContent
from sr_reports.opinion_json import LONGEST
from sr_reports.pdf import build_pdf
from sr_reports.structured import build_sr

FULL = Opinion("a", "b", "c", (Answer("q", "r"), Answer("s", "")), Concordance.MAJOR, "d")


def test_what_is_written_is_read() -> None:
    assert Opinion.from_json(json.loads(json.dumps(FULL.to_json()))) == FULL
    assert Opinion.from_json(Opinion().to_json()) == Opinion()


def test_what_is_absent_is_empty() -> None:
    assert Opinion.from_json({}) == Opinion()
    assert Opinion.from_json({"findings": None, "answers": None, "concordance": ""}) == Opinion()


def test_line_ends_tabs_and_byte_order_marks_are_made_even() -> None:
    assert Opinion.from_json({"findings": "\ufeffa\r\nb\rc\td"}).findings == "a\nb\nc   d"


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ([], "body", "must be a JSON object"),
        ({"findings": 3}, "findings", "must be text"),
        ({"findings": "x" * (LONGEST + 1)}, "findings", "too long"),
        ({"impresion": "typo"}, "impresion", "is not a field of an opinion"),
        ({"concordance": "maybe"}, "concordance", "must be one of agree, minor, major, not_provided"),
        ({"concordance": ["agree"]}, "concordance", "must be one of"),
        ({"answers": {}}, "answers", "must be a list"),
        ({"answers": [{"question": "q"}] * 51}, "answers", "too many"),
        ({"answers": ["yes"]}, "answers[0]", "must be an object"),
        ({"answers": [{"question": "q", "reply": "r"}]}, "answers[0]", "must be an object"),
        ({"answers": [{"question": "", "answer": "r"}]}, "answers[0].question", "must not be empty"),
        ({"answers": [{"question": "q"}, {"question": "q", "answer": 1}]}, "answers[1].answer", "must be text"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_wrong(body: object, field: str, message: str) -> None:
    with pytest.raises(InvalidOpinion) as refused:
        Opinion.from_json(body)
    assert message in refused.value.fields[field]


def test_all_wrong_fields_are_told_at_once() -> None:
    with pytest.raises(InvalidOpinion) as refused:
        Opinion.from_json({"findings": 1, "impression": 2, "concordance": "x"})
    assert set(refused.value.fields) == {"findings", "impression", "concordance"}


def test_a_frozen_content_makes_the_same_report(content: Callable[..., ReportContent]) -> None:
    made = content(version=2, predecessor=content().evidence[0])
    again = snapshot.from_json(json.loads(json.dumps(snapshot.to_json(made))), made.reference)
    assert again == made
    assert build_sr(again) == build_sr(made)
    assert build_pdf(again) == build_pdf(made)


def test_the_reference_is_not_in_the_frozen_content(content: Callable[..., ReportContent]) -> None:
    assert "reference" not in snapshot.to_json(content())


def test_a_moment_keeps_its_offset(content: Callable[..., ReportContent]) -> None:
    made = content()
    again = snapshot.from_json(snapshot.to_json(made), made.reference)
    assert again.signed_at.utcoffset() == made.signed_at.utcoffset()
    assert again.signed_at.tzinfo is not UTC
