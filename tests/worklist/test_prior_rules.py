"""Which earlier studies are fetched: the shipped rules decide, and a file with a mistake is refused with its line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from config.settings import SHIPPED_PRIORS, SHIPPED_ROUTING
from worklist.prior_file import read_prior_rules
from worklist.prior_rules import Exam, PriorRules
from worklist.routing_file import RuleFileError, read_rules

CASE = (Exam("1.2", "20260901", "CT Thorax", ("CT",), ("CHEST",)),)
TODAY = date(2026, 11, 27)


@pytest.fixture(scope="module")
def words() -> dict[str, tuple[str, ...]]:
    return dict(read_rules(SHIPPED_ROUTING).words)


@pytest.fixture(scope="module")
def rules(words) -> PriorRules:
    return read_prior_rules(SHIPPED_PRIORS, words)


def chosen(rules: PriorRules, *shown: Exam) -> list[str]:
    return [one.study_uid for one in rules.choose(CASE, shown, TODAY).chosen]


def why(rules: PriorRules, exam: Exam) -> str:
    (left_out,) = rules.choose(CASE, [exam], TODAY).left_out
    return left_out.why


def test_the_same_region_and_kind_come_first_then_the_region_then_the_kind_the_newest_first(rules) -> None:
    shown = (
        Exam("kind", "20260801", "CT Knee", ("CT",)),
        Exam("region", "20260801", "Chest PA", ("DX",)),
        Exam("older", "20230101", "CT chest", ("CT", "SR")),
        Exam("newer", "20260101", "", ("CT",), ("CHEST",)),
    )
    assert chosen(rules, *shown) == ["newer", "older", "region", "kind"]


def test_of_very_many_only_the_best_are_fetched(rules) -> None:
    many = [Exam(f"1.{number}", f"2025{number:02}01", "CT Thorax", ("CT",)) for number in range(1, 10)]
    choice = rules.choose(CASE, many, TODAY)
    assert [one.study_uid for one in choice.chosen] == ["1.9", "1.8", "1.7", "1.6", "1.5"]
    assert {one.why for one in choice.left_out} == {"5 others fit better"}


@pytest.mark.parametrize(
    ("exam", "said"),
    [
        (Exam("9", "20260902", "CT Thorax", ("CT",)), "later than"),
        (Exam("9", "20200101", "CT Thorax", ("CT",)), "more than 5 years"),
        (Exam("9", "20260101", "CT Thorax", ("SR", "PR")), "nothing but SR, PR"),
        (Exam("9", "20260101", "MR Knee", ("MR",)), "neither the same region"),
        (Exam("9", "20260101", "CT Thorax", ("CT",), images=5001), "5,001 images"),
    ],
)
def test_what_does_not_help_is_left_out_and_said(rules, exam, said) -> None:
    assert said in why(rules, exam)


def test_of_what_the_archive_says_nothing_is_not_hidden_and_the_own_study_is_no_prior(rules) -> None:
    assert chosen(rules, Exam("9"), Exam("1.2", "20260901", "CT Thorax", ("CT",))) == ["9"]


MISTAKES = [
    ('most = 5\nyears = "two"\nmost_images = 5\n[regions]\na = ["@chest"]\n', 2, "must be a number"),
    ('most = 500\nyears = 2\nmost_images = 5\n[regions]\na = ["@chest"]\n', 1, "at most 50"),
    ('most = 5\nyears = 2\nmost_images = 5\n[regions]\na = ["lung", "@cheast"]\n', 5, "did you mean “chest”"),
    (
        'most = 5\nyears = 2\nmost_images = 5\nnever_alone = ["XR"]\n[regions]\na = ["@chest"]\n',
        4,
        "unknown modality “XR”",
    ),
    ('most = 5\nyears = 2\nmost_images = 5\n[regions]\na = ["@chest"]\n[kinds]\nfilm = ["CR", 7]\n', 7, "texts only"),
    ('most = 5\nyear = 2\nmost_images = 5\n[regions]\na = ["@chest"]\n', 2, "did you mean “years”"),
    ("most = 5\nyears = 2\nmost_images = 5\n", 1, "has no “regions”"),
    ("most = = 5\n", 1, "not TOML"),
]


@pytest.mark.parametrize(("text", "line", "reason"), MISTAKES)
def test_a_mistake_is_refused_with_its_line_and_reason(tmp_path: Path, words, text, line, reason) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(RuleFileError) as refused:
        read_prior_rules(file, words)
    assert f"{file}, line {line}: " in str(refused.value)
    assert reason in str(refused.value)
