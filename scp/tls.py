"""TLS for DICOM: mutual authentication by the BCP 195 profile (PS3.15 annex B.9)."""

import ssl
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from scp.peers import fingerprint

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2; those of TLS 1.3 are all as good. Forward secrecy and authenticated encryption only (RFC 9325)."""


class BadCertificate(Exception):  # noqa: N818 - it names what the file is
    """A file for TLS cannot be used; the message says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Our certificate (with its chain) and key, who signs our peers' certificates, and which of these are revoked."""

    certificate: Path
    key: Path
    ca: Path
    crl: Path | None = None


def listener_context(files: TlsFiles) -> ssl.SSLContext:
    """For connections to us: whoever shows no certificate of our authorities ends in the handshake.

    Raises BadCertificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _furnished(context, files)


def caller_context(files: TlsFiles) -> ssl.SSLContext:
    """For connections that we open: the peer's certificate must be of our authorities and for the name we call.

    Raises BadCertificate.
    """
    return _furnished(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files)


def web_context(files: TlsFiles) -> ssl.SSLContext:
    """For https that we call: as `caller_context`, and the system's own authorities count, too.

    Raises BadCertificate.
    """
    return _furnished(ssl.create_default_context(), files)


@dataclass(frozen=True, slots=True)
class Shown:
    """What we keep of a peer's certificate: its SHA-256 fingerprint, and the last day on which it is valid."""

    fingerprint: str
    until: date


def certificate_of_file(path: Path) -> Shown:
    """The certificate in a PEM file. Raises BadCertificate."""
    return certificate_of_pem(_content(path, "certificate"), str(path))


def certificate_of_pem(pem: bytes, where: str = "The text") -> Shown:
    """The first certificate in PEM. Raises BadCertificate, also for one that is valid no more."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise BadCertificate(
            f"{where} is no certificate in PEM. It must begin with “-----BEGIN CERTIFICATE-----”; "
            "convert one with: openssl x509 -inform DER -in FILE"
        ) from error
    until = certificate.not_valid_after_utc
    if until < datetime.now(UTC):
        raise BadCertificate(
            f"{where} is a certificate that ended on {until:%Y-%m-%d}. Ask the hospital for its new one."
        )
    return Shown(fingerprint(certificate.public_bytes(Encoding.DER)), until.date())


def _furnished(context: ssl.SSLContext, files: TlsFiles) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    _load_own(context, files)
    _load_authorities(context, files)
    return context


def _load_own(context: ssl.SSLContext, files: TlsFiles) -> None:
    _require_valid(files.certificate, "certificate")
    _content(files.key, "key")
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except ssl.SSLError as error:
        raise BadCertificate(
            f"The key {files.key} does not fit the certificate {files.certificate}, or is no key in PEM. "
            "Set dicom.tls.key to the key that the certificate was made for."
        ) from error
    except ValueError as error:
        raise BadCertificate(
            f"The key {files.key} is encrypted. Decrypt it with: openssl pkey -in FILE -out KEY, and let only this "
            "program's user read it."
        ) from error


def _load_authorities(context: ssl.SSLContext, files: TlsFiles) -> None:
    _require_valid(files.ca, "ca")
    context.load_verify_locations(files.ca)
    if files.crl is None:
        return
    try:
        until = x509.load_pem_x509_crl(_content(files.crl, "crl")).next_update_utc
    except ValueError as error:
        raise BadCertificate(f"{files.crl} (dicom.tls.crl) is no certificate revocation list in PEM.") from error
    if until is not None and until < datetime.now(UTC):
        raise BadCertificate(
            f"The revocation list {files.crl} ended on {until:%Y-%m-%d}: with it nobody could connect. "
            "Fetch a fresh one from the certificate authority."
        )
    context.load_verify_locations(files.crl)
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _require_valid(path: Path, setting: str) -> None:
    try:
        certificates = x509.load_pem_x509_certificates(_content(path, setting))
    except ValueError as error:
        raise BadCertificate(f"{path} (dicom.tls.{setting}) holds no certificate in PEM.") from error
    moment = datetime.now(UTC)
    for one in certificates:
        if not one.not_valid_before_utc <= moment <= one.not_valid_after_utc:
            raise BadCertificate(
                f"The certificate in {path} (dicom.tls.{setting}) is valid from {one.not_valid_before_utc:%Y-%m-%d} to "
                f"{one.not_valid_after_utc:%Y-%m-%d}, not today. Have it renewed, or set the clock right."
            )


def _content(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadCertificate(
            f"The file {path} cannot be read: {error.strerror}. Give the path of the {setting} in PEM, "
            "readable for the user that runs Overread."
        ) from error


def _no_password() -> str:
    raise ValueError("the key is encrypted")
