"""The flows of the gateway on a real database, inbox and Orthanc, without the processes around them."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import flask
import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from config.database import Database
from config.settings import Settings, load_settings
from gateway.accounts.scopes import WHOLE
from gateway.accounts.tokens import Purpose, issue
from gateway.app import assemble
from gateway.cases import settle_complete_studies
from gateway.due import Due
from gateway.grace import Grace
from gateway.ingest import Ingest
from gateway.installation import Folders
from gateway.parts import Parts, build_parts
from gateway.proving import Proving
from gateway.publishing import Publishing
from gateway.signing import Signing
from orthanc.archive import Archive
from orthanc.cache import ReadCache
from scp.arrival import Arrival
from scp.inbox import Entry, Inbox
from scp.part10 import split_part10
from worklist.access import Viewer
from worklist.models import Case, CaseStudy, Delivery, Instance, Report, Study, Trouble, now
from worklist.seen import Seen
from worklist.states import CaseState, DeliveryState, ReportState


def make_image(**said: Any) -> bytes:
    """A small CT image as a Part 10 file; `said` are attributes by keyword."""
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, generate_uid()
    image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
    image.SpecificCharacterSet = "ISO_IR 192"
    image.PatientName, image.PatientID, image.IssuerOfPatientID = "Sample^Pat", "P-1", "HOSPITAL"
    image.PatientBirthDate, image.PatientSex = "19600101", "F"
    image.StudyDate, image.StudyTime, image.StudyID, image.AccessionNumber = "20261120", "101500", "S1", "A-77"
    image.ReferringPhysicianName, image.StudyDescription = "Refer^Rita", "CT head"
    image.Modality, image.SeriesNumber, image.InstanceNumber = "CT", 1, 1
    image.BodyPartExamined, image.FrameOfReferenceUID = "HEAD", generate_uid()
    image.Rows = image.Columns = 8
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.PixelData = bytes(128)
    image["PixelData"].VR = "OW"
    for keyword, value in said.items():
        setattr(image, keyword, value)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    out = BytesIO()
    dcmwrite(out, image, enforce_file_format=True)
    return out.getvalue()


@pytest.fixture(scope="session")
def make() -> Callable[..., bytes]:
    """`make(PatientID="P-2", StudyInstanceUID=uid)`: a small CT image as a Part 10 file, with fresh UIDs."""
    return make_image


def make_settings(folder: Path, **given: Any) -> Settings:
    return load_settings(folder, None, **given)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The shipped settings, for a data folder of this test, whose folders exist."""
    made = make_settings(tmp_path / "data")
    Folders(made.data).make()
    return made


@dataclass
class World:
    """One installation without its processes: the test does each step itself."""

    settings: Settings
    folders: Folders
    database: Database
    archive: Archive
    cache: ReadCache
    inbox: Inbox
    ingest: Ingest
    proving: Proving

    @staticmethod
    def make(**said: Any) -> bytes:
        """As the fixture `make`."""
        return make_image(**said)

    def receive(self, part10: bytes, origin: str = "site:1", at: datetime | None = None, **said: str) -> Entry:
        """Put one file into the inbox, as the receiver does; `said` overrides what the receiver believes of it."""
        from scp.screen import screen

        transfer_syntax, dataset = split_part10(part10)
        identity = screen(dataset, transfer_syntax)
        believed = {
            "sop_class_uid": identity.sop_class_uid,
            "sop_uid": identity.sop_uid,
            "study_uid": identity.study_uid,
            "series_uid": identity.series_uid,
        } | said
        arrival = Arrival(
            origin, "HOSPITAL", transfer_syntax=transfer_syntax, received_at=at or datetime.now(UTC), **believed
        )
        return self.inbox.put(arrival, dataset)

    def carry(self) -> None:
        """Let ingest work until the inbox is empty, and look at what was stored."""
        while self.ingest.step() or self.proving.step():
            pass

    def instances(self) -> list[Instance]:
        """Every recorded instance."""
        with self.database.reading() as session:
            return session.query(Instance).order_by(Instance.id).all()

    def studies(self) -> list[Study]:
        """Every recorded study."""
        with self.database.reading() as session:
            return session.query(Study).order_by(Study.id).all()

    def troubles(self) -> list[Trouble]:
        """Everything that was refused or quarantined."""
        with self.database.reading() as session:
            return session.query(Trouble).order_by(Trouble.id).all()

    def waiting(self) -> int:
        """How many entries are in the inbox."""
        return self.inbox.backlog().count

    def held_case(self, reader: Viewer, site_id: int, part10: bytes = b"", **values: Any) -> int:
        """A case with one archived study of a site, held by a reader; its id."""
        from scp.screen import screen

        part10 = part10 or make_image()
        self.receive(part10, f"site:{site_id}")
        self.carry()
        identity = screen(split_part10(part10)[1], ExplicitVRLittleEndian)
        with self.database.writing() as session:
            study = session.query(Study).filter_by(study_uid=identity.study_uid, origin=f"site:{site_id}").one()
            study.settled = True
            case = Case(
                state=CaseState.CLAIMED, site_id=site_id, reader_id=reader.person_id, subspecialty="neuroradiology",
                **{"draft": OPINION} | values,
            )  # fmt: skip
            session.add(case)
            session.flush()
            session.add(CaseStudy(case_id=case.id, study_id=study.id))
            return case.id

    def sign(self, who: Viewer, case_id: int) -> int:
        """Sign it; the report's id."""
        return Signing(self.database, self.cache).sign(who, case_id, Seen())

    def release(self, case_id: int) -> None:
        """Put a held case back onto the worklist."""
        with self.database.writing() as session:
            case = session.get_one(Case, case_id)
            case.state, case.reader_id = CaseState.READY, None

    def publishing(self) -> Publishing:
        """What publishes, with pauses of a second."""
        due = Due(self.database, Report, ReportState.SIGNED, 1.0, 60.0)
        return Publishing(self.database, self.archive, self.cache, due)

    def due_deliveries(self) -> Due:
        """The deliveries that are due, with pauses of a second."""
        return Due(self.database, Delivery, DeliveryState.PENDING, 1.0, 60.0)

    def make_due(self, table: type[Report] | type[Delivery]) -> None:
        """Let the pause before the next attempt be over."""
        with self.database.writing() as session:
            for row in session.query(table):
                row.next_attempt_at = now() - timedelta(seconds=1)

    def close(self) -> None:
        """Let everything go."""
        self.ingest.pool.shutdown()
        self.cache.close()
        self.archive.close()


OPINION = {
    "findings": "No acute haemorrhage.",
    "impression": "Normal CT of the head.",
    "recommendations": "None.",
    "answers": [],
    "concordance": "not_provided",
    "concordance_comment": "",
}


def build_world(settings: Settings, database: Database, server: Any) -> World:
    folders = Folders(settings.data)
    archive = server.archive(connections=4, timeout=20.0)
    cache = ReadCache(folders.cache, 1 << 30, archive)
    inbox = Inbox(folders.inbox)
    pool = ThreadPoolExecutor(4)
    grace = Grace(inbox, archive, database, pool, 0.0)
    ingest = Ingest(inbox, archive, database, folders.quarantine, grace, pool)
    proving = Proving(inbox, archive, cache, grace, pool)
    return World(settings, folders, database, archive, cache, inbox, ingest, proving)


@pytest.fixture
def world(settings: Settings, database: Database, archive_server: Any) -> Iterator[World]:
    """Inbox, archive, cache and database of one installation; the test does each step itself. See `World`."""
    made = build_world(settings, database, archive_server)
    yield made
    made.close()


@pytest.fixture
def fragile_world(settings: Settings, database: Database, own_archive_server: Any) -> Iterator[World]:
    """A `world` whose Orthanc the test may kill (`own_archive_server`)."""
    made = build_world(settings, database, own_archive_server)
    yield made
    made.close()


@dataclass
class Web:
    """The whole application without a server in front: its pages, API and DICOMweb, asked in this process."""

    app: flask.Flask
    parts: Parts
    database: Database
    world: World
    people: Any

    def token(self, who: Viewer, scope: str = WHOLE) -> str:
        """A bearer token of this person."""
        with self.database.writing() as session:
            return issue(session, who.person_id, Purpose(scope=scope))

    def ask(self, who: Viewer | None, method: str, path: str, **how: Any) -> Any:
        """One request with this person's token (nobody's for None); Flask's response."""
        headers = {"Authorization": f"Bearer {self.token(who)}"} if who else {}
        return self.app.test_client().open(path, method=method, headers=headers | how.pop("headers", {}), **how)


@pytest.fixture
def web(world: World, database_url: str, people: Any, archive_server: Any, tmp_path: Path) -> Iterator[Web]:
    """The application as `create_app` builds it, on the rows, inbox and archive of `world`. See `Web`."""
    viewer = tmp_path / "assets"
    (viewer / "ohif").mkdir(parents=True)
    (viewer / "ohif" / "index.html").write_text("<html></html>")
    (viewer / "web").mkdir()
    archive = {"url": archive_server.url, "username": "overread", "password": archive_server.password}
    settings = make_settings(
        world.settings.data, archive=archive, database={"url": database_url}, web={"assets": str(viewer)}
    )
    parts = build_parts(settings)
    app = assemble(parts)
    app.testing = False
    yield Web(app, parts, world.database, world, people)
    app.extensions["overread-sessions"].close()
    app.extensions["overread-access-log"].stop()  # its thread would open connections that nobody closes
    parts.decoder.close()
    parts.cache.close()
    parts.archive.close()
    parts.database.close()


@pytest.fixture
def settled(web: Web, people: Any) -> int:
    """What a hospital pushed, three images in two series, long quiet and settled; the READY case's id."""
    site = people.site()
    for series in ("1.2.3.1", "1.2.3.1", "1.2.3.2"):
        web.world.receive(web.world.make(StudyInstanceUID="1.2.3", SeriesInstanceUID=series), f"site:{site}")
    web.world.carry()
    with web.database.writing() as session:
        session.query(Study).one().last_at -= timedelta(hours=1)
    settle_complete_studies(web.parts)
    with web.database.reading() as session:
        case = session.query(Case).one()
        assert case.state is CaseState.READY
        return case.id


@pytest.fixture
def query_archive(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> Iterator[tuple[str, int]]:
    """A hospital's own archive that answers queries (dcmqrscp): its AE title and port on this machine."""
    port, folder = free_port(), tmp_path / "hospital"
    folder.mkdir()
    configuration = tmp_path / "hospital.cfg"
    configuration.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 8\n"
        "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nHOSPITAL_PACS {folder} RW (100, 1024mb) ANY\nAETable END\n"
    )
    command = ["dcmqrscp", "-c", str(configuration)]
    with subprocess.Popen(command, env=os.environ | {"TCP_NODELAY": "1"}) as process:
        wait_for(lambda: not _refused(port), what="dcmqrscp")
        yield "HOSPITAL_PACS", port
        process.terminate()


def _refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
