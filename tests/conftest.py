"""What tests of several folders need: databases, people, an archive, a whole installation. All of it is real."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib import request
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Playwright, sync_playwright
from sqlalchemy import create_engine, text

from config.database import Database, connect
from gateway.accounts.people import NewPerson, add_person
from gateway.supervisor import die_with_parent
from orthanc import server as orthanc_server
from orthanc.archive import Archive
from worklist import schema
from worklist.access import Viewer, viewer_of
from worklist.models import Person, PersonRole, Site
from worklist.states import Role

FAST = os.environ | {"TCP_NODELAY": "1"}
POSTGRES = Path("/usr/lib/postgresql/15/bin")
READY_SECONDS = 90
STOP_SECONDS = 40


def pick_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], object], seconds: float = 20, what: str = "it") -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """`free_port()` is a TCP port of this machine that nobody had a moment ago."""
    return pick_port


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., None]:
    """`wait_for(condition, seconds)` returns when the condition holds, and fails if it never does."""
    return wait_until


# --- databases ----------------------------------------------------------------------------------------------------


@dataclass
class Cluster:
    """A PostgreSQL of this test session alone, reached by a socket in its own folder."""

    folder: Path
    names: Iterator[int] = field(default_factory=lambda: count(1))

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def create(self, template: str = "template1") -> str:
        name = f"t{next(self.names)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def execute(self, statement: str) -> None:
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


def as_postgres() -> dict[str, Any]:
    """PostgreSQL refuses to run as root; then its own user runs it."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL cluster of its own, empty and fast (it does not sync). A machine without PostgreSQL 15 fails."""
    assert (POSTGRES / "initdb").exists(), "PostgreSQL is missing: apt-get install postgresql-15"
    folder = Path(tempfile.mkdtemp(prefix="overread-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    initdb = [POSTGRES / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    made = subprocess.run(initdb, capture_output=True, text=True, cwd="/", check=False, **as_postgres())
    assert made.returncode == 0, made.stderr
    options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "autovacuum=off"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [POSTGRES / "postgres", "-D", folder / "data", "-k", folder, *options],
            stdout=log, stderr=log, cwd="/", preexec_fn=die_with_parent, **as_postgres(),
        )  # fmt: skip
    try:
        ready = [POSTGRES / "pg_isready", "-q", "-h", folder]
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, what="PostgreSQL")
        yield Cluster(folder)
    finally:
        server.send_signal(signal.SIGINT)  # fast shutdown: sessions that are still open are ended
        server.wait(20)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Cluster) -> str:
    """The name of a database in `postgres` with our tables, to be copied."""
    name = postgres.create()
    database = connect(postgres.url(name))
    schema.upgrade(database)
    database.close()
    return name


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with our tables, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "overread.db"
    database = connect(f"sqlite:///{file}")
    schema.upgrade(database)
    database.close()
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any table, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.url(cluster.create())


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh database with our tables, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        file = tmp_path / "overread.db"
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), file)
        return f"sqlite:///{file}"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.url(cluster.create(request.getfixturevalue("migrated_postgres")))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database, migrated from empty by `worklist.schema.upgrade`: once SQLite, once PostgreSQL.

    Where the engine cannot matter: `pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)`.
    """
    opened = connect(database_url)
    yield opened
    opened.close()


# --- people -------------------------------------------------------------------------------------------------------


@dataclass
class People:
    """Makes people and sites in one database; each method answers with the rights of whom it made."""

    database: Database
    names: Iterator[int] = field(default_factory=lambda: count(1))

    def site(self, code: str = "") -> int:
        """A new site's id."""
        with self.database.writing() as session:
            made = Site(code=code or f"SITE_{next(self.names)}", name="A Hospital")
            session.add(made)
            session.flush()
            return made.id

    def person(self, *roles: Role, email: str = "", password: str = "", **more: Any) -> Viewer:
        """Somebody with these roles; `more` are fields of NewPerson. Without a password nobody can sign in as them."""
        number = next(self.names)
        email, name = email or f"person{number}@test.example", f"Person {number}"
        with self.database.writing() as session:
            if password:
                return viewer_of(add_person(session, NewPerson(email, name, roles, **more), password))
            more["subspecialties"] = list(more.get("subspecialties", ()))
            person = Person(email=email, display_name=name, roles=[PersonRole(name=role) for role in roles], **more)
            session.add(person)
            session.flush()
            return viewer_of(person)

    def reader(self, *subspecialties: str, **more: Any) -> Viewer:
        """A reader of these subspecialties (neuroradiology if none is named)."""
        return self.person(
            Role.READER,
            subspecialties=subspecialties or ("neuroradiology",),
            dicom_name="Example^Nora^^Dr.",
            **more,
        )

    def patient(self, **more: Any) -> Viewer:
        """A patient."""
        return self.person(Role.PATIENT, **more)

    def hospital(self, site_id: int, **more: Any) -> Viewer:
        """Somebody of a site."""
        return self.person(Role.SITE, site_id=site_id, **more)

    def coordinator(self, **more: Any) -> Viewer:
        """A coordinator."""
        return self.person(Role.COORDINATOR, **more)

    def admin(self, **more: Any) -> Viewer:
        """An administrator."""
        return self.person(Role.ADMIN, **more)


@pytest.fixture
def people(database: Database) -> People:
    """Makes people and sites in `database`: `people.reader("thoracic")` is a `Viewer`, with a row behind it."""
    return People(database)


# --- an archive ---------------------------------------------------------------------------------------------------


@dataclass
class ArchiveServer:
    """An Orthanc of this test session, configured as ours is; `kill` and `start` are for tests that own it."""

    folder: Path
    port: int
    password: str = "test-password"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def archive(self, **more: Any) -> Archive:
        """A client of it; the test closes it."""
        return Archive(self.url, orthanc_server.USERNAME, self.password, **more)

    def start(self) -> None:
        """Start it and wait until it answers."""
        configuration = orthanc_server.write_configuration(self.folder, self.port, self.password)
        command = orthanc_server.command(configuration)
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                command.argv, env=FAST | command.environment, stdout=log, stderr=log, preexec_fn=die_with_parent
            )
        orthanc_server.wait_until_ready(self.url, orthanc_server.USERNAME, self.password, 30)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it, by default without any warning."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(20)
            self.process = None


@contextmanager
def running_archive(folder: Path) -> Iterator[ArchiveServer]:
    server = ArchiveServer(folder, pick_port())
    server.start()
    try:
        yield server
    finally:
        server.kill(signal.SIGTERM)


@pytest.fixture(scope="session")
def archive_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveServer]:
    """A real Orthanc, configured as ours is, that the tests of a session share; none may stop it or count on it
    being empty: use fresh UIDs.
    """
    with running_archive(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture
def own_archive_server(tmp_path: Path) -> Iterator[ArchiveServer]:
    """A real Orthanc of this test alone, which it may kill and start again."""
    folder = tmp_path / "orthanc"
    folder.mkdir()
    with running_archive(folder) as server:
        yield server


# --- a whole installation -----------------------------------------------------------------------------------------


@dataclass
class Installation:
    """A running `overread up --demo`."""

    data: Path
    http: int
    dicom: int
    process: subprocess.Popen[str]
    ready_line: str
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address of its pages, without a slash at the end."""
        return f"http://127.0.0.1:{self.http}"

    def overread(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one `overread` command to its end; `--data` is added."""
        return overread(*words, "--data", str(self.data))

    def token(self, email: str) -> str:
        """A bearer token of a person, by the command."""
        if email not in self.tokens:
            said = self.overread("token", email)
            assert said.returncode == 0, said.stderr
            self.tokens[email] = said.stdout.strip()
        return self.tokens[email]

    def api(self, method: str, path: str, token: str = "", json: object = None) -> tuple[int, Any]:
        """One request: its status, and its body (JSON as objects, anything else as bytes)."""
        return call(self.url + path, method, token, json)

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of every log, for a failing test's message."""
        logs = [self.data.parent / "up.log", *sorted((self.data / "log").glob("*.log"))]
        return "\n".join(
            f"== {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) for log in logs
        )

    def processes(self) -> dict[int, str]:
        """Every living process that belongs to this installation, by its command line."""
        return processes_naming(str(self.data))


def call(url: str, method: str = "GET", token: str = "", body: object = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    asked = request.Request(url, data, headers, method=method)
    try:
        with request.urlopen(asked, timeout=60) as answer:
            return answer.status, read_body(answer)
    except HTTPError as error:
        with error:
            return error.code, read_body(error)


def read_body(answer: Any) -> Any:
    content = answer.read()
    return json.loads(content) if "json" in (answer.headers["Content-Type"] or "") else content


def overread(*words: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        **({"env": FAST, "capture_output": True, "text": True, "timeout": 120, "check": False} | how),
    )


def processes_naming(text: str) -> dict[int, str]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                said = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if text in said:
                    found[int(entry.name)] = said
    return found


@contextmanager
def running_installation(
    folder: Path, *more: str, http: int = 0, dicom: int = 0, environment: dict[str, str] | None = None
) -> Iterator[Installation]:
    """Start `overread up --demo` in `folder`/data; at the end stop it by SIGTERM and prove that nothing is left."""
    data, http, dicom = folder / "data", http or pick_port(), dicom or pick_port()
    words = ("up", "--data", str(data), "--http", str(http), "--dicom", str(dicom), "--demo", *more)
    with (folder / "up.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *words],
            env=FAST | (environment or {}), stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=die_with_parent,
        )  # fmt: skip
    assert process.stdout is not None
    started = Installation(data, http, dicom, process, "")
    with process.stdout:
        try:
            started.ready_line = read_line(process)
            assert started.ready_line.startswith("ready "), started.log_tail()
            yield started
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    assert process.returncode == 0, f"`overread up` ended with {process.returncode}\n{started.log_tail()}"
    assert not started.processes(), "processes are left running"


def read_line(process: subprocess.Popen[str]) -> str:
    """The first line that it prints; "" if it ends before."""
    assert process.stdout is not None
    patience = threading.Timer(READY_SECONDS, process.kill)
    patience.start()
    try:
        return process.stdout.readline().strip()
    finally:
        patience.cancel()
        patience.join()


StartInstallation = Callable[..., Any]


@pytest.fixture
def start_installation(tmp_path: Path) -> StartInstallation:
    """`with start_installation("--config", file) as installation:` for tests that stop and start one themselves."""
    return lambda *more, **how: running_installation(tmp_path, *more, **how)


@pytest.fixture
def fresh_installation(tmp_path: Path) -> Iterator[Installation]:
    """A running `overread up --demo` of this test alone."""
    with running_installation(tmp_path) as started:
        yield started


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running `overread up --demo` that the tests of a session share; they must not stop or break it.

    `.http`, `.dicom` (ports), `.url`, `.data`, `.token(email)`, `.api(method, path, token, json)`, `.overread(*words)`,
    `.processes()`, `.log_tail()`. Everything that it started is gone at the end, or the session fails.
    """
    with running_installation(tmp_path_factory.mktemp("installation")) as started:
        yield started


@pytest.fixture(scope="session")
def run_overread() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`run_overread("token", "a@b.example", "--data", "DIR")`: the command, run to its end, output as text."""
    return overread


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The one driver of Chromium in this process: a second one refuses to start beside it."""
    with sync_playwright() as driver:
        yield driver
