"""A transfer that is cut is taken down with what had come; one that is released, or merely idle, is not."""

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from scp.endings import MOST, Endings, read_endings

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.826.0.1.3680043.8.498.77"


@pytest.fixture
def hospital(tmp_path, made):
    with made.receiving(tmp_path, idle_seconds=2.0) as hospital:
        yield hospital


@pytest.fixture
def images(made):
    return lambda count, study_uid=STUDY: [made.object(StudyInstanceUID=study_uid) for _ in range(count)]


def sending(hospital, files):
    """An association on which these images were stored."""
    ae = AE("HOSPITAL")
    ae.add_requested_context(CT, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", hospital.port, ae_title="OVERREAD")
    for part10 in files:
        assert association.send_c_store(dcmread(BytesIO(part10))).Status == 0
    return association


def cuts(hospital):
    found, _ = read_endings(hospital.folder / "counters")
    return [(one.origin, one.sender, one.study_uid, one.images, one.in_image) for one in found]


def test_an_association_that_is_aborted_in_mid_study_is_a_cut(hospital, images, wait_for):
    sending(hospital, images(3)).abort()
    wait_for(lambda: cuts(hospital))
    assert cuts(hospital) == [("site:7", "HOSPITAL", STUDY, 3, False)]


def test_the_study_that_was_coming_last_is_meant(hospital, images, wait_for):
    sending(hospital, [*images(1), *images(2, "1.2.9")]).abort()
    wait_for(lambda: cuts(hospital))
    assert cuts(hospital) == [("site:7", "HOSPITAL", "1.2.9", 2, False)]


def test_a_connection_that_is_lost_in_the_middle_of_an_image_is_a_cut(hospital, made, wait_for):
    dataset = made.dataset_of(made.object(StudyInstanceUID=STUDY, SOPInstanceUID="1.2.3"))
    with made.RawPeer(hospital.port, {1: (CT, ExplicitVRLittleEndian)}) as peer:
        peer.store(dataset, made.store_command())
        assert peer.status() == 0
        peer.send((1, 3, made.store_command()))
        peer.send((1, 0, dataset[:-200]))
    wait_for(lambda: cuts(hospital))
    assert cuts(hospital) == [("site:7", "HOSPITAL", STUDY, 1, True)]
    assert len(hospital.kept()) == 1


def test_a_connection_that_is_lost_at_the_very_start_of_the_first_image_is_a_cut(hospital, made, wait_for):
    """Nobody was told: no image had come, and none had said its study."""
    with made.RawPeer(hospital.port, {1: (CT, ExplicitVRLittleEndian)}) as peer:
        peer.send((1, 3, made.store_command()))
        peer.send((1, 0, made.dataset_of(made.object(StudyInstanceUID=STUDY))[:20]))
        wait_for(hospital.receiver._live)
    wait_for(lambda: cuts(hospital))
    assert cuts(hospital) == [("site:7", "HOSPITAL", "", 0, True)]


def test_a_release_is_no_cut_and_is_remembered(hospital, images, wait_for):
    sending(hospital, images(2)).release()
    wait_for(lambda: not hospital.receiver._live())
    hospital.receiver.save_counters()
    found, released = read_endings(hospital.folder / "counters")
    assert (found, list(released)) == ([], [("site:7", STUDY)])


def test_whoever_leaves_an_association_open_and_idle_was_not_cut(hospital, images, wait_for):
    association = sending(hospital, images(1))
    wait_for(lambda: not hospital.receiver._live())
    association.abort()
    assert cuts(hospital) == []


def test_an_association_without_an_image_is_no_cut(hospital, wait_for):
    sending(hospital, []).abort()
    wait_for(lambda: not hospital.receiver._live())
    assert cuts(hospital) == []


def test_what_was_taken_down_is_there_after_a_restart_and_stays_few(tmp_path):
    endings = Endings(tmp_path, "dicom-0")
    for number in range(MOST + 5):
        endings.cut(("site:1", f"1.2.{number}"), "PACS", 1, in_image=False)
        endings.released([("site:1", f"1.3.{number}")])
    endings.save()
    again = Endings(tmp_path, "dicom-0")
    again.cut(("site:1", generate_uid()), "PACS", 1, in_image=False)
    found, released = read_endings(tmp_path)
    assert (len(found), len(released)) == (MOST, MOST)
    (tmp_path / "dicom-1.endings").write_text("{")
    assert len(read_endings(tmp_path)[0]) == MOST
