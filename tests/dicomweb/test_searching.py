"""Claims about searches, on real rows in a real database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from config.database import Database
from dicomweb import searching
from dicomweb.attributes import Found, Level
from dicomweb.found import look_up
from dicomweb.json_model import result
from dicomweb.parameters import parse_search
from dicomweb.planning import Way
from dicomweb.prepared import AFTER
from dicomweb.problems import Problem
from dicomweb.searching import Scope, search_rows
from worklist.access import Sight, Viewer
from worklist.models import Case, CaseStudy, Instance, Series, Study
from worklist.states import CaseState, Role

BASE = "https://overread.example/dicom-web"
CT = "1.2.840.10008.5.1.4.1.1.2"
COORDINATOR = Viewer(1, frozenset({Role.COORDINATOR}), frozenset(), None)
CHEST = Viewer(2, frozenset({Role.READER}), frozenset({"thoracic"}), None)
HOSPITAL = Viewer(4, frozenset({Role.SITE}), frozenset(), 1)
NEURO = Viewer(3, frozenset({Role.READER}), frozenset({"neuroradiology"}), None)


def add_study(session: Session, uid: str, origin: str = "site:1", **values: Any) -> Study:
    study = Study(origin=origin, study_uid=uid, **values)
    session.add(study)
    session.flush()
    return study


def add_series(session: Session, study: Study, uid: str, modality: str, sops: list[str], number: int = 1) -> Series:
    series = Series(study_id=study.id, series_uid=uid, modality=modality, number=number, description=f"of {modality}")
    session.add(series)
    session.flush()
    for place, sop in enumerate(sops, start=1):
        session.add(
            Instance(
                study_id=study.id, series_id=series.id, sop_uid=sop, sop_class_uid=CT, transfer_syntax="1.2",
                number=place, rows=4, columns=6, frames=1, size=10, sha256=sop, archive_id=sop,
            )
        )  # fmt: skip
    session.flush()
    return series


@pytest.fixture
def rows(database: Database) -> Database:
    with database.writing() as session:
        a = add_study(
            session, "1.1", patient_name="M\u00fcller^Jos\u00e9", patient_id="P1", study_date="20240105",
            study_time="101530", accession="A1", description="CT HEAD", sex="F",
        )  # fmt: skip
        add_series(session, a, "1.1.1", "CT", ["1.1.1.1", "1.1.1.2", "1.1.1.3"])
        add_series(session, a, "1.1.2", "SR", ["1.1.2.1"], number=2)
        b = add_study(
            session, "1.2", patient_name="Yamada^Tarou=\u5c71\u7530^\u592a\u90ce=\u3084\u307e\u3060^\u305f\u308d\u3046",
            patient_id="P1", study_date="20240106", study_time="0915",
        )  # fmt: skip
        add_series(session, b, "1.2.1", "MR", ["1.2.1.1"])
        c = add_study(session, "1.3", patient_name="Doe^Jane^^^", patient_id="p1", study_date="", accession="A[1]*")
        add_series(session, c, "1.3.1", "DX", ["1.3.1.1"])
        for study, subspecialty in ((a, "neuroradiology"), (b, "thoracic")):
            case = Case(state=CaseState.READY, subspecialty=subspecialty)
            session.add(case)
            session.flush()
            session.add(CaseStudy(case_id=case.id, study_id=study.id))
    return database


@dataclass
class Answer:
    """What a search found, and how many more there are."""

    found: list[Found]
    remaining: int


def search(
    database: Database,
    viewer: Viewer,
    query: list[tuple[str, str]],
    level: Level = Level.STUDY,
    scope: Scope | None = None,
) -> Answer:
    """Search on every way, and until it is asked in the database's own words, which makes no difference."""
    asked = parse_search(MultiDict(query), level)
    with database.reading() as session:
        connection, sight = session.connection(), Sight(viewer)
        turns = [way for way in Way for _ in range(AFTER + 2)]
        pages = {search_rows(connection, sight, asked, scope or Scope(), way) for way in turns}
        (page,) = pages
        found = [one for _, one in look_up(session, level, page.hits, BASE, with_classes=asked.include_all)]
        return Answer(found, page.remaining)


def uids(page: Answer) -> list[str]:
    return [(found.instance and found.instance.sop_uid) or (found.series and found.series.series_uid)
            or found.study.study_uid for found in page.found]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("PatientName", "m\u00dcLLER*", ["1.1"]),
        ("00100010", "M\u00fcller^Jos\u00e9", ["1.1"]),
        ("PatientName", "*jos\u00c9", ["1.1"]),
        ("PatientName", "\u5c71\u7530*", ["1.2"]),
        ("PatientName", "yamada^tarou", ["1.2"]),
        ("PatientName", "yamada", []),
        ("PatientName", "*ama*", ["1.2"]),
        ("PatientName", "doe^jane", ["1.3"]),
        ("PatientName", "doe^jane^", ["1.3"]),
        ("PatientName", "d?e^*", ["1.3"]),
        ("PatientName", "d[a-z]e*", []),
        ("PatientID", "P1", ["1.2", "1.1"]),
        ("PatientID", "p1", ["1.3"]),
        ("PatientID", "?1", ["1.2", "1.1", "1.3"]),
        ("PatientID", "", ["1.2", "1.1", "1.3"]),
        ("PatientID", "**", ["1.2", "1.1", "1.3"]),
        ("PatientID", "' or 1=1 --", []),
        ("AccessionNumber", "A[1]?", ["1.3"]),
        ("AccessionNumber", "A[1]*", ["1.3"]),
        ("AccessionNumber", "a1", []),
        ("StudyDate", "20240105", ["1.1"]),
        ("StudyDate", "20240106-", ["1.2"]),
        ("StudyDate", "-20240105", ["1.1"]),
        ("StudyDate", "20240101-20241231", ["1.2", "1.1"]),
        ("StudyTime", "1015", ["1.1"]),
        ("StudyTime", "10", ["1.1"]),
        ("StudyTime", "090000-100000", ["1.2"]),
        ("StudyTime", "-101530", ["1.2", "1.1"]),
        ("StudyTime", "101531-", []),
        ("StudyInstanceUID", "1.1,1.3", ["1.1", "1.3"]),
        ("0020000d", "1.1\\1.2", ["1.2", "1.1"]),
        ("ModalitiesInStudy", "SR", ["1.1"]),
        ("ModalitiesInStudy", "CT\\MR", ["1.2", "1.1"]),
        ("ModalitiesInStudy", "PT", []),
        ("SOPClassesInStudy", CT, ["1.2", "1.1", "1.3"]),
        ("PatientSex", "F", ["1.1"]),
        ("PatientName", "yamada^tarou=*", ["1.2"]),
        ("PatientName", "*=yamada*", []),
        ("PatientName", "*ja?e", ["1.3"]),
    ],
)
def test_a_key_matches_as_the_standard_says(rows: Database, key: str, value: str, expected: list[str]) -> None:
    assert uids(search(rows, COORDINATOR, [(key, value)])) == expected


@pytest.mark.parametrize(
    "query",
    [
        [("limit", "abc")],
        [("limit", "-1")],
        [("limit", "1"), ("limit", "2")],
        [("offset", "\u0663")],
        [("fuzzymatching", "maybe")],
        [("StudyDate", "20241301")],
        [("StudyDate", "-")],
        [("StudyDate", "2024")],
        [("StudyTime", "2500")],
        [("StudyInstanceUID", "1.1;2")],
        [("StudyInstanceUID", "1.01")],
        [("StudyInstanceUID", ",")],
        [("StudyInstanceUID", "1.1"), ("StudyInstanceUID", "1.2")],
        [("StudyInstanceUID", "1.1"), ("0020000D", "1.2")],
        [("studyinstanceuid", "1.1")],
        [("includefield", "NoSuchThing")],
        [("PatientName", "a\x00b")],
        [("PatientName", "*a*a*a*a*a*a*a*a*a*a*")],
        [("PatientName", "x" * 10_000)],
        [("nonsense", "1")],
        [("00989999", "1")],
    ],
)
def test_a_query_that_cannot_be_meant_is_400(query: list[tuple[str, str]]) -> None:
    with pytest.raises(Problem) as caught:
        parse_search(MultiDict(query), Level.STUDY)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("days", "times", "expected"),
    [
        ("20240104-20240106", "0900-0830", ["1.1"]),  # beginning on the fourth at nine, ending on the sixth
        ("20240105-20240106", "1016-1000", ["1.2"]),
        ("20240105-20240105", "1000-1100", ["1.1"]),
        ("20240105-", "1016-", ["1.2"]),
        ("-20240106", "-0900", ["1.1"]),
        ("-20240106", "-0915", ["1.2", "1.1"]),
        ("20240101-20241231", "1000", []),
        ("20240101-20241231", "1015", ["1.1"]),
        ("20240105", "1000-1100", ["1.1"]),
        ("20240101-", "-1000", ["1.2"]),
    ],
)
def test_ranges_of_one_form_of_a_date_and_of_its_time_are_one_range(
    rows: Database, days: str, times: str, expected: list[str]
) -> None:
    assert uids(search(rows, COORDINATOR, [("StudyDate", days), ("StudyTime", times)])) == expected
    assert uids(search(rows, COORDINATOR, [("00080030", times), ("00080020", days)])) == expected


def test_studies_of_one_moment_have_an_order_too(rows: Database) -> None:
    with rows.writing() as session:
        for number in ("1.9", "1.10", "1.8"):
            add_study(session, number, study_date="20250101", study_time="10", patient_id="TWIN")
    asked = [("PatientID", "TWIN"), ("limit", "1")]
    pages = [uids(search(rows, COORDINATOR, [*asked, ("offset", str(at))])) for at in range(3)]
    assert [uid for page in pages for uid in page] == uids(search(rows, COORDINATOR, asked[:1]))
    assert len({uid for page in pages for uid in page}) == 3


def test_the_longest_values_can_be_kept_and_found(rows: Database) -> None:
    """An index of PostgreSQL took no value of more than 2,704 bytes; that would have stopped what comes in."""
    longest = "".join(chr(0x20000 + 7 * number) for number in range(1024))
    with rows.writing() as session:
        add_study(session, "1.7", patient_id=longest, accession=longest)
    assert uids(search(rows, COORDINATOR, [("PatientID", longest), ("AccessionNumber", longest)])) == ["1.7"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize(
    ("viewer", "way", "begins"),
    [
        (NEURO, Way.LISTED, "SEARCH study USING INTEGER PRIMARY KEY (rowid=?)"),
        (COORDINATOR, Way.ORDERED, "SCAN study USING INDEX ix_study_study_date_study_time_study_uid"),
        (HOSPITAL, Way.ORDERED, "SCAN study USING INDEX ix_study_study_date_study_time_study_uid"),
    ],
)
def test_a_page_costs_what_is_on_it_not_what_the_database_holds(
    rows: Database, level: Level, viewer: Viewer, way: Way, begins: str
) -> None:
    """Every study of everybody was looked at once for a page: 0.2 s among 100,000."""
    steps = plan_of(rows, viewer, [("limit", "10")], level, way)
    assert begins in steps
    assert {step for step in steps if re.match("SCAN [a-z]", step)} <= {begins}
    assert (way is Way.ORDERED) != ("USE TEMP B-TREE FOR ORDER BY" in steps)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("key", ["StudyInstanceUID", "PatientID", "AccessionNumber", "SeriesInstanceUID"])
def test_what_is_named_is_looked_up(rows: Database, key: str) -> None:
    for viewer in (COORDINATOR, HOSPITAL, NEURO):
        steps = plan_of(rows, viewer, [(key, "1.2.3")], Level.SERIES, Way.NAMED)
        assert not [step for step in steps if step.startswith("SCAN")]
        assert not [step for step in steps if "ix_case_site_id" in step], "the cases of a site are many"


def plan_of(database: Database, viewer: Viewer, query: list[tuple[str, str]], level: Level, way: Way) -> list[str]:
    """What SQLite says that it will do for a page."""
    said: list[str] = []

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("SELECT"):
            plan = connection.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            said.extend(step[-1] for step in plan)

    asked = parse_search(MultiDict(query), level)
    event.listen(database.engine, "before_cursor_execute", explain)
    with database.engine.connect() as connection:
        search_rows(connection, Sight(viewer), asked, Scope(), way)
    return said


KINDS = [
    ("PatientID", ("P1", "A")), ("PatientID", ("P*", "A?")), ("PatientName", ("doe^jane", "x")),
    ("StudyInstanceUID", ("1.1,1.2", "1.3,1.4")), ("StudyDate", ("20240105", "19990101")),
    ("StudyDate", ("20240105-", "19990101-")), ("StudyTime", ("10-11", "12-13")), ("ModalitiesInStudy", ("CT", "MR")),
    ("SOPClassesInStudy", (CT, "1.2")), ("SeriesNumber", ("1", "2")),
    ("RequestAttributesSequence.ScheduledProcedureStepID", ("a", "b")),
]  # fmt: skip


@pytest.mark.parametrize(("key", "values"), KINDS)
def test_searches_that_differ_in_their_values_alone_are_one_statement(
    rows: Database, key: str, values: tuple[str, str]
) -> None:
    """Building one for each took longer than asking."""
    first, second = values
    search(rows, NEURO, [(key, first), ("limit", "1")], Level.SERIES)
    made = searching._statements.cache_info().misses
    search(rows, NEURO, [(key, second), ("limit", "2"), ("offset", "1")], Level.SERIES)
    assert searching._statements.cache_info().misses == made


def test_a_number_that_no_column_holds_is_found_nowhere(rows: Database) -> None:
    """PostgreSQL said that it was out of range, and the answer was 500."""
    assert uids(search(rows, COORDINATOR, [("InstanceNumber", "999999999999")], Level.INSTANCE)) == []


def test_what_is_not_matched_on_is_said(rows: Database) -> None:
    asked = parse_search(
        MultiDict([("fuzzymatching", "true"), ("emptyvaluematching", "false"), ("PatientAge", "3"), ("Modality", "CT"),
                   ("00400275.00400009", "1"), ("00400275.00080100", "1")]), Level.STUDY
    )  # fmt: skip
    assert asked.warnings == (
        "The fuzzymatching parameter is not supported. Only literal matching has been performed.",
        "Matching is not supported for PatientAge, Modality, "
        "RequestAttributesSequence.ScheduledProcedureStepID, 00400275.00080100: all values match.",
    )


def test_a_page_and_what_is_left_count_only_what_the_person_may_see(rows: Database) -> None:
    everything = search(rows, COORDINATOR, [("limit", "1")])
    assert (uids(everything), everything.remaining) == (["1.2"], 2)
    mine = search(rows, NEURO, [("limit", "1")])
    assert (uids(mine), mine.remaining) == (["1.1"], 0)
    assert uids(search(rows, CHEST, [("PatientID", "P1")])) == ["1.2"]


def test_pages_follow_each_other_without_gap_or_overlap(rows: Database) -> None:
    pages = [uids(search(rows, COORDINATOR, [("limit", "1"), ("offset", str(at))])) for at in range(4)]
    assert pages == [["1.2"], ["1.1"], ["1.3"], []]
    assert search(rows, COORDINATOR, [("limit", "0")]).remaining == 3


@pytest.fixture
def twins(rows: Database) -> Database:
    """Uploads under the UIDs of hospitals' studies: one came before the hospital's, one after it."""
    with rows.writing() as session:
        late = add_study(session, "1.1", origin="case:9", patient_id="X", study_date="20240105", study_time="101530")
        add_series(session, late, "1.1.1", "CT", ["1.1.1.3", "1.1.1.4"])
        add_series(session, late, "1.1.9", "SEG", ["1.1.9.1"])
        early = add_study(session, "1.4", origin="case:9", patient_id="X", study_date="20240107")
        add_series(session, early, "1.4.1", "MR", ["1.4.1.1", "1.4.1.2"])
        true = add_study(session, "1.4", origin="site:2", patient_id="P4", study_date="20240107")
        add_series(session, true, "1.4.1", "MR", ["1.4.1.1"])
        session.add(case := Case(state=CaseState.READY, subspecialty="neuroradiology"))
        session.flush()
        session.add(CaseStudy(case_id=case.id, study_id=early.id))
    return rows


def test_one_study_from_two_origins_is_one_result_of_one_of_them(twins: Database) -> None:
    first, second = search(twins, COORDINATOR, [("StudyInstanceUID", "1.1,1.4")]).found
    assert (first.study.patient_id, first.number_of_series, first.number_of_instances) == ("P4", 1, 1)
    assert (second.study.patient_id, second.number_of_series, second.number_of_instances) == ("P1", 2, 4)
    assert second.modalities == ("CT", "SR")
    series = search(twins, COORDINATOR, [], Level.SERIES, Scope("1.1"))
    assert {found.series.series_uid: found.number_in_series for found in series.found if found.series} == {
        "1.1.1": 3, "1.1.2": 1,
    }  # fmt: skip
    assert len(search(twins, COORDINATOR, [], Level.INSTANCE, Scope("1.1", "1.1.1")).found) == 3
    (mine,) = search(twins, NEURO, [("StudyInstanceUID", "1.4")]).found
    assert (mine.study.patient_id, mine.number_of_instances) == ("X", 2)


def test_a_study_is_not_found_by_what_a_hidden_origin_says_of_it(twins: Database) -> None:
    assert uids(search(twins, COORDINATOR, [("PatientID", "X")])) == []
    assert uids(search(twins, COORDINATOR, [("ModalitiesInStudy", "SEG")])) == []
    assert uids(search(twins, COORDINATOR, [("PatientID", "X")], Level.INSTANCE)) == []
    assert uids(search(twins, NEURO, [("PatientID", "X")])) == ["1.4"]


@pytest.mark.parametrize(("level", "count"), [(Level.STUDY, 4), (Level.SERIES, 5), (Level.INSTANCE, 7)])
def test_totals_and_pages_count_one_origin_of_each_study(twins: Database, level: Level, count: int) -> None:
    assert search(twins, COORDINATOR, [("limit", "0")], level).remaining == count
    pages = [search(twins, COORDINATOR, [("limit", "1"), ("offset", str(at))], level) for at in range(count + 1)]
    assert [page.remaining for page in pages] == [*range(count - 1, -1, -1), 0]
    assert len({uid for page in pages for uid in uids(page)}) == count


def test_series_and_instances_come_in_order_and_only_those_of_the_path(rows: Database) -> None:
    assert uids(search(rows, COORDINATOR, [], Level.SERIES, Scope("1.1"))) == ["1.1.1", "1.1.2"]
    assert uids(search(rows, COORDINATOR, [("Modality", "S?")], Level.SERIES, Scope("1.1"))) == ["1.1.2"]
    assert uids(search(rows, COORDINATOR, [("PatientID", "P1")], Level.SERIES)) == ["1.2.1", "1.1.1", "1.1.2"]
    assert uids(search(rows, COORDINATOR, [], Level.INSTANCE, Scope("1.1"))) == [
        "1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.2.1",
    ]  # fmt: skip
    assert uids(search(rows, COORDINATOR, [("InstanceNumber", "2")], Level.INSTANCE, Scope("1.1"))) == ["1.1.1.2"]
    assert uids(search(rows, COORDINATOR, [("StudyInstanceUID", "1.2")], Level.SERIES, Scope("1.1"))) == []
    assert uids(search(rows, CHEST, [], Level.SERIES, Scope("1.1"))) == []


def written(
    database: Database, query: list[tuple[str, str]], level: Level, scope: Scope, known: Level | None
) -> dict[str, Any]:
    asked = parse_search(MultiDict(query), level)
    first = search(database, COORDINATOR, query, level, scope).found[0]
    return result(first, asked.include, known, include_all=asked.include_all)


STUDY_TAGS = re.findall(
    r"\w{8}",
    "00080005 00080020 00080030 00080050 00080056 00080061 00080090 00081190 00100010 00100020 00100030 00100040 "
    "0020000D 00200010 00201206 00201208",
)


def test_a_study_has_all_required_attributes_and_nothing_of_its_series(rows: Database) -> None:
    study = written(rows, [("StudyInstanceUID", "1.2")], Level.STUDY, Scope(), None)
    assert list(study) == STUDY_TAGS
    assert study["00100010"]["Value"] == [
        {
            "Alphabetic": "Yamada^Tarou",
            "Ideographic": "\u5c71\u7530^\u592a\u90ce",
            "Phonetic": "\u3084\u307e\u3060^\u305f\u308d\u3046",
        }
    ]
    assert study["00081190"]["Value"] == [f"{BASE}/studies/1.2"]
    assert study["00200010"] == {"vr": "SH"}
    assert study["00201208"] == {"vr": "IS", "Value": [1]}


@pytest.mark.parametrize(
    "query",
    [
        [("includefield", "00081030,00080060")],
        [("includefield", "StudyDescription"), ("includefield", "Modality")],
        [("includefield", "0008103e, StudyDescription")],
    ],
)
def test_a_field_is_included_where_it_belongs_to_the_level(rows: Database, query: list[tuple[str, str]]) -> None:
    study = written(rows, [("StudyInstanceUID", "1.1"), *query], Level.STUDY, Scope(), None)
    assert set(study) - set(STUDY_TAGS) == {"00081030"}
    assert study["00081030"] == {"vr": "LO", "Value": ["CT HEAD"]}


def test_all_fields_are_all_of_the_level(rows: Database) -> None:
    study = written(rows, [("StudyInstanceUID", "1.1"), ("includefield", "all")], Level.STUDY, Scope(), None)
    assert set(study) - set(STUDY_TAGS) == {"00081030", "00080062"}
    assert study["00080062"]["Value"] == [CT]


def test_a_series_says_what_the_path_does_not(rows: Database) -> None:
    of_study = written(rows, [], Level.SERIES, Scope("1.1"), Level.STUDY)
    assert list(of_study) == (
        ["00080005", "00080056", "00080060", "0008103E", "00081190", "0020000D", "0020000E", "00200011", "00201209"]
    )
    of_all = written(rows, [("StudyInstanceUID", "1.1")], Level.SERIES, Scope(), None)
    assert set(of_all) == set(of_study) | set(STUDY_TAGS)
    assert of_all["00081190"]["Value"] == [f"{BASE}/studies/1.1/series/1.1.1"]


def test_an_instance_says_what_the_path_does_not(rows: Database) -> None:
    one = written(rows, [], Level.INSTANCE, Scope("1.1", "1.1.1"), Level.SERIES)
    assert list(one) == (
        [
            "00080005",
            "00080016",
            "00080018",
            "00080056",
            "00081190",
            "0020000D",
            "0020000E",
            "00200013",
            "00280010",
            "00280011",
        ]
    )
    below_study = written(rows, [], Level.INSTANCE, Scope("1.1"), Level.STUDY)
    assert set(below_study) - set(one) == {"00080060", "0008103E", "00200011", "00201209"}
    assert one["00081190"]["Value"] == [f"{BASE}/studies/1.1/series/1.1.1/instances/1.1.1.1"]
