"""Several versions of one image, some of them accepted: the last accepted one is shown, and none is lost from sight."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydicom.uid import generate_uid

from gateway.grace import Grace
from gateway.quarantine import Quarantine
from orthanc.decoder import Decoder
from scp.inbox import Inbox

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ALL = timedelta(0)


@pytest.fixture
def site(people):
    return people.site("ST_MARY")


@pytest.fixture
def send(web, site):
    """Sends a version of an image: its pixels are all of one value."""
    uids = {"StudyInstanceUID": generate_uid(), "SOPInstanceUID": generate_uid()}

    def sent(value: int, **said: str) -> None:
        web.world.receive(web.world.make(**uids | {"PixelData": bytes([value] * 128)} | said), f"site:{site}")

    return sent


@pytest.fixture
def accept_all(web, people):
    """Accepts whatever is in quarantine; it then waits in the inbox again."""
    boss = people.coordinator()

    def accepted() -> None:
        for trouble in [one.id for one in web.world.troubles() if one.resolved_at is None]:
            web.ask(boss, "POST", f"/api/v1/quarantine/{trouble}/accept", json={"sure": True})
        world = web.world
        Quarantine(world.database, world.inbox, world.cache, Decoder(), world.folders.quarantine).carry()

    return accepted


def shown(web) -> list[int]:
    """The value of the pixels of each image that has a row."""
    return [web.world.archive.fetch(row.archive_id)[-1] for row in web.world.instances()]


def in_quarantine(web) -> int:
    return len([one for one in web.world.troubles() if one.resolved_at is None])


def restarted(web) -> Grace:
    """As a worker that has just been started has it: it remembers nothing."""
    world = web.world
    return Grace(Inbox(world.folders.inbox), world.archive, world.database, world.ingest.pool, 0)


def test_what_is_sent_again_while_another_version_is_accepted_is_kept_aside(web, send, accept_all) -> None:
    """Acknowledged objects were once dropped without a row, a word or a copy: both went into one batch."""
    send(1, SOPInstanceUID=generate_uid())
    web.world.carry()
    send(2, PatientID="WRONG")
    web.world.carry()
    assert in_quarantine(web) == 1
    accept_all()
    send(3)
    web.world.carry()
    assert sorted(shown(web)) == [1, 2]
    assert in_quarantine(web) == 1, "the third version is there for a person to decide about"


def test_an_image_that_was_accepted_into_another_study_is_stored_again_if_the_archive_loses_it(
    web, send, accept_all
) -> None:
    """It was taken for replaced by the one of the first study, and let go."""
    send(1)
    web.world.carry()
    send(2, StudyInstanceUID=generate_uid(), SeriesInstanceUID=generate_uid())
    web.world.carry()
    accept_all()
    web.world.carry()
    assert sorted(shown(web)) == [1, 2]
    web.world.archive.delete(web.world.instances()[-1].archive_id)
    restarted(web).step()
    web.world.carry()
    assert sorted(shown(web)) == [1, 2]


def test_of_two_accepted_versions_the_last_one_is_shown(web, send, accept_all) -> None:
    """A series was once mixed of both."""
    send(1)
    web.world.carry()
    for value in (2, 3):
        send(value)
    web.world.carry()
    assert in_quarantine(web) == 2
    accept_all()
    web.world.carry()
    assert (shown(web), in_quarantine(web)) == ([3], 0)


@pytest.mark.parametrize("accepted", [1, 2])
def test_a_restart_brings_no_replaced_version_back(web, send, accept_all, accepted: int) -> None:
    """The version before the accepted one was once taken for lost by the archive, and replaced the accepted one."""
    send(1)
    web.world.carry()
    for value in range(2, 2 + accepted):
        send(value)
        web.world.carry()
        accept_all()
        web.world.carry()
    newest = 1 + accepted
    assert shown(web) == [newest]
    for _ in range(2):
        restarted(web).step()
        web.world.carry()
        assert (shown(web), in_quarantine(web)) == ([newest], 0)
    assert web.world.inbox.held(100, ALL) == []


def test_a_replaced_version_that_the_archive_lost_stays_replaced(web, send, accept_all) -> None:
    send(1)
    web.world.carry()
    before = web.world.instances()[0].archive_id
    send(2)
    web.world.carry()
    accept_all()
    web.world.carry()
    if before != web.world.instances()[0].archive_id:
        web.world.archive.delete(before)
    web.world.ingest.grace.lost(web.world.inbox.held(100, ALL)[:1])
    web.world.carry()
    assert (shown(web), in_quarantine(web)) == ([2], 0)


def test_what_is_kept_aside_does_not_say_whose_study_it_is(web, send) -> None:
    """A rejected object once named the patient, and the study's own images were kept aside."""
    send(1, SOPInstanceUID="1.2.3", StudyInstanceUID="1.2.4")
    web.world.carry()
    send(2, SOPInstanceUID="1.2.3", PatientID="WRONG")  # the UID of an image that is here, in a study that is not
    send(3)
    web.world.carry()
    assert sorted(shown(web)) == [1, 3]
    assert in_quarantine(web) == 1
