"""The states of a case, a report, a delivery, a storage commitment transaction and a search for earlier studies."""

from enum import StrEnum


class CaseState(StrEnum):
    """Where a case is on its way."""

    DRAFT = "DRAFT"  # a patient is still writing it
    AWAITING_IMAGES = "AWAITING_IMAGES"  # submitted, its images are not complete
    READY = "READY"  # on the worklist
    CLAIMED = "CLAIMED"  # one reader has it
    ON_HOLD = "ON_HOLD"  # its reader cannot go on; the reason is on the case
    SIGNED = "SIGNED"  # the opinion is frozen; it is on its way
    DELIVERED = "DELIVERED"  # every destination has proof
    CANCELLED = "CANCELLED"


class ReportState(StrEnum):
    """How far a signed opinion has been made into documents."""

    SIGNED = "SIGNED"
    PUBLISHED = "PUBLISHED"


class DeliveryState(StrEnum):
    """Whether a destination provably has the report."""

    PENDING = "PENDING"  # not yet, will be tried (again)
    NEEDS_PERSON = "NEEDS_PERSON"  # the destination said no for good; somebody must look
    PROVEN = "PROVEN"


class CommitmentState(StrEnum):
    """How far a sender's storage commitment transaction is."""

    ASKED = "ASKED"  # not judged yet
    JUDGED = "JUDGED"  # the sender has not taken the report yet
    REPORTED = "REPORTED"
    GIVEN_UP = "GIVEN_UP"  # nobody took the report for days


class PriorState(StrEnum):
    """How far a search for a patient's earlier studies is, and the fetching of each."""

    WANTED = "WANTED"  # not asked for yet, or will be again
    COMING = "COMING"  # the archive says that it sent all; not all is here yet
    DONE = "DONE"
    NEEDS_PERSON = "NEEDS_PERSON"  # it was tried often enough, or the archive said no for good
    CANCELLED = "CANCELLED"


class Retrieval(StrEnum):
    """How earlier studies are fetched from a site's archive. The values are stored."""

    NONE = ""  # it is not asked for any
    GET = "get"  # C-FIND and C-GET: they come on our own association
    MOVE = "move"  # C-FIND and C-MOVE: it calls us, and sends them
    WEB = "web"  # QIDO-RS and WADO-RS


class TroubleKind(StrEnum):
    """Why an object is in no study, or not shown. The values are stored."""

    REFUSED = "refused"  # at the door: its sender was told, and we do not have it
    QUARANTINED = "quarantined"  # kept aside until a coordinator decides
    UNREADABLE = "unreadable"  # our own disk does not give it just now
    DAMAGED = "damaged"  # its file on our own disk is broken
    ALTERED = "altered"  # it is in one, but the archive gives other bytes than it took


class Role(StrEnum):
    """What a person is here."""

    PATIENT = "patient"
    SITE = "site"
    READER = "reader"
    COORDINATOR = "coordinator"
    ADMIN = "admin"
