"""What a peer, a coordinator and an administrator see at the doors of a running installation."""

import signal

import pytest
from pydicom import dcmread

pytestmark = [pytest.mark.flow, pytest.mark.peers, pytest.mark.xdist_group("flows")]


@pytest.mark.parametrize(
    ("calling", "called", "reason"),
    [
        ("STRANGER", "OVERREAD", "Calling AE Title Not Recognized"),
        ("DEMO_PACS", "SOMEBODY", "Called AE Title Not Recognized"),
    ],
)
def test_an_unknown_or_misdirected_peer_is_told_why_it_is_rejected(installation, tool, calling, called, reason):
    said = tool("echoscu", "-v", "-aet", calling, "-aec", called, "127.0.0.1", installation.dicom, check=False)
    assert said.returncode != 0
    assert reason in said.stdout


def test_an_object_without_a_study_is_refused_and_the_coordinator_sees_why(
    installation, add_hospital, make_study, desk, chromium, eventually
):
    hospital, sent = add_hospital(installation), make_study(1, size=64)
    wrong = dcmread(sent.files[0])
    del wrong.StudyInstanceUID
    wrong.save_as(sent.files[0])
    said = hospital.storescu(sent.folder, check=False).stdout
    assert "Received Store Response (Error: " in said or "Received Store Response (Failed" in said, said
    coordinator = desk(installation, "coordinator")
    token = installation.token(coordinator.email)

    def shown() -> bool:
        status, page = installation.api("GET", "/oversight", token)
        return status == 200 and wrong.SOPInstanceUID in page.decode()

    eventually(shown, "the refused object on the coordinator's page")
    page = installation.api("GET", "/oversight", token)[1].decode()
    assert hospital.title in page and "Study Instance UID" in page
    with chromium.tab(installation.url, coordinator.email) as tab:
        tab.page.goto(f"{installation.url}/oversight")
        chromium.keep(tab.page, "oversight")
        assert tab.wrong == []


def test_the_doctor_finds_a_running_installation_well(installation):
    said = installation.overread("doctor")
    assert (said.returncode, "All is well." in said.stdout) == (0, True), said.stdout + said.stderr


def test_two_installations_run_side_by_side_and_ctrl_c_stops_one_whole(
    installation, fresh_installation, add_hospital, make_study, desk
):
    mine, sent = add_hospital(fresh_installation), make_study(2, size=64)
    mine.push(sent)
    case = desk(fresh_installation, "reader").wait_ready(sent.study_uid)
    assert case["site"] == mine.code
    assert desk(installation, "coordinator").cases_of(sent.study_uid) == []
    fresh_installation.process.send_signal(signal.SIGINT)
    assert fresh_installation.process.wait(40) == 0
    assert fresh_installation.processes() == {}
    assert installation.api("GET", "/health")[0] == 200
    said = fresh_installation.overread("doctor")
    assert (said.returncode, said.stderr) == (1, "")
    assert "Start it: overread up --data" in " ".join(said.stdout.split())
