"""Free text, taken apart; names and dates, put in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from sr_reports.prose import Block, blocks, clean, language, one_line, paragraphs, right_to_left, unprintable
from sr_reports.values import long, person_name, short
from sr_reports.wording import count, date_in_words, human_moment, human_name, subspecialty_name


def test_blank_lines_divide_paragraphs() -> None:
    assert paragraphs("\n one \n\n \n\ntwo\nlines  \n\n") == (" one", "two\nlines")
    assert paragraphs(" \n\n ") == ()


def test_lines_with_dashes_and_numbers_are_lists() -> None:
    text = "Seen:\n- a\n  and more\n* b\n• c\nThen:\n1. x\n2) y\n10-15 mm is no list\n-5 C neither"
    assert [(block.lines, block.marks) for block in blocks(text)] == [
        (("Seen:",), ()),
        (("a and more", "b", "c"), ("", "", "")),
        (("Then:",), ()),
        (("x", "y"), ("1", "2")),
        (("10-15 mm is no list", "-5 C neither"), ()),
    ]


def test_each_block_has_its_own_direction() -> None:
    assert blocks("نعم\n\nyes") == (Block(("نعم",), (), "ar", rtl=True), Block(("yes",), (), "en", rtl=False))


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("14 mm", "en"),
        ("α-fetoprotein, 3 µg", "en"),
        ("όζος", "el"),
        ("узел", "ru"),
        ("結節", "zh"),
        ("結節を", "ja"),
        ("結節 결절", "ko"),
        ("עבר", "he"),
        ("गाँठ", "hi"),
        ("ก้อน", "th"),
        ("", "en"),
    ],
)
def test_language_is_told_by_letters(text: str, tag: str) -> None:
    assert language(text) == tag


def test_the_first_letter_with_a_direction_decides() -> None:
    assert right_to_left("14: نعم (yes)")
    assert not right_to_left("yes نعم")
    assert not right_to_left("14")


def test_only_what_cannot_be_printed_is_named() -> None:
    assert unprintable("a\tb\nc\r\nd\u200d\u202b é 結 \ufeff") == ()
    assert unprintable("\ue000 \x00 \x00 \ufffd") == ("U+0000", "U+E000", "U+FFFD")


def test_cleaning_keeps_lines_and_drops_controls() -> None:
    assert clean("a\x00\x0bb\u2028c\ufeff") == "a\nb\nc"
    assert one_line(" a\n\tb ") == "a b"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Keller^Anna^Maria^Dr^MD", "Dr Anna Maria Keller, MD"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "山田 太郎 (Tarou Yamada)"),
        ("=山田^太郎", "山田 太郎"),
        ("SMITH", "SMITH"),
        ("^^", ""),
        ("", ""),
    ],
)
def test_names_are_written_as_people_write_them(name: str, written: str) -> None:
    assert human_name(name) == written


@pytest.mark.parametrize(
    ("date", "written"),
    [("20261124", "24 November 2026"), ("2026-11-04", "4 November 2026"), ("20261399", "20261399"), ("May", "May")],
)
def test_dates_are_written_out(date: str, written: str) -> None:
    assert date_in_words(date) == written


def test_a_moment_says_its_zone() -> None:
    assert human_moment(datetime(2026, 11, 4, 9, 5, tzinfo=UTC)) == "4 November 2026, 09:05 (UTC)"
    nepal = timezone(timedelta(hours=5, minutes=45))
    assert human_moment(datetime(2026, 11, 4, 9, 5, tzinfo=nepal)) == "4 November 2026, 09:05 (UTC+05:45)"


def test_counts_and_names_of_subspecialties() -> None:
    assert (count(1, "image"), count(1234, "image"), count(2, "series")) == ("1 image", "1,234 images", "2 series")
    assert subspecialty_name("head_and_neck") == "Head and neck"


def test_values_fit_their_representation() -> None:
    assert short("OR-" + "1" * 20) == "OR-" + "1" * 13
    assert long("a\\b\n" + "c" * 80) == "a/b " + "c" * 60
    assert person_name("Dr J. Smith") == "Dr J. Smith^"
    assert person_name("A^B=山^田") == "A^B=山^田"
