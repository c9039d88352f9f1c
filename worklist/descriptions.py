"""Cases, studies and deliveries as the JSON of the API."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from worklist.access import Viewer
from worklist.added import images_version, since_claim
from worklist.completeness import Remark
from worklist.lifecycle import possible
from worklist.making import may_save
from worklist.models import Case, Delivery, Report, Series, Study
from worklist.papers import sees_papers_of
from worklist.readers import due_at, subspecialties_read
from worklist.states import CaseState, Role
from worklist.strangers import decided_of

Json = dict[str, Any]


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def summary(case: Case, who: Viewer, read: Collection[str]) -> Json:
    """A case as a line of a list; `read` are the subspecialties that are read here."""
    return {
        "id": case.id,
        "state": case.state,
        "subspecialty": case.subspecialty,
        "priority": case.priority,
        "study_uids": [study.study_uid for study in case.studies],
        "site": case.site.code if case.site else None,
        "due_at": _moment(due_at(case, who, read)),
        "routed_by": case.routed_by,
        "routed_why": case.routed_why,
        "reader": case.reader.display_name if case.reader else None,
        "created_at": _moment(case.created_at),
        "ready_at": _moment(case.ready_at),
    }


def whole(session: Session, case: Case, who: Viewer) -> Json:
    """Everything that this person may know of a case. What a reader writes is theirs until it is signed."""
    written = case.draft if _may_read_draft(case, who) else None
    changes, refused = since_claim(case), decided_of(session, case)
    return summary(case, who, subspecialties_read(session)) | {
        "reason": case.reason,
        "history": case.history,
        "questions": case.questions,
        "prior_report": case.prior_report,
        "prior_report_author": case.prior_report_author,
        "prior_report_date": case.prior_report_date,
        "hold_reason": case.hold_reason,
        "images_added_at": _moment(case.images_added_at),
        "images_added": changes.added,
        "images_replaced_at": _moment(case.images_replaced_at),
        "images_replaced": changes.replaced,
        "images_version": images_version(case),
        "signed_at": _moment(case.signed_at),
        "delivered_at": _moment(case.delivered_at),
        "opinion": written,
        "opinion_saved_at": _moment(case.draft_at) if written is not None else None,
        "studies": [study(each, refused.get(each.id, ()), papers=sees_papers_of(case, who)) for each in case.studies],
        "reports": [report(each) for each in case.reports],
        "actions": sorted(possible(who, case)),
        "may_save": may_save(case, who),
    }


def _may_read_draft(case: Case, who: Viewer) -> bool:
    signed = case.state in {CaseState.SIGNED, CaseState.DELIVERED}
    return signed or (Role.READER in who.roles and case.reader_id in {None, who.person_id})


def study(each: Study, refused: Sequence[Remark] = (), *, papers: bool = False) -> Json:
    """A study with its series; `refused`: what of it was refused at the door, or accepted against what it says.

    `papers`: with what readers saved from the viewer.
    """
    return {
        "study_uid": each.study_uid,
        "patient_id": each.patient_id,
        "patient_name": each.patient_name,
        "birth_date": each.birth_date,
        "sex": each.sex,
        "study_date": each.study_date,
        "description": each.description,
        "accession": each.accession,
        "images_at_sender": each.expected,
        "remarks": [*each.remarks, *map(asdict, refused)],
        "series": [series(one) for one in each.series if papers or one.made_by is None],
    }


def series(each: Series) -> Json:
    """A series with its count."""
    return {
        "series_uid": each.series_uid,
        "modality": each.modality,
        "number": each.number,
        "description": each.description,
        "body_part": each.body_part,
        "instances": len(each.instances),
        "ours": each.ours,
    }


def report(each: Report) -> Json:
    """A signed version, and how far it is."""
    return {
        "version": each.version,
        "state": each.state,
        "signed_at": _moment(each.signed_at),
        "signed_by": each.signer.display_name,
        "sr_uid": each.sr_uid,
        "pdf_uid": each.pdf_uid,
        "published_at": _moment(each.published_at),
        "last_error": each.last_error,
    }


def delivery(each: Delivery) -> Json:
    """A report's way to one destination."""
    return {
        "destination": each.destination,
        "state": each.state,
        "attempts": each.attempts,
        "next_attempt_at": _moment(each.next_attempt_at),
        "last_error": each.last_error,
        "proof": each.proof,
        "proven_at": _moment(each.proven_at),
    }
