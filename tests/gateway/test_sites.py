"""Hospitals and their peers, and the receivers' snapshot of who may send."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.site_words import BadPeer, checked_title
from gateway.sites import Receiver, put_site, write_peer_book
from scp.peers import PeerBook
from worklist.models import Peer, Site

OURS = "OVR_RANDOM"
ONE_ENGINE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def put(database, code: str, *sends_from: str, receives: tuple[str, ...] = ()) -> int:
    with database.writing() as session:
        return put_site(session, code, f"Hospital {code}", list(sends_from), list(map(Receiver.parse, receives))).id


def peers(database) -> list[tuple[str, bool, bool, str, int]]:
    with database.reading() as session:
        return [
            (each.ae_title, each.may_send, each.receives_reports, each.host, each.port)
            for each in session.query(Peer).order_by(Peer.id)
        ]


def test_a_site_may_send_from_one_title_and_receive_on_another(database) -> None:
    put(database, "A", "PACS_OUT", receives=("PACS_IN@10.0.0.5:104",))
    assert peers(database) == [("PACS_OUT", True, False, "", 0), ("PACS_IN", False, True, "10.0.0.5", 104)]


@ONE_ENGINE
def test_putting_a_site_again_adds_what_is_new_and_doubles_nothing(database) -> None:
    first = put(database, "A", "PACS", receives=("PACS@10.0.0.5:104",))
    again = put(database, "A", "PACS", "CT_2", receives=("PACS@10.0.0.6:11112",))
    assert first == again
    assert peers(database) == [
        ("PACS", True, False, "", 0),
        ("PACS", False, True, "10.0.0.6", 11112),
        ("CT_2", True, False, "", 0),
    ]


@ONE_ENGINE
def test_one_title_sends_for_one_site(database) -> None:
    put(database, "A", "PACS")
    with pytest.raises(BadPeer, match="already belongs to the site A"):
        put(database, "B", "PACS")
    with database.reading() as session:
        assert [site.code for site in session.query(Site)] == ["A"], "nothing of it stays"


@ONE_ENGINE
def test_two_sites_may_receive_under_the_same_title(database) -> None:
    put(database, "A", receives=("PACS@10.0.0.5:104",))
    put(database, "B", receives=("PACS@10.0.1.5:104",))
    assert len(peers(database)) == 2


@pytest.mark.parametrize("title", ["", "  ", "A" * 17, "A\\B", "A\nB", "ÄRZTE"])
def test_what_is_no_title_is_refused(title: str) -> None:
    with pytest.raises(BadPeer):
        checked_title(title)


@pytest.mark.parametrize("title", ["A", "A B", "A" * 16, " PACS ", "ct-1.x_y@z"])
def test_what_the_standard_allows_is_a_title(title: str) -> None:
    assert checked_title(title) == title.strip()


@pytest.mark.parametrize(
    "text",
    ["", "PACS", "PACS@host", "PACS@host:", "PACS@host:0", "PACS@host:65536", "PACS@:104", "@host:1", "P@h:x", "P@h:²"],
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadPeer, match=r"10\.0\.0\.5:104"):
        Receiver.parse(text)


@pytest.mark.parametrize(
    "text", ["https://", "https://u:p@host/x", "https://host/x?y=1", "https://host:99999/", "http://a b/"]
)
def test_what_is_no_address_of_a_dicomweb_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadPeer, match=r"https://pacs\.example/dicom-web|hospital\.example"):
        Receiver.parse(text)


@ONE_ENGINE
def test_the_peer_book_is_what_the_receiver_reads_and_is_written_only_when_it_changed(database, tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    site = put(database, "A", "PACS", receives=("OTHER@10.0.0.5:104",))
    assert write_peer_book(database, file, OURS)
    before = file.stat()
    assert not write_peer_book(database, file, OURS)
    after = file.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    book = PeerBook(file)
    assert book.find("PACS").origin == f"site:{site}"
    assert book.find("OTHER") is None, "who only receives may not send"
    assert book.find(OURS).origin == "self-test"
    put(database, "B", "CT_2")
    assert write_peer_book(database, file, OURS)
    assert book.find("CT_2") is not None
    assert not list(tmp_path.glob("*.tmp")), "whole or not at all"


@ONE_ENGINE
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"peers": 3}'])
def test_a_peer_book_that_was_damaged_is_written_anew(database, tmp_path: Path, content: bytes) -> None:
    """The worker's loop once failed for ever over a file that was cut short."""
    file = tmp_path / "peers.json"
    file.write_bytes(content)
    put(database, "A", "PACS")
    assert write_peer_book(database, file, OURS)
    assert {each["ae_title"] for each in json.loads(file.read_text())["peers"]} == {"PACS", OURS}


def test_no_application_is_called_as_what_comes_from_none(database) -> None:
    """What it had sent would have counted as saved by a reader, and its hospital was told nothing of it."""
    with database.writing() as session, pytest.raises(BadPeer, match="needs another one"):
        put_site(session, "ODD", "Odd", ["viewer"], [])
