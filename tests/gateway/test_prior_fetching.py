"""A case's earlier studies come from the archive of its site, of this patient and no other, and open no case."""

from __future__ import annotations

import base64
import os
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from config.settings import SHIPPED_PRIORS, SHIPPED_ROUTING
from gateway import prior_fetch
from gateway.archives import Archives, archives_of
from gateway.beside import newest_prior
from gateway.cases import settle_complete_studies
from gateway.due import Due
from gateway.prior_arrivals import Arriving
from gateway.prior_fetch import Fetching
from gateway.prior_search import Searching
from gateway.sites import Receiver, let_be_asked, put_site, write_peer_book
from gateway.ways import ways_of
from scp.inbox import Inbox
from scp.peers import PeerBook
from scp.queries import STUDY_ROOT_FIND
from scp.retrieving import STUDY_ROOT_MOVE
from scp.server import Receiver as FrontDoor
from scp.server import ReceiverSettings
from worklist.access import Sight, sees_study
from worklist.lifecycle import NotAllowed, WrongState
from worklist.models import Case, Prior, PriorSearch, Site, Study, now
from worklist.prior_file import read_prior_rules
from worklist.priors import call_off, look, progress
from worklist.routing_file import read_rules
from worklist.states import CaseState, PriorState, Retrieval

pytestmark = [pytest.mark.peers, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]
RULES = read_prior_rules(SHIPPED_PRIORS, dict(read_rules(SHIPPED_ROUTING).words))
CONFIGURATION = """
NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
overread = (OVERREAD, 127.0.0.1, {destination})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
PACS {folder} RW (200, 1024mb) ANY
AETable END
"""
OLD = {"StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "1.2.1.1", "StudyDate": "20250301"}


@dataclass
class Pacs:
    """The hospital's archive: a real dcmqrscp."""

    port: int
    folder: Path
    destination: int
    process: subprocess.Popen[bytes] | None = None

    def hold(self, *objects: bytes) -> None:
        for number, each in enumerate(objects):
            path = self.folder / f"{number}.dcm"
            path.write_bytes(each)
            command = ["storescu", "-aec", "PACS", "127.0.0.1", str(self.port), str(path)]
            subprocess.run(command, env=os.environ | {"TCP_NODELAY": "1"}, check=True, capture_output=True)

    def start(self, wait_for: Callable[..., None], answers: Callable[[int], bool]) -> None:
        command = ["dcmqrscp", "-c", str(self.folder / "qr.cfg")]
        self.process = subprocess.Popen(command, env=os.environ | {"TCP_NODELAY": "1"})
        wait_for(lambda: answers(self.port), what="dcmqrscp")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture
def pacs(tmp_path: Path, free_port, wait_for) -> Iterator[Pacs]:
    made = make_pacs(tmp_path, free_port(), free_port())
    made.start(wait_for, answers)
    yield made
    made.kill()


def make_pacs(folder: Path, port: int, destination: int) -> Pacs:
    home = folder / "pacs"
    (home / "store").mkdir(parents=True)
    text = CONFIGURATION.format(port=port, folder=home / "store", destination=destination)
    (home / "qr.cfg").write_text(text)
    return Pacs(port, home, destination)


def answers(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Fetch:
    """The worker's steps about earlier studies, done by the test."""

    world: Any
    archives: Archives
    site_id: int
    case_id: int

    def searching(self) -> Searching:
        return Searching(self.world.database, self.archives, RULES, self.due(PriorSearch))

    def fetching(self, lease: timedelta = timedelta(minutes=2)) -> Fetching:
        return Fetching(self.world.database, self.archives, RULES, self.due(Prior, lease))

    def arriving(self, patience: float = 0.0) -> Arriving:
        return Arriving(self.world.database, self.world.inbox, self.due(Prior), timedelta(seconds=patience))

    def due(self, table: Any, lease: timedelta = timedelta(minutes=2)) -> Due:
        return Due(self.world.database, table, PriorState.WANTED, 1.0, 60.0, table is Prior, lease)

    def look(self, who: Any = None) -> None:
        with self.world.database.writing() as session:
            look(session, session.get_one(Case, self.case_id), who)

    def all(self, who: Any = None) -> None:
        """From the question to the last image."""
        self.look(who)
        assert self.searching().step()
        while self.fetching().step():
            pass
        self.world.carry()
        self.arriving(60).step()

    def search(self) -> PriorSearch:
        with self.world.database.reading() as session:
            found = session.query(PriorSearch).one()
            _ = list(found.priors)
            return found

    def priors(self) -> dict[str, Prior]:
        return {each.study_uid: each for each in self.search().priors}

    def progress(self) -> Any:
        with self.world.database.reading() as session:
            return progress(session, session.query(PriorSearch).one())

    def seen_below_the_case(self, who: Any) -> set[str]:
        with self.world.database.reading() as session:
            found = session.query(Study).where(sees_study(Sight(who, self.case_id)))
            return {each.study_uid for each in found}

    def soon(self, table: Any = Prior) -> None:
        with self.world.database.writing() as session:
            for row in session.query(table):
                row.next_attempt_at = row.lease_until = now() - timedelta(seconds=1)


@pytest.fixture
def fetch(world, people) -> Callable[..., Fetch]:
    """`fetch(port, retrieval)`: a case of a site whose archive answers there."""

    def make(address: str, retrieval: Retrieval = Retrieval.GET, **said: Any) -> Fetch:
        site_id, reader = people.site(), people.reader()
        with world.database.writing() as session:
            let_be_asked(session, session.get_one(Site, site_id), Receiver.parse(address), retrieval)
        case_id = world.held_case(reader, site_id, world.make(StudyInstanceUID="1.2.9", **said))
        archives = archives_of(world.settings, ways_of(world.settings), world.inbox).patient(5)
        return Fetch(world, archives, site_id, case_id)

    return make


def test_the_earlier_studies_of_this_patient_come_and_no_other_ones(world, fetch, pacs, people) -> None:
    pacs.hold(
        *(world.make(**OLD, InstanceNumber=number) for number in range(3)),
        world.make(StudyInstanceUID="1.2.2", StudyDate="20240101", StudyDescription="MR Brain", Modality="MR"),
        world.make(StudyInstanceUID="1.2.3", StudyDate="20240101", PatientID="P-2", PatientName="Other^One"),
        world.make(StudyInstanceUID="1.2.4", StudyDate="20240101", PatientBirthDate="19991231"),
        world.make(StudyInstanceUID="1.2.5", StudyDate="20240101", PatientName="Someone^Else"),
        world.make(StudyInstanceUID="1.2.6", StudyDate="20101010"),
        world.make(StudyInstanceUID="1.2.9", StudyDate="20261120"),
    )
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    done.all()
    assert {uid: each.state for uid, each in done.priors().items()} == dict.fromkeys(
        ("1.2.1", "1.2.2"), PriorState.DONE
    )
    left_out = {each["why"]: each["what"]["description"] for each in done.search().left_out}
    assert left_out == {
        "its patient has another birth date": "A study under the same Patient ID",
        "its patient has another name": "A study under the same Patient ID",
        "more than 5 years before the study of this case": "CT head",
    }
    made = done.progress()
    assert (made.studies, made.studies_here, made.images, made.images_here, made.moving) == (2, 2, 4, 4, False)
    assert {each.study_uid for each in world.studies()} == {"1.2.1", "1.2.2", "1.2.9"}
    assert done.seen_below_the_case(people.coordinator()) == {"1.2.1", "1.2.2", "1.2.9"}


def test_a_patient_id_that_is_a_wild_card_to_the_archive_tells_of_nobody_else(world, fetch, pacs) -> None:
    pacs.hold(world.make(**OLD, PatientID="P-2"), world.make(StudyInstanceUID="1.2.2", PatientID="P*"))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}", PatientID="P*")
    done.look()
    assert done.searching().step()
    assert (set(done.priors()), done.search().left_out) == ({"1.2.2"}, [])


def test_below_a_case_without_a_birth_date_it_is_said_that_the_studies_say_two(web, world, fetch, pacs, people) -> None:
    born = {"1.2.1": "19600101", "1.2.2": "19991231"}
    pacs.hold(*(world.make(StudyInstanceUID=uid, PatientBirthDate=date) for uid, date in born.items()))
    done, who = fetch(f"PACS@127.0.0.1:{pacs.port}", PatientBirthDate=""), people.coordinator()
    done.all(who)
    page = web.ask(who, "GET", f"/cases/{done.case_id}").text
    assert "These studies may be of different people" in page
    assert "1 January 1960, 31 December 1999" in page


def settle_now(web) -> list[int]:
    """Let every study be complete that may be; the cases there are."""
    with web.database.writing() as session:
        for study in session.query(Study):
            study.last_at = now() - timedelta(hours=1)
    settle_complete_studies(web.parts)
    with web.database.reading() as session:
        return sorted(each.id for each in session.query(Case))


def test_what_was_fetched_opens_no_case_until_its_hospital_sends_it_by_itself(web, world, fetch, pacs) -> None:
    old = world.make(**OLD)
    pacs.hold(old)
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    done.all()
    with world.database.reading() as session:
        assert session.get_one(Case, done.case_id).images_added_at is None
    assert settle_now(web) == [done.case_id]
    world.receive(old, f"site:{done.site_id}")
    world.carry()
    assert len(settle_now(web)) == 2, "the hospital wants this one read"


def test_what_arrived_tells_what_was_fetched_from_what_was_sent(web, world, fetch, pacs, people) -> None:
    """A hospital found a study that it had not sent."""
    old = world.make(**OLD)
    pacs.hold(old)
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    done.all()
    hospital, fetched = people.hospital(done.site_id), "Fetched by Overread as an earlier study"
    assert web.ask(hospital, "GET", "/arrivals").text.count(fetched) == 1
    world.receive(old, f"site:{done.site_id}")
    world.carry()
    assert fetched not in web.ask(hospital, "GET", "/arrivals").text


def test_what_its_hospital_sends_in_another_version_than_its_archive_opens_a_case_too(web, world, fetch, pacs) -> None:
    """All of it was kept aside, as other content, and nobody read it."""
    same = OLD | {"SOPInstanceUID": "1.2.1.1.1"}
    pacs.hold(world.make(**same, StudyDescription="CT head"))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    done.all()
    world.receive(world.make(**same, StudyDescription="CT head for a second opinion"), f"site:{done.site_id}")
    world.carry()
    assert len(world.troubles()) == 1
    assert len(settle_now(web)) == 2, "the hospital wants this one read"


LACKING = {
    "no issuer": {"IssuerOfPatientID": ""},
    "no name": {"PatientName": ""},
    "neither issuer nor birth date": {"IssuerOfPatientID": "", "PatientBirthDate": ""},
}


@pytest.mark.parametrize("said", [(lacking, who) for lacking in LACKING for who in ("archive", "site")], ids="-".join)
def test_a_study_that_came_first_with_less_about_its_patient_is_one_study_with_what_its_site_sends(
    web, world, fetch, pacs, said: tuple[str, str]
) -> None:
    """All that the site sent was kept aside, and no case was opened."""
    less, nothing = LACKING[said[0]], dict[str, str]()
    pacs.hold(world.make(**OLD, **(less if said[1] == "archive" else nothing)))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    done.all()
    world.receive(world.make(**OLD, **(less if said[1] == "site" else nothing)), f"site:{done.site_id}")
    world.carry()
    assert world.troubles() == []
    (study,) = [each for each in world.studies() if each.study_uid == "1.2.1"]
    assert (study.issuer, study.patient_name, study.birth_date) == ("HOSPITAL", "Sample^Pat", "19600101")
    assert "1.2.1" in done.seen_below_the_case(web.people.coordinator())
    assert len(settle_now(web)) == 2, "the hospital wants this one read"


def test_a_prior_without_an_issuer_stays_below_the_case_when_its_site_sends_it_by_itself(
    world, fetch, pacs, people
) -> None:
    nameless = OLD | {"IssuerOfPatientID": ""}
    pacs.hold(world.make(**nameless))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    done.all()
    world.receive(world.make(**nameless), f"site:{done.site_id}")
    world.carry()
    assert "1.2.1" in done.seen_below_the_case(people.coordinator())


def test_a_case_that_opens_looks_by_itself_and_a_study_that_is_here_is_not_fetched_again(web, world, fetch, pacs):
    pacs.hold(world.make(**OLD))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    world.receive(world.make(**OLD), f"site:{done.site_id}")
    world.receive(world.make(StudyInstanceUID="1.2.8"), f"site:{done.site_id}")
    world.carry()
    settle_now(web)
    with world.database.reading() as session:
        opened = {each.studies[0].study_uid: each.id for each in session.query(Case)}
        searches = {each.case_id for each in session.query(PriorSearch)}
    assert searches == {opened["1.2.1"], opened["1.2.8"]}
    while done.searching().step():
        pass
    with world.database.reading() as session:
        (prior,) = session.query(Prior).join(PriorSearch).where(PriorSearch.case_id == opened["1.2.8"])
    assert (prior.study_uid, prior.was_here, prior.state) == ("1.2.1", True, PriorState.DONE)


@contextmanager
def front_door(world, port: int) -> Iterator[None]:
    """Our own receiver, which knows the peers of the database."""
    write_peer_book(world.database, world.folders.peers, "OWN")
    settings = ReceiverSettings(counters=world.folders.counters, host="127.0.0.1", port=port, stop_seconds=1)
    door = FrontDoor(settings, PeerBook(world.folders.peers), Inbox(world.folders.inbox))
    door.start()
    try:
        yield
    finally:
        door.stop()


def test_by_c_move_it_comes_through_our_own_door_and_opens_no_case_either(web, world, fetch, pacs) -> None:
    pacs.hold(*(world.make(**OLD, InstanceNumber=number) for number in range(3)))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}", Retrieval.MOVE)
    with front_door(world, pacs.destination):
        done.all()
    assert done.priors()["1.2.1"].state is PriorState.DONE
    assert done.progress().images_here == 3
    assert settle_now(web) == [done.case_id]


@contextmanager
def an_empty_promise() -> Iterator[int]:
    """An archive that shows one study, says that it sent it, and does not; its port."""

    def shows(event):
        answer = Dataset()
        answer.QueryRetrieveLevel = event.identifier.QueryRetrieveLevel
        answer.PatientID, answer.StudyInstanceUID, answer.StudyDate = "P-1", "1.2.1", "20250301"
        answer.SeriesInstanceUID, answer.SOPInstanceUID = "1.2.1.1", "1.2.1.1.1"
        yield 0xFF00, answer

    ae = AE("PACS")
    for model in (STUDY_ROOT_FIND, STUDY_ROOT_MOVE):
        ae.add_supported_context(model)
    handlers = [(evt.EVT_C_FIND, shows), (evt.EVT_C_MOVE, lambda _: iter([("127.0.0.1", 9), 0]))]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def test_a_c_move_that_says_success_while_nothing_arrives_is_no_success(world, fetch) -> None:
    with an_empty_promise() as port:
        done = fetch(f"PACS@127.0.0.1:{port}", Retrieval.MOVE)
        done.look()
        assert done.searching().step()
        assert done.fetching().step()
        done.arriving(0).step()
    (prior,) = done.priors().values()
    assert prior.state is PriorState.WANTED
    assert "1 of 1 images did not arrive here" in prior.last_error
    assert prior.next_attempt_at > now()


def test_an_archive_that_is_down_is_asked_again_after_growing_pauses_and_in_the_end_needs_a_person(
    world, fetch, free_port
) -> None:
    done = fetch(f"PACS@127.0.0.1:{free_port()}")
    done.look()
    pauses = []
    for _ in range(8):
        assert done.searching().step()
        search = done.search()
        pauses.append(search.next_attempt_at - now())
        done.soon(PriorSearch)
    assert pauses[3] > 2 * pauses[1]
    assert "nothing listens" in search.last_error
    assert search.state is PriorState.NEEDS_PERSON


def test_an_archive_that_fails_is_on_oversight_once_for_all_its_cases_and_can_be_asked_again(
    web, world, fetch, people, pacs
) -> None:
    """A failed search showed nowhere but on its case."""
    done, boss = fetch(f"OTHER@127.0.0.1:{pacs.port}"), people.coordinator()
    more = replace(done, case_id=world.held_case(people.reader(), done.site_id, world.make(StudyInstanceUID="1.2.8")))
    for each in (done, more):
        each.look()
        assert each.searching().step()
    page = web.ask(boss, "GET", "/oversight").text
    assert page.count("Ask again<") == 1
    assert "does not know our AE title" in page or "is not called OTHER" in page
    assert f'#priors">{done.case_id}</a>, <a href="/cases/{more.case_id}#priors"' in page
    assert web.ask(people.reader(), "POST", f"/oversight/priors/{done.site_id}/again").status_code == 404
    assert web.ask(boss, "POST", f"/oversight/priors/{done.site_id}/again").status_code == 303
    with world.database.reading() as session:
        assert {each.state for each in session.query(PriorSearch)} == {PriorState.WANTED}
    assert "could not be fetched" not in web.ask(boss, "GET", "/oversight").text


def test_a_study_that_its_archive_does_not_give_is_on_oversight_too(web, fetch, pacs, people, world) -> None:
    pacs.hold(world.make(**OLD))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    done.look()
    assert done.searching().step()
    done.fetching().due.put_off(done.priors()["1.2.1"].id, "It does not send it.", PriorState.NEEDS_PERSON)
    assert "It does not send it." in web.ask(people.coordinator(), "GET", "/oversight").text


def test_an_archive_that_is_down_is_not_asked_case_by_case_while_other_hospitals_wait(
    world, fetch, people, free_port
) -> None:
    done = fetch(f"PACS@127.0.0.1:{free_port()}")
    other = replace(done, case_id=world.held_case(people.reader(), done.site_id, world.make(StudyInstanceUID="1.2.8")))
    done.look()
    other.look()
    assert done.searching().step()
    assert not done.searching().step(), "it is known by now that this archive is not there"


def test_an_archive_that_refuses_us_needs_a_person_and_says_why(world, fetch, pacs) -> None:
    done = fetch(f"OTHER@127.0.0.1:{pacs.port}")
    done.look()
    assert done.searching().step()
    search = done.search()
    assert search.state is PriorState.NEEDS_PERSON
    assert "OTHER" in search.last_error


def test_after_a_kill_in_the_middle_it_goes_on_and_nothing_is_there_twice(
    world, fetch, tmp_path, free_port, wait_for
) -> None:
    pacs = make_pacs(tmp_path, free_port(), free_port())
    pacs.start(wait_for, answers)
    pacs.hold(*(world.make(**OLD, InstanceNumber=number) for number in range(5)))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    done.look()
    assert done.searching().step()
    fetching = done.fetching(lease=timedelta(seconds=1))
    assert fetching.due.claim() is not None, "and whoever claimed it is killed here"
    assert not done.fetching().step()
    pacs.kill()
    done.soon()
    assert done.fetching().step()
    assert "nothing listens" in done.priors()["1.2.1"].last_error
    pacs.start(wait_for, answers)
    done.soon()
    assert done.fetching().step()
    world.carry()
    done.arriving().step()
    assert done.priors()["1.2.1"].state is PriorState.DONE
    assert len([each for each in world.instances() if each.study_id != 1]) == 5
    pacs.kill()


def test_what_our_own_disk_does_not_take_is_fetched_again(world, fetch, pacs) -> None:
    pacs.hold(world.make(**OLD))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    done.look()
    assert done.searching().step()
    full = Inbox(world.folders.inbox, keep_free=1 << 60)
    archives = replace(done.archives, intake=replace(done.archives.intake, inbox=full))
    assert replace(done.fetching(), archives=archives).step()
    prior = done.priors()["1.2.1"]
    assert prior.state is PriorState.WANTED
    assert "Our own disk" in prior.last_error
    done.soon()
    assert done.fetching().step()
    world.carry()
    done.arriving().step()
    assert done.priors()["1.2.1"].state is PriorState.DONE


def test_of_one_site_one_study_is_fetched_at_a_time_while_others_go_on(world, fetch, pacs, people) -> None:
    """Two loops, or a second look while the first fetch went on, asked one slow archive for two studies at once."""
    pacs.hold(world.make(**OLD), world.make(StudyInstanceUID="1.2.2", StudyDate="20240101"))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    done.look()
    assert done.searching().step()
    due = done.fetching().due
    first = due.claim()
    assert first is not None
    assert due.claim() is None
    done.look()
    assert done.searching().step()
    assert due.claim() is None, "the first is still under way"
    with world.database.writing() as session:
        other = put_site(session, "OTHER", "Other", [], []).id
    case_id = world.held_case(people.reader(), other)
    with world.database.writing() as session:
        search = PriorSearch(case_id=case_id, site_id=other, patient_id="P-1")
        search.priors.append(Prior(origin=f"site:{other}", study_uid="1.2.3", next_attempt_at=now()))
        session.add(search)
    assert due.claim() not in {None, first}, "another site's archive is not waited for"
    with world.database.writing() as session:
        session.get_one(Prior, first).lease_until = None
        session.get_one(Prior, first).state = PriorState.DONE
    assert due.claim() is not None


def test_what_is_called_off_while_it_comes_is_not_fetched_on(world, fetch, pacs, people, monkeypatch) -> None:
    pacs.hold(*(world.make(**OLD, InstanceNumber=number) for number in range(9)))
    done, who = fetch(f"PACS@127.0.0.1:{pacs.port}"), people.coordinator()
    done.look()
    assert done.searching().step()

    class CalledOffAtTheThird(Inbox):
        begun = 0

        def begin(self):
            self.begun += 1
            if self.begun == 3:
                with world.database.writing() as session:
                    call_off(session, session.get_one(Case, done.case_id), who)
            return super().begin()

    monkeypatch.setattr(prior_fetch, "LOOK_EVERY", 0.0)
    inbox = CalledOffAtTheThird(world.folders.inbox)
    archives = replace(done.archives, intake=replace(done.archives.intake, inbox=inbox))
    assert replace(done.fetching(), archives=archives).step()
    prior = done.priors()["1.2.1"]
    assert (prior.state, prior.lease_until) == (PriorState.CANCELLED, None), "the next study of its site may begin"
    assert world.waiting() < 8
    world.carry()
    assert not done.fetching().step()


def test_what_an_archive_sent_to_its_end_although_it_was_called_off_is_here(web, world, fetch, pacs, people) -> None:
    pacs.hold(*(world.make(**OLD, InstanceNumber=number) for number in range(3)))
    done, who = fetch(f"PACS@127.0.0.1:{pacs.port}"), people.coordinator()

    def page() -> str:
        return web.ask(who, "GET", f"/cases/{done.case_id}").text

    done.look(who)
    assert done.searching().step()
    assert done.fetching().step()
    with world.database.writing() as session:
        call_off(session, session.get_one(Case, done.case_id), who)
        session.query(Prior).one().images = 4
    world.carry()
    assert "3 of 4 images" in page()
    assert "The rest was called off" in page()
    assert "none that helps here" not in page(), "it had shown one"
    with world.database.writing() as session:
        session.query(Prior).one().images = 3
    assert "Called off" not in page()


def test_what_was_called_off_is_not_fetched_and_can_be_looked_for_again(world, fetch, pacs, people) -> None:
    pacs.hold(world.make(**OLD))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    done.look()
    assert done.searching().step()
    who = people.coordinator()
    with world.database.writing() as session:
        call_off(session, session.get_one(Case, done.case_id), who)
    assert not done.fetching().step()
    assert done.priors()["1.2.1"].state is PriorState.CANCELLED
    done.all()
    assert done.priors()["1.2.1"].state is PriorState.DONE


def test_a_case_that_is_settled_asks_for_nothing_any_more(world, fetch, pacs) -> None:
    pacs.hold(world.make(**OLD))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    done.look()
    with world.database.writing() as session:
        session.get_one(Case, done.case_id).state = CaseState.SIGNED
    assert done.searching().step()
    assert done.search().state is PriorState.CANCELLED
    with pytest.raises(WrongState, match="done"):
        done.look()


def test_an_image_of_another_patient_is_kept_aside_whatever_the_archive_said_of_its_study(world, fetch, pacs) -> None:
    pacs.hold(world.make(**OLD))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    done.look()
    assert done.searching().step()
    origin = f"site:{done.site_id}"
    forged = world.make(**OLD, PatientName="Someone^Else")
    world.receive(forged, origin, fetched="fetched")
    world.receive(world.make(StudyInstanceUID="1.2.77"), origin, fetched="fetched")
    world.carry()
    reasons = sorted(each.reason for each in world.troubles())
    assert reasons == [
        "It was fetched as an earlier study of a patient, but has another name.",
        "It was sent along with an earlier study that was asked for, but was not asked for.",
    ]
    assert {each.study_uid for each in world.studies()} == {"1.2.9"}


def test_a_prior_whose_images_name_no_issuer_is_seen_below_the_case(world, fetch, pacs, people) -> None:
    pacs.hold(world.make(**OLD, IssuerOfPatientID=""))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    done.all()
    assert done.seen_below_the_case(people.coordinator()) == {"1.2.1", "1.2.9"}


def test_what_was_fetched_for_one_patient_is_not_shown_below_anothers_whose_issuer_gave_the_same_id(
    world, fetch, pacs, people
) -> None:
    """It was, where images name neither issuer nor birth date."""
    nameless: dict[str, str] = {"IssuerOfPatientID": "", "PatientBirthDate": ""}
    pacs.hold(world.make(**OLD, **nameless))
    done = fetch(f"PACS@127.0.0.1:{pacs.port}", PatientBirthDate="")
    done.all()
    other = {"PatientName": "Someone^Else", "IssuerOfPatientID": "ANOTHER", "PatientBirthDate": ""}
    theirs = replace(done, case_id=world.held_case(people.reader(), done.site_id, world.make(**other)))
    who = people.coordinator()
    assert "1.2.1" in done.seen_below_the_case(who)
    assert "1.2.1" not in theirs.seen_below_the_case(who)


def test_only_who_reads_or_oversees_may_look(world, fetch, pacs, people) -> None:
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    with pytest.raises(NotAllowed):
        done.look(people.patient())
    done.look(people.coordinator())


def test_another_site_is_not_asked(world, fetch, pacs, people) -> None:
    done = fetch(f"PACS@127.0.0.1:{pacs.port}")
    with world.database.writing() as session:
        other = put_site(session, "OTHER", "Other", [], [])
        session.get_one(Case, done.case_id).site_id = other.id
    with pytest.raises(WrongState, match="No archive"):
        done.look()


def test_the_page_says_how_far_it_is_and_its_buttons_begin_and_stop(web, world, fetch, pacs, people) -> None:
    pacs.hold(*(world.make(**OLD, InstanceNumber=number) for number in range(3)))
    done, who = fetch(f"PACS@127.0.0.1:{pacs.port}"), people.coordinator()

    def page() -> str:
        return web.ask(who, "GET", f"/cases/{done.case_id}").text

    assert "was not asked yet" in page()
    assert "Look for earlier studies" in page()
    assert web.ask(who, "POST", f"/cases/{done.case_id}/priors/look").status_code == 303
    assert "is being asked" in page()
    assert done.searching().step()
    assert "Being fetched: 0 of 1 study so far." in page(), "this archive does not count before it is asked for each"
    assert web.ask(who, "GET", f"/cases/{done.case_id}/priors").status_code == 200
    assert web.ask(who, "POST", f"/cases/{done.case_id}/priors/stop").status_code == 303
    assert "Called off" in page()
    done.all(who)
    said = page()
    assert "Fetched: 1 study with 3 images." in said
    assert "Fetched from the archive of A Hospital" in said
    assert "1 March 2025" in said
    assert "StudyInstanceUIDs=1.2.1&amp;" in said
    assert web.ask(who, "GET", f"/cases/{done.case_id}/priors").status_code == 286, "nothing more is to come"
    site_person = people.hospital(done.site_id)
    assert "Earlier studies" not in web.ask(site_person, "GET", f"/cases/{done.case_id}").text
    assert web.ask(site_person, "POST", f"/cases/{done.case_id}/priors/look").status_code == 404


def test_what_was_examined_after_the_study_of_the_case_is_not_called_earlier(web, world, fetch, pacs, people) -> None:
    """All that the hospital had sent of the patient was listed as earlier."""
    done, who = fetch(f"PACS@127.0.0.1:{pacs.port}"), people.coordinator()

    def page() -> str:
        return web.ask(who, "GET", f"/cases/{done.case_id}").text

    for uid, date, what in (("1.2.2", "20250101", "Before"), ("1.2.3", "", "Some day"), ("1.2.1", "20261120", "Alike")):
        said = {"StudyInstanceUID": uid, "StudyDate": date, "StudyDescription": what}
        world.receive(world.make(**said), f"site:{done.site_id}")
    world.carry()
    assert ">Earlier studies<" in page()
    later = world.make(StudyInstanceUID="1.2.5", StudyDate="20261123", StudyDescription="Afterwards")
    world.receive(later, f"site:{done.site_id}")
    world.carry()
    told = page()
    assert ">Earlier and later studies<" in told
    assert told.count("later than this case") == 1
    order = [told.index(f'dir="auto">{what}</strong>') for what in ("Afterwards", "Alike", "Before", "Some day")]
    assert order == sorted(order), "newest first"
    assert told.index("later than this case") < order[1]
    with world.database.reading() as session:
        beside = newest_prior(session, who, session.get_one(Case, done.case_id))
    assert beside.study_uid == "1.2.1"


def test_programs_see_and_begin_it_too(web, world, fetch, pacs, people) -> None:
    pacs.hold(world.make(**OLD))
    done, who = fetch(f"PACS@127.0.0.1:{pacs.port}"), people.coordinator()
    address = f"/api/v1/cases/{done.case_id}/priors"
    assert web.ask(who, "GET", address).json["state"] is None
    assert web.ask(who, "POST", f"{address}/look").json["state"] == "WANTED"
    done.all(who)
    told = web.ask(who, "GET", address).json
    assert told["progress"] == {"studies": 1, "studies_here": 1, "images": 1, "images_here": 1}
    assert [each["study_uid"] for each in told["studies"]] == ["1.2.1"]
    assert web.ask(who, "POST", f"{address}/stop").json["state"] == "DONE"
    assert web.ask(people.hospital(done.site_id), "GET", address).status_code == 403


def test_an_archive_is_entered_tested_and_removed_on_the_hospitals_page(web, pacs, people) -> None:
    who = people.coordinator()

    def post(path: str, **fields: str) -> Any:
        return web.ask(who, "POST", path, data=fields)

    post("/sites", code="A", name="A")
    address = f"PACS@127.0.0.1:{pacs.port}"
    assert "No archive yet" in web.ask(who, "GET", "/sites/1").text
    assert post("/sites/1/archive", archive=address, retrieval="move").status_code == 303
    shown = web.ask(who, "GET", "/sites/1").text
    assert address in shown
    assert "C-MOVE: it calls us" in shown
    with web.database.reading() as session:
        assert [(each.ae_title, each.may_send) for each in session.query(Site).one().peers if each.may_send] == [
            ("PACS", True)
        ]
    assert "offers C-MOVE" in post("/sites/1/archive/test").text
    assert post("/sites/1/archive", archive=address, retrieval="get").status_code == 303
    assert "offers C-GET" in post("/sites/1/archive/test").text
    wrong = post("/sites/1/archive", archive="PACS")
    assert wrong.status_code == 400
    assert "is not AE@HOST:PORT" in wrong.text
    assert post("/sites/1/archive-gone").status_code == 303
    assert "No archive yet" in web.ask(who, "GET", "/sites/1").text
    assert "removed meanwhile" in post("/sites/1/archive/test").text


def test_by_dicomweb_it_comes_from_a_real_archive_and_after_a_kill_only_what_is_missing(
    world, fetch, own_archive_server, people
) -> None:
    known = base64.b64encode(f"overread:{own_archive_server.password}".encode()).decode()
    for number in range(4):
        part10 = world.make(**OLD, SOPInstanceUID=f"1.2.1.1.{number}", PatientID="P-WEB")
        request = urllib.request.Request(f"{own_archive_server.url}/instances", part10, method="POST")
        request.add_header("Authorization", f"Basic {known}")
        urllib.request.urlopen(request, timeout=20).close()
    url = f"{own_archive_server.url}/dicom-web"
    done = fetch(url, Retrieval.WEB, PatientID="P-WEB")
    with world.database.writing() as session:
        (peer,) = [each for each in session.get_one(Site, done.site_id).peers if each.retrieval]
        peer.access = done.archives.ways.safe.seal(f"Basic {known}", url)
    done.look()
    assert done.searching().step()
    world.receive(
        world.make(**OLD, SOPInstanceUID="1.2.1.1.0", PatientID="P-WEB"), f"site:{done.site_id}", fetched="fetched"
    )
    world.carry()
    own_archive_server.kill()
    assert done.fetching().step()
    assert "nothing listens" in done.priors()["1.2.1"].last_error
    own_archive_server.start()
    done.soon()
    assert done.fetching().step()
    world.carry()
    done.arriving().step()
    prior = done.priors()["1.2.1"]
    assert (prior.state, prior.images, prior.last_error) == (PriorState.DONE, 4, "")
    assert done.seen_below_the_case(people.coordinator()) == {"1.2.1", "1.2.9"}
