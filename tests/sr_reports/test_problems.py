"""What keeps a reader from signing, in words that they can act on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from sr_reports.opinion import Answer, Concordance, InstanceRef, Opinion, ReportContent
from sr_reports.problems import opinion_problems, problems

GOOD = Opinion("f", "i", "", (Answer("Why?", "So."),), Concordance.AGREE)


def test_a_complete_opinion_has_no_problem(content: Callable[..., ReportContent]) -> None:
    assert opinion_problems(GOOD, ("Why?",), "Normal.") == ()
    assert problems(content()) == ()


@pytest.mark.parametrize(
    ("opinion", "told"),
    [
        (replace(GOOD, impression=" \n"), "The impression is empty"),
        (replace(GOOD, findings=""), "The findings are empty"),
        (replace(GOOD, concordance=None), "Agreement with the first report is not chosen"),
        (replace(GOOD, concordance=Concordance.NOT_PROVIDED), "A first report was provided"),
        (replace(GOOD, answers=()), "A question has no answer: Why?"),
        (replace(GOOD, answers=(Answer("Why?", " "),)), "A question has no answer: Why?"),
        (replace(GOOD, answers=(*GOOD.answers, Answer("Who?", ""))), "A question has no answer: Who?"),
        (
            replace(GOOD, recommendations="\x1b[31m"),
            "recommendations contains characters that cannot be printed: U+001B",
        ),
    ],
)
def test_what_is_missing_is_told(opinion: Opinion, told: str) -> None:
    found = opinion_problems(opinion, ("Why?",), "Normal.")
    assert len(found) == 1
    assert told in found[0]


def test_a_question_is_answered_however_its_blanks_are_set() -> None:
    spaced = replace(GOOD, answers=(Answer("Why  is\nthat?", "So."),))
    assert opinion_problems(spaced, ("Why is that?",), "Normal.") == ()


def test_what_is_wrong_around_the_opinion_is_told(
    content: Callable[..., ReportContent], header: Callable[..., bytes]
) -> None:
    made = content()
    for changed, told in (
        (replace(made, signer=replace(made.signer, name="^^")), "reader's name is missing"),
        (replace(made, signed_at=datetime(2026, 1, 1)), "no time zone"),  # noqa: DTZ001
        (replace(made, version=2), "must name the report that it replaces"),
        (replace(made, evidence=()), "no image of the study"),
        (replace(made, evidence=(InstanceRef("1.2", "1.2", "1.2", "1.2"),)), "no image of the study"),
        (replace(made, reference=b"not DICOM"), "no valid Study Instance UID"),
    ):
        assert any(told in found for found in problems(changed)), told


def test_without_a_first_report_there_is_nothing_to_agree_with() -> None:
    for concordance in Concordance:
        found = opinion_problems(replace(GOOD, concordance=concordance), ("Why?",))
        assert [each[:24] for each in found] == ["No first report was prov"] * (concordance != "not_provided")


def test_characters_that_the_reader_did_not_write_are_no_problem(
    content: Callable[..., ReportContent],
) -> None:
    made = content()
    for history in ("\x07from a fax\x0c", "\ue000", "\uf0b7", "\ufffd", "\u202e21"):
        assert problems(replace(made, request=replace(made.request, history=history))) == ()
