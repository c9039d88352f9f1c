"""The attack: a patient uploads forged pixels under the very UIDs of a hospital's study, before the hospital sends it.

One reader may see both cases. Whoever looks at the hospital's case sees what the hospital sent, under both roots;
whoever looks at the patient's case sees what the patient sent.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from worklist.models import Case, CaseStudy, Study
from worklist.states import CaseState

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
OCTETS = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
PRIOR = "MR_small.dcm"


@dataclass(frozen=True)
class Attack:
    """What the hospital and what the patient sent under the same UIDs, and the case of each."""

    true: object
    forged: object
    hospital: str
    patient: str
    prior_uid: str


def forge(world, sent):
    """The same UIDs, other pixels, another Patient ID; one instance more, of a series of its own."""
    dataset = sent.dataset
    dataset.PixelData = bytes(255 - byte for byte in dataset.PixelData)
    dataset.PatientID = "FORGED"
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    more = world.instance("CT_small.dcm", sent.study_uid, PatientID="FORGED")
    return type(sent)(sent.study_uid, sent.series_uid, sent.sop_uid, out.getvalue()), more


@pytest.fixture(scope="module")
def attack(world):
    true = world.instance("CT_small.dcm", generate_uid(), PatientID=f"PID-{generate_uid()[-12:]}")
    forged, more = forge(world, true)
    with world.database.writing() as session:
        upload = Case(state=CaseState.READY, subspecialty="neuroradiology")
        session.add(upload)
        session.flush()
        upload_id = upload.id
    for one in (forged, more):
        world.archived(one, f"case:{upload_id}")
    world.study(true)
    with world.database.reading() as session:
        pushed_id = session.query(Case).order_by(Case.id.desc()).first().id
    prior = world.instance(PRIOR, generate_uid())
    world.archived(prior, f"site:{pushed_id}-prior")
    join_case(world, prior, pushed_id)
    return Attack(true, forged, f"/cases/{pushed_id}", f"/cases/{upload_id}", prior.study_uid)


def join_case(world, sent, case_id):
    """Let the study belong to a case as well, as a prior."""
    with world.database.writing() as session:
        study = session.query(Study).filter_by(study_uid=sent.study_uid).one()
        session.add(CaseStudy(case_id=case_id, study_id=study.id))


def frame(world, root, one, who="neuro"):
    content = world.get(f"{root}{one.path}/frames/1", who, Accept=OCTETS).content
    return content.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]


@pytest.mark.parametrize("who", ["neuro", "coordinator"])
def test_each_case_shows_its_own_pixels_and_the_plain_root_the_hospitals(world, attack, who):
    true, forged = attack.true, attack.forged
    for root, one in (("", true), (attack.hospital, true), (attack.patient, forged)):
        assert frame(world, root, one, who) == one.dataset.PixelData, root
        assert one.part10 in world.get(f"{root}{one.path}", who, Accept=AS_STORED).content
        (metadata,) = world.get(f"{root}{one.path}/metadata", who).json()
        assert metadata["00100020"]["Value"] == [one.dataset.PatientID]
        (series,) = world.get(f"{root}/studies/{one.study_uid}/series/{one.series_uid}/metadata", who).json()
        assert series["00100020"]["Value"] == [one.dataset.PatientID]
    pictures = [world.get(f"{root}{true.path}/rendered", who).content for root in ("", attack.hospital, attack.patient)]
    assert pictures[0] == pictures[1] != pictures[2]


def test_nothing_of_another_origin_comes_along_and_counts_are_of_one(world, attack):
    uid = attack.true.study_uid
    for root, count in (("", 1), (attack.hospital, 1), (attack.patient, 2)):
        whole = world.get(f"{root}/studies/{uid}", Accept=AS_STORED).content
        assert (whole.count(b"DICM"), attack.true.part10 in whole) == (count, root != attack.patient)
        (study,) = world.get(f"{root}/studies?StudyInstanceUID={uid}").json()
        assert (study["00201206"]["Value"], study["00201208"]["Value"]) == ([count], [count])
        assert len(world.get(f"{root}/studies/{uid}/series").json()) == count
        assert len(world.get(f"{root}/studies/{uid}/instances").json()) == count
        assert len(world.get(f"{root}/studies/{uid}/metadata").json()) == count
        all_series = world.get(f"{root}/series?StudyInstanceUID={uid}&limit=0")
        assert f"There are {count} additional results" in all_series.headers["Warning"]


def test_an_answer_that_a_browser_has_of_one_case_is_not_taken_for_that_of_another(world, attack):
    path = f"{attack.true.path}/metadata"
    etags = [world.get(f"{root}{path}").headers["ETag"] for root in ("", attack.hospital, attack.patient)]
    assert len(set(etags)) == 3


def test_every_address_in_an_answer_stays_below_the_root_that_was_asked(world, attack):
    uid = attack.true.study_uid
    below = f"{world.url}{attack.hospital}/studies/"
    for path in (f"/studies/{uid}/metadata", f"{attack.true.path}/metadata", "/studies", f"/studies/{uid}/instances"):
        text = world.get(f"{attack.hospital}{path}").text
        assert text.count(world.url) == text.count(below) > 0, path
    (metadata,) = world.get(f"{attack.hospital}/studies/{uid}/metadata").json()
    pixels = world.get(metadata["7FE00010"]["BulkDataURI"], Accept="application/octet-stream").content
    assert pixels == attack.true.dataset.PixelData


def test_a_case_lists_all_of_its_studies_and_no_other(world, attack):
    listed = {one["0020000D"]["Value"][0] for one in world.get(f"{attack.hospital}/studies").json()}
    assert listed == {attack.true.study_uid, attack.prior_uid}
    assert world.get(f"{attack.hospital}/studies?limit=2").headers.get("Warning") is None
    assert "There are 1 additional" in world.get(f"{attack.hospital}/studies?limit=1").headers["Warning"]
    assert world.get(f"{attack.patient}/studies/{attack.prior_uid}/metadata").status_code == 404
    assert world.get(f"{attack.patient}/studies/{attack.prior_uid}/series").json() == []


def test_dicomweb_client_reads_a_case_as_it_reads_everything(world, attack):
    client, true, forged = world.client(root=attack.hospital), attack.true, attack.forged
    assert {one["0020000D"]["Value"][0] for one in client.search_for_studies()} == {true.study_uid, attack.prior_uid}
    assert len(client.search_for_series(true.study_uid)) == 1
    assert len(client.search_for_instances(true.study_uid, true.series_uid)) == 1
    names = true.study_uid, true.series_uid, true.sop_uid
    assert client.retrieve_instance_metadata(*names)["00100020"]["Value"] == [true.dataset.PatientID]
    (metadata,) = client.retrieve_series_metadata(*names[:2])
    (bulk,) = client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"])
    assert bulk == true.dataset.PixelData
    assert client.retrieve_instance_frames(*names, frame_numbers=[1]) == [true.dataset.PixelData]
    assert client.retrieve_instance(*names).PixelData == true.dataset.PixelData
    assert len(client.retrieve_study(true.study_uid)) == 1
    assert len(client.retrieve_series_rendered(*names[:2])) > 0
    assert client.retrieve_instance_rendered(*names)
    (theirs,) = world.client(root=attack.patient).retrieve_instance_frames(*names, frame_numbers=[1])
    assert theirs == forged.dataset.PixelData


def test_what_is_stored_below_a_case_belongs_to_it_or_is_not_kept(world):
    hospital = world.viewers["hospital"]
    known, other = world.instance("CT_small.dcm", generate_uid()), world.instance("CT_small.dcm", generate_uid())
    world.archived(known, f"site:{hospital.site_id}")
    with world.database.writing() as session:
        case = Case(state=CaseState.READY, site_id=hospital.site_id)
        session.add(case)
        session.flush()
        case_id = case.id
    join_case(world, known, case_id)
    more = world.instance("CT_small.dcm", known.study_uid)
    client = world.client("hospital", f"/cases/{case_id}")
    answer = client.store_instances([dcmread(io.BytesIO(one.part10)) for one in (more, other)])
    assert [one.ReferencedSOPInstanceUID for one in answer.ReferencedSOPSequence] == [more.sop_uid]
    assert answer.RetrieveURL == f"{world.url}/cases/{case_id}/studies/{known.study_uid}"
    (failed,) = answer.FailedSOPSequence
    assert (failed.ReferencedSOPInstanceUID, failed.FailureReason) == (other.sop_uid, 0xA901)
    stored = {entry.arrival.sop_uid for entry in world.inbox.waiting(1000)}
    assert more.sop_uid in stored
    assert other.sop_uid not in stored
