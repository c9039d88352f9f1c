"""Studies, series and instances: recorded as they are archived."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from worklist.history import IMAGE_REPLACED, tell
from worklist.models import AuditLine, Case, CaseStudy, Instance, Series, SeriesRequest, Study, now
from worklist.names import same_name
from worklist.states import CaseState
from worklist.troubles import signed_on

WAITING = frozenset({CaseState.DRAFT, CaseState.AWAITING_IMAGES})
SIGNED_UPON = (
    "It was accepted, but meanwhile a report was signed on the version that is here, so it did not replace that. "
    "Ask the sender to send it under a new SOP Instance UID (PS3.5 section 9), and reject this one."
)


class SignedUpon(Exception):  # noqa: N818 - it names what happened to the instance
    """A report rests on the version that is here: keep the other one aside, a person must look at it."""


@dataclass(frozen=True, slots=True)
class StudyText:
    """What an instance says of its patient and study: decoded text, "" where it says nothing."""

    study_uid: str
    patient_id: str
    issuer: str
    patient_name: str
    birth_date: str
    sex: str
    age_years: float | None
    study_date: str
    study_time: str
    accession: str
    study_id: str
    description: str
    referring: str
    timezone: str = ""


@dataclass(frozen=True, slots=True)
class SeriesText:
    """What an instance says of its series; `requests`: pairs of scheduled step's and requested procedure's ID."""

    series_uid: str
    modality: str
    number: int | None
    description: str
    body_part: str
    laterality: str
    series_date: str
    series_time: str
    performed_date: str = ""
    performed_time: str = ""
    institution: str = ""
    station: str = ""
    manufacturer: str = ""
    protocol: str = ""
    requests: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """The instance itself: what it says, how it came, and under which name the archive has it."""

    sop_uid: str
    sop_class_uid: str
    transfer_syntax: str
    number: int | None
    rows: int
    columns: int
    frames: int
    size: int
    sha256: str
    archive_id: str
    sender: str
    received_at: datetime
    bits: int = 0


@dataclass(frozen=True, slots=True)
class Recording:
    """One archived instance, with what it says of its study and series."""

    origin: str
    study: StudyText
    series: SeriesText
    facts: InstanceFacts
    made_by: int | None = None  # the reader who made it in the viewer
    fetched: bool = False  # it came because we asked for an earlier study


def record(
    session: Session, origin: str, study: StudyText, series: SeriesText, facts: InstanceFacts, *, ours: bool = False
) -> None:
    """Write down one archived instance; again for the same instance changes nothing. `ours`: a report we wrote."""
    _record_study(session, [Recording(origin, study, series, facts)], ours=ours)


def record_all(session: Session, recordings: Sequence[Recording]) -> list[Recording]:
    """Write down many, with a few queries for each study; return those that have no row, since other content has it."""
    by_study: dict[tuple[str, str, int], list[Recording]] = {}
    for one in recordings:
        by_study.setdefault((one.origin, one.study.study_uid, one.made_by or 0), []).append(one)
    left_out: list[Recording] = []
    for key in sorted(by_study):  # every writer locks in the same order
        left_out += _record_study(session, by_study[key], ours=key[2] != 0)
    return left_out


def replace(session: Session, one: Recording) -> None:
    """Put another version of an instance in the place of the first, which need not be there any more.

    Again for the same version changes nothing.

    Raises SignedUpon where a report was signed on the first: asked here, where nobody can sign meanwhile.
    """
    study = _study(session, one)
    row = session.scalars(
        select(Instance).where(Instance.study_id == study.id, Instance.sop_uid == one.facts.sop_uid)
    ).one_or_none()
    if row is None:
        record_all(session, [one])
    if row is None or row.sha256 == one.facts.sha256:
        return
    if signed_on(session, one.origin, one.facts.sop_uid):
        raise SignedUpon(SIGNED_UPON)
    left, entered = row.series, _series(session, study, one, ours=False)
    for name in _NAMES:
        setattr(row, name, getattr(one.facts, name))
    row.series_id = entered.id
    _count_replaced(study, left, entered)
    _changed(session, study, one.facts.received_at, images_replaced_at=now())
    detail = f"An accepted version took the place of image {one.facts.sop_uid}."
    tell(session, study.origin, study.study_uid, IMAGE_REPLACED, detail)
    session.flush()


def _count_replaced(study: Study, left: Series, entered: Series) -> None:
    """Two changes of series, which may be the same one; `worklist.added` knows that they are one image."""
    left.version += 1
    entered.version += 1
    study.version += 1
    if not (left.ours or entered.ours):
        study.replaced += 1


def _record_study(session: Session, recordings: Sequence[Recording], *, ours: bool) -> list[Recording]:
    first = recordings[0]
    known = _study(session, first)
    if known.fetched and not ours and not all(one.fetched for one in recordings):
        _make_it_theirs(known, max(one.facts.received_at for one in recordings))
    fresh, left_out = _unseen(session, known, recordings)
    series: dict[str, Series] = {}
    rows = []
    for one in fresh:
        uid = one.series.series_uid
        row = series.get(uid) or series.setdefault(uid, _series(session, known, one, ours=ours))
        rows.append({"study_id": known.id, "series_id": row.id} | {name: getattr(one.facts, name) for name in _NAMES})
        row.version += 1
    if not rows:
        return left_out
    session.execute(insert(Instance), rows)
    known.version += len(rows)
    if first.made_by:
        _audit(session, known, fresh)
    if not ours:
        _name(known, fresh)
        received_at = max(one.facts.received_at for one in fresh)
        _changed(session, known, received_at, images_added_at=received_at)
    session.flush()
    return left_out


def _unseen(session: Session, study: Study, recordings: Sequence[Recording]) -> tuple[list[Recording], list[Recording]]:
    """Those that have no row yet, each SOP Instance UID once, and those whose UID stands for other content.

    A row learns where the archive has its instance now.
    """
    first: dict[str, Recording] = {}
    for one in recordings:
        first.setdefault(one.facts.sop_uid, one)
    known = select(Instance.sop_uid, Instance.sha256, Instance.archive_id).where(Instance.study_id == study.id)
    content = {uid: one.facts.sha256 for uid, one in first.items()}
    seen = set()
    for uid, sha256, archive_id in session.execute(known.where(Instance.sop_uid.in_(first))):
        seen.add(uid)
        content[uid] = sha256
        if archive_id != first[uid].facts.archive_id:
            _moved(session, study, first[uid].facts)
    fresh = [one for uid, one in first.items() if uid not in seen]
    return fresh, [one for one in recordings if one.facts.sha256 != content[one.facts.sop_uid]]


def _moved(session: Session, study: Study, facts: InstanceFacts) -> None:
    same = (Instance.study_id == study.id, Instance.sop_uid == facts.sop_uid, Instance.sha256 == facts.sha256)
    session.execute(
        update(Instance).where(*same).values(archive_id=facts.archive_id).execution_options(synchronize_session=False)
    )


_WHO = ("patient_name", "birth_date", "issuer")
_NAMES = tuple(InstanceFacts.__dataclass_fields__)


def lock_studies(session: Session, keys: Iterable[tuple[str, str]]) -> None:
    """Lock the rows of these studies (origin, Study Instance UID) in the order in which every writer does.

    For who writes about them one after the other in another order: two workers would wait for each other.
    """
    for origin, study_uid in sorted(set(keys)):
        session.execute(select(Study.id).where(Study.origin == origin, Study.study_uid == study_uid).with_for_update())


def wanted_read(session: Session, origin: str, study_uid: str, at: datetime) -> None:
    """Its site sent by itself, though in another version, what we may have fetched: a case is opened all the same."""
    same = (Study.origin == origin, Study.study_uid == study_uid, Study.fetched.is_(True))
    for study in session.scalars(select(Study).where(*same).with_for_update()):
        _make_it_theirs(study, at)


def _make_it_theirs(study: Study, at: datetime) -> None:
    """Its site sends by itself what we had fetched: it wants it read, so that a case is opened once it is complete."""
    study.fetched = study.settled = False
    study.last_at = max(study.last_at, at)


def _study(session: Session, one: Recording) -> Study:
    """Its row. What was fetched is complete when it comes: it opens no case."""
    origin, text, received_at = one.origin, one.study, one.facts.received_at
    found = session.scalars(
        # locked: nobody settles it, or counts its versions, between our look and our change
        select(Study).where(Study.origin == origin, Study.study_uid == text.study_uid).with_for_update()
    ).one_or_none()
    if found is not None:
        return found
    made = Study(
        origin=origin,
        first_at=received_at,
        last_at=received_at,
        settled=one.fetched,
        fetched=one.fetched,
        version=0,
        **{name: getattr(text, name) for name in StudyText.__dataclass_fields__},
    )
    session.add(made)
    session.flush()
    owner, _, number = origin.partition(":")
    if owner == "case":
        session.add(CaseStudy(case_id=int(number), study_id=made.id))
    return made


def _name(study: Study, fresh: Sequence[Recording]) -> None:
    """Let the study say whose it is by all its images of this patient: systems of one site leave out different things.

    One that was accepted though it names somebody else adds nothing.
    """
    for text in (one.study for one in fresh if one.study.patient_id == study.patient_id):
        pairs = [(getattr(study, name), getattr(text, name)) for name in _WHO]
        if all(not known or not said or same_name(known, said) for known, said in pairs):
            for name in _WHO:
                setattr(study, name, getattr(study, name) or getattr(text, name))


def _audit(session: Session, study: Study, made: Sequence[Recording]) -> None:
    """Say in the history of the study's cases who made something of it."""
    kinds = ", ".join(sorted({one.series.modality or "object" for one in made}))
    for case_id in session.scalars(select(CaseStudy.case_id).where(CaseStudy.study_id == study.id)):
        line = {"person_id": made[0].made_by, "action": "save from the viewer", "case_id": case_id}
        session.add(AuditLine(**line, detail=f"{len(made)} x {kinds}, {made[0].series.series_uid}"))


def _series(session: Session, study: Study, one: Recording, *, ours: bool) -> Series:
    """Its row. What a coordinator accepted into a series that a reader had made makes that one like any other."""
    text = one.series
    found = session.scalars(
        select(Series).where(Series.study_id == study.id, Series.series_uid == text.series_uid)
    ).one_or_none()
    if found is None:
        said = {name: getattr(text, name) for name in SeriesText.__dataclass_fields__}
        requests = [SeriesRequest(step_id=step, procedure_id=procedure) for step, procedure in text.requests]
        facts = said | {"requests": requests}
        found = Series(study_id=study.id, ours=ours, made_by=one.made_by, version=0, **facts)
        session.add(found)
        session.flush()
    elif found.made_by and not one.made_by:
        found.made_by, found.ours = None, False
    return found


def _changed(session: Session, study: Study, received_at: datetime, **when: datetime) -> None:
    """Let the cases of a complete study say when its images changed, and how."""
    study.last_at = max(study.last_at, received_at)
    if study.settled:
        of_this_study = select(CaseStudy.case_id).where(CaseStudy.study_id == study.id)
        session.execute(
            update(Case)
            .where(Case.id.in_(of_this_study), Case.state.not_in(WAITING))
            .values(**when)
            .execution_options(synchronize_session=False)
        )
