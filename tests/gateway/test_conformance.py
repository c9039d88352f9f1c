"""The conformance statement says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.settings import load_settings
from gateway.conformance import NAMED_SYNTAXES, PAGE, REJECTIONS, page
from scp.commitment import REFUSALS
from scp.negotiation import Rejection
from scp.reasons import REASONS
from scp.syntaxes import encoding_of


def test_the_tables_are_those_of_the_code(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, load_settings(tmp_path)) == text, "run `make docs`"


def test_no_status_and_no_rejection_is_missing() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert set(REJECTIONS) == set(Rejection)
    assert [status for status, _ in REASONS.values() if f"`{status:04X}`" not in text] == []
    assert [status for status in REFUSALS if f"`{status:04X}`" not in text] == []


def test_every_syntax_that_is_named_is_taken() -> None:
    assert [uid for uid in NAMED_SYNTAXES if encoding_of(uid.replace("*", "50")) is None] == []


def test_a_page_that_lost_a_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must have the place"):
        page("nothing", load_settings(tmp_path))
