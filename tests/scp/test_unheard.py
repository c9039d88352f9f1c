"""Connections that end before anybody says who they are: each is refused, taken down for the coordinator, and keeps
nobody else waiting.
"""

import json
import socket
import ssl
import warnings
from contextlib import suppress

import pytest

from gateway.site_words import REFUSALS
from scp.callers import MOST, read_callers
from scp.handshake import Unheard
from scp.limits import Limits
from scp.negotiation import Rejection
from scp.peers import fingerprint
from scp.tls import TlsFiles, listener_context

ECHO = "1.2.840.10008.1.1", "1.2.840.10008.1.2"


@pytest.fixture
def secured(tmp_path, made, pki):
    """A receiver with a port for TLS, which trusts `ca` and has its list of revoked certificates."""
    files = TlsFiles(pki / "ours.pem", pki / "ours.key", pki / "ca.pem", pki / "crl.pem")
    with made.receiving(tmp_path, tls=listener_context(files), limits=Limits(request_seconds=1)) as hospital:
        yield hospital


@pytest.fixture
def client(pki, certify, authority):
    """`client("expired")`: a client's side of TLS with a certificate that is wrong in this way, or "good"."""
    certify(pki, "good", authority)
    certify(pki, "expired", authority, days=-1)
    certify(pki, "self-signed")
    _, stranger = certify(pki, "other-ca", ca=True)
    certify(pki, "of another authority", stranger)

    def make(certificate, trusted="ca"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(pki / f"{trusted}.pem")
        if certificate:
            context.load_cert_chain(pki / f"{certificate}.pem", pki / f"{certificate}.key")
        return context

    return make


def ask(made, port, context=None):
    """Whether an association is accepted."""
    with suppress(OSError):
        peer = made.RawPeer(port, {1: ECHO}, tls=context)
        with peer:
            return peer.accepted[:1] == b"\2"
    return False


def noted(hospital, made):
    """Why connections were refused, as the coordinator is told."""

    def lines():
        return read_callers(hospital.folder / "counters")[0]

    made.wait_for(lines)
    return [line.why for line in lines()]


def others_are_served(hospital, made, client):
    assert ask(made, hospital.receiver.tls_port, client("good"))
    assert ask(made, hospital.port)
    assert hospital.saved()["associations"] == 2


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        ("expired", Unheard.EXPIRED),
        ("self-signed", Unheard.UNKNOWN),
        ("of another authority", Unheard.UNKNOWN),
        ("theirs", Unheard.REVOKED),
        ("", Unheard.MISSING),
    ],
)
def test_a_wrong_certificate_is_refused_and_taken_down(secured, made, client, certificate, why):
    assert not ask(made, secured.receiver.tls_port, client(certificate))
    assert noted(secured, made) == [why]
    others_are_served(secured, made, client)


def test_the_certificate_of_another_site_opens_no_door(secured, made, client, pki):
    theirs = fingerprint(ssl.PEM_cert_to_DER_cert((pki / "good.pem").read_text()))
    row = {"ae_title": "HOSPITAL", "origin": "site:7", "name": "Hospital"}
    for certificates, is_in in (["ab" * 32], False), ([theirs], True):
        book = {"peers": [row | {"certificates": certificates}]}
        (secured.folder / "peers.json").write_text(json.dumps(book))
        assert ask(made, secured.receiver.tls_port, client("good")) is is_in
    assert noted(secured, made) == [Rejection.CERTIFICATE.name]


def old(context):
    with warnings.catch_warnings(action="ignore"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")


def with_cipher(ciphers):
    def change(context):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")

    return change


@pytest.mark.parametrize(
    "change",
    [old, with_cipher("eNULL"), with_cipher("AES128-SHA"), with_cipher("ECDHE-ECDSA-AES128-SHA")],
    ids=["TLS 1.1", "no encryption", "no forward secrecy", "no authenticated encryption"],
)
def test_weak_tls_is_refused_and_taken_down(secured, made, client, change):
    context = client("good")
    change(context)
    assert not ask(made, secured.receiver.tls_port, context)
    assert noted(secured, made) == [Unheard.WEAK]
    others_are_served(secured, made, client)


def test_a_peer_that_does_not_take_our_certificate_is_taken_down_so_that_somebody_can_help(secured, made, client):
    assert not ask(made, secured.receiver.tls_port, client("good", trusted="other-ca"))
    assert noted(secured, made) == [Unheard.OURS]
    others_are_served(secured, made, client)


def test_plain_text_to_the_port_for_tls_and_tls_to_the_plain_port_are_taken_down(secured, made, client):
    assert not ask(made, secured.receiver.tls_port)
    assert noted(secured, made) == [Unheard.PLAIN]
    assert not ask(made, secured.port, client("good"))
    made.wait_for(lambda: noted(secured, made) == [Unheard.PLAIN, Unheard.TLS_HERE])
    others_are_served(secured, made, client)


@pytest.mark.parametrize(
    ("sent", "why"), [(b"", Unheard.SLOW), (b"\x16\x03\1\2\0", Unheard.SLOW)], ids=["silent", "stops in the middle"]
)
def test_a_handshake_that_never_ends_is_ended_and_taken_down(secured, made, client, sent, why):
    with socket.create_connection(("127.0.0.1", secured.receiver.tls_port), 10) as mute:
        mute.sendall(sent)
        others_are_served(secured, made, client)
        assert mute.recv(1) == b""
    assert noted(secured, made) == [why]


@pytest.mark.parametrize(
    ("opening", "why"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Unheard.NOT_DICOM),
        (b"\1\0\0\0\0\4abcd", Unheard.REQUEST),
        (b"\1\0\xff\0\0\0", Unheard.REQUEST),
    ],
    ids=["HTTP", "no request", "too long"],
)
def test_what_is_no_association_request_is_taken_down(secured, made, client, opening, why):
    with socket.create_connection(("127.0.0.1", secured.port), 10) as wrong:
        wrong.sendall(opening)
        with suppress(ConnectionResetError):
            while wrong.recv(64):
                pass
    assert noted(secured, made) == [why]
    others_are_served(secured, made, client)


def test_an_address_that_has_too_many_associations_is_taken_down_too(tmp_path, made):
    """It was counted, and nobody could see whose it was."""
    with made.receiving(tmp_path, limits=Limits(associations_per_address=1)) as hospital:
        with made.RawPeer(hospital.port, {1: ECHO}) as first:
            assert first.accepted[:1] == b"\2"
            assert not ask(made, hospital.port)
        assert noted(hospital, made) == [Rejection.FULL.name]


def test_a_scanner_is_counted_and_fills_nothing(secured, made):
    for _ in range(MOST + 20):
        assert not ask(made, secured.receiver.tls_port)
    made.wait_for(lambda: secured.saved()["ended_before_any_request"] == MOST + 20)
    (line,), _ = read_callers(secured.folder / "counters")
    assert (line.calling, line.address, line.why, line.count) == ("", "127.0.0.1", Unheard.PLAIN, MOST + 20)


def test_every_refusal_says_what_to_do():
    assert set(REFUSALS) == {one.name for one in Rejection} | set(Unheard) | {"OTHERS"}
    assert max(map(len, REFUSALS)) <= 16  # the column
