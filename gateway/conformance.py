"""The generated tables of docs/reference/conformance-statement.md: `make docs` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from config.settings import Settings, load_settings
from dicomweb import finding, metadata, rendering, stow
from dicomweb.accept import Offer
from dicomweb.attributes import ATTRIBUTES, Matching
from dicomweb.finding import SEARCHES
from dicomweb.keeping import FailureReason as StowReason
from dicomweb.parameters import MOST_KEYS
from dicomweb.wado import RESOURCES
from gateway import answering, found
from gateway.prior_search import MOST_ATTEMPTS
from gateway.web_archive import AS_KEPT
from gateway.web_calls import LARGEST_ANSWER
from scp import storing
from scp.answering import MOST_SECONDS as FIND_SECONDS
from scp.asked import MOST_INSTANCES, MOST_STUDIES
from scp.command import Answer
from scp.commitment import COMMITMENT, FAILURES, MOST_REFERENCES, REFUSALS
from scp.limits import Limits
from scp.negotiation import VERIFICATION, Rejection
from scp.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from scp.queries import MOST_ANSWERS, MOST_BYTES, PENDING, PENDING_UNSUPPORTED, STUDY_ROOT_FIND, Outcome
from scp.reasons import REASONS
from scp.requesting import IN_ALL
from scp.retrieving import SILENCE, STUDY_ROOT_GET, STUDY_ROOT_MOVE
from scp.screen import MAX_DEPTH, MAX_ELEMENTS
from scp.server import ReceiverSettings
from scp.statuses import MEANINGS
from scp.syntaxes import DEFLATED, Encoding, encoding_of
from sr_reports.document import ENCAPSULATED_PDF

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "conformance-statement.md"
Row = tuple[str, ...]
NAMED_SYNTAXES: dict[str, str] = {
    "1.2.840.10008.1.2": "Implicit VR Little Endian",
    "1.2.840.10008.1.2.1": "Explicit VR Little Endian",
    "1.2.840.10008.1.2.2": "Explicit VR Big Endian (retired)",
    "1.2.840.10008.1.2.1.98": "Encapsulated Uncompressed Explicit VR Little Endian",
    "1.2.840.10008.1.2.5": "RLE Lossless",
    "1.2.840.10008.1.2.4.*": "JPEG, JPEG-LS, JPEG 2000, HTJ2K, JPEG XL, MPEG, HEVC",
    "1.2.840.10008.1.2.8.*": "Deflated image frame compression",
}
SERVICES: tuple[Row, ...] = (
    ("Verification", VERIFICATION, "yes", "yes"),
    ("Storage: all of PS3.4 Annex B, retired and later ones, private ones", "see below", "yes", "yes"),
    ("Storage Commitment Push Model", COMMITMENT, "no", "yes"),
    ("Study Root Query/Retrieve Information Model - FIND", STUDY_ROOT_FIND, "yes", "yes"),
    ("Study Root Query/Retrieve Information Model - MOVE", STUDY_ROOT_MOVE, "yes", "no"),
    ("Study Root Query/Retrieve Information Model - GET", STUDY_ROOT_GET, "yes", "no"),
)
USED: tuple[Row, ...] = (
    ("C-FIND", "STUDY", "a patient's studies by PatientID; how many images a study has"),
    ("C-FIND", "SERIES, IMAGE", "what is in an earlier study; whether a report arrived"),
    ("C-GET", "STUDY", "one earlier study, on our own association"),
    ("C-MOVE", "STUDY", "one earlier study, to our own AE title"),
    ("QIDO-RS", "`/studies`", "a patient's studies by PatientID; whether the server answers"),
    ("QIDO-RS", "`/studies/{study}/instances`", "what is in an earlier study; whether a report arrived"),
    (
        "WADO-RS",
        "`/studies/{study}/series/{series}/instances/{instance}`",
        f"one image of an earlier study (`{AS_KEPT}`)",
    ),
    ("STOW-RS", "`/studies`", "a report: SR and PDF"),
)
REJECTIONS: dict[Rejection, tuple[str, str]] = {
    Rejection.CALLING: ("calling AE title not recognized", "Have the coordinator enter your AE title"),
    Rejection.CALLED: ("called AE title not recognized", "Correct our AE title in your configuration"),
    Rejection.ADDRESS: ("calling AE title not recognized", "Call from an address that the coordinator has entered"),
    Rejection.CERTIFICATE: ("calling AE title not recognized", "Call with the certificate that was bound to your site"),
    Rejection.CONTEXT: ("application context not supported", "Propose the DICOM application context"),
    Rejection.FULL: ("local limit exceeded", "Try again later, or use fewer associations"),
}


def _said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.comment


STORE_STATUSES: tuple[tuple[int, str, str], ...] = (
    (storing.SUCCESS.status, "The object is on our disk", "Go on; ask for storage commitment before deleting"),
    (*_said(storing.NOT_AUTHORISED), "Call the coordinator"),
    (*_said(storing.INVALID_INSTANCE), "Correct the object: its SOP Instance UID"),
    (*_said(storing.OTHER_CONTEXT), "Correct the sender: the context's abstract syntax is the object's SOP class"),
    (*_said(storing.NO_DATA_SET), "Correct the sender"),
    (*_said(storing.OUT_OF_RESOURCES), "Send it again later"),
    (*_said(storing.OUR_FAULT), "Send it again; call the coordinator if it repeats"),
)
REPORTS: tuple[Row, ...] = (
    ("Enhanced SR", "1.2.840.10008.5.1.4.1.1.88.22", "TID 2000 (with TID 1002 and 1003), modality SR"),
    ("Encapsulated PDF", ENCAPSULATED_PDF, "PDF/A-2a and PDF/UA-1, modality DOC"),
)


def page(text: str, settings: Settings) -> str:
    """The page with every generated table as the code and the shipped settings have it."""
    for name, table in _tables(settings).items():
        marked = re.compile(rf"(<!-- {name}: generated -->\n).*?(<!-- end -->)", re.DOTALL)
        text, number = marked.subn(lambda found, table=table: f"{found[1]}\n{table}\n{found[2]}", text)  # type: ignore[misc]
        if number != 1:
            raise ValueError(f"{PAGE.name} must have the place “{name}” once.")
    return text


def _tables(settings: Settings) -> dict[str, str]:
    retrieve = (("GET", f"/dicom-web{each.rule}", each.endpoint.replace("_", " ")) for each in RESOURCES)
    return {
        "implementation": _table(("", ""), _implementation()),
        "services": _table(("SOP class", "UID", "SCU", "SCP"), SERVICES),
        "policies": _table(("policy", "value"), _policies(settings)),
        "rejections": _table(("result/source/reason", "means", "what to do"), _rejections()),
        "syntaxes": _table(("transfer syntax", "UID", "accepted for storage"), _syntaxes()),
        "store": _table(("status", "means", "what the sender shall do"), _store()),
        "answers": _table(("status from", "to", "taken as", "in words"), _answers()),
        "commitment": _table(("status", "means", "what the sender shall do"), _refusals()),
        "failures": _table(("failure reason", "means", "what the sender shall do"), _failures()),
        "find-limits": _table(("policy", "value"), _find_limits()),
        "find": _table(("status", "means", "what the requestor shall do"), _find()),
        "searches": _table(("method", "resource", "results"), _searches()),
        "keys": _table(("attribute", "tag", "level", "matching", "returned"), _keys()),
        "retrieve": _table(("method", "resource", "transaction"), retrieve),
        "media": _table(("transaction", "media types, the first by default"), _media()),
        "stow": _table(("failure reason", "name"), ((_code(each), _spoken(each.name)) for each in StowReason)),
        "used": _table(("service", "level or resource", "for"), USED),
        "bounds": _table(("policy", "value"), _bounds(settings)),
        "reports": _table(("IOD", "SOP class UID", "content"), REPORTS),
    }


def _implementation() -> Iterator[Row]:
    yield "Implementation Class UID", f"`{IMPLEMENTATION_CLASS_UID}`"
    yield "Implementation Version Name", f"`{IMPLEMENTATION_VERSION_NAME}`"
    yield "Application Context", "`1.2.840.10008.3.1.1.1`"


def _policies(settings: Settings) -> Iterator[Row]:
    shipped, limits = ReceiverSettings(Path()), Limits()
    dicom, commitment = settings.dicom, settings.commitment
    yield "AE title", f"`{dicom.ae_title}`"
    yield "TCP port", str(dicom.port)
    yield "receiving processes on the port", str(dicom.processes)
    yield "associations at the same time, per process", str(dicom.max_associations)
    yield "associations at the same time, per address and process", str(limits.associations_per_address)
    yield "connections without association, per process; beyond it the oldest is ended", str(limits.strangers)
    yield "connections without association, per address and process", str(limits.strangers_per_address)
    yield "time from connection to association request, seconds", f"{limits.request_seconds:g}"
    yield "maximum PDU length that we announce, bytes", f"{shipped.max_pdu:,}"
    yield "longest PDU that is read, bytes", f"{limits.pdu_bytes:,}"
    yield "largest object that is read, bytes", f"{dicom.max_object_bytes:,}"
    yield (
        "largest data set that is kept, for the archive behind; a larger one: `C016`",
        f"{settings.archive.max_object_bytes:,}",
    )
    yield "largest other message that is read, bytes", f"{limits.message_bytes:,}"
    yield "time for one PDU, seconds", f"{limits.pdu_seconds:g}, and its bytes at {limits.least_bytes_per_second:,}/s"
    yield "an idle association is aborted after, seconds", f"{dicom.idle_seconds:g}"
    yield "as a requestor: time for each step, seconds", f"{settings.delivery.timeout:g}"
    yield "asynchronous operations", "not negotiated: one at a time"
    yield "nesting of sequences, at most", str(MAX_DEPTH)
    yield "elements of one object, at most", f"{MAX_ELEMENTS:,}"
    yield "references of one storage commitment request, at most", f"{MOST_REFERENCES:,}"
    yield "a storage commitment report is tried for, days", f"{commitment.days:g}"


def _bounds(settings: Settings) -> Iterator[Row]:
    priors = settings.priors
    yield "time for each answer, seconds", f"{priors.timeout:g}"
    yield "time for a question in all, seconds", f"{IN_ALL * priors.timeout:g}"
    yield "silence by C-GET and C-MOVE while it sends, seconds", f"{SILENCE * priors.timeout:g}"
    yield "time for one study in all, seconds", f"{priors.study_seconds:g}"
    yield "studies of one patient that an archive may show", f"{MOST_STUDIES:,}"
    yield "instances of one study that an archive may list", f"{MOST_INSTANCES:,}"
    yield "largest answer by DICOMweb that is no image, bytes", f"{LARGEST_ANSWER:,}"
    yield "largest image, bytes", f"{settings.dicom.max_object_bytes:,}"
    yield "attempts before a person must look", str(MOST_ATTEMPTS)


def _rejections() -> Iterator[Row]:
    for one, (means, advice) in REJECTIONS.items():
        yield "/".join(str(number) for number in one.value[:3]), means, advice


def _syntaxes() -> Iterator[Row]:
    for uid, name in NAMED_SYNTAXES.items():
        taken = encoding_of(uid.replace("*", "50"))
        yield name, f"`{uid}`", _encoded(taken)
    for uid in sorted(DEFLATED):
        yield "deflated as a whole", f"`{uid}`", "never"


def _encoded(encoding: Encoding | None) -> str:
    return "no" if encoding is None else "yes, byte for byte"


def _store() -> Iterator[Row]:
    for status, words, advice in STORE_STATUSES:
        yield _code(status), words, advice
    for status, words in REASONS.values():
        yield _code(status), words, "Never again as it is: correct the object"


def _answers() -> Iterator[Row]:
    for each in MEANINGS:
        yield _code(each.first), _code(each.last), each.outcome.value, each.words


def _refusals() -> Iterator[Row]:
    yield "`0000`", "The transaction is on our disk", "Wait for the report"
    for status, (words, advice) in REFUSALS.items():
        yield _code(status), words, advice


def _failures() -> Iterator[Row]:
    for reason, (words, advice) in FAILURES.items():
        yield _code(reason), words, advice


def _find_limits() -> Iterator[Row]:
    yield "matches that are sent, at most", f"{MOST_ANSWERS:,}"
    at_once = (answering.MOST_OF_ONE, answering.MOST_OF_A_SITE, answering.MOST_QUERIES)
    yield "queries at the same time, of one AE title; of one site; of all", "; ".join(map(str, at_once))
    yield "time for looking; until the last match was sent, seconds", f"{found.MOST_SECONDS:g}; {FIND_SECONDS:g}"
    yield "length of an identifier, bytes, at most", f"{MOST_BYTES:,}"
    yield "keys with a value, at most", str(MOST_KEYS)


def _find() -> Iterator[Row]:
    yield _code(PENDING), "A match", "Wait for more"
    yield _code(PENDING_UNSUPPORTED), "A match, but some key is not supported", "Wait; compare the matches yourself"
    for each in Outcome:
        status, words, advice = each.value
        yield _code(status), words, advice


def _searches() -> Iterator[Row]:
    for each in SEARCHES:
        yield "GET", f"/dicom-web{each.rule}", _spoken(each.level.name)


def _keys() -> Iterator[Row]:
    for each in ATTRIBUTES:
        level = _spoken(each.level.name) if each.level else "every"
        matching = "—" if each.matching is Matching.NONE else each.matching.value.replace("*", "\\*")
        tags = " ".join(f"({tag[:4]},{tag[4:]})" for tag in each.tag.split("."))
        yield each.keyword, tags, level, matching, each.returned.value


def _media() -> Iterator[Row]:
    yield "search", _offers(finding.OFFERS)
    yield "store", _offers(stow.OFFERS)
    yield "metadata", _offers(metadata.OFFERS)
    yield "rendered, one frame", _offers(rendering.SINGLE_OFFERS)
    yield "rendered, several frames", _offers(rendering.MANY_OFFERS)


def _offers(offers: Iterable[Offer]) -> str:
    return ", ".join(f"`{each.media_type}{f'; type={each.part}' if each.part else ''}`" for each in offers)


def _code(status: int) -> str:
    return f"`{status:04X}`"


def _spoken(name: str) -> str:
    return name.lower().replace("_", " ")


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), load_settings(Path())), encoding="utf-8")
