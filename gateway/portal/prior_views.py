"""The other studies of a case's patient as its page lists them, newest first: here, on their way, or left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from gateway.beside import is_later
from gateway.portal.studies import StudyView, viewer_link
from gateway.portal.words import Label, counted, dicom_date
from sr_reports.wording import MODALITIES
from worklist.access import Sight, Viewer, sees_study
from worklist.cases import SETTLED
from worklist.models import Case, Instance, Prior, PriorSearch, Series, Study
from worklist.priors import Progress, images_here, progress, search_of, why_not
from worklist.states import PriorState

MOST = 100
STATES: Mapping[PriorState, Label] = {
    PriorState.WANTED: Label("Being fetched", "active"),
    PriorState.COMING: Label("On its way", "active"),
    PriorState.DONE: Label("Here", "done"),
    PriorState.NEEDS_PERSON: Label("Not fetched", "attention"),
    PriorState.CANCELLED: Label("Called off", "ended"),
}


@dataclass(frozen=True, slots=True)
class PriorLine:
    """One other study. `link` opens it beside the newest of the case, "" while it has no image here.

    `day` is DICOM DA; `is_later`: than all studies of the case, so that it is no earlier one.
    """

    title: str
    day: str
    is_later: bool
    modalities: tuple[str, ...]
    amount: str
    source: str
    state: Label
    error: str
    tried: int
    next_at: datetime | None
    link: str

    @property
    def date(self) -> str:
        """When it was made, for people."""
        return dicom_date(self.day)

    @property
    def is_here(self) -> bool:
        """Whether there is nothing to say of its fetching."""
        return self.state is STATES[PriorState.DONE] and not self.error


@dataclass(frozen=True, slots=True)
class LeftOutLine:
    """A study that the archive showed and that is not fetched, and why."""

    title: str
    date: str
    why: str


@dataclass(frozen=True, slots=True)
class PriorsView:
    """`why_not`: why nobody can look, "" where one can; `birth_dates`: all that are said, where they are several."""

    lines: tuple[PriorLine, ...]
    left_out: tuple[LeftOutLine, ...]
    search: PriorSearch | None
    progress: Progress | None
    why_not: str
    is_settled: bool
    birth_dates: tuple[str, ...]

    @property
    def looking(self) -> bool:
        """Whether the archive has not answered yet and will be asked."""
        return self.search is not None and self.search.state is PriorState.WANTED

    @property
    def title(self) -> str:
        """What is listed: a hospital also sends what was examined after the study of the case."""
        return "Earlier and later studies" if any(line.is_later for line in self.lines) else "Earlier studies"

    @property
    def moving(self) -> bool:
        """Whether something is under way."""
        return self.looking or any(line.state.tone == "active" for line in self.lines)

    @property
    def failed(self) -> bool:
        """Whether a person must look at why the archive was asked in vain."""
        return self.search is not None and self.search.state is PriorState.NEEDS_PERSON

    @property
    def called_off(self) -> bool:
        """Whether somebody called off the search, or all that it was to fetch."""
        search = self.search
        return search is not None and (search.state is PriorState.CANCELLED or bool(search.priors))

    @property
    def summary(self) -> str:
        """3 of 5 studies, 812 of 1,200 images; 5 studies with 1,200 images; "" where nothing was fetched."""
        if self.progress is None or not self.progress.studies:
            return ""
        one = self.progress
        if not one.moving:
            return f"{counted(one.studies, 'study', 'studies')} with {counted(one.images_here, 'image')}"
        studies = f"{one.studies_here:,} of {counted(one.studies, 'study', 'studies')}"
        images = f"{one.images_here:,} of {counted(one.images, 'image')}" if one.images else ""
        return ", ".join(filter(None, (studies, images)))


def priors_view(session: Session, case: Case, who: Viewer, studies: tuple[StudyView, ...]) -> PriorsView:
    """What this person sees of the case's earlier studies; `studies` are those of the case."""
    search = search_of(session, case)
    rows = {each.study_uid: each for each in (search.priors if search else ())}
    here = _studies(session, case, who)
    counts = _counts(session, here)
    listed = [_here(case, studies, study, counts.get(study.id, 0), rows.pop(study.study_uid, None)) for study in here]
    fetched = images_here(session, list(rows.values()))
    missing = [_missing(case, each, fetched.get(each.study_uid, 0)) for each in rows.values()]
    return PriorsView(
        lines=tuple(sorted((*missing, *listed), key=lambda line: line.day, reverse=True)),
        left_out=tuple(_left_out(each) for each in (search.left_out if search else ())),
        search=search,
        progress=progress(session, search) if search else None,
        why_not=why_not(session, case),
        is_settled=case.state in SETTLED,
        birth_dates=_birth_dates([*case.studies, *here]),
    )


def _birth_dates(studies: list[Study]) -> tuple[str, ...]:
    """Images of the case without a birth date contradict no study, but these may contradict each other."""
    said = sorted({study.birth_date for study in studies} - {""})
    return tuple(map(dicom_date, said)) if len(said) > 1 else ()


def _studies(session: Session, case: Case, who: Viewer) -> list[Study]:
    own = [study.id for study in case.studies]
    if not own:
        return []
    seen = select(Study).where(sees_study(Sight(who, case.id)), Study.id.not_in(own))
    newest_first = seen.order_by(Study.study_date.desc(), Study.id.desc()).limit(MOST)
    return list(session.scalars(newest_first.options(selectinload(Study.series))))


def _counts(session: Session, studies: list[Study]) -> dict[int, int]:
    counted_images = (
        select(Instance.study_id, func.count())
        .join(Series, Series.id == Instance.series_id)
        .where(Instance.study_id.in_([each.id for each in studies]), Series.ours.is_(False))
        .group_by(Instance.study_id)
    )
    return {study_id: number for study_id, number in session.execute(counted_images)}


def _here(case: Case, own: tuple[StudyView, ...], study: Study, images: int, prior: Prior | None) -> PriorLine:
    modalities = tuple(dict.fromkeys(each.modality for each in study.series if each.modality and not each.ours))
    site = (case.site.name or case.site.code) if case.site else ""
    by = f"Fetched from the archive of {site}" if study.fetched else f"Sent by {site}"
    return PriorLine(
        title=_title(study.description, modalities),
        day=study.study_date,
        is_later=is_later(study.study_date, case),
        modalities=modalities,
        amount=_amount(images, prior),
        source=by,
        state=STATES[_state(images, prior)],
        error=prior.last_error if prior else "",
        tried=prior.attempts if prior else 0,
        next_at=prior.next_attempt_at if prior else None,
        link=viewer_link(case.id, own[:1], study.study_uid) if images and own else "",
    )


def _state(images: int, prior: Prior | None) -> PriorState:
    """An archive that does not heed the call sends a study to its end: it is here, then."""
    if prior is None or (prior.state is PriorState.CANCELLED and 0 < (prior.images or 0) <= images):
        return PriorState.DONE
    return prior.state


def _missing(case: Case, prior: Prior, images: int) -> PriorLine:
    modalities = tuple(prior.modalities)
    return PriorLine(
        title=_title(prior.description, modalities),
        day=prior.study_date,
        is_later=is_later(prior.study_date, case),
        modalities=modalities,
        amount=_amount(images, prior),
        source="",
        state=STATES[prior.state],
        error=prior.last_error,
        tried=prior.attempts,
        next_at=prior.next_attempt_at,
        link="",
    )


def _amount(images: int, prior: Prior | None) -> str:
    whole = prior.images if prior and _state(images, prior) is not PriorState.DONE else None
    return f"{images:,} of {counted(whole, 'image')}" if whole else counted(images, "image")


def _title(description: str, modalities: tuple[str, ...]) -> str:
    kinds = " and ".join(MODALITIES.get(each, each) for each in modalities)
    return description or kinds or "Study without a description"


def _left_out(row: dict[str, dict[str, str]]) -> LeftOutLine:
    what = row["what"]
    title = _title(what["description"], tuple(what["modalities"]))
    return LeftOutLine(title, dicom_date(what["date"]), str(row["why"]))
