"""The same flow with the rows in PostgreSQL, for the demonstration's own hospital."""

import pytest
from pydicom import dcmread

# The demonstration's hospital receives on a port that is fixed: one at a time.
pytestmark = [pytest.mark.flow, pytest.mark.peers, pytest.mark.xdist_group("port-11113")]


def test_the_demo_hospitals_study_comes_back_as_a_report_over_postgresql(
    start_installation, postgres, demo_hospital, make_study, desk, tmp_path
):
    own = tmp_path / "own.toml"
    own.write_text(f'[database]\nurl = "{postgres.url(postgres.create())}"\n')
    sent = make_study(20, size=128)
    with start_installation("--config", str(own)) as installation:
        assert not (installation.data / "overread.db").exists()
        hospital, reader = demo_hospital(installation), desk(installation, "reader")
        with hospital.storescp():
            hospital.push(sent)
            case = reader.wait_ready(sent.study_uid)
            assert case["site"] == "DEMO_HOSPITAL"
            reader.read_and_sign(case["id"])
            assert reader.ask("POST", f"/cases/{case['id']}/claim")[0] == 409
            reader.wait_state(case["id"], "DELIVERED")
        received = [dcmread(file) for file in hospital.received().values()]
        assert len(received) == 2
        for each in received:
            assert (each.StudyInstanceUID, each.PatientID) == (sent.study_uid, sent.header.PatientID)
        assert installation.overread("doctor").returncode == 0
