"""The port where TLS is spoken: a real handshake of both sides, off the accepting thread, and who the peer was."""

import hashlib
import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydicom.uid import ExplicitVRLittleEndian

from scp.limits import Limits
from scp.listening import BoundedAssociation

DAY = timedelta(days=1)


def certificate(folder, name):
    """A self-signed certificate and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    shown, secret = folder / f"{name}.crt", folder / f"{name}.key"
    shown.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return shown, secret


@pytest.fixture
def ours(tmp_path):
    return certificate(tmp_path, "receiver")


@pytest.fixture
def theirs(tmp_path):
    return certificate(tmp_path, "hospital")


@pytest.fixture
def hospital(tmp_path, made, ours, theirs):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(theirs[0]))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*ours)
    with made.receiving(tmp_path, tls=context, limits=Limits(request_seconds=2)) as hospital:
        yield hospital


def options(ours, theirs):
    return ("+tls", theirs[1], theirs[0], "+cf", ours[0])


def test_dcmtk_stores_over_tls_and_the_plain_port_goes_on(hospital, made, ours, theirs, tmp_path):
    port = hospital.receiver.tls_port
    file = tmp_path / "one.dcm"
    file.write_bytes(made.object(pixels=700_000))
    asked = ("-v", "-aet", "HOSPITAL", "-aec", "OVERREAD", *options(ours, theirs), "127.0.0.1", port, file)
    sent = made.dcmtk("storescu", *asked)
    assert "Received Store Response (Success)" in sent.stderr, sent.stderr
    assert hospital.kept() == [made.dataset_of(file.read_bytes())]
    assert made.dcmtk("echoscu", "-aet", "HOSPITAL", "-aec", "OVERREAD", "127.0.0.1", hospital.port).returncode == 0


def test_who_the_peer_was_is_known_to_whoever_judges_it(hospital, made, ours, theirs):
    context = ssl.create_default_context(cafile=str(ours[0]))
    context.load_cert_chain(*theirs)
    peer = made.RawPeer(hospital.receiver.tls_port, {1: (made.CT, ExplicitVRLittleEndian)}, tls=context)
    plain = made.RawPeer(hospital.port, {1: (made.CT, ExplicitVRLittleEndian)})
    with peer, plain:
        secured, open_one = sorted(hospital.receiver._live(), key=lambda one: one.tls_peer is None)
        assert isinstance(secured, BoundedAssociation)
        der = ssl.PEM_cert_to_DER_cert(theirs[0].read_text())
        assert secured.tls_peer.certificate == der
        assert secured.tls_peer.fingerprint == hashlib.sha256(der).hexdigest()
        assert open_one.tls_peer is None


def test_a_stranger_without_a_certificate_gets_no_association(hospital, made, ours):
    context = ssl.create_default_context(cafile=str(ours[0]))
    with (
        socket.create_connection(("127.0.0.1", hospital.receiver.tls_port)) as raw,
        pytest.raises(OSError, match="certificate required|reset|closed|EOF"),
        context.wrap_socket(raw, server_hostname="localhost") as secured,
    ):
        secured.sendall(b"\1")
        secured.recv(1)
    assert hospital.saved()["associations"] == 0


def test_mute_and_plain_clients_of_the_tls_port_make_nobody_wait(hospital, made, ours, theirs):
    port = hospital.receiver.tls_port
    mute = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    mute[0].sendall(b"\1\0\0\0\0\4abcd")
    try:
        asked = ("-aet", "HOSPITAL", "-aec", "OVERREAD", *options(ours, theirs), "127.0.0.1", port)
        assert made.dcmtk("echoscu", "-to", 2, *asked).returncode == 0
        for connection in mute:
            connection.settimeout(10)
            while connection.recv(64):
                pass
    finally:
        for connection in mute:
            connection.close()
