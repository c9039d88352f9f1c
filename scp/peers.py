"""Which application entities may call us, and whose they are: a snapshot that the gateway writes for the receiver.

{"peers": [{"ae_title": "DEMO_PACS", "origin": "site:1", "name": "Demo Hospital", "addresses": ["10.0.0.0/8"],
"rights": ["store", "echo"], "certificates": ["<SHA-256, hexadecimal>"]}]}
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import structlog

log = structlog.get_logger()

_Signature = tuple[int, int, int]


class Right(StrEnum):
    """What a peer may do here."""

    STORE = "store"
    ECHO = "echo"
    COMMITMENT = "commitment"
    QUERY = "query"


USUAL = frozenset({Right.STORE, Right.ECHO, Right.COMMITMENT})
"""What a peer may of whom nothing is said; a query has to be allowed."""


@dataclass(frozen=True, slots=True)
class Peer:
    """An application entity of a site. `origin` says whose everything is that it sends.

    `addresses` are networks from which it may call; none means anywhere. `certificates` are SHA-256 fingerprints, one
    of which its TLS client certificate must have; none means that a plain connection will do.
    """

    ae_title: str
    origin: str
    name: str
    addresses: tuple[str, ...] = ()
    rights: frozenset[Right] = USUAL
    certificates: tuple[str, ...] = ()

    def calls_from(self, address: str) -> bool:
        """Tell whether it may call from this address; an IPv4 address in IPv6 clothes is an IPv4 address."""
        if not self.addresses:
            return True
        here = _plain(address)
        return here is not None and any(here in ip_network(one) for one in self.addresses)

    def shows(self, certificate: bytes | None) -> bool:
        """Tell whether this is one of its certificates (DER; None for a plain connection), where it has any."""
        if not self.certificates:
            return True
        return certificate is not None and fingerprint(certificate) in self.certificates


class PeerBook:
    """The known peers, as the file has them now.

    A file that is missing or broken changes nothing: the last good one stays in force, and the log says so once.
    Safe to ask from several threads.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: _Signature | None = None
        self._peers: dict[str, Peer] = {}

    def find(self, ae_title: str) -> Peer | None:
        """Return the peer of that AE title, if it may talk to us; surrounding spaces do not count."""
        self._refresh()
        return self._peers.get(ae_title.strip(" "))

    def _refresh(self) -> None:
        try:
            stat = self._path.stat()
            signature = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if signature == self._seen:
                return
            text = self._path.read_text("utf-8")
            self._seen = signature
            self._peers = parse_peers(text)
        except OSError as error:
            if self._seen is not None:
                log.warning("the peer book is gone; its last state stays in force", error=error.strerror)
            self._seen = None
        except ValueError as error:
            log.warning("the peer book is broken; its last good state stays in force", error=str(error))


def fingerprint(certificate: bytes) -> str:
    """The SHA-256 fingerprint of a certificate (DER), as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(certificate).hexdigest()


def parse_peers(text: str) -> dict[str, Peer]:
    """Read a snapshot; raise ValueError, in plain words, if it is not one."""
    try:
        peers = [_peer(row) for row in json.loads(text)["peers"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a peer book: {error}") from error
    for peer in peers:
        if not 1 <= len(peer.ae_title) <= 16 or not peer.origin:
            raise ValueError(f"not an AE title with an origin: {peer.ae_title!r}")
        for network in peer.addresses:
            ip_network(network)
    return {peer.ae_title: peer for peer in peers}


def _peer(row: Mapping[str, str | Sequence[str]]) -> Peer:
    """A book from before there were rights says nothing of them: then the usual is allowed, as it was."""
    return Peer(
        ae_title=str(row["ae_title"]).strip(),
        origin=str(row["origin"]),
        name=str(row["name"]),
        addresses=tuple(row.get("addresses", ())),
        rights=frozenset(map(Right, row.get("rights", tuple(USUAL)))),
        certificates=tuple(row.get("certificates", ())),
    )


def _plain(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
