"""Cases and studies as rows, made in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from config.database import Database
from worklist.images import InstanceFacts, SeriesText, StudyText, record
from worklist.models import Case, CaseStudy, Study, now
from worklist.states import CaseState


@dataclass
class Rows:
    """Writes cases and images straight into the database."""

    database: Database
    numbers: Any = field(default_factory=lambda: count(1))

    def case(self, state: CaseState = CaseState.READY, **values: Any) -> int:
        """A case in any state, with one study; its id."""
        values = {"subspecialty": "neuroradiology"} | values
        with self.database.writing() as session:
            case, study = Case(state=state, **values), Study(origin="site:1", study_uid=f"1.2.{next(self.numbers)}")
            session.add_all([case, study])
            session.flush()
            session.add(CaseStudy(case_id=case.id, study_id=study.id))
            return case.id

    def image(self, origin: str, study_uid: str = "1.2.3", at: datetime | None = None, **said: Any) -> int:
        """Record one archived instance of a study; `said` are fields of StudyText. The study's id."""
        number = next(self.numbers)
        text = {"patient_id": "P1", "issuer": "", "patient_name": "Sample^Pat", "description": "CT head"} | said
        blank = dict.fromkeys(StudyText.__dataclass_fields__, "")
        study = StudyText(**blank | text | {"study_uid": study_uid, "age_years": None})
        series = SeriesText(f"{study_uid}.1", "CT", 1, "axial", "HEAD", "", "", "")
        facts = InstanceFacts(
            f"{study_uid}.1.{number}", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", number, 8, 8, 1, 100,
            "0" * 64, "archive", "HOSPITAL", at or now(),
        )  # fmt: skip
        with self.database.writing() as session:
            record(session, origin, study, series, facts)
        with self.database.reading() as session:
            return session.query(Study).filter_by(origin=origin, study_uid=study_uid).one().id

    def read(self, case_id: int) -> Case:
        """The row of a case as it is now, without its relations."""
        with self.database.reading() as session:
            return session.get_one(Case, case_id)


@pytest.fixture
def rows(database: Database) -> Rows:
    """`rows.case(state)` and `rows.image(origin)` write rows into `database`."""
    return Rows(database)


@pytest.fixture
def at_once() -> Callable[..., list[object]]:
    """`at_once(first, second)` calls all at the same time in threads; what each returned or raised, in their order."""
    return call_at_once


def call_at_once(*calls: Callable[[], object]) -> list[object]:
    import threading
    from concurrent.futures import ThreadPoolExecutor

    together = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        together.wait()
        try:
            return call()
        except Exception as error:  # noqa: BLE001  # it is what the test asks about
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
