"""Who may send, as the gateway last wrote it."""

import json

import pytest
from structlog.testing import capture_logs

from scp.peers import PeerBook, parse_peers


def test_a_change_of_the_book_counts_at_once(tmp_path, made):
    path = tmp_path / "peers.json"
    made.write_peers(path, "ONE")
    book = PeerBook(path)
    assert book.find("ONE ").origin == "site:7"
    assert book.find("TWO") is None
    made.write_peers(path, "TWO")
    assert book.find("ONE") is None
    assert book.find("TWO").name == "Hospital"


def test_a_broken_or_missing_book_leaves_the_last_good_one_in_force_and_is_said_once(tmp_path, made):
    path = tmp_path / "peers.json"
    made.write_peers(path, "ONE")
    book = PeerBook(path)
    assert book.find("ONE")
    with capture_logs() as logs:
        path.write_text('{"peers": [{"ae_tit')
        assert book.find("ONE")
        assert book.find("ONE")
        path.unlink()
        assert book.find("ONE")
        assert book.find("ONE")
    assert len(logs) == 2
    made.write_peers(path, "TWO")
    assert book.find("ONE") is None


def test_without_a_book_nobody_is_known(tmp_path):
    assert PeerBook(tmp_path / "none.json").find("ANY") is None


@pytest.mark.parametrize(
    "book",
    [[], {}, {"peers": [{}]}, {"peers": [{"ae_title": "X" * 17, "origin": "site:1", "name": ""}]}, {"peers": 7}]
    + [
        {"peers": [{"ae_title": " ", "origin": "site:1", "name": ""}]},
        {"peers": [{"ae_title": "A", "origin": "", "name": ""}]},
    ],
)
def test_what_is_not_a_book_is_refused_in_words(book):
    with pytest.raises(ValueError, match="not a"):
        parse_peers(json.dumps(book))
