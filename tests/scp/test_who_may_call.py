"""Who may call: by name, address, certificate and right, with the standard's reasons; who may not is counted."""

import json
import socket
import ssl
import threading
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.uid import UID
from pynetdicom import AE
from pynetdicom import acse as pynetdicom_acse

from scp.callers import MOST, Callers, read_callers
from scp.negotiation import Policy, Rejection, Request
from scp.peers import Peer, Right, fingerprint, parse_peers
from scp.tls import BadCertificate, TlsFiles, caller_context, certificate_of_file, listener_context

VERIFICATION, CT = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2"
DICOM = "1.2.840.10008.3.1.1.1"


def put_peer(hospital, **more):
    row = {"ae_title": "HOSPITAL", "origin": "site:7", "name": "Hospital"} | more
    (hospital.folder / "peers.json").write_text(json.dumps({"peers": [row]}))


def call(hospital, calling="HOSPITAL", contexts=(VERIFICATION, CT)):
    ae = AE(calling)
    for one in contexts:
        ae.add_requested_context(one)
    association = ae.associate("127.0.0.1", hospital.port, ae_title="OVERREAD")
    answer = association.acceptor.primitive
    if association.is_established:
        association.release()
    return association, (answer.result, answer.result_source, answer.diagnostic)


@pytest.mark.parametrize(
    ("more", "why"),
    [({"addresses": ["10.0.0.0/8"]}, "ADDRESS"), ({"certificates": ["ab" * 32]}, "CERTIFICATE")],
)
def test_a_known_name_from_elsewhere_or_without_its_certificate_gets_the_strangers_answer(hospital, more, why):
    put_peer(hospital, **more)
    assert call(hospital)[1] == (1, 1, 3)
    (line,), _ = read_callers(hospital.folder / "counters")
    assert (line.calling, line.address, line.why, line.count) == ("HOSPITAL", "127.0.0.1", why, 1)


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\x0b", "\x0c", "\x1f"])
def test_a_name_with_a_control_character_is_no_peers_and_is_noted_as_it_came(hospital, made, character):
    """They counted as spaces do, so that what no AE title can be passed for a peer's (PS3.5 section 6.2)."""
    put_peer(hospital)
    contexts, name = {1: (VERIFICATION, "1.2.840.10008.1.2")}, f"HOSPITAL{character}".encode()
    with made.RawPeer(hospital.port, contexts, name=name) as stranger:
        assert stranger.accepted == b"\3\0\0\0\0\4\0\1\1\3"
    (line,), heard = read_callers(hospital.folder / "counters")
    assert (line.calling, line.why, heard) == ("HOSPITAL?", "CALLING", [])


def test_another_application_context_is_rejected_as_the_standard_says(hospital, monkeypatch):
    monkeypatch.setattr(pynetdicom_acse, "APPLICATION_CONTEXT_NAME", UID("1.2.3"))
    assert call(hospital)[1] == (1, 1, 2)


def test_what_a_peer_has_no_right_to_is_declined_by_us_and_the_unknown_is_unknown(hospital):
    put_peer(hospital, rights=["echo"])
    find, move = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2"
    association, _ = call(hospital, contexts=(VERIFICATION, CT, find, move))
    assert [one.abstract_syntax for one in association.accepted_contexts] == [VERIFICATION]
    assert {one.abstract_syntax: one.result for one in association.rejected_contexts} == {
        CT: 1, find: 1, move: 3,
    }  # fmt: skip


def test_what_was_agreed_with_a_peer_is_remembered(hospital):
    put_peer(hospital, rights=["echo"])
    call(hospital)
    hospital.receiver.save_counters()
    _, (heard,) = read_callers(hospital.folder / "counters")
    assert (heard.ae_title, heard.address, heard.secure) == ("HOSPITAL", "127.0.0.1", False)
    assert heard.accepted == ("Verification SOP Class: Implicit VR Little Endian",)
    assert heard.declined == ("CT Image Storage: not allowed",)


def test_a_right_taken_away_counts_within_an_open_association(hospital, made):
    part10 = made.object()
    put_peer(hospital, rights=["store"])
    ae = AE("HOSPITAL")
    ae.add_requested_context(CT, "1.2.840.10008.1.2.1")
    association = ae.associate("127.0.0.1", hospital.port, ae_title="OVERREAD")
    put_peer(hospital, rights=["echo"])
    assert association.send_c_store(dcmread(BytesIO(part10))).Status == 0x0124
    association.release()


@pytest.mark.parametrize(
    ("address", "may"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.0.0.1", False), ("2001:db8::9", True), ("nonsense", False)],
)
def test_networks_of_both_kinds(address, may):
    assert Peer("A", "site:1", "A", ("10.0.0.0/8", "2001:db8::/32")).calls_from(address) is may


def test_a_book_with_a_wrong_network_or_right_is_broken():
    row = {"ae_title": "A", "origin": "site:1", "name": "A"}
    for more in ({"addresses": ["10.0.0.300"]}, {"rights": ["everything"]}):
        with pytest.raises(ValueError, match="not"):
            parse_peers(json.dumps({"peers": [row | more]}))


def test_a_book_that_says_nothing_of_rights_allows_no_query():
    row = {"ae_title": "A", "origin": "site:1", "name": "A"}
    assert parse_peers(json.dumps({"peers": [row]}))["A"].rights == set(Right) - {Right.QUERY}
    assert Right.QUERY in parse_peers(json.dumps({"peers": [row | {"rights": ["store", "query"]}]}))["A"].rights


def test_a_certificate_bound_to_the_name_opens_the_door_and_another_does_not(hospital):
    policy = Policy("OVERREAD", 9, hospital.receiver._door.book, None, None)
    put_peer(hospital, certificates=[fingerprint(b"theirs")])
    for certificate, is_in in ((b"theirs", True), (b"another", False), (None, False)):
        judged = policy.judge(Request("HOSPITAL", "OVERREAD", DICOM, "127.0.0.1", certificate), 0)
        assert (judged is not Rejection.CERTIFICATE) is is_in
    assert policy.judge(Request("HOSPITAL", "OVERREAD", DICOM, "127.0.0.1", b"theirs"), 9) is Rejection.FULL


def test_whoever_tries_many_names_fills_no_disk_and_nothing_counts_twice_after_a_restart(tmp_path):
    callers = Callers(tmp_path, "one")
    for number in range(MOST + 50):
        callers.turned_away(f"NAME{number}", "OVERREAD", "10.0.0.1", "CALLING")
    lines, _ = read_callers(tmp_path)
    assert len(lines) == MOST + 1
    callers.save()
    again = Callers(tmp_path, "one")
    again.turned_away("NAME0", "OVERREAD", "10.0.0.1", "CALLING")
    again.save()
    lines, _ = read_callers(tmp_path)
    assert sum(line.count for line in lines) == MOST + 51
    assert len({line.key for line in lines}) == MOST + 1


# --- TLS ------------------------------------------------------------------------------------------------------------


def files(pki, name="ours", **more):
    return TlsFiles(pki / f"{name}.pem", pki / f"{more.get('key', name)}.key", pki / "ca.pem", more.get("crl"))


def handshake(server, client):
    """Shake hands and say a word; the client's certificate as the server saw it, None if there was no peace."""
    ours, theirs = socket.socketpair()
    seen = []

    def serve():
        try:
            with server.wrap_socket(ours, server_side=True) as connection:
                connection.recv(1)
                seen.append(connection.getpeercert(binary_form=True))
        except OSError:
            ours.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(theirs, server_hostname="127.0.0.1") as connection:
            connection.send(b"x")
    except OSError:
        theirs.close()
    thread.join(10)
    return seen[0] if seen else None


def test_both_sides_show_certificates_and_the_peers_is_the_one_to_bind(pki):
    seen = handshake(listener_context(files(pki)), caller_context(files(pki, "theirs")))
    assert fingerprint(seen) == certificate_of_file(pki / "theirs.pem").fingerprint


def test_no_certificate_a_revoked_one_old_versions_and_weak_ciphers_end_in_the_handshake(pki):
    bare = ssl.create_default_context(cafile=pki / "ca.pem")
    assert handshake(listener_context(files(pki)), bare) is None
    assert handshake(listener_context(files(pki, crl=pki / "crl.pem")), caller_context(files(pki, "theirs"))) is None
    context = listener_context(files(pki))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    for cipher in context.get_ciphers():
        assert cipher["aead"]
        assert cipher["protocol"] == "TLSv1.3" or cipher["name"].startswith("ECDHE")


def test_wrong_files_are_one_sentence(pki, certify):
    certify(pki, "old", days=-1)
    for how, said in (
        (files(pki, "missing"), "cannot be read"),
        (files(pki, "old"), "renewed"),
        (files(pki, key="theirs"), "does not fit"),
        (files(pki, crl=pki / "ours.pem"), "revocation list"),
        (TlsFiles(pki / "ours.key", pki / "ours.key", pki / "ca.pem"), "holds no certificate"),
    ):
        with pytest.raises(BadCertificate, match=said):
            listener_context(how)
