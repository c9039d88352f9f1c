"""What a decision about an object that was kept aside is about: its study, and the cases in which that is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklist.models import Case, CaseStudy, Study, Trouble


@dataclass(frozen=True, slots=True)
class Concerned:
    """`study` is None while none of its images was taken."""

    study: Study | None
    cases: Sequence[Case]


StudyKey = tuple[str, str]
"""Origin and Study Instance UID."""


def concerned(session: Session, one: Trouble) -> Concerned:
    """The study of the object's own origin, and its cases in the order of their numbers."""
    return concerned_by(session, [(one.origin, one.study_uid)])[one.origin, one.study_uid]


def concerned_by(session: Session, keys: Iterable[StudyKey]) -> Mapping[StudyKey, Concerned]:
    """The same for the objects of many studies, in a few queries."""
    wanted = set(keys)
    uids = {uid for _, uid in wanted}
    rows = session.scalars(select(Study).where(Study.study_uid.in_(uids)))
    studies = {(one.origin, one.study_uid): one for one in rows}
    cases = _cases(session, [study.id for key, study in studies.items() if key in wanted])
    requests = _requests(session, {origin for origin, _ in wanted})
    return {key: _concerned(studies.get(key), cases, requests.get(key[0])) for key in wanted}


def _concerned(study: Study | None, cases: Mapping[int, Sequence[Case]], request: Case | None) -> Concerned:
    """Of an upload, the request into which it went, though none of it was taken."""
    found = {case.id: case for case in (*cases.get(study.id if study else 0, ()), *([request] if request else ()))}
    return Concerned(study, tuple(found[number] for number in sorted(found)))


def _cases(session: Session, study_ids: Sequence[int]) -> Mapping[int, Sequence[Case]]:
    query = select(CaseStudy.study_id, Case).join(Case, Case.id == CaseStudy.case_id)
    found: dict[int, list[Case]] = {}
    for study_id, case in session.execute(query.where(CaseStudy.study_id.in_(study_ids))):
        found.setdefault(study_id, []).append(case)
    return found


def _requests(session: Session, origins: Iterable[str]) -> Mapping[str, Case]:
    numbers = {int(origin.removeprefix("case:")) for origin in origins if origin.startswith("case:")}
    return {f"case:{one.id}": one for one in session.scalars(select(Case).where(Case.id.in_(numbers)))}
