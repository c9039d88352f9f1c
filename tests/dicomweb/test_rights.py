"""Claims about who sees what: on every route, foreign and absent are the same, to the letter."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest
from pydicom.uid import generate_uid

from dicomweb.qido import SEARCHES
from dicomweb.wado import RESOURCES
from dicomweb.wado_uri import AT_ROOT, RULE, UIDS
from worklist.models import Case, CaseStudy, Study
from worklist.states import CaseState

HEADERS_THAT_TELL_NOTHING = {"Date", "Server", "Connection"}
WADO_RULES = [resource.rule for resource in RESOURCES]
QIDO_RULES = [route.rule for route in SEARCHES]


def filled(rule, sent, **other):
    """A rule with the UIDs of an instance in it, some of them replaced."""
    values = {
        "<study_uid>": other.get("study", sent.study_uid),
        "<series_uid>": other.get("series", sent.series_uid),
        "<sop_uid>": other.get("sop", sent.sop_uid),
        "<frames>": "1",
        "<path:bulk>": "7FE00010",
    }
    if rule in {RULE, AT_ROOT}:
        rule += f"?{'&'.join(('requestType=WADO', *(f'{n}=<{v}>' for n, v in UIDS.items())))}"
    for name, value in values.items():
        rule = rule.replace(name, value)
    return rule.replace("<case_id>", str(other.get("case", 1)))


NO_CASES = ("999999", "0", "007", "-1", "1.5", "x", "\u0661", "1" * 9, "9" * 30, "1%00", "1%20", "1,2")


def below_case(world, sent):
    """The root of the case to which an instance's study belongs."""
    with world.database.reading() as session:
        links = session.query(CaseStudy).join(Study, Study.id == CaseStudy.study_id)
        return f"/cases/{links.filter(Study.study_uid == sent.study_uid).one().case_id}"


def said(response):
    """Everything that a client learns from an answer."""
    headers = {name: value for name, value in response.headers.items() if name not in HEADERS_THAT_TELL_NOTHING}
    return response.status_code, headers, response.content


@pytest.fixture(scope="module")
def sent(world):
    made = world.instance("CT_small.dcm", generate_uid())
    world.study(made)
    return made


@pytest.fixture(scope="module")
def another(world):
    made = world.instance("CT_small.dcm", generate_uid())
    world.study(made)
    return made


def test_the_routes_walked_here_are_all_there_are(world):
    everything = {*WADO_RULES, *QIDO_RULES, "/studies", "/studies/<study_uid>"}
    assert {rule.rule.removeprefix("/dicom-web") for rule in world.rules} == {
        *everything, *(f"/cases/<case_id>{rule}" for rule in everything),
    }  # fmt: skip


def test_every_method_of_every_route_wants_somebody_signed_in(world, sent):
    for rule in world.rules:
        for method in rule.methods - {"OPTIONS"}:
            path = filled(rule.rule.removeprefix("/dicom-web"), sent)
            assert world.get(path, "nobody", method).status_code == 401, (method, path)


@pytest.mark.parametrize("rule", WADO_RULES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_foreign_and_absent_are_the_same(world, sent, rule, method):
    mine = world.get(filled(rule, sent), "neuro", method)
    assert mine.status_code == 200
    foreign = said(world.get(filled(rule, sent), "chest", method))
    assert foreign[0] == 404
    absent = generate_uid()
    assert foreign == said(world.get(filled(rule, sent, study=absent), "chest", method))
    assert foreign == said(world.get(filled(rule, sent, study=absent), "neuro", method))
    assert foreign == said(world.get(filled(rule, sent), "patient", method))
    etag = {"If_None_Match": mine.headers["ETag"]}
    assert foreign == said(world.get(filled(rule, sent), "chest", method, **etag))
    if "<series_uid>" in rule:
        assert foreign == said(world.get(filled(rule, sent, series=absent), "neuro", method))
    if "<sop_uid>" in rule:
        assert foreign == said(world.get(filled(rule, sent, sop=absent), "neuro", method))


@pytest.mark.parametrize("rule", WADO_RULES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_below_a_case_foreign_and_absent_are_the_same(world, sent, rule, method):
    root, path = below_case(world, sent), filled(rule, sent)
    mine = world.get(f"{root}{path}", "neuro", method)
    assert mine.status_code == 200
    foreign = said(world.get(f"{root}{path}", "chest", method, If_None_Match=mine.headers["ETag"]))
    assert foreign[0] == 404
    for who in ("chest", "patient", "hospital"):
        assert foreign == said(world.get(f"{root}{path}", who, method))
    for none in NO_CASES:
        assert foreign == said(world.get(f"/cases/{none}{path}", "neuro", method)), none
    absent = generate_uid()
    assert foreign == said(world.get(f"{root}{filled(rule, sent, study=absent)}", "neuro", method))
    if "<series_uid>" in rule:
        assert foreign == said(world.get(f"{root}{filled(rule, sent, series=absent)}", "neuro", method))
    if "<sop_uid>" in rule:
        assert foreign == said(world.get(f"{root}{filled(rule, sent, sop=absent)}", "neuro", method))


@pytest.mark.parametrize("rule", WADO_RULES)
def test_below_a_case_a_study_of_another_case_of_mine_is_absent(world, sent, another, rule):
    root = below_case(world, another)
    assert world.get(f"{root}{filled(rule, another)}").status_code == 200
    theirs = said(world.get(f"{root}{filled(rule, sent)}"))
    assert theirs == said(world.get(f"{root}{filled(rule, sent, study=generate_uid())}"))
    assert theirs[0] == 404


@pytest.mark.parametrize("rule", QIDO_RULES)
def test_a_search_below_a_case_of_others_is_one_below_none(world, sent, another, rule):
    root, path = below_case(world, sent), filled(rule, sent)
    assert "Warning" in world.get(f"{root}{path}?limit=0").headers
    foreign = said(world.get(f"{root}{path}", "chest"))
    assert foreign[0] == 404
    assert foreign == said(world.get(f"{root}{path}?limit=0", "chest"))
    for none in NO_CASES:
        assert foreign == said(world.get(f"/cases/{none}{path}", "neuro")), none
    query = f"?StudyInstanceUID={sent.study_uid}"
    elsewhere = world.get(f"{below_case(world, another)}{path}{query}")
    assert (elsewhere.status_code, elsewhere.content) == (200, b"[]")


@pytest.mark.parametrize("rule", ["/studies", "/studies/<study_uid>"])
def test_what_is_stored_below_a_case_of_others_is_stored_below_none(world, sent, another, rule):
    root, path = below_case(world, sent), filled(rule, sent)
    foreign = said(world.get(f"{root}{path}", "hospital", "POST"))
    assert foreign[0] == 404
    for none in NO_CASES:
        assert foreign == said(world.get(f"/cases/{none}{path}", "hospital", "POST")), none
    assert world.get(f"{root}{path}", "neuro", "POST").status_code == 403
    if "<study_uid>" in rule:
        assert foreign == said(world.get(f"{below_case(world, another)}{path}", "neuro", "POST"))


@pytest.mark.parametrize("rule", WADO_RULES)
def test_a_series_of_another_study_and_an_instance_of_another_series_are_absent(world, sent, rule):
    other = world.instance("CT_small.dcm", generate_uid())
    world.study(other)
    if "<series_uid>" in rule:
        assert world.get(filled(rule, sent, series=other.series_uid)).status_code == 404
    if "<sop_uid>" in rule:
        assert world.get(filled(rule, sent, sop=other.sop_uid)).status_code == 404


@pytest.mark.parametrize("rule", QIDO_RULES)
def test_a_search_finds_nothing_foreign_and_tells_nothing_of_it(world, sent, rule):
    query = f"?StudyInstanceUID={sent.study_uid}&limit=0"
    assert "Warning" in world.get(filled(rule, sent) + query).headers
    foreign = said(world.get(filled(rule, sent) + query, "chest"))
    assert (foreign[0], foreign[2]) == (200, b"[]")
    absent = generate_uid()
    assert foreign == said(world.get(filled(rule, sent, study=absent) + f"?StudyInstanceUID={absent}&limit=0", "chest"))


@pytest.mark.parametrize("rule", [*WADO_RULES, *QIDO_RULES])
def test_nobody_signed_in_is_401(world, sent, rule):
    response = world.get(filled(rule, sent), "nobody")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.content == world.get(filled(rule, sent, study=generate_uid()), "nobody").content


def test_a_right_ends_with_its_case(world):
    one = world.instance("CT_small.dcm", generate_uid())
    world.study(one)
    path = f"{one.path}/frames/1"
    first = world.get(path)
    with world.database.writing() as session:
        study = session.query(Study).where(Study.study_uid == one.study_uid).one()
        link = session.query(CaseStudy).where(CaseStudy.study_id == study.id).one()
        session.get(Case, link.case_id).state = CaseState.CANCELLED
    assert world.get(path, If_None_Match=first.headers["ETag"]).status_code == 404


def test_a_patient_sees_their_own_case_and_a_coordinator_all(world):
    one = world.instance("CT_small.dcm", generate_uid())
    world.study(one, patient_id=world.viewers["patient"].person_id, subspecialty="thoracic")
    seen = {who: world.get(f"{one.path}/metadata", who).status_code for who in world.viewers}
    assert seen == {"neuro": 404, "chest": 200, "patient": 200, "hospital": 404, "coordinator": 200}


def raw(world, target, **headers):
    """One GET whose target nobody normalises."""
    place = urlsplit(world.url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    try:
        connection.request("GET", target, headers={"Authorization": "Bearer neuro", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "target",
    [
        "/dicom-web/../system",
        "/dicom-web/%2e%2e/instances",
        "/dicom-web/studies/..%2f..%2fsystem",
        "/dicom-web/studies/../../system",
        "/dicom-web/studies/1.2/../../../system",
        "/dicom-web/studies/1.2%00/series",
        "/dicom-web/studies/1.2%0d%0aX:%20y/series",
        "/dicom-web/studies/1..2/series",
        "/dicom-web/studies/01.2/metadata",
        f"/dicom-web/studies/{'1' * 65}/metadata",
        "/dicom-web/studies/*/metadata",
        "/dicom-web/studies/1.2,1.3/metadata",
    ],
)
def test_a_path_that_is_a_trick_gets_nowhere(world, target):
    status, body = raw(world, target)
    assert status in {400, 404}
    assert b"Version" not in body


def test_an_address_of_a_value_cannot_climb(world, sent):
    for trick in ("../metadata", "..%2fmetadata", "7FE00010/../../metadata"):
        assert raw(world, f"/dicom-web{sent.path}/bulk/{trick}")[0] in {400, 404}


def test_nothing_that_a_client_says_of_the_host_comes_back(world, sent):
    _, body = raw(
        world,
        f"/dicom-web/studies?StudyInstanceUID={sent.study_uid}",
        Host="evil.example",
        **{"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"},
    )
    assert b"evil" not in body
    assert world.url.encode() in body


def test_every_answer_forbids_a_browser_to_run_it(world, sent):
    for response in (world.get(f"{sent.path}/rendered"), world.get(sent.path), world.get("/studies/1.2/metadata")):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_every_access_is_told_to_the_audit(world, sent):
    world.accesses.clear()
    world.get(f"{sent.path}/frames/1", "neuro")
    world.get(f"{sent.path}/frames/1", "chest")
    root = below_case(world, sent)
    world.get(f"{root}{sent.path}/frames/1", "neuro")
    told = [(one.person_id, one.action, one.study_uid, one.status, one.case_id) for one in world.accesses]
    assert told == [
        (world.viewers["neuro"].person_id, "retrieve_frames", sent.study_uid, 200, None),
        (world.viewers["chest"].person_id, "retrieve_frames", sent.study_uid, 404, None),
        (world.viewers["neuro"].person_id, "retrieve_frames", sent.study_uid, 200, int(root.rpartition("/")[2])),
    ]
