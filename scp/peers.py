"""Which application entities may send, and whose they are: a snapshot that the gateway writes for the receiver.

{"peers": [{"ae_title": "DEMO_PACS", "origin": "site:1", "name": "Demo Hospital"}]}
"""

import json
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger()

_Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Peer:
    """An application entity of a site. `origin` says whose everything is that it sends."""

    ae_title: str
    origin: str
    name: str


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
        return self._peers.get(ae_title.strip())

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


def parse_peers(text: str) -> dict[str, Peer]:
    """Read a snapshot; raise ValueError, in plain words, if it is not one."""
    try:
        rows = json.loads(text)["peers"]
        peers = [Peer(str(row["ae_title"]).strip(), str(row["origin"]), str(row["name"])) for row in rows]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a peer book: {error}") from error
    for peer in peers:
        if not 1 <= len(peer.ae_title) <= 16 or not peer.origin:
            raise ValueError(f"not an AE title with an origin: {peer.ae_title!r}")
    return {peer.ae_title: peer for peer in peers}
