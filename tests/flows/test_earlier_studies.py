"""A hospital sends one study; what its archive has of the same patient is there to compare with, and opens no case.

`make test-faults` runs it with a worker that is killed in the middle, too; a lease of two minutes may have to run out.
"""

import os
import signal
from typing import Any

import pytest

pytestmark = [pytest.mark.flow, pytest.mark.peers]

IMAGES = 150


@pytest.fixture
def both_sides(fresh_installation: Any, add_hospital, desk) -> tuple[Any, Any]:
    """A hospital, and our coordinator."""
    return add_hospital(fresh_installation), desk(fresh_installation, "coordinator")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "way", ["get", *(pytest.param(way, marks=pytest.mark.faults) for way in ("move", "get, killed", "move, killed"))]
)
def test_what_the_archive_has_comes_and_opens_no_case_also_when_the_worker_is_killed_in_the_middle(
    fresh_installation: Any, both_sides, make_study, eventually, in_archive, way: str
) -> None:
    hospital, coordinator = both_sides
    patient = {"PatientName": "Synthetic^Again", "PatientBirthDate": "19610704"}
    old = make_study(IMAGES, PatientID="AGAIN-1", StudyDate="20250301", size=256, **patient)
    new = make_study(3, PatientID="AGAIN-1", AccessionNumber="NEW", StudyDate="20261120", size=64, **patient)
    with hospital.pacs():
        hospital.tool("storescu", "-aec", hospital.title, "127.0.0.1", hospital.port, "+sd", old.folder)
        address = f"{hospital.title}@127.0.0.1:{hospital.port}"
        said = fresh_installation.overread("site", "peer", "archive", hospital.code, address, "--by", way.split(",")[0])
        assert said.returncode == 0, said.stderr
        hospital.push(new)
        case = coordinator.wait_ready(new.study_uid)
        priors = f"/cases/{case['id']}/priors"
        eventually(lambda: coordinator.get(priors)["studies"], "the archive's answer")
        if "killed" in way:
            kill_the_worker_in_the_middle(fresh_installation, coordinator, priors, eventually)
        eventually(lambda: all_here(coordinator.get(priors)), "all of the earlier study", 400)
    assert in_archive(fresh_installation, old.study_uid) == old.datasets()
    assert coordinator.cases_of(old.study_uid) == []
    assert coordinator.get(f"/cases/{case['id']}")["images_added_at"] is None


def all_here(told: dict[str, Any]) -> bool:
    return [(one["state"], one["images_here"]) for one in told["studies"]] == [("DONE", IMAGES)]


def kill_the_worker_in_the_middle(installation: Any, coordinator: Any, priors: str, eventually: Any) -> None:
    """As soon as some of it is here; on a fast machine that may be all of it."""
    eventually(lambda: coordinator.get(priors)["studies"][0]["images_here"], "the first images")
    (worker,) = [pid for pid, words in installation.processes().items() if "--part worker " in words]
    os.kill(worker, signal.SIGKILL)
