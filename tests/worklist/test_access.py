"""Which of the studies under one Study Instance UID a person is shown: one of them, whole, on both databases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects import sqlite

from config.database import Database, connect
from worklist.access import NOBODY, Link, Sight, Viewer, sees_study
from worklist.models import Case, CaseStudy, Study
from worklist.states import CaseState, Role

UID = "1.2.840.1"
COORDINATOR = Viewer(1, frozenset({Role.COORDINATOR}), frozenset(), None)
NEURO = Viewer(2, frozenset({Role.READER}), frozenset({"neuroradiology"}), None)
CHEST = Viewer(3, frozenset({Role.READER}), frozenset({"thoracic"}), None)
BOTH = Viewer(4, frozenset({Role.READER}), frozenset({"neuroradiology", "thoracic"}), None)


@pytest.fixture
def add(database: Database):
    """`add(origin, subspecialty)`: a study of that origin under the one UID, and a READY case for it; the case's id."""

    def write(origin: str, subspecialty: str = "neuroradiology", case_id: int = 0) -> int:
        with database.writing() as session:
            study = Study(origin=origin, study_uid=UID)
            case = session.get(Case, case_id) or Case(state=CaseState.READY, subspecialty=subspecialty)
            session.add_all([study, case])
            session.flush()
            session.add(CaseStudy(case_id=case.id, study_id=study.id))
            return case.id

    return write


def shown(database: Database, viewer: Viewer, case_id: int | None = None) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(Study.origin).where(sees_study(Sight(viewer, case_id))).order_by(Study.id)))


def test_a_hospitals_study_goes_before_a_patients_upload_that_came_first(database: Database, add) -> None:
    upload, pushed = add("case:7"), add("site:3")
    assert shown(database, NEURO) == shown(database, COORDINATOR) == ["site:3"]
    assert (shown(database, NEURO, upload), shown(database, NEURO, pushed)) == (["case:7"], ["site:3"])


def test_of_equals_the_first_is_shown(database: Database, add) -> None:
    for origin in ("case:9", "site:10", "site:2", "case:1"):
        add(origin)
    assert shown(database, COORDINATOR) == ["site:10"]


def test_what_a_person_may_not_see_hides_nothing_from_them(database: Database, add) -> None:
    upload, pushed = add("case:7"), add("site:3", "thoracic")
    assert (shown(database, NEURO), shown(database, CHEST), shown(database, BOTH)) == (
        ["case:7"],
        ["site:3"],
        ["site:3"],
    )
    assert shown(database, NEURO, pushed) == shown(database, CHEST, upload) == []
    assert shown(database, BOTH, upload) == ["case:7"]


def test_a_case_that_holds_two_origins_of_one_study_shows_one_of_them(database: Database, add) -> None:
    case_id = add("case:7")
    add("site:3", case_id=case_id)
    assert shown(database, NEURO, case_id) == ["site:3"]


def test_a_study_without_a_case_is_for_those_who_oversee_and_in_no_case(database: Database, add) -> None:
    case_id = add("case:7")
    with database.writing() as session:
        session.add(Study(origin="site:3", study_uid=UID))
    assert (shown(database, COORDINATOR), shown(database, NEURO)) == (["site:3"], ["case:7"])
    assert shown(database, COORDINATOR, case_id) == ["case:7"]
    assert shown(database, COORDINATOR, case_id + 1) == []


@pytest.fixture
def compared(database: Database, people) -> int:
    """A case of one study of a hospital, among studies that are its priors and such as only look alike; its id."""
    made = {
        "of the case": ("site:3", "P-1", "HOSPITAL"),
        "a prior": ("site:3", "P-1", "HOSPITAL"),
        "another patient": ("site:3", "P-2", "HOSPITAL"),
        "another issuer": ("site:3", "P-1", "OTHER"),
        "another hospital": ("site:4", "P-1", "HOSPITAL"),
        "an upload": ("case:9", "P-1", "HOSPITAL"),
    }
    people.site()
    owner = people.patient()
    with database.writing() as session:
        for name, (origin, patient_id, issuer) in made.items():
            session.add(Study(origin=origin, study_uid=name, patient_id=patient_id, issuer=issuer))
        case = Case(state=CaseState.READY, subspecialty="neuroradiology", patient_id=owner.person_id)
        session.add(case)
        session.flush()
        study = session.query(Study).filter_by(study_uid="of the case").one()
        session.add(CaseStudy(case_id=case.id, study_id=study.id))
        return case.id


def names(database: Database, viewer: Viewer, case_id: int | None) -> set[str]:
    with database.reading() as session:
        return set(session.scalars(select(Study.study_uid).where(sees_study(Sight(viewer, case_id)))))


def test_below_a_case_its_reader_sees_what_the_same_site_sent_of_the_same_patient(database: Database, compared) -> None:
    assert names(database, NEURO, compared) == names(database, COORDINATOR, compared) == {"of the case", "a prior"}
    assert names(database, CHEST, compared) == names(database, NEURO, compared + 1) == set()
    assert names(database, NEURO, None) == {"of the case"}


def test_below_a_case_its_patient_and_a_link_see_the_case_alone(database: Database, compared) -> None:
    with database.reading() as session:
        owner = session.get_one(Case, compared).patient_id
        study_id = session.query(Study).filter_by(study_uid="of the case").one().id
    patient = Viewer(owner, frozenset({Role.PATIENT}), frozenset(), None)
    link = replace(NOBODY, link=Link(1, compared, frozenset({study_id})))
    assert names(database, patient, compared) == names(database, link, compared) == {"of the case"}


@pytest.mark.parametrize("origin", ["site:3", "case:7"])
def test_without_a_patient_id_and_among_uploads_nothing_is_a_prior(database: Database, origin) -> None:
    patient_id = "" if origin == "site:3" else "P-1"
    with database.writing() as session:
        for name in ("of the case", "another"):
            session.add(Study(origin=origin, study_uid=name, patient_id=patient_id))
        case = Case(state=CaseState.READY, subspecialty="neuroradiology")
        session.add(case)
        session.flush()
        session.add(CaseStudy(case_id=case.id, study_id=session.query(Study).first().id))
        case_id = case.id
    assert len(names(database, NEURO, case_id)) == 1


def test_the_other_origins_of_a_study_are_looked_up_in_an_index_alone(migrated_sqlite: Path) -> None:
    database = connect(f"sqlite:///{migrated_sqlite}")
    asked = select(Study.id).where(sees_study(Sight(COORDINATOR))).compile(
        dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
    )  # fmt: skip
    with database.reading() as session:
        plan = " ".join(row[-1] for row in session.execute(text(f"EXPLAIN QUERY PLAN {asked}".replace(":", "\\:"))))
    database.close()
    assert "SEARCH study_1 USING COVERING INDEX ix_study_study_uid_origin (study_uid=?)" in plan
