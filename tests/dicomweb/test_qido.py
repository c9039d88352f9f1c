"""Claims about searches over HTTP: what machines and OHIF send, and what they get."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from dicomweb.attributes import ATTRIBUTES, Level, Matching, Returned
from dicomweb.finding import SEARCHES
from worklist.models import Case, CaseStudy, Instance, Series, Study
from worklist.states import CaseState

PATIENT = "QIDO-1"
JSON = "application/dicom+json"
XML = 'multipart/related; type="application/dicom+xml"'


def request_item(step: str, procedure: str) -> Dataset:
    item = Dataset()
    item.ScheduledProcedureStepID, item.RequestedProcedureID = step, procedure
    return item


@pytest.fixture(scope="module")
def mine(world):
    """One study of two series, whose every required attribute has a value."""
    uid, axial, report = generate_uid(), generate_uid(), generate_uid()
    said = {
        "PatientID": PATIENT,
        "PatientName": "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce=\u3084\u307e\u3060^\u305f\u308d\u3046",
        "SpecificCharacterSet": "ISO_IR 192", "StudyDate": "20240105", "StudyTime": "101530", "AccessionNumber": "Q-7",
        "StudyDescription": "CT HEAD", "ReferringPhysicianName": "House^Gregory", "StudyID": "S1", "PatientSex": "F",
        "TimezoneOffsetFromUTC": "+0200", "PatientBirthDate": "19500101",
    }  # fmt: skip
    series = {
        "Modality": "CT", "SeriesNumber": 1, "SeriesDescription": "axial",
        "PerformedProcedureStepStartDate": "20240105", "PerformedProcedureStepStartTime": "101000",
        "InstitutionName": "General", "StationName": "CT1",
        "RequestAttributesSequence": Sequence([request_item("SPS1", "RP1"), request_item("SPS2", "RP2")]),
    }  # fmt: skip
    sent = [world.instance("CT_small.dcm", uid, axial, InstanceNumber=number, **said, **series) for number in (1, 2, 3)]
    sent.append(world.instance("CT_small.dcm", uid, report, Modality="OT", SeriesNumber=2, InstanceNumber=1, **said))
    world.study(*sent)
    return sent


def found(world, path, who="neuro", **headers):
    response = world.get(path, who, **headers)
    assert response.status_code == 200, response.text
    return response.json()


def paths(sent):
    """Every resource that can be searched, with the UIDs of an instance."""
    return [
        one.rule.replace("<study_uid>", sent.study_uid).replace("<series_uid>", sent.series_uid) for one in SEARCHES
    ]


@pytest.mark.parametrize(
    ("level", "tags"),
    [
        (Level.STUDY, "00080020 00080030 00080050 00080056 00080061 00080090 00080201 00081190 00100010 00100020 "
                      "00100030 00100040 0020000D 00200010 00201206 00201208"),
        (Level.SERIES, "00080060 00080201 0008103E 00081190 0020000E 00200011 00201209 00400244 00400245 00400275"),
        (Level.INSTANCE, "00080016 00080018 00080056 00080201 00081190 00200013 00280010 00280011 00280100"),
    ],
)  # fmt: skip
def test_every_attribute_that_the_standard_requires_is_returned(world, mine, level, tags):
    """Tables 10.6.3-3 to 10.6.3-5."""
    route = next(one for one in SEARCHES if one.level is level and one.known is None)
    result = found(world, f"{route.rule}?StudyInstanceUID={mine[0].study_uid}&limit=1")[0]
    missing = set(tags.split()) - {tag for tag, element in result.items() if element.get("Value")}
    assert not missing
    assert list(result) == sorted(result)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("PerformedProcedureStepStartDate=20240101-20240131", 1),
        ("00400244=20240106-", 0),
        ("PerformedProcedureStepStartTime=1000-1015", 1),
        ("RequestAttributesSequence.ScheduledProcedureStepID=SPS1", 1),
        ("00400275.00400009=SPS2", 1),
        ("00400275.00400009=SPS?&00400275.00401001=RP2", 1),
        ("RequestAttributesSequence.ScheduledProcedureStepID=SPS1&RequestAttributesSequence.00401001=RP2", 0),
        ("00400275.00401001=rp1", 0),
        ("00400275.00401001=", 2),
        ("StationName=CT*&InstitutionName=General", 1),
        ("TimezoneOffsetFromUTC=", 2),
    ],
)
def test_a_series_is_found_by_its_procedure_step_and_by_one_item_of_its_requests(world, mine, query, count):
    assert len(found(world, f"/studies/{mine[0].study_uid}/series?{query}")) == count


def test_the_items_of_a_sequence_are_returned_whole(world, mine):
    (axial,) = found(world, f"/studies/{mine[0].study_uid}/series?Modality=CT")
    steps = [(item["00400009"]["Value"], item["00401001"]["Value"]) for item in axial["00400275"]["Value"]]
    assert steps == [(["SPS1"], ["RP1"]), (["SPS2"], ["RP2"])]
    asked = f"/studies/{mine[0].study_uid}/series?Modality=OT&includefield="
    for name in ("00400275", "RequestAttributesSequence.ScheduledProcedureStepID"):
        assert found(world, asked + name)[0]["00400275"] == {"vr": "SQ"}


@pytest.mark.parametrize("name", [one.keyword for one in ATTRIBUTES if one.returned is not Returned.WITHIN])
def test_a_field_may_be_asked_for_by_keyword_or_tag_at_every_level(world, mine, name):
    attribute = next(one for one in ATTRIBUTES if one.keyword == name)
    for route in SEARCHES:
        path = route.rule.replace("<study_uid>", mine[0].study_uid).replace("<series_uid>", mine[0].series_uid)
        query = f"{path}?StudyInstanceUID={mine[0].study_uid}&limit=1&includefield="
        by_keyword, by_tag = found(world, query + name), found(world, query + attribute.tag.lower())
        assert by_keyword == by_tag
        assert (attribute.tag in by_keyword[0]) == (attribute.level is None or attribute.level <= route.level)


@pytest.mark.parametrize("name", [one.keyword for one in ATTRIBUTES if one.matching is not Matching.NONE])
def test_every_key_may_be_empty_at_every_level(world, mine, name):
    attribute = next(one for one in ATTRIBUTES if one.keyword == name)
    for route in (one for one in SEARCHES if one.known is None and (attribute.level or 0) <= one.level):
        everything = found(world, f"{route.rule}?AccessionNumber=Q-7")
        for key in (name, attribute.tag):
            query = f"{key}=" if name == "AccessionNumber" else f"AccessionNumber=Q-7&{key}="
            assert {str(one) for one in everything} <= {str(one) for one in found(world, f"{route.rule}?{query}")}


@pytest.mark.parametrize(
    "fields",
    [
        "includefield=00081030,00080062",
        "includefield=00081030%2C00080062",
        "includefield=StudyDescription&includefield=SOPClassesInStudy",
        "includefield=StudyDescription%2c%20SOPClassesInStudy",
        "includefield=all",
        "includefield=all&includefield=00081030",
    ],
)
def test_fields_may_be_listed_in_every_way(world, mine, fields):
    (study,) = found(world, f"/studies?StudyInstanceUID={mine[0].study_uid}&{fields}")
    assert study["00081030"]["Value"] == ["CT HEAD"]
    assert study["00080062"]["Value"] == ["1.2.840.10008.5.1.4.1.1.2"]


@pytest.mark.parametrize(
    "name",
    [
        "yamada*",
        "YAMADA^TAROU",
        "\u5c71\u7530*",
        "\u3084\u307e\u3060^\u305f\u308d\u3046",
        "*\u592a\u90ce",
        "yamada^tarou=\u5c71*",
    ],
)
def test_a_name_is_found_by_any_of_its_component_groups(world, mine, name):
    assert len(found(world, f"/studies?PatientID={PATIENT}&PatientName={quote(name)}")) == 1


def test_every_retrieve_url_of_a_search_can_be_used_as_it_is(world, mine):
    for path in paths(mine[0]):
        for result in found(world, f"{path}?StudyInstanceUID={mine[0].study_uid}"):
            (url,) = result["00081190"]["Value"]
            assert world.get(url).status_code == 200


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", JSON),
        ("", JSON),
        ("application/json", "application/json"),
        ("application/dicom+json;q=0.5, " + XML, "multipart/related"),
        ("text/html, application/dicom+json", JSON),
        ("multipart/related; type=application/dicom+xml", "multipart/related"),
    ],
)
def test_the_client_chooses_the_form(world, mine, accept, content_type):
    for path in paths(mine[0]):
        for response in (
            world.get(path, Accept=accept),
            world.get(f"{path}?accept={quote(accept)}", Accept="image/gif"),
        ):
            if accept or "?" not in response.url:
                assert response.status_code == 200
                assert response.headers["Content-Type"].partition(";")[0] == content_type
                assert "Accept" in response.headers["Vary"]


@pytest.mark.parametrize(
    "accept", ["image/jpeg", "application/dicom", "application/dicom+xml", "multipart/related; type=image/gif"]
)
def test_a_form_that_cannot_be_made_is_406(world, mine, accept):
    for path in paths(mine[0]):
        assert world.get(path, Accept=accept).status_code == 406
        assert world.get(f"{path}?accept={quote(accept)}", Accept=JSON).status_code == 406


def test_nothing_found_is_an_empty_list_in_both_forms(world, mine):
    for path in (*paths(mine[0]), f"/studies/{generate_uid()}/series", f"/studies/{generate_uid()}/instances"):
        response = world.get(f"{path}?StudyInstanceUID={generate_uid()}")
        assert (response.status_code, response.content) == (200, b"[]")
    response = world.get(f"/studies?StudyInstanceUID={generate_uid()}", Accept=XML)
    boundary = re.search("boundary=(.+)", response.headers["Content-Type"])[1]
    assert (response.status_code, response.text.strip()) == (200, f"--{boundary}--")


def test_head_says_what_get_says_without_a_body(world, mine):
    for path in paths(mine[0]):
        get, head = world.get(path), world.get(path, method="HEAD")
        assert (head.status_code, head.content) == (200, b"")
        for name in ("Content-Type", "Content-Length", "Vary", "Cache-Control"):
            assert head.headers[name] == get.headers[name]


def test_no_copy_of_an_answer_is_kept_anywhere(world, mine):
    for path in paths(mine[0]):
        assert world.get(path).headers["Cache-Control"] == "private, no-store"


def test_a_page_says_how_many_results_follow_and_that_names_are_not_fuzzy(world, mine):
    path = f"/studies/{mine[0].study_uid}/instances"
    response = world.get(f"{path}?limit=1&offset=1&fuzzymatching=true")
    assert response.status_code == 200
    assert response.raw.headers.getlist("Warning") == [
        f"299 {world.url}: The fuzzymatching parameter is not supported. Only literal matching has been performed.",
        f"299 {world.url}: There are 2 additional results that can be requested",
    ]
    assert "Warning" not in world.get(f"{path}?limit=2&offset=2").headers
    assert "Warning" not in world.get(f"{path}?limit=4").headers


def test_a_late_instance_is_counted_by_the_next_search(world):
    first = world.instance("CT_small.dcm", generate_uid(), InstanceNumber=1)
    world.study(first)
    path = f"/studies?StudyInstanceUID={first.study_uid}"
    assert found(world, path)[0]["00201208"]["Value"] == [1]
    with world.database.reading() as session:
        origin = session.query(Study).where(Study.study_uid == first.study_uid).one().origin
    world.archived(world.instance("CT_small.dcm", first.study_uid, first.series_uid, InstanceNumber=2), origin)
    assert found(world, path)[0]["00201208"]["Value"] == [2]
    assert len(found(world, f"/studies/{first.study_uid}/instances")) == 2


def test_what_was_written_for_one_person_is_shown_to_nobody_else(world, mine):
    path = f"/studies?StudyInstanceUID={mine[0].study_uid}"
    assert len(found(world, path, "neuro")) == 1
    assert found(world, path, "chest") == []
    with world.database.reading() as session:
        study = session.query(Study).where(Study.study_uid == mine[0].study_uid).one()
        case_id = session.query(CaseStudy).where(CaseStudy.study_id == study.id).one().case_id
    below = found(world, f"/cases/{case_id}{path}", "neuro")
    assert below[0]["00081190"]["Value"] == [f"{world.url}/cases/{case_id}/studies/{mine[0].study_uid}"]


def test_of_very_many_results_it_is_said_that_there_are_more(world):
    """Counting to the end of a large archive would take longer than the answer."""
    with world.database.writing() as session:
        study = Study(origin="site:many", study_uid="1.2.3.4.1500", version=1)
        session.add(study)
        session.flush()
        series = Series(study_id=study.id, series_uid="1.2.3.4.1500.1", version=1)
        session.add(series)
        session.flush()
        session.add_all(
            Instance(study_id=study.id, series_id=series.id, sop_uid=f"1.2.3.4.1500.1.{number}", sop_class_uid="1.2",
                     transfer_syntax="1.2", number=number, size=1, sha256=f"{number}", archive_id="x")
            for number in range(1, 1502)
        )  # fmt: skip
        case = Case(state=CaseState.READY, subspecialty="neuroradiology")
        session.add(case)
        session.flush()
        session.add(CaseStudy(case_id=case.id, study_id=study.id))
    path = "/studies/1.2.3.4.1500/instances?limit=1"
    said = "There are more than 1000 additional results that can be requested"
    assert world.get(path).headers["Warning"] == f"299 {world.url}: {said}"
    exact = "There are 1000 additional results that can be requested"
    assert world.get(f"{path}&offset=500").headers["Warning"] == f"299 {world.url}: {exact}"
    assert len(found(world, "/studies/1.2.3.4.1500/instances")) == 1501


@pytest.mark.parametrize("page", [1, 2, 3])
def test_dicomweb_client_gets_every_page(world, mine, page):
    client = world.client()
    whole = client.search_for_instances(mine[0].study_uid, fields=["all"])
    assert [one["00080018"]["Value"][0] for one in whole] == [one.sop_uid for one in mine]
    pages = client.search_for_instances(mine[0].study_uid, fields=["all"], limit=page, get_remaining=True)
    assert pages == whole


def test_dicomweb_client_searches_with_all_its_options(world, mine):
    client, uid, series_uid = world.client(), mine[0].study_uid, mine[0].series_uid
    filters = {"PatientID": PATIENT, "StudyDate": "20240101-20240131", "00100010": "yamada*"}
    fields = ["StudyDescription", "00100021"]
    (study,) = client.search_for_studies(
        fuzzymatching=True, limit=10, offset=0, fields=fields, search_filters=filters, get_remaining=True
    )
    assert study["0020000D"]["Value"] == [uid]
    assert study["00081030"]["Value"] == ["CT HEAD"]
    assert client.search_for_studies(offset=1, search_filters=filters) == []
    (whole,) = client.search_for_studies(search_filters=filters, additional_params={"includefield": "all"})
    assert set(whole) - set(study) == {"00080062"}
    (series,) = client.search_for_series(uid, search_filters={"Modality": "CT"}, fields=["InstitutionName"])
    assert series["00080080"]["Value"] == ["General"]
    assert client.search_for_series(search_filters={"SeriesInstanceUID": series_uid})[0]["0020000D"]["Value"] == [uid]
    assert len(client.search_for_instances(uid, series_uid, fuzzymatching=False, limit=2)) == 2
    assert len(client.search_for_instances(search_filters={"StudyInstanceUID": uid})) == 4
    assert len(client.search_for_instances(uid)) == 4


def test_any_attribute_of_the_images_of_a_study_may_be_asked_for(world):
    """As viewers of slides ask: what no row of ours has was left out, and they showed nothing."""
    mine = [world.instance("CT_small.dcm", study := generate_uid(), InstanceNumber=1)]
    mine.append(world.instance("CT_small.dcm", study, InstanceNumber=2, ImageComments="Second"))
    world.study(*mine)
    fields = "includefield=ImageType&includefield=PixelSpacing,00204000&includefield=7FE00010,00020010"
    for path in (f"/studies/{study}/instances", f"/studies/{study}/series/{mine[1].series_uid}/instances"):
        found = {one["00080018"]["Value"][0]: one for one in world.get(f"{path}?{fields}").json()}
        second = found[mine[1].sop_uid]
        assert list(second) == sorted(second)
        assert second["00020010"] == {"vr": "UI", "Value": ["1.2.840.10008.1.2.1"]}
        assert second["00080008"] == {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY", "AXIAL"]}
        assert second["00280030"]["Value"] == [0.661468, 0.661468]
        assert second["00204000"] == {"vr": "LT", "Value": ["Second"]}
        assert second["7FE00010"]["BulkDataURI"].startswith(f"{world.url}/studies/{study}/")
    asked_of_all = world.get(f"/instances?StudyInstanceUID={study}&{fields}").json()
    assert not any("00080008" in one for one in asked_of_all)
    xml = world.get(f"/studies/{study}/instances?{fields}", Accept='multipart/related; type="application/dicom+xml"')
    assert xml.content.count(b'keyword="ImageType"') == 2
    assert world.get(f"/studies/{study}/instances?{fields}", "chest").json() == []
