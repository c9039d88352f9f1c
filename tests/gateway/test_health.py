"""What /health says of a worker that waits for the archive."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.health import INGEST, WAITS_FOR_THE_ARCHIVE, Health
from orthanc.archive import Archive
from worklist.models import Pulse, now

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def of_the_worker(web, archive: Archive, late: str) -> dict[str, tuple[bool, bool]]:
    """Whether worker and ingest are well, and whether that is vital, when this loop is late."""
    with web.database.writing() as session:
        for part in (INGEST, "worker: settle"):
            at = now() - timedelta(seconds=60 if part == late else 0)
            session.merge(Pulse(part=part, at=at, ok=True, detail=""))
    health = Health(web.parts.settings, web.database, archive, web.parts.inbox, web.parts.sender)
    return {one.part: (one.ok, one.vital) for one in health.checks() if one.part in {"worker", "ingest"}}


def test_while_the_archive_is_away_a_late_ingest_takes_no_receiver_out_of_service(web, free_port) -> None:
    """A hung archive kept each step of ingest waiting for minutes: "no sign of life", 503, and nothing was taken."""
    away = Archive(f"http://127.0.0.1:{free_port()}", "overread", "wrong", timeout=1)
    assert of_the_worker(web, away, INGEST) == {"worker": (True, True), "ingest": (False, False)}
    away.close()


def test_a_late_ingest_is_not_called_dead_while_the_archive_does_not_answer(web, free_port) -> None:
    away = Archive(f"http://127.0.0.1:{free_port()}", "overread", "wrong", timeout=1)
    of_the_worker(web, away, INGEST)
    health = Health(web.parts.settings, web.database, away, web.parts.inbox, web.parts.sender)
    (ingest,) = [one for one in health.checks() if one.part == "ingest"]
    assert ingest.detail == WAITS_FOR_THE_ARCHIVE
    away.close()


def test_with_an_archive_that_answers_a_late_ingest_is_vital(web) -> None:
    assert of_the_worker(web, web.parts.archive, INGEST) == {"worker": (True, True), "ingest": (False, True)}


def test_another_loop_that_is_late_is_vital_whatever_the_archive_does(web, free_port) -> None:
    away = Archive(f"http://127.0.0.1:{free_port()}", "overread", "wrong", timeout=1)
    assert of_the_worker(web, away, "worker: settle")["worker"] == (False, True)
    away.close()


def test_a_disk_with_too_little_room_says_how_much_is_needed(web, monkeypatch) -> None:
    monkeypatch.setattr("gateway.health.LEAST_FREE", 1 << 60)
    health = Health(web.parts.settings, web.database, web.parts.archive, web.parts.inbox, web.parts.sender)
    (disk,) = (one for one in health.checks() if one.part == "disk")
    assert not disk.ok
    assert f"{1 << 40} MB are needed" in disk.detail
    assert f"below dicom.inbox_keep_free ({web.parts.settings.dicom.inbox_keep_free >> 20} MB)" in disk.detail
