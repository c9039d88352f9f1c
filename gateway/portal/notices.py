"""Images that are not where they would be expected: come too late, or kept aside. In words for whoever asks."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from gateway.portal.words import counted
from worklist.access import Viewer
from worklist.added import images_ever, since_claim
from worklist.models import Case, Trouble
from worklist.papers import SAVED, sees_papers_of
from worklist.seen import changes_in_words
from worklist.states import CaseState, TroubleKind

Words = Callable[[int], str]


def late_images(case: Case, who: Viewer) -> str:
    """What is to be known of images that came or were replaced after the claim, or the signature; "" if none was."""
    if case.reports:
        return _after_signing(images_ever(case) - len(case.reports[-1].content["evidence"]))
    changes = since_claim(case)
    if changes and case.reader_id == who.person_id:
        return f"{changes_in_words(changes)} Look at them before you sign."
    if changes:
        told = changes_in_words(changes, "after the reader claimed this case")
        return f"{told.removesuffix('.')}; the reader is told before signing."
    if case.state is CaseState.READY and (case.images_added_at or case.images_replaced_at):
        return f"Images were {_what_changed(case)}. Open the images again to see them all."
    return ""


def _what_changed(case: Case) -> str:
    told = [what for what, at in (("added", case.images_added_at), ("replaced", case.images_replaced_at)) if at]
    return " and ".join(told)


def _after_signing(late: int) -> str:
    return f"{_were(late)} added after the report was signed, which is not based on {_them(late)}." if late > 0 else ""


def kept_aside(session: Session, case: Case, who: Viewer) -> str:
    """Say how many objects of the case's studies are in quarantine; "" if none is.

    Of what was saved from the viewer, to those who see what was.
    """
    studies = [(study.origin, study.study_uid) for study in case.studies]
    is_saved = Trouble.sender == SAVED
    sent, saved = session.execute(
        select(func.count().filter(~is_saved), func.count().filter(is_saved))
        .select_from(Trouble)
        .where(
            Trouble.kind != TroubleKind.REFUSED,  # contradicting, unreadable or damaged
            Trouble.resolved_at.is_(None),
            tuple_(Trouble.origin, Trouble.study_uid).in_(studies),
        )
    ).one()
    told = [_aside_for(case, who)(sent) if sent else "", _saved_aside(saved) if sees_papers_of(case, who) else ""]
    return " ".join(filter(None, told))


def _saved_aside(count: int) -> str:
    if not count:
        return ""
    return (
        f"{counted(count, 'object')} saved from the viewer {_was(count)} not taken: by then {_its(count)} series was "
        "somebody else’s, or other content had the same identifier. Save again, into a new series."
    )


def _aside_for(case: Case, who: Viewer) -> Words:
    if case.patient_id == who.person_id:
        return _aside_for_patient
    if who.site_id is not None and case.site_id == who.site_id:
        return _aside_for_site
    return _aside_for_reader


def _aside_for_reader(count: int) -> str:
    return (
        f"{counted(count, 'image')} of this study {_was(count)} kept aside because "
        f"{'it contradicts' if count == 1 else 'they contradict'} it or cannot be read; the coordinator has been told."
    )


def _aside_for_site(count: int) -> str:
    return (
        f"{counted(count, 'image')} that you sent of this study {_was(count)} kept aside because "
        f"{'it contradicts' if count == 1 else 'they contradict'} what you sent before or cannot be read. "
        f"The reader does not see {_them(count)}; the coordinator has been told."
    )


def _aside_for_patient(count: int) -> str:
    return (
        f"{counted(count, 'image')} that you gave us {'does' if count == 1 else 'do'} not fit the others and "
        f"{_was(count)} put aside. The specialist knows, and our coordinator looks into it."
    )


def _were(count: int) -> str:
    return f"{counted(count, 'image')} {_was(count)}"


def _them(count: int) -> str:
    return "it" if count == 1 else "them"


def _its(count: int) -> str:
    return "its" if count == 1 else "their"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
