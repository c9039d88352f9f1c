"""The handshake of TLS within a deadline; and why a connection ended before it said who it is, in a few kinds that a
coordinator can act on.
"""

import select
import socket
import ssl
import time
from enum import StrEnum
from typing import Final


class Unheard(StrEnum):
    """Why no association was asked for on a connection; what to do stands in `gateway.site_words`."""

    TLS_HERE = "TLS_HERE"
    NOT_DICOM = "NOT_DICOM"
    REQUEST = "REQUEST"
    EXPIRED = "TLS_EXPIRED"
    REVOKED = "TLS_REVOKED"
    UNKNOWN = "TLS_UNKNOWN"
    MISSING = "TLS_MISSING"
    CERTIFICATE = "TLS_CERTIFICATE"
    OURS = "TLS_OURS"
    WEAK = "TLS_WEAK"
    PLAIN = "TLS_PLAIN"
    SLOW = "TLS_SLOW"
    ENDED = "TLS_ENDED"


_VERIFICATION: Final = {
    10: Unheard.EXPIRED,  # X509_V_ERR_CERT_HAS_EXPIRED
    18: Unheard.UNKNOWN,  # ..._DEPTH_ZERO_SELF_SIGNED_CERT
    19: Unheard.UNKNOWN,  # ..._SELF_SIGNED_CERT_IN_CHAIN
    20: Unheard.UNKNOWN,  # ..._UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    21: Unheard.UNKNOWN,  # ..._UNABLE_TO_VERIFY_LEAF_SIGNATURE
    23: Unheard.REVOKED,  # X509_V_ERR_CERT_REVOKED
}
"""https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/#error-codes"""

_REASONS: Final = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": Unheard.MISSING,
    "UNSUPPORTED_PROTOCOL": Unheard.WEAK,
    "VERSION_TOO_LOW": Unheard.WEAK,
    "NO_SHARED_CIPHER": Unheard.WEAK,
    "NO_SUITABLE_SIGNATURE_ALGORITHM": Unheard.WEAK,
    "EE_KEY_TOO_SMALL": Unheard.WEAK,
    "WRONG_VERSION_NUMBER": Unheard.PLAIN,
    "HTTP_REQUEST": Unheard.PLAIN,
    "HTTPS_PROXY_REQUEST": Unheard.PLAIN,
    "UNEXPECTED_EOF_WHILE_READING": Unheard.ENDED,
}


def why_nothing_was_asked(opening: bytes) -> Unheard:
    """The kind of a connection whose first bytes made no association request (PS3.8 section 9.3.2)."""
    if opening[:2] == b"\x16\x03":  # a handshake record, RFC 8446 section 5.1
        return Unheard.TLS_HERE
    return Unheard.REQUEST if opening[:2] == b"\1\0" else Unheard.NOT_DICOM


def why_not_secure(error: OSError) -> Unheard:
    """The kind of a failure. An alert of the peer means that it does not want us: our certificate, mostly."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFICATION.get(error.verify_code, Unheard.CERTIFICATE)
    if isinstance(error, TimeoutError):
        return Unheard.SLOW
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Unheard.ENDED
    reason = error.reason or ""
    return Unheard.OURS if "_ALERT_" in reason else _REASONS.get(reason, Unheard.PLAIN)


def wrapped(connection: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    """The connection as one of TLS, before its handshake."""
    return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)


def shake_hands(connection: ssl.SSLSocket, seconds: float) -> None:
    """Do the handshake of TLS; raise OSError when it fails or takes too long in all."""
    connection.setblocking(False)
    poll, until = select.poll(), time.monotonic() + seconds
    while True:
        try:
            return connection.do_handshake()
        except ssl.SSLWantReadError:
            poll.register(connection, select.POLLIN)
        except ssl.SSLWantWriteError:
            poll.register(connection, select.POLLOUT)
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the TLS handshake takes too long")
        poll.poll(left * 1000)
