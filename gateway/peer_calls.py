"""Calling a site's receivers to see whether they answer, and what to do where they do not."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.archives import Archives
from gateway.ways import DicomWay, Ways
from scp.sender import Failure, PeerRefused, PeerUnavailable
from worklist.models import Peer
from worklist.states import Retrieval

PATIENCE = 5.0  # seconds for each step: somebody is waiting
ADVICE: dict[Failure, str] = {
    Failure.NOT_FOUND: "Check the host's name, and that this machine's DNS knows it; an address works without DNS.",
    Failure.UNREACHABLE: "There is no way from this machine to that address: check the address, routes and firewalls.",
    Failure.NOTHING_LISTENS: "The host is there, but nothing listens on that port: check the port, and that its "
    "receiver runs.",
    Failure.TIMEOUT: "Often a firewall that drops connections: let this machine through to that host and port.",
    Failure.TLS: "The port does not speak TLS (1.2 or newer), or does not accept our certificate: have it trust ours, "
    "or say that it is called without TLS.",
    Failure.CERTIFICATE: "Its certificate must be signed by an authority in dicom.tls.ca, and be for the host as "
    "written here.",
    Failure.OWN_CERTIFICATE: "Set dicom.tls.certificate, key and ca in our settings, or say that it is called without "
    "TLS.",
    Failure.NOT_DICOM: "Something else listens on that port, or it wants TLS: check the port, and try it with TLS.",
    Failure.CALLING: "Enter our AE title in the receiver's list of known senders, with the address of this machine.",
    Failure.CALLED: "Its own AE title is another one: correct it here, or there. Capital letters count.",
    Failure.BUSY: "It has too many connections just now. Test again in a moment.",
    Failure.NOT_OFFERED: "It does not offer verification (C-ECHO), yet may take reports.",
    Failure.LOGIN: "Enter the user and password, or the token, that it was given for us, and let it allow us to search "
    "and to store.",
    Failure.NOT_DICOMWEB: "The address must end where its DICOMweb begins, e.g. https://pacs.example/dicom-web: ask "
    "for its base URL for STOW-RS and QIDO-RS.",
    Failure.NO_RETRIEVAL: "Let it allow our AE title to query and to retrieve (Study Root), or choose the other way of "
    "C-GET and C-MOVE.",
    Failure.DESTINATION: "Enter our AE title with this machine's address and our DICOM port in the archive's list of "
    "destinations, or choose C-GET.",
    Failure.OTHER: "Look into the receiver's own log for the time of this test.",
}

NO_QUERIES = (
    "What proves a delivery is set to “query”, so no report would ever count as arrived: choose proof “status”, or let "
    "the receiver allow our AE title to query (Study Root C-FIND)."
)


OFFERS: dict[Retrieval, str] = {
    Retrieval.NONE: "is not asked for anything",
    Retrieval.GET: "offers C-GET",
    Retrieval.MOVE: "offers C-MOVE. Whether what it sends arrives shows with the first study",
    Retrieval.WEB: "lets us search. Whether it lets us retrieve shows with the first study",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a call: `words` say it, `advice` what to do (empty where it answered)."""

    good: bool
    words: str
    advice: str = ""


def call_archive(archives: Archives, peer: Peer) -> Verdict:
    """Ask an archive for the studies of nobody, and whether it offers what we fetch by."""
    try:
        archives.of(peer).test()
    except (PeerRefused, PeerUnavailable) as error:
        return Verdict(False, str(error), ADVICE[error.failure])
    return Verdict(True, f"{peer.address} answers, takes queries, and {OFFERS[Retrieval(peer.retrieval)]}.")


def call(ways: Ways, peer: Peer) -> Verdict:
    """Send a C-ECHO to a receiver, and propose C-FIND where a query is its proof; by DICOMweb a search tests both."""
    asked = peer.proof == "query"
    try:
        way = ways.to(peer)
        way.echo()
        in_vain = asked and isinstance(way, DicomWay) and not way.takes_queries()
    except (PeerRefused, PeerUnavailable) as error:
        return Verdict(False, str(error), ADVICE[error.failure])
    if in_vain:
        return Verdict(False, f"{peer.address} answers, but does not take queries from us.", NO_QUERIES)
    known = "lets us search" if peer.base_url else f"knows us as {ways.sender.ae_title}"
    query = ", and takes queries" if asked and not peer.base_url else ""
    return Verdict(True, f"{peer.address} answers{' by TLS' if peer.tls else ''}, and {known}{query}.")
