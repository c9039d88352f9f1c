"""Claims about the very requests that OHIF 3.13.2 sends, as captured (see the table in the DICOMweb reference)."""

from __future__ import annotations

import re

import pytest
from pydicom.uid import generate_uid

JSON = "application/dicom+json"
FRAME = "multipart/related; type=application/octet-stream; transfer-syntax=*"
FIELDS = "includefield=00081030%2C00080060%2C00080090%2C00100030"


@pytest.fixture(scope="module")
def opened(world):
    """The study that is opened, of a patient with a prior that one may see and one that one may not."""
    patient = f"PID-{generate_uid()[-12:]}"
    study, series = generate_uid(), generate_uid()
    sent = [
        world.instance("CT_small.dcm", study, series, PatientID=patient, InstanceNumber=number) for number in (1, 2, 3)
    ]
    world.study(*sent)
    prior = world.instance("MR_small.dcm", generate_uid(), PatientID=patient)
    world.study(prior)
    foreign = world.instance("MR_small.dcm", generate_uid(), PatientID=patient)
    world.study(foreign, subspecialty="thoracic")
    return sent, prior, foreign, patient


def uids(response, tag="0020000D"):
    assert response.status_code == 200
    assert response.headers["Content-Type"] == JSON
    return [one[tag]["Value"][0] for one in response.json()]


def test_1_the_study(world, opened):
    (sent, *_), *_ = opened
    query = f"limit=101&offset=0&fuzzymatching=true&{FIELDS}&StudyInstanceUID={sent.study_uid}"
    response = world.get(f"/studies?{query}", Accept=JSON)
    assert uids(response) == [sent.study_uid]
    (study,) = response.json()
    assert study["00081030"]["Value"] == [sent.dataset.StudyDescription]
    assert "00080060" not in study  # modality is of a series
    assert study["00080061"]["Value"] == ["CT"]
    assert re.fullmatch(r"299 \S+: The fuzzymatching parameter is not supported\..*", response.headers["Warning"])


def test_2_its_series(world, opened):
    (sent, *_), *_ = opened
    query = "includefield=00080021%2C00080031%2C0008103E%2C00200011"
    response = world.get(f"/studies/{sent.study_uid}/series?{query}", Accept=JSON)
    assert uids(response, "0020000E") == [sent.series_uid]
    assert {"00080021", "00080031", "00200011"} <= set(response.json()[0])
    narrowed = world.get(f"/studies/{sent.study_uid}/series?{query}&SeriesInstanceUID=1.2.3", Accept=JSON)
    assert uids(narrowed, "0020000E") == []


def test_3_other_studies_of_the_patient_are_those_that_one_may_see_with_the_opened_one(world, opened):
    (sent, *_), prior, foreign, patient = opened
    query = f"00100020={patient}&limit=101&offset=0&fuzzymatching=true&{FIELDS}"
    assert set(uids(world.get(f"/studies?{query}", Accept=JSON))) == {sent.study_uid, prior.study_uid}
    assert uids(world.get(f"/studies?{query}", "chest", Accept=JSON)) == [foreign.study_uid]


def test_4_series_metadata(world, opened):
    (sent, *_), *_ = opened
    response = world.get(f"/studies/{sent.study_uid}/series/{sent.series_uid}/metadata", Accept=JSON)
    assert uids(response, "00080018") == [one.sop_uid for one in opened[0]]


def test_6_every_frame(world, opened):
    for sent in opened[0]:
        response = world.get(f"{sent.path}/frames/1", Accept=FRAME)
        assert response.status_code == 200
        # cornerstone's loader looks for this spelling alone
        assert (
            b"\r\nContent-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1\r\n" in response.content
        )


def test_7_a_whole_instance(world, opened):
    (sent, *_), *_ = opened
    response = world.get(sent.path, Accept='multipart/related; type="application/dicom"')
    assert sent.part10 in response.content


def test_9_the_study_list(world, opened):
    (sent, *_), *_ = opened
    name = str(sent.dataset.PatientName)[:6].lower()
    query = f"limit=101&offset=0&fuzzymatching=true&{FIELDS}&PatientName=*{name}*&ModalitiesInStudy=CT"
    date = sent.dataset.StudyDate
    assert sent.study_uid in uids(world.get(f"/studies?{query}&StudyDate={date}-{date}", Accept=JSON))
    assert sent.study_uid not in uids(world.get(f"/studies?{query}&StudyDate=19000101-19010101", Accept=JSON))


def test_a_thumbnail_of_3_13(world, opened):
    (sent, *_), *_ = opened
    response = world.get(
        f"{sent.path}/thumbnail?accept=image%2Fjpeg", Accept='multipart/related; type="application/octet-stream"'
    )
    assert response.headers["Content-Type"] == "image/jpeg"
    rendered = world.get(f"{sent.path}/rendered?viewport=256%2C256", Accept="image/jpeg")
    assert rendered.headers["Content-Type"] == "image/jpeg"


def test_no_search_ever_answers_206(world, opened):
    (sent, *_), *_ = opened
    response = world.get("/studies?limit=1&offset=0", "coordinator", Accept=JSON)
    assert response.status_code == 200
    assert re.fullmatch(r"299 \S+: There are \d+ additional results that can be requested", response.headers["Warning"])


def test_dicomweb_client_searches_at_every_level(world, opened):
    (sent, *_), prior, _, patient = opened
    client = world.client()
    studies = client.search_for_studies(search_filters={"PatientID": patient}, fields=["StudyDescription"], limit=5)
    assert {one["0020000D"]["Value"][0] for one in studies} == {sent.study_uid, prior.study_uid}
    every = client.search_for_studies(search_filters={"PatientID": patient}, limit=1, get_remaining=True)
    assert len(every) == 2
    assert len(client.search_for_series(sent.study_uid)) == 1
    assert len(client.search_for_series(search_filters={"PatientID": patient})) == 2
    assert len(client.search_for_instances(sent.study_uid, sent.series_uid)) == 3
    assert len(client.search_for_instances(sent.study_uid, search_filters={"InstanceNumber": 2})) == 1
    assert len(client.search_for_instances(search_filters={"PatientID": patient})) == 4


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", JSON),
        ("application/json", "application/json"),
        ("application/*;q=0.5, application/json;q=0.9", "application/json"),
        ("text/html, application/dicom+json;q=0.1", JSON),
    ],
)
def test_a_search_answers_in_the_liked_type(world, accept, content_type):
    assert world.get("/studies?limit=1", Accept=accept).headers["Content-Type"] == content_type


def test_a_search_whose_type_cannot_be_made_is_406_and_the_query_beats_the_header(world):
    assert world.get("/studies", Accept="text/html").status_code == 406
    assert world.get("/studies?accept=application/dicom%2Bjson", Accept="text/html").status_code == 200
    assert world.get("/studies?accept=text/html", Accept=JSON).status_code == 406


def test_a_query_that_cannot_be_meant_is_a_problem(world):
    response = world.get("/studies?limit=abc")
    assert (response.status_code, response.headers["Content-Type"]) == (400, "application/problem+json")
