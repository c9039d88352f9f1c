"""What an administrator writes about sites and people, checked: each refusal says what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from urllib.parse import urlsplit

from config.errors import Explained
from scp.peers import Right

AE_TITLE = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")  # PS3.5 6.2, AE: no backslash, no control characters
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:]+")
URL_PATH = re.compile(r"[A-Za-z0-9/._~%-]{0,1000}")
LONGEST_NAME = 120
FEW = 2


REFUSALS = {
    "CONTEXT": "it asked for something other than DICOM's application context: update the sender",
    "CALLED": "it called us by another AE title: enter ours in the sender's settings",
    "CALLING": "we do not know this AE title: add it to its site, or correct it in the sender's settings",
    "ADDRESS": "this AE title came from an address that is not its site's: add the address, or find out who that is",
    "CERTIFICATE": "it showed none of the certificates bound to its site: send by TLS with one of them",
    "FULL": "too many associations at once: raise dicom.max_associations, or let the sender open fewer",
    "TLS_HERE": "it speaks TLS to the port without TLS: enter our port for TLS in the sender's settings",
    "NOT_DICOM": "what it sent is not DICOM: a scanner of the network, or a sender with a wrong port",
    "REQUEST": "its association request was cut off, too long, or not as DICOM has it",
    "TLS_EXPIRED": "its certificate has ended, or a clock is wrong: have the sender's certificate renewed",
    "TLS_REVOKED": "its certificate is revoked by our list (dicom.tls.crl): find out who still uses it",
    "TLS_UNKNOWN": "its certificate is of no authority that we know: add that to dicom.tls.ca, or find out who that is",
    "TLS_MISSING": "it showed no certificate: enter one in the sender's settings",
    "TLS_CERTIFICATE": "its certificate cannot be used to sign in here: have it issued for TLS clients",
    "TLS_OURS": "it did not take our certificate: enter our authority in the sender's settings",
    "TLS_WEAK": "it offers no encryption that is safe enough: TLS 1.2 or later with ECDHE and AES-GCM is needed",
    "TLS_PLAIN": "it speaks no TLS to the port for TLS: switch TLS on in the sender, or enter our other port",
    "TLS_SLOW": "it did not finish its handshake in time: look at the network, or find out who that is",
    "TLS_ENDED": "it ended the connection during the handshake of TLS: its own log says why",
    "OTHERS": "very many different names or addresses were refused that day: somebody may be trying names",
}
"""Why an association was not opened (names of `scp.negotiation.Rejection` and `scp.handshake.Unheard`), and what to
change."""


class BadPeer(Explained):
    """What was said of a site cannot be used; the message says what to write instead."""


class BadName(Explained):
    """A name cannot be shown to people; the message says what to write instead."""


def checked_title(text: str) -> str:
    """An application entity title. Raises BadPeer."""
    title = text.strip()
    if not AE_TITLE.fullmatch(title):
        raise BadPeer(f"“{_shown(text)}” is not an AE title: 1 to 16 plain characters without a backslash.")
    return title


def checked_code(text: str) -> str:
    """A site's short code. Raises BadPeer."""
    if not CODE.fullmatch(text):
        raise BadPeer(
            f"“{_shown(text)}” is no code for a site: up to 64 letters, digits, “_”, “-” and “.”, e.g. ST_MARY."
        )
    return text


def checked_host(text: str) -> str:
    """A host name or an address, IPv6 with or without brackets. Raises BadPeer."""
    host = text.strip().strip("[]")
    if not HOST.fullmatch(host):
        raise BadPeer(f"“{_shown(text)}” is no host: write e.g. pacs.hospital.example or 10.0.0.5.")
    return host


def checked_base_url(text: str) -> str:
    """Where a DICOMweb begins, without a slash at its end. Raises BadPeer."""
    try:
        parts = urlsplit(text.strip())
        host, _ = checked_host(parts.hostname or ""), parts.port
    except ValueError as error:
        raise BadPeer(f"“{_shown(text)}” is no URL: write e.g. https://pacs.example/dicom-web.") from error
    wrong = parts.scheme not in {"http", "https"} or parts.username or parts.query or parts.fragment
    if wrong or not host or not URL_PATH.fullmatch(parts.path):
        raise BadPeer(
            "Write where its DICOMweb begins, e.g. https://pacs.example/dicom-web, without user, “?” and “#”."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def checked_name(text: str) -> str:
    """A name as people read it. Raises BadName."""
    name = text.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadName(f"“{_shown(text)}” is no name: write 1 to {LONGEST_NAME} characters on one line, e.g. St Mary's.")
    return name


def checked_networks(texts: Sequence[str]) -> list[str]:
    """Addresses and networks, IPv4 or IPv6. Raises BadPeer."""
    try:
        return sorted({str(ip_network(text.strip(), strict=False)) for text in texts if text.strip()})
    except ValueError as error:
        raise BadPeer(f"{error}: write e.g. 10.1.2.3, 10.1.0.0/16 or 2001:db8::/32.") from error


def checked_rights(texts: Sequence[str]) -> list[str]:
    """Names of rights. Raises BadPeer."""
    unknown = [text for text in texts if text not in {*Right}]
    if unknown:
        raise BadPeer(f"“{_shown(unknown[0])}” is no right: write {', '.join(Right)}.")
    return [right for right in Right if right in texts]


def negotiated_in_words(contexts: Sequence[str]) -> Iterator[str]:
    """Contexts ("CT Image Storage: JPEG"); many storage classes with one outcome are one line."""
    groups: dict[tuple[bool, str], list[str]] = {}
    for each in contexts:
        name, _, outcome = each.partition(": ")
        groups.setdefault((_is_storage(name), outcome), []).append(each)
    for (storage, outcome), alike in groups.items():
        if storage and len(alike) > FEW:
            yield f"{len(alike)} storage classes: {outcome}"
        else:
            yield from alike


def lacks_store(declined: Sequence[str]) -> bool:
    """Whether a sender was told that it may not store."""
    return any(each.endswith(": not allowed") and _is_storage(each) for each in declined)


def _is_storage(name: str) -> bool:
    return " Storage" in name and "Commitment" not in name


def stopped_in_words(count: int) -> str:
    """What a removal stopped, as the end of a sentence's paragraph; empty for nothing."""
    if not count:
        return ""
    reports = "1 report that had" if count == 1 else f"{count} reports that had"
    return f" {reports} not arrived there yet will not be sent: see Oversight."


def _shown(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]
