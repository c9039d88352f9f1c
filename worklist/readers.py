"""What is read here: of a subspecialty that nobody reads no date is promised."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklist.access import Viewer
from worklist.models import Case, Person, PersonRole
from worklist.states import CaseState, Role


def subspecialties_read(session: Session) -> frozenset[str]:
    """The subspecialties that at least one active reader reads."""
    readers = select(Person.subspecialties).join(PersonRole).where(PersonRole.name == Role.READER, Person.active)
    return frozenset(each for reader in session.scalars(readers) for each in reader)


def is_unread(case: Case, read: Collection[str]) -> bool:
    """Whether the case waits where nobody would ever see it; `read` are the subspecialties that are read here."""
    return case.state is CaseState.READY and case.subspecialty not in read


def due_at(case: Case, who: Viewer, read: Collection[str]) -> datetime | None:
    """When a case is due. Whoever asked for it hears of no date that nobody could keep; coordinators see it."""
    return None if is_unread(case, read) and not who.oversees else case.due_at
