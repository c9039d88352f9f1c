"""Every table of Overread, one class each.

Times are UTC. Text from DICOM is already decoded. `origin` says whose an instance is ("site:3", "case:17"): the same
Study Instance UID from two origins makes two studies, and nobody gains a right by knowing a UID.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from flask_security.core import RoleMixin, UserMixin
from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    false,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from worklist.states import CaseState, CommitmentState, DeliveryState, PriorState, ReportState


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment that comes back aware, from SQLite too (which forgets zones)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC; refuse a moment without a zone."""
        del dialect
        if value is not None and value.tzinfo is None:
            raise ValueError("a moment needs its zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Hand out UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _state(kind: type[StrEnum]) -> Enum:
    return Enum(kind, native_enum=False, length=16)


class Base(DeclarativeBase):
    """The parent of every table."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        CaseState: _state(CaseState),
        ReportState: _state(ReportState),
        DeliveryState: _state(DeliveryState),
        CommitmentState: _state(CommitmentState),
        PriorState: _state(PriorState),
    }


# --- organizations and people -------------------------------------------------------------------------------------


class Site(Base):
    """An organization that sends studies.

    `addresses` (networks, e.g. 10.0.0.0/8) and `certificates` (SHA-256 fingerprints of its TLS client certificates)
    hold for all AE titles that it sends from; none of them: anybody on the network can use these names.
    """

    __tablename__ = "site"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    addresses: Mapped[list[Any]] = mapped_column(default=list)
    certificates: Mapped[list[Any]] = mapped_column(default=list)
    certificate_ends: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")  # day by fingerprint
    removed_at: Mapped[datetime | None]  # its cases stay; it neither sends nor receives any more
    peers: Mapped[list[Peer]] = relationship(back_populates="site", order_by="Peer.id")


class Peer(Base):
    """One DICOM application entity of a site: it may send to us, receive reports from us, be asked for earlier studies.

    One with `base_url` is reached by DICOMweb there, and has neither AE title nor host.
    """

    __tablename__ = "peer"
    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    ae_title: Mapped[str] = mapped_column(String(16))
    host: Mapped[str] = mapped_column(default="")
    port: Mapped[int] = mapped_column(default=0)
    may_send: Mapped[bool] = mapped_column(default=False)
    receives_reports: Mapped[bool] = mapped_column(default=False)
    proof: Mapped[str] = mapped_column(String(16), default="status")  # "status" or "query": what proves a delivery
    tls: Mapped[bool] = mapped_column(default=False)  # we call it encrypted
    base_url: Mapped[str] = mapped_column(default="", server_default="")  # of its DICOMweb
    access: Mapped[str] = mapped_column(Text, default="", server_default="")  # credentials, sealed for `base_url`
    rights: Mapped[list[Any]] = mapped_column(default=lambda: ["store", "echo", "commitment"])  # of one that may send
    retrieval: Mapped[str] = mapped_column(String(8), default="", server_default="")  # worklist.states.Retrieval
    site: Mapped[Site] = relationship(back_populates="peers")

    @property
    def name(self) -> str:
        """Which one of its site it is."""
        return self.base_url or self.ae_title

    @property
    def address(self) -> str:
        """Where a receiver is reached: AE@host:port, or the URL of its DICOMweb."""
        return self.base_url or f"{self.ae_title}@{self.host}:{self.port}"


class Person(Base, UserMixin):
    """Somebody who signs in. `subspecialties`, registration and organization matter for readers only."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    password: Mapped[str | None] = mapped_column(String(255))
    active: Mapped[bool] = mapped_column(default=True)
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True, default=lambda: secrets.token_hex(32))
    display_name: Mapped[str] = mapped_column(default="")
    dicom_name: Mapped[str] = mapped_column(default="")  # PS3.5 PN: "Family^Given^Middle^Prefix^Suffix"
    title: Mapped[str] = mapped_column(default="")
    organization: Mapped[str] = mapped_column(default="")
    registration_number: Mapped[str] = mapped_column(default="")
    registration_body: Mapped[str] = mapped_column(default="")
    subspecialties: Mapped[list[Any]] = mapped_column(default=list)
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    roles: Mapped[list[PersonRole]] = relationship(  # type: ignore[assignment]  # the library wants list[RoleMixin]
        back_populates="person", cascade="all, delete-orphan"
    )
    site: Mapped[Site | None] = relationship()


class PersonRole(Base, RoleMixin):
    """One role of one person: patient, reader, site, coordinator or admin."""

    __tablename__ = "person_role"
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    person: Mapped[Person] = relationship(back_populates="roles")


class ApiToken(Base):
    """A bearer token, known to us by its SHA-256 only. `scope` is a name of `gateway.accounts.scopes`."""

    __tablename__ = "api_token"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    name: Mapped[str] = mapped_column(String(80), default="", server_default="")  # what it is for, in words
    scope: Mapped[str] = mapped_column(String(16), default="person", server_default="person")
    used_at: Mapped[datetime | None]  # to the minute
    person: Mapped[Person] = relationship()


class WebSession(Base):
    """One browser in which a person is signed in: signing out, or a new password, takes the row away."""

    __tablename__ = "web_session"
    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)  # of the secret in the cookie
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    used_at: Mapped[datetime] = mapped_column(default=now, index=True)  # to the minute
    address: Mapped[str] = mapped_column(String(64), default="")
    browser: Mapped[str] = mapped_column(String(255), default="")
    person: Mapped[Person] = relationship()


class SignInAttempt(Base):
    """One attempt to sign in, kept as long as the next ones are judged by it."""

    __tablename__ = "sign_in_attempt"
    __table_args__ = (
        Index("ix_sign_in_attempt_account_at", "account", "at"),
        Index("ix_sign_in_attempt_address_at", "address", "at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now)
    account: Mapped[str] = mapped_column(String(64))  # SHA-256 of the e-mail address, which need not be anybody's
    address: Mapped[str] = mapped_column(String(64))
    good: Mapped[bool] = mapped_column(default=False)


# --- images -------------------------------------------------------------------------------------------------------


class Study(Base):
    """One study of one origin, with what its instances say of patient and examination."""

    __tablename__ = "study"
    __table_args__ = (
        Index("uq_study_origin_study_uid", "origin", "study_uid", unique=True),
        Index("ix_study_study_uid_origin", "study_uid", "origin"),  # which of its origins: read from the index alone
        Index("ix_study_study_date_study_time_study_uid", "study_date", "study_time", "study_uid"),  # pages of searches
        Index("ix_study_patient_id", "patient_id", postgresql_using="hash"),  # a hash: values may be long
        Index("ix_study_accession", "accession", postgresql_using="hash"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    origin: Mapped[str] = mapped_column(String(32))
    study_uid: Mapped[str] = mapped_column(String(64))
    patient_id: Mapped[str] = mapped_column(default="")
    issuer: Mapped[str] = mapped_column(default="")  # Issuer of Patient ID (0010,0021)
    patient_name: Mapped[str] = mapped_column(default="")
    birth_date: Mapped[str] = mapped_column(String(8), default="")  # DICOM DA, "" when unknown
    sex: Mapped[str] = mapped_column(String(16), default="")
    age_years: Mapped[float | None]
    study_date: Mapped[str] = mapped_column(String(8), default="")
    study_time: Mapped[str] = mapped_column(String(16), default="")
    accession: Mapped[str] = mapped_column(default="")
    study_id: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    referring: Mapped[str] = mapped_column(default="")
    timezone: Mapped[str] = mapped_column(String(16), default="", server_default="")  # Timezone Offset From UTC
    first_at: Mapped[datetime] = mapped_column(default=now)
    last_at: Mapped[datetime] = mapped_column(default=now, index=True)  # when its newest instance arrived
    settled: Mapped[bool] = mapped_column(default=False, server_default=false())  # quiet, and its case was opened
    fetched: Mapped[bool] = mapped_column(default=False, server_default=false())  # by us, as a prior: it opens no case
    version: Mapped[int] = mapped_column(default=0)  # grows with every instance: the ETag of what we say of it
    replaced: Mapped[int] = mapped_column(default=0, server_default="0")  # images in whose place a version was accepted
    expected: Mapped[int | None]  # how many images the sender's own archive counts, where it can be asked
    asked_version: Mapped[int] = mapped_column(default=-1, server_default="-1")  # at which version it was asked
    checked_version: Mapped[int] = mapped_column(default=-1, server_default="-1")  # of which version `remarks` are
    remarks: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")  # worklist.completeness.Remark
    series: Mapped[list[Series]] = relationship(back_populates="study", order_by="Series.number, Series.id")


class Series(Base):
    """One series of a study."""

    __tablename__ = "series"
    __table_args__ = (Index("uq_series_study_id_series_uid", "study_id", "series_uid", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    series_uid: Mapped[str] = mapped_column(String(64), index=True)
    modality: Mapped[str] = mapped_column(String(16), default="")
    number: Mapped[int | None]
    description: Mapped[str] = mapped_column(default="")
    body_part: Mapped[str] = mapped_column(default="")
    laterality: Mapped[str] = mapped_column(String(16), default="")
    series_date: Mapped[str] = mapped_column(String(8), default="")
    series_time: Mapped[str] = mapped_column(String(16), default="")
    performed_date: Mapped[str] = mapped_column(String(8), default="", server_default="")  # of the procedure step
    performed_time: Mapped[str] = mapped_column(String(16), default="", server_default="")
    institution: Mapped[str] = mapped_column(default="", server_default="")
    station: Mapped[str] = mapped_column(default="", server_default="")
    manufacturer: Mapped[str] = mapped_column(default="", server_default="")
    protocol: Mapped[str] = mapped_column(default="", server_default="")
    ours: Mapped[bool] = mapped_column(default=False, server_default=false())  # made here: a report, or by `made_by`
    made_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))  # a reader, in the viewer
    version: Mapped[int] = mapped_column(default=0)
    study: Mapped[Study] = relationship(back_populates="series")
    instances: Mapped[list[Instance]] = relationship(back_populates="series", order_by="Instance.number, Instance.id")
    requests: Mapped[list[SeriesRequest]] = relationship(order_by="SeriesRequest.id")


class SeriesRequest(Base):
    """One item of a series' Request Attributes Sequence (0040,0275): what had been ordered."""

    __tablename__ = "series_request"
    id: Mapped[int] = mapped_column(primary_key=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"), index=True)
    step_id: Mapped[str] = mapped_column(default="")  # Scheduled Procedure Step ID (0040,0009)
    procedure_id: Mapped[str] = mapped_column(default="")  # Requested Procedure ID (0040,1001)


class Instance(Base):
    """One instance that the archive provably has: `sha256` is of the dataset as received, `archive_id` Orthanc's."""

    __tablename__ = "instance"
    __table_args__ = (
        Index("uq_instance_series_id_sop_uid", "series_id", "sop_uid", unique=True),
        Index("uq_instance_study_id_sop_uid", "study_id", "sop_uid", unique=True),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"))
    sop_uid: Mapped[str] = mapped_column(String(64), index=True)
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    transfer_syntax: Mapped[str] = mapped_column(String(64))
    number: Mapped[int | None]
    rows: Mapped[int] = mapped_column(default=0)
    columns: Mapped[int] = mapped_column(default=0)
    frames: Mapped[int] = mapped_column(default=1)
    bits: Mapped[int] = mapped_column(default=0, server_default="0")  # Bits Allocated (0028,0100)
    size: Mapped[int] = mapped_column(BigInteger)  # bytes of the dataset
    sha256: Mapped[str] = mapped_column(String(64))
    archive_id: Mapped[str] = mapped_column(String(64))
    sender: Mapped[str] = mapped_column(default="")
    received_at: Mapped[datetime] = mapped_column(default=now)
    series: Mapped[Series] = relationship(back_populates="instances")
    study: Mapped[Study] = relationship()


class SeriesMetadata(Base):
    """What the viewer asks of a series first, of a case that is open: baked, sealed, and lost with no cache.

    docs/adr/0024. `version` is that of the series it was made of, `form` says how it was made.
    """

    __tablename__ = "series_metadata"
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int]
    form: Mapped[int]
    slot: Mapped[bytes] = mapped_column(LargeBinary)  # the wrapped key (config.sealed_bytes)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class Trouble(Base):
    """An object that did not become part of a study: refused at the door, or kept aside in quarantine."""

    __tablename__ = "trouble"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # worklist.states.TroubleKind
    origin: Mapped[str] = mapped_column(String(32), index=True)
    sender: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(Text)
    status: Mapped[int] = mapped_column(default=0)  # the DIMSE status that the sender got
    sop_uid: Mapped[str] = mapped_column(default="")
    study_uid: Mapped[str] = mapped_column(default="", index=True)
    series_uid: Mapped[str] = mapped_column(default="", server_default="")
    key: Mapped[str] = mapped_column(String(64), unique=True)  # of the inbox: seen twice, written once
    file: Mapped[str] = mapped_column(default="")  # in DIR/quarantine
    received_at: Mapped[datetime] = mapped_column(default=now, index=True)
    resolved_at: Mapped[datetime | None]
    decision: Mapped[str] = mapped_column(String(16), default="", server_default="")  # worklist.troubles.Decision
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    answer: Mapped[str] = mapped_column(Text, default="", server_default="")  # what the sender is told
    carried_at: Mapped[datetime | None]  # the decision was carried out: the object went back into the inbox
    contradicts: Mapped[str] = mapped_column(String(64), default="", server_default="")  # "another name", "no name"
    patient: Mapped[str] = mapped_column(String(64), default="", server_default="")  # a digest of whose it says it is
    sha256: Mapped[str] = mapped_column(String(64), default="", server_default="")  # of the dataset, if it was read
    series_number: Mapped[int | None]
    instance_number: Mapped[int | None]


class TroubleTally(Base):
    """Refused objects of one origin that are not listed in `Trouble` (`worklist.tally`); `reason` is that of one."""

    __tablename__ = "trouble_tally"
    origin: Mapped[str] = mapped_column(String(32), primary_key=True)
    status: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str] = mapped_column(Text)
    count: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class Commitment(Base):
    """One storage commitment transaction of a peer (PS3.4 Annex J); `key` is that of its file (`scp.transactions`)."""

    __tablename__ = "commitment"
    __table_args__ = (Index("ix_commitment_state_next_attempt_at", "state", "next_attempt_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    origin: Mapped[str] = mapped_column(String(32), index=True)
    sender: Mapped[str] = mapped_column(String(16))
    transaction_uid: Mapped[str] = mapped_column(String(64))
    state: Mapped[CommitmentState] = mapped_column(default=CommitmentState.ASKED)
    received_at: Mapped[datetime] = mapped_column(index=True)
    judged_at: Mapped[datetime | None]
    reported_at: Mapped[datetime | None]
    reported_how: Mapped[str] = mapped_column(default="")  # in words
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(default=now)
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(Text, default="")
    items: Mapped[list[CommitmentItem]] = relationship(back_populates="commitment", cascade="all, delete-orphan")


class CommitmentItem(Base):
    """One instance that a peer wants to be safe. `reason`: None not judged, 0 committed, else why not (0008,1197)."""

    __tablename__ = "commitment_item"
    commitment_id: Mapped[int] = mapped_column(ForeignKey("commitment.id"), primary_key=True)
    sop_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    reason: Mapped[int | None]
    study_id: Mapped[int | None] = mapped_column(ForeignKey("study.id"), index=True)  # in which we hold it
    commitment: Mapped[Commitment] = relationship(back_populates="items")


# --- cases --------------------------------------------------------------------------------------------------------


class Case(Base):
    """One request for a second opinion."""

    __tablename__ = "case"
    __table_args__ = (Index("ix_case_state_subspecialty_due_at", "state", "subspecialty", "due_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[CaseState] = mapped_column(default=CaseState.DRAFT)
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"), index=True)
    patient_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    reader_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    subspecialty: Mapped[str] = mapped_column(String(32), default="unassigned")
    priority: Mapped[str] = mapped_column(String(16), default="routine")
    turnaround_hours: Mapped[float] = mapped_column(default=72.0)
    due_at: Mapped[datetime | None]
    routed_by: Mapped[str] = mapped_column(default="")  # the rule's name
    routed_why: Mapped[str] = mapped_column(Text, default="")
    reason: Mapped[str] = mapped_column(Text, default="")  # why a second opinion is asked for
    history: Mapped[str] = mapped_column(Text, default="")
    questions: Mapped[list[Any]] = mapped_column(default=list)
    prior_report: Mapped[str] = mapped_column(Text, default="")
    prior_report_author: Mapped[str] = mapped_column(default="")
    prior_report_date: Mapped[str] = mapped_column(default="")
    hold_reason: Mapped[str] = mapped_column(Text, default="")
    draft: Mapped[dict[str, Any]] = mapped_column(default=dict)  # the opinion while it is written
    draft_at: Mapped[datetime | None]
    images_added_at: Mapped[datetime | None]  # an instance came after the case was READY
    images_replaced_at: Mapped[datetime | None]  # an accepted version took the place of one after the case was READY
    created_at: Mapped[datetime] = mapped_column(default=now)
    ready_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    claimed_version: Mapped[int | None]  # worklist.added.images_version when it was claimed
    claimed_replaced: Mapped[int | None]  # worklist.added.images_replaced of its studies when it was claimed
    signed_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    site: Mapped[Site | None] = relationship()
    patient: Mapped[Person | None] = relationship(foreign_keys=[patient_id])
    reader: Mapped[Person | None] = relationship(foreign_keys=[reader_id])
    studies: Mapped[list[Study]] = relationship(secondary="case_study", order_by="Study.study_date, Study.id")
    reports: Mapped[list[Report]] = relationship(back_populates="case", order_by="Report.version")


class CaseStudy(Base):
    """A study belongs to a case: the only thing from which a right to see images follows."""

    __tablename__ = "case_study"
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id"), primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), primary_key=True, index=True)


class PriorSearch(Base):
    """The search for the earlier studies of a case's patient in the archive of its site, and whom it is for.

    `left_out`: what the archive showed and was not taken, {"what", "why"}. A new search of a case is the same row.
    """

    __tablename__ = "prior_search"
    __table_args__ = (Index("ix_prior_search_state_next_attempt_at", "state", "next_attempt_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id"), unique=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    asked_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))  # nobody: when the case was opened
    patient_id: Mapped[str]
    issuer: Mapped[str] = mapped_column(default="")
    patient_name: Mapped[str] = mapped_column(default="")
    birth_date: Mapped[str] = mapped_column(String(8), default="")
    state: Mapped[PriorState] = mapped_column(default=PriorState.WANTED)
    created_at: Mapped[datetime] = mapped_column(default=now)
    answered_at: Mapped[datetime | None]
    source: Mapped[str] = mapped_column(default="")  # the archive, in words: "PACS@10.0.0.5:104"
    left_out: Mapped[list[Any]] = mapped_column(default=list)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(Text, default="")
    case: Mapped[Case] = relationship()
    priors: Mapped[list[Prior]] = relationship(back_populates="search", order_by="Prior.id")


class Prior(Base):
    """One earlier study that is fetched for a case: what the archive says of it, and how far that is."""

    __tablename__ = "prior"
    __table_args__ = (
        Index("uq_prior_search_id_study_uid", "search_id", "study_uid", unique=True),
        Index("ix_prior_origin_study_uid", "origin", "study_uid"),
        Index("ix_prior_state_next_attempt_at", "state", "next_attempt_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    search_id: Mapped[int] = mapped_column(ForeignKey("prior_search.id"))
    origin: Mapped[str] = mapped_column(String(32))
    study_uid: Mapped[str] = mapped_column(String(64))
    study_date: Mapped[str] = mapped_column(String(8), default="")
    description: Mapped[str] = mapped_column(default="")
    modalities: Mapped[list[Any]] = mapped_column(default=list)
    images: Mapped[int | None]  # as the archive counts them
    lacking: Mapped[int] = mapped_column(default=0)  # so many of them it could not send
    was_here: Mapped[bool] = mapped_column(default=False)  # it needed not be fetched
    state: Mapped[PriorState] = mapped_column(default=PriorState.WANTED)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(Text, default="")
    sent_at: Mapped[datetime | None]  # the archive said that it had sent all
    search: Mapped[PriorSearch] = relationship(back_populates="priors")


class ShareLink(Base):
    """A link that shows some studies of one case, and its signed report, to whoever also knows the second secret.

    `sha256` is of the link's secret, `factor` the Argon2 hash of a birth date or PIN. It is dead once it has ended, was
    revoked, or was tried too often (`mistakes`).
    """

    __tablename__ = "share_link"
    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id"), index=True)
    study_ids: Mapped[list[Any]]  # rows of `study`
    made_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    made_for: Mapped[str] = mapped_column(String(80))  # in the maker's words
    factor_kind: Mapped[str] = mapped_column(String(16))  # "birth date" or "PIN"
    factor: Mapped[str] = mapped_column(String(255))
    mistakes: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]  # the last time
    maker: Mapped[Person] = relationship()


class ShareVisit(Base):
    """One browser in which a link was opened with its second secret; `sha256` is of what its cookie holds."""

    __tablename__ = "share_visit"
    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    link_id: Mapped[int] = mapped_column(ForeignKey("share_link.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    address: Mapped[str] = mapped_column(String(64), default="")
    link: Mapped[ShareLink] = relationship()


class Report(Base):
    """One signed version of an opinion.

    `content` is frozen at signing and UIDs are minted then, so that a retry repeats both.
    """

    __tablename__ = "report"
    __table_args__ = (
        Index("uq_report_case_id_version", "case_id", "version", unique=True),
        Index("ix_report_state_next_attempt_at", "state", "next_attempt_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id"))
    version: Mapped[int]
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))  # into which it goes
    state: Mapped[ReportState] = mapped_column(default=ReportState.SIGNED)
    content: Mapped[dict[str, Any]]
    reference: Mapped[bytes] = mapped_column(LargeBinary)  # the header of one image: patient and study, as received
    signer_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    signed_at: Mapped[datetime]
    sr_uid: Mapped[str] = mapped_column(String(64), unique=True)
    sr_series_uid: Mapped[str] = mapped_column(String(64))
    pdf_uid: Mapped[str] = mapped_column(String(64), unique=True)
    pdf_series_uid: Mapped[str] = mapped_column(String(64))
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(Text, default="")
    published_at: Mapped[datetime | None]
    asked_again_at: Mapped[datetime | None]  # the archive, its grace over, was asked whether it still has it
    case: Mapped[Case] = relationship(back_populates="reports")
    study: Mapped[Study] = relationship()
    signer: Mapped[Person] = relationship()
    files: Mapped[list[ReportFile]] = relationship(back_populates="report")
    deliveries: Mapped[list[Delivery]] = relationship(back_populates="report", order_by="Delivery.id")


class ReportFile(Base):
    """The bytes of a published report: kind "sr" and "pdf-dicom" (Part 10), "pdf" (as people read it)."""

    __tablename__ = "report_file"
    report_id: Mapped[int] = mapped_column(ForeignKey("report.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    report: Mapped[Report] = relationship(back_populates="files")


class Delivery(Base):
    """One report going to one destination, with attempts and proof. No peer: the report lies ready in the portal."""

    __tablename__ = "delivery"
    __table_args__ = (Index("ix_delivery_state_next_attempt_at", "state", "next_attempt_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    report_id: Mapped[int] = mapped_column(ForeignKey("report.id"), index=True)
    peer_id: Mapped[int | None] = mapped_column(ForeignKey("peer.id"))
    destination: Mapped[str]  # in words: "DEMO_PACS@127.0.0.1:11113"
    state: Mapped[DeliveryState] = mapped_column(default=DeliveryState.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(Text, default="")
    proof: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    proven_at: Mapped[datetime | None]
    report: Mapped[Report] = relationship(back_populates="deliveries")
    peer: Mapped[Peer | None] = relationship()


class AuditLine(Base):
    """Who did what to which case, when: written in the same transaction as the act, never changed."""

    __tablename__ = "audit_line"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    actor: Mapped[str] = mapped_column(default="")  # a program's or an AE's name where no person acted
    action: Mapped[str] = mapped_column(String(64))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("case.id"), index=True)
    detail: Mapped[str] = mapped_column(Text, default="")
    person: Mapped[Person | None] = relationship()


class AccessLine(Base):
    """Who looked at images of which study over DICOMweb, or queried; requests of one kind within a minute are one line.

    No person, link or AE title: nobody who was known, or, with the action "lost", how many lines were lost.
    """

    __tablename__ = "access_line"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)  # of the first request
    last_at: Mapped[datetime] = mapped_column(default=now)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    link_id: Mapped[int | None] = mapped_column(ForeignKey("share_link.id"), index=True)
    ae_title: Mapped[str] = mapped_column(String(16), default="", server_default="")  # that queried by C-FIND
    action: Mapped[str] = mapped_column(String(64))
    study_uid: Mapped[str] = mapped_column(String(64), default="", index=True)
    series_uid: Mapped[str] = mapped_column(String(64), default="")
    case_id: Mapped[int | None] = mapped_column(index=True)  # as asked for; there need not be such a case
    status: Mapped[int]  # HTTP; of a query: DIMSE
    address: Mapped[str] = mapped_column(String(64), default="")
    requests: Mapped[int] = mapped_column(default=1)
    person: Mapped[Person | None] = relationship()


class TurnedAway(Base):
    """Associations that were not opened on one day, counted by who asked, from where, and why not."""

    __tablename__ = "turned_away"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)  # of the receiver's line: written again, not twice
    calling: Mapped[str] = mapped_column(String(16), index=True)
    called: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(64))
    why: Mapped[str] = mapped_column(String(16))
    count: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime] = mapped_column(index=True)


class Heard(Base):
    """The last association of one sender: `accepted` and `declined` are contexts in words (`scp.negotiation`)."""

    __tablename__ = "heard"
    ae_title: Mapped[str] = mapped_column(String(16), primary_key=True)
    at: Mapped[datetime]
    address: Mapped[str] = mapped_column(String(64))
    secure: Mapped[bool]
    accepted: Mapped[list[Any]] = mapped_column(default=list)
    declined: Mapped[list[Any]] = mapped_column(default=list)


class CutOff(Base):
    """An association that ended without a release while a study came (`scp.endings.Cut`).

    `mended_at`: when a later transfer of the study was brought to its end.
    """

    __tablename__ = "cut_off"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    origin: Mapped[str] = mapped_column(String(32))
    sender: Mapped[str] = mapped_column(String(16))
    study_uid: Mapped[str] = mapped_column(String(64), index=True)
    images: Mapped[int]  # of the study, that had been stored on it
    in_image: Mapped[bool]  # it ended in the middle of another one
    at: Mapped[datetime]
    mended_at: Mapped[datetime | None]


class Pulse(Base):
    """The last proof of life of one part, e.g. a worker's loop or the self-test through the front door."""

    __tablename__ = "pulse"
    part: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now)
    ok: Mapped[bool] = mapped_column(default=True)
    detail: Mapped[str] = mapped_column(Text, default="")
