"""A site's archive is asked how many images it has, before a study is settled."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from pydicom.uid import generate_uid

from gateway.expecting import Expecting
from scp.sender import Endpoint, Sender
from worklist.models import Peer, Study, now

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SENDER = Sender("OVERREAD", timeout=5)


@pytest.fixture
def archived(world, people, query_archive):
    """A study of a site whose own archive (dcmqrscp) has one image more than it sent us."""
    title, port = query_archive
    site, uids = people.site(), {"StudyInstanceUID": generate_uid()}
    with world.database.writing() as session:
        session.add(Peer(site_id=site, ae_title=title, host="127.0.0.1", port=port, proof="query"))
    first, second = world.make(**uids), world.make(**uids)
    SENDER.send(Endpoint(title, "127.0.0.1", port), [first, second])
    world.receive(first, f"site:{site}")
    world.carry()
    return site


def study(world) -> Study:
    return world.studies()[0]


def an_hour_ago(world) -> None:
    with world.database.writing() as session:
        session.query(Study).one().last_at = now() - timedelta(hours=1)


def test_the_sender_is_asked_once_for_each_state_of_a_study(world, archived) -> None:
    asking = Expecting(world.database, SENDER, 60.0)
    assert not asking.step()  # images may still be coming
    an_hour_ago(world)
    assert asking.step()
    assert (study(world).expected, study(world).asked_version) == (2, study(world).version)
    assert not asking.step()


def test_a_sender_that_does_not_answer_holds_nothing_up(world, archived) -> None:
    with world.database.writing() as session:
        session.query(Peer).one().port = 1
    an_hour_ago(world)
    asking = Expecting(world.database, SENDER, 60.0)
    assert (asking.step(), asking.step(), study(world).expected) == (True, False, None)


def test_what_waits_for_the_senders_count_is_on_the_pages_of_hospital_and_coordinator(
    web, world, archived, people
) -> None:
    boss, hospital = people.coordinator(), people.hospital(archived)
    pages = ((hospital, "/site"), (boss, "/oversight"), (boss, f"/sites/{archived}"))
    assert not any("Waiting for" in web.ask(who, "GET", path).text for who, path in pages)
    an_hour_ago(world)
    assert Expecting(world.database, SENDER, 60.0).step()
    for who, path in pages:
        shown = re.sub(r"(<[^>]+>|\s)+", " ", web.ask(who, "GET", path).text)
        assert "Waiting for 1 of 2 images until" in shown, path
        assert ", then a case is opened anyway." in shown
        assert "Nothing has arrived yet" not in shown
