"""A PACS asks by C-FIND what has arrived: DCMTK's findscu against a receiver, the worker's socket and real rows."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pynetdicom.presentation import build_context
from sqlalchemy import select, text

from config.database import Database, took_too_long
from gateway import found as found_module
from gateway.answering import MOST_OF_ONE, Places, answering
from gateway.found import site_of
from gateway.queries import asker
from gateway.sites import put_site, write_peer_book
from scp.inbox import Inbox
from scp.peers import PeerBook
from scp.queries import MOST_ANSWERS, STUDY_ROOT_FIND, Outcome, QueryEnded, Question
from scp.requesting import Endpoint, Offer, Patience, associated
from scp.server import Receiver, ReceiverSettings
from worklist.images import InstanceFacts, SeriesText, StudyText, record
from worklist.models import AccessLine, Case, Peer, now

CT = "1.2.840.10008.5.1.4.1.1.2"
SR = "1.2.840.10008.5.1.4.1.1.88.33"
BLANK = dict.fromkeys(StudyText.__dataclass_fields__, "") | {"age_years": None}


@dataclass
class Asked:
    """What findscu said and was given."""

    output: str
    found: list[Dataset]

    @property
    def last(self) -> str:
        """The last line on the status of a response."""
        return [line for line in self.output.splitlines() if "Final Find Response" in line][-1]

    def uids(self) -> list[str]:
        return sorted(one.StudyInstanceUID for one in self.found)


@dataclass
class Hospital:
    """A receiver with two sites behind it: MARY_PACS may query, MARY_CT may not, and JOHN_PACS is another site's."""

    folder: Path
    database: Database
    receiver: Receiver
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def image(self, study_uid: str, origin: str = "site:1", series: str = "1", ours: bool = False, **said: Any) -> str:
        """One archived instance; its UID."""
        number = next(self.numbers)
        study = StudyText(**BLANK | {"study_uid": study_uid, "patient_id": "P1", "patient_name": "Sample^Pat"} | said)
        modality = "SR" if ours else "CT"
        several = SeriesText(f"{study_uid}.{series}", modality, int(series), "axial", "HEAD", "", "", "")
        uid = f"{study_uid}.{series}.{number}"
        facts = InstanceFacts(
            uid, SR if ours else CT, "1.2.840.10008.1.2.1", number, 8, 8, 1, 9, f"{number:064}", "a", "MARY_CT", now()
        )
        with self.database.writing() as session:
            record(session, origin, study, several, facts, ours=ours)
        return uid

    def find(self, level: str, *keys: str, calling: str = "MARY_PACS", options: tuple[str, ...] = ()) -> Asked:
        """Ask as findscu does."""
        folder = self.folder / f"asked-{next(self.numbers)}"
        folder.mkdir()
        words = [word for key in (f"QueryRetrieveLevel={level}", *keys) for word in ("-k", key)]
        argv = ["-v", "-S", "-aet", calling, "-aec", "OVERREAD", "-X", "-od", folder, *options, *words]
        said = subprocess.run(
            [str(shutil.which("findscu")), *map(str, argv), "127.0.0.1", str(self.receiver.port)],
            capture_output=True, text=True, timeout=60, check=False, env={"TCP_NODELAY": "1"},
        )  # fmt: skip
        return Asked(said.stdout + said.stderr, [dcmread(one, force=True) for one in sorted(folder.glob("*.dcm"))])

    def allow(self, ae_title: str, *rights: str) -> None:
        with self.database.writing() as session:
            session.query(Peer).filter_by(ae_title=ae_title).one().rights = list(rights)
        write_peer_book(self.database, self.folder / "peers.json", "SELF")

    def lines(self) -> list[AccessLine]:
        with self.database.reading() as session:
            return session.query(AccessLine).order_by(AccessLine.id).all()


@pytest.fixture
def hospital(database: Database, tmp_path: Path) -> Iterator[Hospital]:
    with database.writing() as session:
        put_site(session, "ST_MARY", "St Mary", ["MARY_PACS", "MARY_CT"], [])
        put_site(session, "ST_JOHN", "St John", ["JOHN_PACS"], [])
    settings = ReceiverSettings(tmp_path / "counters", host="127.0.0.1", port=0, stop_seconds=3)
    sock = tmp_path / "queries"
    receiver = Receiver(settings, PeerBook(tmp_path / "peers.json"), Inbox(tmp_path / "inbox"), asker(sock))
    made = Hospital(tmp_path, database, receiver)
    made.allow("MARY_PACS", "store", "echo", "query")
    made.allow("JOHN_PACS", "store", "echo", "query")
    receiver.start()
    try:
        with answering(sock, database):
            yield made
    finally:
        receiver.stop()


only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_pacs_counts_what_has_arrived_of_its_study(hospital: Hospital) -> None:
    for series in ("1", "1", "2"):
        hospital.image("1.2.3", series=series)
    asked = hospital.find("STUDY", "StudyInstanceUID=1.2.3", "NumberOfStudyRelatedInstances",
                          "NumberOfStudyRelatedSeries", "ModalitiesInStudy", "PatientName")  # fmt: skip
    (found,) = asked.found
    assert (found.NumberOfStudyRelatedInstances, found.NumberOfStudyRelatedSeries) == (3, 2)
    assert (found.ModalitiesInStudy, found.PatientName, found.QueryRetrieveLevel) == ("CT", "Sample^Pat", "STUDY")
    assert "0x0000" in asked.last or "Success" in asked.last, asked.output


def test_series_and_images_are_found_below_their_study(hospital: Hospital) -> None:
    uids = [hospital.image("1.2.3", series="1") for _ in range(2)]
    hospital.image("1.2.3", series="2")
    series = hospital.find("SERIES", "StudyInstanceUID=1.2.3", "SeriesInstanceUID", "Modality",
                           "NumberOfSeriesRelatedInstances", "SeriesNumber")  # fmt: skip
    assert [(one.SeriesNumber, one.Modality, one.NumberOfSeriesRelatedInstances) for one in series.found] == [
        (1, "CT", 2),
        (2, "CT", 1),
    ]
    images = hospital.find("IMAGE", "StudyInstanceUID=1.2.3", "SeriesInstanceUID=1.2.3.1", "SOPInstanceUID",
                           "InstanceNumber", "Rows")  # fmt: skip
    assert [one.SOPInstanceUID for one in images.found] == uids
    assert {one.Rows for one in images.found} == {8}
    listed = hospital.find("IMAGE", "StudyInstanceUID=1.2.3", "SeriesInstanceUID=1.2.3.1",
                           f"SOPInstanceUID={uids[1]}\\9.9.9")  # fmt: skip
    assert [one.SOPInstanceUID for one in listed.found] == uids[1:]


def test_nothing_of_another_site_or_of_patients_shows_even_under_the_same_uid(hospital: Hospital) -> None:
    hospital.image("1.2.3")
    hospital.image("1.2.3", origin="site:2", patient_name="Other^Site")
    hospital.image("1.2.4", origin="site:2")
    with hospital.database.writing() as session:
        session.add(Case(id=7))
    hospital.image("1.2.3", origin="case:7", patient_name="Up^Load")
    hospital.image("1.2.5", origin="case:7")
    everything = ("StudyInstanceUID", "PatientName", "NumberOfStudyRelatedInstances")
    mine = hospital.find("STUDY", *everything)
    assert [(one.StudyInstanceUID, str(one.PatientName), one.NumberOfStudyRelatedInstances) for one in mine.found] == [
        ("1.2.3", "Sample^Pat", 1)
    ]
    theirs = hospital.find("STUDY", *everything, calling="JOHN_PACS")
    assert theirs.uids() == ["1.2.3", "1.2.4"]
    assert {str(one.PatientName) for one in theirs.found} == {"Other^Site", "Sample^Pat"}
    assert hospital.find("SERIES", "StudyInstanceUID=1.2.4", "SeriesInstanceUID").found == []
    assert hospital.find("IMAGE", "StudyInstanceUID=1.2.5", "SeriesInstanceUID=1.2.5.1", "SOPInstanceUID").found == []


def test_what_was_made_here_is_not_counted_as_arrived(hospital: Hospital) -> None:
    """A report of ours, or what a reader saved, would make the count wrong for whoever compares it with their own."""
    hospital.image("1.2.3")
    hospital.image("1.2.3", series="9", ours=True)
    (study,) = hospital.find("STUDY", "StudyInstanceUID=1.2.3", "NumberOfStudyRelatedInstances",
                             "NumberOfStudyRelatedSeries", "ModalitiesInStudy", "SOPClassesInStudy").found  # fmt: skip
    assert (study.NumberOfStudyRelatedInstances, study.NumberOfStudyRelatedSeries) == (1, 1)
    assert (study.ModalitiesInStudy, study.SOPClassesInStudy) == ("CT", CT)
    assert len(hospital.find("SERIES", "StudyInstanceUID=1.2.3", "SeriesInstanceUID").found) == 1
    assert hospital.find("IMAGE", "StudyInstanceUID=1.2.3", "SeriesInstanceUID=1.2.3.9", "SOPInstanceUID").found == []
    assert hospital.find("STUDY", "StudyInstanceUID", "ModalitiesInStudy=SR").found == []
    assert hospital.find("STUDY", "StudyInstanceUID", f"SOPClassesInStudy={SR}").found == []


MATCHING = [
    (("PatientName=ÄRZTIN*",), ["1.2.3"]),
    (("PatientName=*",), ["1.2.3", "1.2.4", "1.2.5"]),
    (("PatientName=Sampl?^*",), ["1.2.4", "1.2.5"]),
    (("PatientID=A1",), ["1.2.3"]),
    (("PatientID=a1",), []),
    (("StudyDate=20260102",), ["1.2.4"]),
    (("StudyDate=20260102-",), ["1.2.4", "1.2.5"]),
    (("StudyDate=-20260102",), ["1.2.3", "1.2.4"]),
    (("StudyDate=20260101-20260102",), ["1.2.3", "1.2.4"]),
    (("StudyTime=0900-1000",), ["1.2.3"]),
    (("StudyInstanceUID=1.2.3\\1.2.5",), ["1.2.3", "1.2.5"]),
    (("AccessionNumber=ACC*", "StudyDate=20260103"), ["1.2.5"]),
    (("ModalitiesInStudy=CT\\MR", "PatientID=B?"), ["1.2.4", "1.2.5"]),
    (("ModalitiesInStudy=MR",), []),
    (("StudyDate=20260101-20260103", "StudyTime=1200-1400"), ["1.2.4"]),
]


def test_each_way_of_matching_finds_what_it_should(hospital: Hospital) -> None:
    """PS3.4 C.2.2.2. Date and time are two ranges here: combined matching has to be negotiated, and is not offered."""
    hospital.image("1.2.3", patient_name="Ärztin^Anna", patient_id="A1", study_date="20260101", study_time="093000")
    hospital.image("1.2.4", patient_id="B1", study_date="20260102", study_time="130000", accession="ACC1")
    hospital.image("1.2.5", patient_id="B2", study_date="20260103", study_time="180000", accession="ACC2")
    for keys, uids in MATCHING:
        asked = hospital.find("STUDY", "SpecificCharacterSet=ISO_IR 192", "StudyInstanceUID", *keys)
        assert asked.uids() == uids, (keys, asked.output)


@only_sqlite
def test_a_list_of_a_hundred_studies_is_asked_for_in_one_query(hospital: Hospital) -> None:
    """More than two or three UIDs were once "the identifier cannot be read": one UID is never that long."""
    hospital.image("1.2.826.0.1.3680043.8.498.7")
    listed = "\\".join(f"1.2.826.0.1.3680043.8.498.{number}" for number in range(100))
    asked = hospital.find("STUDY", f"StudyInstanceUID={listed}")
    assert asked.uids() == ["1.2.826.0.1.3680043.8.498.7"], asked.output


def test_names_are_answered_in_utf_8_and_understood_in_the_senders_character_set(hospital: Hospital) -> None:
    hospital.image("1.2.3", patient_name="Ärztin^Анна=山田^太郎")
    (found,) = hospital.find("STUDY", "PatientName", "StudyInstanceUID").found
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert str(found.PatientName) == "Ärztin^Анна=山田^太郎"
    keys = Dataset()
    keys.SpecificCharacterSet, keys.QueryRetrieveLevel, keys.PatientName = "ISO_IR 100", "STUDY", "ärztin*"
    assert [status for status, _ in ask(hospital, keys)] == [0xFF00, 0]
    keys.SpecificCharacterSet = "ISO_IR 144"
    keys.PatientName = "*Анна*"
    assert [status for status, _ in ask(hospital, keys)] == [0xFF00, 0]


def ask(hospital: Hospital, keys: Dataset, syntax: str = "1.2.840.10008.1.2") -> list[tuple[int, Dataset | None]]:
    endpoint = Endpoint("OVERREAD", "127.0.0.1", hospital.receiver.port)
    context = build_context(STUDY_ROOT_FIND, syntax)
    with associated(endpoint, "MARY_PACS", Patience(10, 30), Offer([context])) as association:
        return [(status.Status, found) for status, found in association.send_c_find(keys, STUDY_ROOT_FIND)]


@only_sqlite
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
def test_every_transfer_syntax_of_a_query_is_answered(hospital: Hospital, syntax: str) -> None:
    hospital.image("1.2.3")
    keys = Dataset()
    keys.QueryRetrieveLevel, keys.StudyInstanceUID, keys.NumberOfStudyRelatedInstances = "STUDY", "", None
    (status, found), (last, _) = ask(hospital, keys, syntax)
    assert (status, last, found.StudyInstanceUID, found.NumberOfStudyRelatedInstances) == (0xFF00, 0, "1.2.3", 1)


WRONG = [
    ("PATIENT", (), "0xa900"),
    ("", (), "0xa900"),
    ("SERIES", (), "0xa900"),
    ("SERIES", ("StudyInstanceUID=1.2.3\\1.2.4",), "0xa900"),
    ("SERIES", ("StudyInstanceUID=1.2.*",), "0xa900"),
    ("IMAGE", ("StudyInstanceUID=1.2.3",), "0xa900"),
    ("STUDY", ("StudyDate=yesterday",), "0xc002"),
    ("STUDY", ("StudyDate=-",), "0xc002"),
    ("STUDY", ("StudyTime=25",), "0xc002"),
    ("STUDY", ("StudyInstanceUID=1.2.*",), "0xc002"),
    ("STUDY", ("SpecificCharacterSet=ISO_IR 999", "PatientName=A*"), "0xc001"),
]


@only_sqlite
@pytest.mark.parametrize(("level", "keys", "status"), WRONG)
def test_a_query_that_cannot_be_meant_is_told_so_and_the_association_stays(
    hospital: Hospital, level: str, keys: tuple[str, ...], status: str
) -> None:
    hospital.image("1.2.3")
    asked = hospital.find(level, *keys, options=("-d",))
    assert asked.found == []
    assert status in asked.output.lower(), asked.output
    assert "Association Release" in asked.output or "Releasing Association" in asked.output


@only_sqlite
def test_keys_that_are_not_supported_are_said_to_be_so_and_do_not_match(hospital: Hospital) -> None:
    """FF01: the PACS must not take what it gets for the answer to all of its keys."""
    hospital.image("1.2.3")
    for key in ("SliceThickness=5", "Modality=MR", "NumberOfStudyRelatedInstances=7", "0009,0010=ACME"):
        asked = hospital.find("STUDY", "StudyInstanceUID", key, options=("-d",))
        assert asked.uids() == ["1.2.3"], asked.output
        assert "0xff01" in asked.output.lower(), key
    assert "0xff01" not in hospital.find("STUDY", "StudyInstanceUID", "PatientID", options=("-d",)).output.lower()


@only_sqlite
def test_whose_ae_title_has_not_the_right_gets_no_context(hospital: Hospital) -> None:
    hospital.image("1.2.3")
    asked = hospital.find("STUDY", "StudyInstanceUID", calling="MARY_CT")
    assert asked.found == []
    assert "No Acceptable Presentation Contexts" in asked.output


@only_sqlite
def test_a_right_that_is_taken_away_counts_for_the_next_query_of_an_open_association(hospital: Hospital) -> None:
    hospital.image("1.2.3")
    keys = Dataset()
    keys.QueryRetrieveLevel, keys.StudyInstanceUID = "STUDY", ""
    endpoint = Endpoint("OVERREAD", "127.0.0.1", hospital.receiver.port)
    contexts = [build_context(STUDY_ROOT_FIND, "1.2.840.10008.1.2")]
    with associated(endpoint, "MARY_PACS", Patience(10, 30), Offer(contexts)) as association:
        before = [status.Status for status, _ in association.send_c_find(keys, STUDY_ROOT_FIND)]
        hospital.allow("MARY_PACS", "store", "echo")
        after = [status.Status for status, _ in association.send_c_find(keys, STUDY_ROOT_FIND)]
    assert (before, after) == ([0xFF00, 0], [0x0124])


def test_the_rows_decide_whatever_the_receivers_book_still_says(hospital: Hospital) -> None:
    hospital.image("1.2.3")
    with hospital.database.writing() as session:
        session.query(Peer).filter_by(ae_title="MARY_PACS").one().rights = ["store"]
    asked = hospital.find("STUDY", "StudyInstanceUID", options=("-d",))
    assert asked.found == []
    assert "0x0124" in asked.output.lower()


@only_sqlite
def test_a_cancel_ends_the_answers(hospital: Hospital) -> None:
    for number in range(60):
        hospital.image(f"1.2.{number}")
    asked = hospital.find("STUDY", "StudyInstanceUID", options=("-d", "--cancel", "3"))
    assert 3 <= len(asked.found) < 60
    assert "0xfe00" in asked.output.lower()


@only_sqlite
def test_of_too_many_the_first_are_sent_and_it_is_said_that_there_are_more(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_ANSWERS >= 5_000
    monkeypatch.setattr(found_module, "MOST_ANSWERS", 4)
    for number in range(6):
        hospital.image(f"1.2.{number}")
    asked = hospital.find("STUDY", "StudyInstanceUID", options=("-d",))
    assert len(asked.found) == 4
    assert "0xa700" in asked.output.lower()


def test_without_the_worker_a_query_is_told_to_come_again(tmp_path: Path) -> None:
    with pytest.raises(QueryEnded) as ended:
        list(asker(tmp_path / "queries")(Question("MARY_PACS", "10.0.0.1", "STUDY")))
    assert ended.value.outcome is Outcome.NOT_NOW


@only_sqlite
def test_a_former_workers_socket_is_no_obstacle_and_its_path_may_be_long(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    for _ in range(2):
        with answering(folder / "queries", database), pytest.raises(QueryEnded) as ended:
            list(asker(folder / "queries")(Question("NOBODY", "10.0.0.1", "STUDY")))
        assert ended.value.outcome is Outcome.NOT_AUTHORISED
    assert (folder / "queries").stat().st_mode & 0o777 == 0o600


def test_one_ae_title_has_few_queries_at_the_same_time_and_leaves_room_for_others() -> None:
    places = Places()
    with places.one_of("A", 1), places.one_of("A", 1):
        assert MOST_OF_ONE == 2
        with pytest.raises(QueryEnded) as ended, places.one_of("A", 1):
            pass
        assert ended.value.outcome is Outcome.BUSY
        with places.one_of("B", 1):
            pass
    with places.one_of("A", 1):
        pass


def test_a_site_of_many_ae_titles_leaves_room_for_other_sites() -> None:
    """Four AE titles of one hospital held all places."""
    places = Places()
    with places.one_of("A", 1), places.one_of("A", 1), places.one_of("B", 1), places.one_of("B", 1):
        with pytest.raises(QueryEnded) as ended, places.one_of("C", 1):
            pass
        assert ended.value.outcome is Outcome.BUSY
        with places.one_of("D", 2), places.one_of("D", 2):
            pass
    with places.one_of("C", 1):
        pass


def test_the_site_of_an_ae_title_is_known(hospital: Hospital) -> None:
    with hospital.database.reading() as session:
        expected = session.scalar(select(Peer.site_id).where(Peer.ae_title == "MARY_PACS"))
    assert (site_of(hospital.database, "MARY_PACS"), site_of(hospital.database, "NOBODY")) == (expected, None)
    assert expected is not None


def test_a_statement_that_takes_too_long_is_ended(database: Database) -> None:
    endless = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "postgresql": "SELECT pg_sleep(60)",
    }[database.engine.dialect.name]
    with pytest.raises(Exception) as ended, database.looking(0.2) as connection:  # noqa: B017, PT011
        connection.execute(text(endless)).all()
    assert took_too_long(ended.value)
    with database.looking(5) as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_each_query_leaves_a_line_with_the_ae_title(hospital: Hospital, wait_for: Callable[..., None]) -> None:
    hospital.image("1.2.3")
    hospital.find("SERIES", "StudyInstanceUID=1.2.3", "SeriesInstanceUID")
    hospital.find("SERIES", "StudyInstanceUID=1.2.3", "SeriesInstanceUID")
    hospital.find("STUDY", "StudyDate=never")
    wait_for(lambda: sum(one.requests for one in hospital.lines()) == 3)
    told = {(one.ae_title, one.action, one.study_uid, one.status, one.address) for one in hospital.lines()}
    assert told == {
        ("MARY_PACS", "search_series_by_c_find", "1.2.3", 0, "127.0.0.1"),
        ("MARY_PACS", "search_study_by_c_find", "", 0xC002, "127.0.0.1"),
    }
