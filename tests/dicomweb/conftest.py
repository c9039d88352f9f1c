"""A DICOMweb server with real instances behind it: our blueprint, our rows, the read cache, the decoder, an Orthanc."""

from __future__ import annotations

import hashlib
import io
import shutil
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import flask
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
from werkzeug.routing import Rule
from werkzeug.serving import make_server

from config.database import Database, connect
from config.key_file import file_ring_made
from dicomweb.baked import Baked
from dicomweb.blueprint import create_blueprint
from dicomweb.ready import ReadyMetadata
from dicomweb.received import StoreLimits
from dicomweb.services import Access, Services
from gateway.headers import series_text, study_text
from gateway.storing import store_target
from orthanc.archive import Archive
from orthanc.cache import ReadCache
from orthanc.decoder import Decoder
from orthanc.elements import read_part10
from orthanc.header import read_header
from scp.inbox import Inbox
from worklist.access import Viewer
from worklist.images import InstanceFacts, record
from worklist.models import Case, CaseStudy, Person, Site, Study
from worklist.states import CaseState, Role

LIMITS = StoreLimits(part_bytes=4 << 20, total_bytes=16 << 20, parts=20)


@dataclass(frozen=True)
class Sent:
    """One instance as it was sent."""

    study_uid: str
    series_uid: str
    sop_uid: str
    part10: bytes

    @property
    def dataset(self) -> Dataset:
        """What pydicom reads of it."""
        return dcmread(io.BytesIO(self.part10))

    @property
    def path(self) -> str:
        """Its URL below /dicom-web."""
        return f"/studies/{self.study_uid}/series/{self.series_uid}/instances/{self.sop_uid}"


def make_instance(name: str, study_uid: str, series_uid: str, **values: Any) -> Sent:
    """One of pydicom's own files (or a data set) in a study of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = dcmread(str(get_testdata_file(name, download=False)))
        return finish(dataset, study_uid, series_uid, **values)


def finish(dataset: Dataset, study_uid: str, series_uid: str, **values: Any) -> Sent:
    """Give a data set its place, and write it."""
    sop_uid = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = study_uid, series_uid, sop_uid
    dataset.file_meta.MediaStorageSOPInstanceUID = sop_uid
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return Sent(study_uid, series_uid, sop_uid, out.getvalue())


@dataclass
class World:
    """A running server and what it serves."""

    url: str
    database: Database
    archive: Archive
    cache: ReadCache
    baked: Baked
    inbox: Inbox
    spool: Path
    viewers: dict[str, Viewer] = field(default_factory=dict)
    accesses: list[Access] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    rules: list[Rule] = field(default_factory=list)

    def instance(self, name: str, study_uid: str, series_uid: str = "", **values: Any) -> Sent:
        """One of pydicom's own files in a study of ours."""
        return make_instance(name, study_uid, series_uid or generate_uid(), **values)

    def finished(self, dataset: Dataset, study_uid: str, series_uid: str) -> Sent:
        """A data set in a study of ours."""
        return finish(dataset, study_uid, series_uid)

    def archived(self, sent: Sent, origin: str) -> None:
        """Archive and record an instance, as ingest does; the cache stays as it is."""
        archive_id = self.archive.store(sent.part10, hashlib.md5(sent.part10, usedforsecurity=False).hexdigest())
        header = read_header(sent.part10)
        dataset = read_part10(sent.part10)
        facts = InstanceFacts(
            sop_uid=sent.sop_uid,
            sop_class_uid=header.sop_class_uid,
            transfer_syntax=header.transfer_syntax,
            number=header.instance_number,
            rows=header.rows,
            columns=header.columns,
            frames=header.frames,
            bits=header.bits,
            size=len(sent.part10) - dataset.dataset_at,
            sha256=hashlib.sha256(sent.part10[dataset.dataset_at :]).hexdigest(),
            archive_id=archive_id,
            sender="TEST",
            received_at=datetime.now(UTC),
        )
        with self.database.writing() as session:
            record(session, origin, study_text(header), series_text(header), facts)

    def study(self, *sent: Sent, subspecialty: str = "neuroradiology", **case: Any) -> str:
        """Archive instances of one study and open a case for it; return its UID."""
        origin = f"site:{next(self.numbers)}"
        for one in sent:
            self.archived(one, origin)
        with self.database.writing() as session:
            opened = Case(state=CaseState.READY, subspecialty=subspecialty, **case)
            session.add(opened)
            study = session.query(Study).where(Study.origin == origin).one()
            session.flush()
            session.add(CaseStudy(case_id=opened.id, study_id=study.id))
        return sent[0].study_uid

    def get(self, path: str, who: str = "neuro", method: str = "GET", **headers: str) -> requests.Response:
        """One request, below /dicom-web if `path` is no URL; underscores in header names are hyphens."""
        return requests.request(
            method,
            path if path.startswith("http") else f"{self.url}{path}",
            headers={"Authorization": f"Bearer {who}", "Accept-Encoding": "identity", "Accept": "*/*"}
            | {name.replace("_", "-"): value for name, value in headers.items()},
            timeout=60,
        )

    def client(self, who: str = "neuro", root: str = "") -> DICOMwebClient:
        """A DICOMweb client of somebody, of one of the roots."""
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {who}"
        return DICOMwebClient(f"{self.url}{root}", session=session)


@contextmanager
def running_world(folder: Path, archive: Archive, rows: Path, keep_free: int = 0) -> Iterator[World]:
    """A server with nothing in it yet, in front of an archive."""
    shutil.copyfile(rows, folder / "rows.db")
    database = connect(f"sqlite:///{folder / 'rows.db'}")
    spool = folder / "spool"
    spool.mkdir()
    ring = file_ring_made(folder / "keys.json")
    cache, inbox = ReadCache(folder / "cache", 1 << 30, archive, ring), Inbox(folder / "inbox", keep_free, ring)
    baked = Baked(cache, database, ReadyMetadata(database, ring))
    made = World("", database, archive, cache, baked, inbox, spool, add_people(database))
    decoder = Decoder()
    with served(made, decoder):
        yield made
    decoder.close()
    cache.close()
    archive.close()
    database.close()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, archive_server: Any, migrated_sqlite: Path) -> Iterator[World]:
    """A server that all of these tests share; whoever needs a study makes one with UIDs of its own."""
    folder = tmp_path_factory.mktemp("dicomweb")
    with running_world(folder, archive_server.archive(timeout=5.0), migrated_sqlite) as made:
        yield made


@pytest.fixture
def full_world(tmp_path: Path, archive_server: Any, migrated_sqlite: Path) -> Iterator[World]:
    """A server whose disk is full."""
    with running_world(tmp_path, archive_server.archive(), migrated_sqlite, keep_free=1 << 60) as made:
        yield made


@pytest.fixture
def own_world(tmp_path: Path, own_archive_server: Any, migrated_sqlite: Path) -> Iterator[World]:
    """A server with an archive of its own, `own_archive_server`, which the test may kill."""
    folder = tmp_path / "world"
    folder.mkdir()
    with running_world(folder, own_archive_server.archive(timeout=2.0), migrated_sqlite) as made:
        yield made


class served:  # noqa: N801 - reads as what it does
    """Within the block, `world.url` answers."""

    def __init__(self, world: World, decoder: Decoder) -> None:
        app = flask.Flask("dicomweb", static_folder=None)

        def viewer() -> Viewer | None:
            return world.viewers.get(flask.request.headers.get("Authorization", "").removeprefix("Bearer "))

        services = Services(
            viewer=viewer,
            database=world.database,
            cache=world.cache,
            baked=world.baked,
            decoder=decoder,
            base_url=lambda: world.url,
            store_target=store_target(world.inbox, world.database),
            spool=world.spool,
            store_limits=LIMITS,
            audit=world.accesses.append,
        )
        app.register_blueprint(create_blueprint(services))
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        world.rules = list(app.url_map.iter_rules())
        world.url = f"http://127.0.0.1:{self._server.server_port}/dicom-web"

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def add_people(database: Database) -> dict[str, Viewer]:
    """Somebody of every role; the bearer token of these tests is the name."""
    with database.writing() as session:
        site = Site(code="HERE", name="A Hospital")
        session.add(site)
        session.flush()
        ids = {}
        for name in ("neuro", "chest", "patient", "hospital", "coordinator"):
            person = Person(email=f"{name}@test.example", password="", site_id=site.id if name == "hospital" else None)
            session.add(person)
            session.flush()
            ids[name] = person.id
        site_id = site.id
    return {
        "neuro": Viewer(ids["neuro"], frozenset({Role.READER}), frozenset({"neuroradiology"}), None),
        "chest": Viewer(ids["chest"], frozenset({Role.READER}), frozenset({"thoracic"}), None),
        "patient": Viewer(ids["patient"], frozenset({Role.PATIENT}), frozenset(), None),
        "hospital": Viewer(ids["hospital"], frozenset({Role.SITE}), frozenset(), site_id),
        "coordinator": Viewer(ids["coordinator"], frozenset({Role.COORDINATOR}), frozenset(), None),
    }
