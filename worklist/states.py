"""The states of a case, of a report, of a delivery and of a storage commitment transaction."""

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


class TroubleKind(StrEnum):
    """Why an object is in no study. The values are stored."""

    REFUSED = "refused"  # at the door: its sender was told, and we do not have it
    QUARANTINED = "quarantined"  # kept aside until a coordinator decides
    UNREADABLE = "unreadable"  # our own disk does not give it just now
    DAMAGED = "damaged"  # its file on our own disk is broken


class Role(StrEnum):
    """What a person is here."""

    PATIENT = "patient"
    SITE = "site"
    READER = "reader"
    COORDINATOR = "coordinator"
    ADMIN = "admin"
