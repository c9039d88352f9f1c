"""The pages about hospitals: who may send is changed, tried and taken away there, and mistakes are said in place."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.callers import note_callers
from gateway.peer_calls import ADVICE, call
from gateway.site_commands import _traffic
from gateway.site_removal import STOPPED
from gateway.site_words import negotiated_in_words
from gateway.sites import Receiver, let_receive, let_send, write_peer_book
from gateway.ways import ways_of
from scp.callers import Callers, Heard
from scp.handshake import Unheard
from scp.peers import Right, parse_peers
from scp.sender import Failure
from worklist.models import AuditLine, Case, Delivery, Peer, Person, Report, Site, Study
from worklist.states import DeliveryState

pytestmark = [pytest.mark.peers, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]


@pytest.fixture
def post(web: Any, people: Any):
    """`post("/sites", code="A")`: a form sent by a coordinator; Flask's response."""
    who = people.coordinator()
    return lambda path, **fields: web.ask(who, "POST", path, data=fields)


@pytest.fixture
def look(web: Any, people: Any):
    """`look("/sites/1")`: the text of a page as a coordinator sees it."""
    who = people.coordinator()
    return lambda path: re.sub(r"(<[^>]+>|\s)+", " ", web.ask(who, "GET", path).text)


def peers_of(web: Any) -> list[tuple[str, bool, list[str]]]:
    with web.database.reading() as session:
        return [(each.ae_title, each.may_send, each.rights) for each in session.query(Peer).order_by(Peer.id)]


def a_report(session: Any) -> Report:
    """A signed report of some case."""
    case, study = Case(), Study(origin="site:1", study_uid="1.2.3")
    signer = Person(email="reader@test.example")
    session.add_all([case, study, signer])
    session.flush()
    return Report(
        case_id=case.id, version=1, study_id=study.id, content={}, reference=b"", signer_id=signer.id,
        signed_at=datetime.now(UTC), sr_uid="1", sr_series_uid="2", pdf_uid="3", pdf_series_uid="4",
    )  # fmt: skip


def certificate(days: int) -> str:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    moment = datetime.now(UTC)
    began, ends = moment - timedelta(days=9), moment + timedelta(days=days)
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, began, ends).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def test_a_hospital_is_added_and_set_up_on_its_page(web, post, look) -> None:
    assert "No hospital yet" in look("/sites")
    assert post("/sites", code="ST_MARY", name="St Mary's").location == "/sites/1"
    assert "Enter by which one its system calls itself" in look("/sites/1")
    assert "Anybody on the network can use" in look("/sites/1")
    assert post("/sites/1/sender", sender="PACS_OUT", right=["store", "echo"]).status_code == 303
    assert post("/sites/1/rights", peer="1", right="echo").status_code == 303
    assert post("/sites/1/receiver", receiver="PACS_IN@10.1.2.3:104", proof="query", tls="yes").status_code == 303
    assert post("/sites/1/details", name="St Mary", addresses="10.1.0.0/16\n10.2.0.1").status_code == 303
    assert peers_of(web)[0] == ("PACS_OUT", True, ["echo"])
    shown = look("/sites/1")
    assert "Anybody on the network" not in shown
    assert "PACS_IN@10.1.2.3:104" in shown
    assert "Called by TLS" in shown
    with web.database.reading() as session:
        assert session.get_one(Site, 1).addresses == ["10.1.0.0/16", "10.2.0.1/32"]
        said = [line.detail for line in session.query(AuditLine).filter(AuditLine.person_id.is_not(None))]
    assert len(said) == 5, "every change is in the audit"


def test_a_hospital_is_allowed_to_query_on_its_page_and_nobody_by_default(web, post, look) -> None:
    post("/sites", code="A", name="A")
    with web.database.writing() as session:
        let_send(session, session.get_one(Site, 1), "PACS_IN")
    post("/sites/1/sender", sender="PACS_OUT", right=["store", "query"])
    assert "May: Send images, Query what has arrived" in look("/sites/1")
    file = web.parts.folders.peers
    write_peer_book(web.database, file, "SELF")
    rights = {one.ae_title: Right.QUERY in one.rights for one in parse_peers(file.read_text()).values()}
    assert rights == {"PACS_IN": False, "PACS_OUT": True, "SELF": False}


MISTAKES = [
    ("sender", {"sender": "A" * 17}, "1 to 16 plain characters"),
    ("sender", {"sender": "TAKEN"}, "already belongs to the site OTHER"),
    ("receiver", {"receiver": "PACS"}, "PACS@10.0.0.5:104"),
    ("details", {"name": "St Mary", "addresses": "10.0.0.300"}, "10.1.0.0/16"),
    ("details", {"name": ""}, "write 1 to 120 characters"),
    ("certificate", {"pem": "MIIB"}, "BEGIN CERTIFICATE"),
    ("certificate", {}, "choose its file"),
    ("rights", {"peer": "999"}, "removed meanwhile"),
]


def test_a_mistake_is_said_in_its_place_and_what_was_written_stays(web, post) -> None:
    for code in ("ST_MARY", "OTHER"):
        post("/sites", code=code, name=code)
    post("/sites/2/sender", sender="TAKEN", right="store")
    for change, fields, said in MISTAKES:
        answer = post(f"/sites/1/{change}", **fields)
        assert answer.status_code == 400, change
        assert said in answer.text
        assert all(value in answer.text for value in fields.values() if change != "rights")
    assert post("/sites", code="ST_MARY", name="Again").status_code == 400, "not the one that is there, renamed"


def test_a_certificate_is_shown_with_its_end_and_one_that_ended_is_refused(web, post, look) -> None:
    post("/sites", code="A", name="A")
    assert post("/sites/1/certificate", pem=certificate(days=12)).status_code == 303
    shown = look("/sites/1")
    assert f"Valid until {datetime.now(UTC) + timedelta(days=12):%Y-%m-%d}" in shown
    assert "Certificate ends soon" in look("/sites")
    assert "Our TLS port is off" in shown
    assert "ended on" in post("/sites/1/certificate", pem=certificate(days=-1)).text
    with web.database.reading() as session:
        (fingerprint,) = session.get_one(Site, 1).certificates
    assert post("/sites/1/certificate-gone", fingerprint=fingerprint).status_code == 303
    assert "None. Connections that are not encrypted are taken" in look("/sites/1")


def test_what_was_heard_and_refused_is_on_the_page_with_what_to_change(web, post, look) -> None:
    post("/sites", code="A", name="A")
    post("/sites/1/sender", sender="PACS_OUT", right="store")
    assert "enter our AE title OVERREAD" in look("/sites/1")
    callers = Callers(web.parts.folders.counters, "receiver-1")
    agreed = Heard("PACS_OUT", datetime.now(UTC), "10.1.2.3", True, ("CT Image Storage: JPEG",), ("MR: not allowed",))
    callers.heard(agreed)
    callers.turned_away("PACS_OUT", "OVERRAED", "10.1.2.3", "CALLED")
    callers.turned_away("STRANGER", "OVERREAD", "10.9.9.9", "CALLING")
    callers.save()
    note_callers(web.database, web.parts.folders.counters)
    shown = look("/sites/1/traffic")
    for said in ("10.1.2.3", "TLS", "CT Image Storage: JPEG", "MR: not allowed", "OVERRAED", "enter ours in"):
        assert said in shown
    assert "STRANGER" not in shown
    assert "STRANGER" in look("/sites")


def test_what_was_agreed_is_said_in_a_few_lines_with_the_right_that_is_missing(database) -> None:
    """One storescu made 130 lines, among which nobody saw that it may not store."""
    kinds = [f"Kind {number} Image Storage: not allowed" for number in range(64)]
    plain = "Verification SOP Class: Implicit VR Little Endian"
    heard = Heard("PACS_OUT", datetime.now(UTC), "10.1.2.3", True, (plain,), tuple(kinds))
    _, *said = _traffic([heard], [])
    assert said == [
        f"  agreed: {plain}",
        "  not agreed: 64 storage classes: not allowed",
        "  it may not store: overread site peer add CODE --sends-from PACS_OUT --right store --right echo",
    ]
    assert list(negotiated_in_words(kinds[:2])) == kinds[:2]


def test_a_connection_that_ended_before_any_name_is_shown_by_its_address_with_what_to_change(web, look) -> None:
    """Failed handshakes stood in the log of a receiver alone."""
    callers = Callers(web.parts.folders.counters, "receiver-1")
    callers.turned_away("", "", "10.9.9.9", Unheard.EXPIRED)
    callers.save()
    note_callers(web.database, web.parts.folders.counters)
    for page in ("/sites", "/oversight"):
        shown = look(page)
        for said in ("10.9.9.9", "No AE title", "its certificate has ended"):
            assert said in shown
        assert "it called us" not in shown


def test_a_receiver_is_tested_from_its_page(web, post, query_archive) -> None:
    title, port = query_archive
    post("/sites", code="A", name="A")
    post("/sites/1/receiver", receiver=f"{title}@127.0.0.1:{port}", proof="query")
    assert "Answers" in (answered := post("/sites/1/peers/1/test").text)
    assert ", and takes queries" in answered
    post("/sites/1/receiver", receiver=f"WRONG@127.0.0.1:{port}")
    refused = post("/sites/1/peers/2/test").text
    assert "is not called WRONG" in refused
    assert "correct it here" in refused
    assert "removed meanwhile" in post("/sites/9/peers/1/test").text


def test_a_receiver_that_takes_no_queries_does_not_pass_where_a_query_is_the_proof(
    database, settings, free_port, wait_for
) -> None:
    """It answered the C-ECHO, and no report would ever have been proven."""
    port = free_port()
    ways = ways_of(settings).patient(5)
    there = {"ae_title": "STORE_ONLY", "host": "127.0.0.1", "port": port}
    with subprocess.Popen(["storescp", "--ignore", str(port)], env=os.environ | {"TCP_NODELAY": "1"}) as process:
        wait_for(lambda: call(ways, Peer(**there, proof="status")).good, what="storescp")
        verdict = call(ways, Peer(**there, proof="query"))
        process.terminate()
    assert (verdict.good, "does not take queries" in verdict.words) == (False, True)
    assert "choose proof “status”" in verdict.advice


def test_each_way_to_fail_has_its_own_advice(database, settings, free_port) -> None:
    assert set(ADVICE) == set(Failure)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        here = mute.getsockname()[1]
        cases = {
            Failure.NOT_FOUND: Peer(ae_title="A", host="nowhere.invalid", port=104),
            Failure.NOTHING_LISTENS: Peer(ae_title="A", host="127.0.0.1", port=free_port()),
            Failure.NOT_DICOM: Peer(ae_title="A", host="127.0.0.1", port=here),
            Failure.OWN_CERTIFICATE: Peer(ae_title="A", host="127.0.0.1", port=here, tls=True),
        }
        for failure, peer in cases.items():
            assert call(ways_of(settings).patient(0.5), peer).advice == ADVICE[failure], failure


def test_removing_a_hospital_stops_what_was_on_its_way_and_it_is_in_no_list(web, post, look, people) -> None:
    post("/sites", code="A", name="Gone Hospital")
    post("/sites/1/receiver", receiver="PACS_IN@127.0.0.1:1", proof="status")
    who = people.hospital(1)
    with web.database.writing() as session:
        session.add(Delivery(report=a_report(session), peer_id=1, destination="PACS_IN@127.0.0.1:1"))
    assert "1 report on the way" in look("/sites/1")
    assert post("/sites/1/remove").status_code == 303
    assert "Gone Hospital" not in look("/sites")
    assert "Gone Hospital" not in look("/arrived")
    assert web.ask(people.coordinator(), "GET", "/sites/1").status_code == 404
    assert "Gone Hospital" not in web.ask(who, "GET", "/site").text
    with web.database.writing() as session:
        stopped = session.query(Delivery).one()
        assert (stopped.state, stopped.last_error) == (DeliveryState.NEEDS_PERSON, STOPPED)
        assert session.query(Peer).filter(Peer.receives_reports).count() == 0
        let_receive(session, session.get_one(Site, 1), Receiver.parse("PACS_IN@127.0.0.1:2"))
    with web.database.reading() as session:
        assert session.query(Delivery).one().peer.port == 2, "entered again, “Try now” finds it"
