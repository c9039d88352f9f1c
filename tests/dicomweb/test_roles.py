"""Every route, below both roots, for every role: who has a right gets the answer, everybody else that of nothing.

No time is measured here: that a refusal takes no longer than nothing is what `dicomweb.searching` and `holdings` see
to, by looking rows up with the right in the same statement.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydicom.uid import generate_uid

from dicomweb.qido import SEARCHES
from dicomweb.wado import RESOURCES
from worklist.access import NOBODY, Link
from worklist.models import CaseStudy, Instance, Series, Study

HEADERS_THAT_TELL_NOTHING = {"Date", "Server", "Connection"}
PEOPLE = ("neuro", "chest", "patient", "hospital", "coordinator")

SEEN_BY = {
    "for a neuroradiologist": {"neuro", "coordinator"},
    "for a thoracic radiologist": {"chest", "coordinator"},
    "a patient's own": {"patient", "coordinator"},
    "sent by a hospital": {"hospital", "coordinator"},
    "read by somebody already": {"chest", "coordinator"},
}
"""The studies of this test, and everybody who sees them."""


def case_of(kind, people):
    """What is special about the case of a study."""
    return {
        "for a neuroradiologist": {"subspecialty": "neuroradiology"},
        "for a thoracic radiologist": {"subspecialty": "thoracic"},
        "a patient's own": {"subspecialty": "breast", "patient_id": people["patient"].person_id},
        "sent by a hospital": {"subspecialty": "breast", "site_id": people["hospital"].site_id},
        "read by somebody already": {"subspecialty": "breast", "reader_id": people["chest"].person_id},
    }[kind]


@pytest.fixture(scope="module")
def studies(world):
    """An instance of each kind of study, with the number of its case."""
    made = {}
    for kind in SEEN_BY:
        sent = world.instance("CT_small.dcm", generate_uid(), PatientID="ROLES")
        world.study(sent, **case_of(kind, world.viewers))
        with world.database.reading() as session:
            link = session.query(CaseStudy).join(Study, Study.id == CaseStudy.study_id)
            made[kind] = sent, link.filter(Study.study_uid == sent.study_uid).one().case_id
    return made


def filled(rule, sent, case_id, **absent):
    """A rule with the UIDs of an instance in it, some of them replaced."""
    values = {
        "<study_uid>": sent.study_uid,
        "<series_uid>": sent.series_uid,
        "<sop_uid>": sent.sop_uid,
        "<frames>": "1",
        "<path:bulk>": "7FE00010",
        "<case_id>": str(case_id),
    } | absent
    if rule in ROOTS or rule.endswith("/wado"):  # WADO-URI has the UIDs in its query
        rule += "?requestType=WADO&studyUID=<study_uid>&seriesUID=<series_uid>&objectUID=<sop_uid>"
    for name, value in values.items():
        rule = rule.replace(name, value)
    return rule


def said(response):
    """Everything that a client learns from an answer."""
    headers = {name: value for name, value in response.headers.items() if name not in HEADERS_THAT_TELL_NOTHING}
    return response.status_code, headers, response.content


ROOTS = ("", "/cases/<case_id>")
RETRIEVALS = [f"{root}{one.rule}" for root in ROOTS for one in RESOURCES]
SEARCH_RULES = [f"{root}{one.rule}" for root in ROOTS for one in SEARCHES]
STORES = [f"{root}{rule}" for root in ROOTS for rule in ("/studies", "/studies/<study_uid>")]


def test_no_route_is_left_out(world):
    assert {rule.rule.removeprefix("/dicom-web") for rule in world.rules} == {*RETRIEVALS, *SEARCH_RULES, *STORES}


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("rule", RETRIEVALS)
def test_a_retrieval_is_answered_to_whom_it_belongs(world, studies, who, rule):
    nothing = {"<study_uid>": generate_uid(), "<case_id>": "999999"}
    for kind, (sent, case_id) in studies.items():
        answer = said(world.get(filled(rule, sent, case_id), who))
        if who in SEEN_BY[kind]:
            assert answer[0] == 200, kind
        else:
            assert answer == said(world.get(filled(rule, sent, case_id, **nothing), who)), kind
            assert answer[0] == 404


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("rule", SEARCH_RULES)
def test_a_search_finds_what_belongs_to_whoever_asks(world, studies, who, rule):
    for kind, (sent, case_id) in studies.items():
        for query in ("?StudyInstanceUID={}", "?StudyInstanceUID={}&limit=0"):
            answer = said(world.get(filled(rule, sent, case_id) + query.format(sent.study_uid), who))
            if who in SEEN_BY[kind]:
                assert answer[0] == 200
                assert (sent.study_uid.encode() in answer[2]) == ("limit=0" not in query)
                assert ("Warning" in answer[1]) == ("limit=0" in query)
            else:
                absent = generate_uid()
                nowhere = filled(rule, sent, case_id, **{"<study_uid>": absent, "<case_id>": "999999"})
                assert answer == said(world.get(nowhere + query.format(absent), who)), kind
                assert answer[0] == (404 if "<case_id>" in rule else 200)


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("rule", SEARCH_RULES)
def test_the_pages_of_a_search_count_nothing_that_is_not_shown(world, studies, who, rule):
    """The total that a page of one announces is the number of results that all pages have."""
    for kind, (sent, case_id) in studies.items():
        path = filled(rule, sent, case_id)
        if who not in SEEN_BY[kind]:
            continue
        everything = world.get(f"{path}?PatientID=ROLES", who).json()
        one = world.get(f"{path}?PatientID=ROLES&limit=1", who)
        left = one.headers.get("Warning", " There are 0 additional").partition("There are ")[2].split()[0]
        assert len(one.json()) + int(left) == len(everything)


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("rule", STORES)
def test_what_is_stored_is_answered_alike_for_a_foreign_study_and_for_none(world, studies, who, rule):
    nothing = {"<study_uid>": generate_uid(), "<case_id>": "999999"}
    for kind, (sent, case_id) in studies.items():
        if who not in SEEN_BY[kind]:
            answer = said(world.get(filled(rule, sent, case_id), who, "POST"))
            assert answer == said(world.get(filled(rule, sent, case_id, **nothing), who, "POST")), kind


@pytest.mark.parametrize("rule", [*RETRIEVALS, *SEARCH_RULES])
def test_a_stranger_is_told_to_sign_in_whatever_they_ask_for(world, studies, rule):
    answers = [said(world.get(filled(rule, *one), "nobody")) for one in studies.values()]
    assert {answer[0] for answer in answers} == {401}
    assert all(answer == answers[0] for answer in answers)


SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
SEE_PAPERS = ("chest", "coordinator")
SEE_NONE = ("neuro", "patient", "hospital", "guest")


@pytest.fixture(scope="module")
def saved(world):
    """A case which everybody here sees and one of them reads; what its reader saved; all answers before they did."""
    people, series = world.viewers, generate_uid()
    sent = world.instance("CT_small.dcm", generate_uid(), series, PatientID="PAPERS", SeriesNumber=2)
    roles = {"patient_id": people["patient"].person_id, "site_id": people["hospital"].site_id}
    world.study(sent, world.instance("CT_small.dcm", sent.study_uid, series, PatientID="PAPERS"),
                reader_id=people["chest"].person_id, **roles)  # fmt: skip
    with world.database.reading() as session:
        study = session.query(Study).filter_by(study_uid=sent.study_uid).one()
        case_id = session.query(CaseStudy).filter_by(study_id=study.id).one().case_id
    people["guest"] = replace(NOBODY, link=Link(1, case_id, frozenset({study.id})))
    rules = [rule for rule in (*RETRIEVALS, *SEARCHED) if "<series_uid>" not in rule and not rule.endswith("/wado")]
    before = {(rule, who): said(world.get(filled(rule, sent, case_id), who)) for rule in rules for who in SEE_NONE}
    paper = world.instance("CT_small.dcm", sent.study_uid, PatientID="PAPERS", Modality="SEG", SeriesNumber=1)
    world.archived(paper, study.origin)
    with world.database.writing() as session:
        row = session.query(Series).filter_by(series_uid=paper.series_uid).one()
        row.ours, row.made_by = True, people["chest"].person_id
        session.query(Instance).filter_by(sop_uid=paper.sop_uid).one().sop_class_uid = SECONDARY_CAPTURE
    return sent, paper, case_id, before


SEARCHED = [f"{rule}?PatientID=PAPERS&includefield=all{more}" for rule in SEARCH_RULES for more in ("", "&limit=1")]


@pytest.mark.parametrize("who", SEE_NONE)
def test_what_a_reader_saved_changes_no_answer_to_anybody_else(world, saved, who):
    sent, _, case_id, before = saved
    for (rule, asking), answer in before.items():
        if asking == who:
            assert said(world.get(filled(rule, sent, case_id), who)) == answer, rule


@pytest.mark.parametrize(
    "rule",
    [rule for rule in (*RETRIEVALS, *SEARCH_RULES) if "<series_uid>" in rule or rule in ROOTS or "/wado" in rule],
)
def test_what_a_reader_saved_is_for_everybody_else_a_series_that_does_not_exist(world, saved, rule):
    _, paper, case_id, _ = saved
    absent = {"<series_uid>": generate_uid(), "<sop_uid>": generate_uid()}
    for who in SEE_NONE:
        answer = said(world.get(filled(rule, paper, case_id), who))
        assert answer == said(world.get(filled(rule, paper, case_id, **absent), who)), who
        assert answer[0] == (200 if rule in SEARCH_RULES else 404)
    for who in SEE_PAPERS:
        answer = world.get(filled(rule, paper, case_id), who)
        assert (answer.status_code, answer.content != b"[]") == (200, True), who


@pytest.mark.parametrize("rule", [rule for rule in SEARCH_RULES if "<series_uid>" not in rule])
@pytest.mark.parametrize("key", ["ModalitiesInStudy=SEG", f"SOPClassesInStudy={SECONDARY_CAPTURE}"])
def test_a_search_by_what_is_in_a_study_takes_a_paper_for_nothing(world, saved, rule, key):
    sent, paper, case_id, _ = saved
    path = f"{filled(rule, paper, case_id)}?StudyInstanceUID={sent.study_uid}&{key}"
    found = {who: len(world.get(path, who).json()) for who in (*SEE_PAPERS, *SEE_NONE)}
    assert {found[who] for who in SEE_NONE} == {0}
    assert min(found[who] for who in SEE_PAPERS) > 0
