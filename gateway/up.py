"""`overread up`: prepare the installation, start every part, say ready, keep them alive, stop them all."""

from __future__ import annotations

import http.client
import os
import resource
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from config.errors import Explained
from config.settings import ConfigurationError, Settings, environment, load_settings
from gateway import assets
from gateway.installation import Folders, read_secrets, remember_start
from gateway.listening import where
from gateway.readiness import ready_file
from gateway.supervisor import (
    LAST,
    NICENESS,
    Part,
    StartFailed,
    Supervisor,
    hold_lock,
    require_free_port,
    to_stderr,
)
from gateway.unlocking import unlock
from orthanc import server as orthanc_server
from orthanc.errors import ArchiveUnavailable

STOPS = {"receiver": 0, "demo": 0, "web": 1, "worker": 1, "orthanc": 2}


@dataclass(frozen=True, slots=True)
class Start:
    """What somebody typed after `overread up`."""

    data: Path
    config: Path | None
    given: dict[str, object]


def run(start: Start) -> None:
    """Run everything until Ctrl-C or SIGTERM. Raises ConfigurationError or StartFailed in plain words."""
    settings = load_settings(start.data, start.config, **start.given)
    folders = Folders(settings.data)
    os.umask(0o077)  # what we and our parts write is for this user's eyes only
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold keys and images
    folders.make()
    lock = hold_lock(folders.data / "lock")
    try:
        unlock(settings)
        folders.forget_uploads()
        settings, managed = _choose_archive(settings, folders)
        _check(settings)
        in_child(lambda: _prepare(settings, folders))
        supervisor = Supervisor(folders.log, to_stderr)
        supervisor.listen_to_signals()
        _start(settings, folders, supervisor, managed)
    finally:
        lock.close()


def _choose_archive(settings: Settings, folders: Folders) -> tuple[Settings, int]:
    """The settings with the archive's address in them, and the port of our own Orthanc (0: it is somebody else's)."""
    if settings.archive.url:
        return settings, 0
    port = _free_port()
    ours = {
        "url": f"http://127.0.0.1:{port}",
        "username": orthanc_server.USERNAME,
        "password": read_secrets(folders).archive_password,
    }
    return settings.with_archive(**ours), port


def _check(settings: Settings) -> None:
    """Everything that can be known to be wrong before anything starts."""
    require_free_port(settings.http.host, settings.http.port, "--http")
    require_free_port(settings.dicom.host, settings.dicom.port, "--dicom")
    if settings.http.port == settings.dicom.port:
        raise ConfigurationError("--http and --dicom need two different ports.")
    try:
        assets.require(settings.assets)
    except assets.AssetsMissing as error:
        raise ConfigurationError(str(error)) from error


def _prepare(settings: Settings, folders: Folders) -> None:
    from sqlalchemy.exc import OperationalError

    from config.database import connect
    from gateway.demo import add_demo_people
    from gateway.dicom_tls import for_calls, for_listener
    from gateway.sites import write_peer_book
    from worklist import schema
    from worklist.prior_file import read_prior_rules
    from worklist.routing import load_rules

    routing = load_rules(settings.routing_file)
    read_prior_rules(settings.priors_file, dict(routing.rules.words))
    for_listener(settings.dicom.tls)
    for_calls(settings.dicom.tls)
    remember_start(settings)
    for stale in folders.run_folder.glob("*.ready"):
        stale.unlink()
    database = connect(settings.database_url)
    try:
        schema.upgrade(database)
        if settings.demo:
            add_demo_people(database)
        write_peer_book(database, folders.peers, read_secrets(folders).own_title, settings.dicom.host)
    except OperationalError as error:
        raise StartFailed(f"The database does not answer: {error.orig}") from error
    finally:
        database.close()


def in_child(work: Callable[[], None]) -> None:
    """Do it in a process of its own, which takes the libraries that it needs with it: the supervisor stays small.

    Raises StartFailed with the sentence of what went wrong there; any other error is fatal there, and said.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os._exit(_told(work, writing))
    os.close(writing)
    with os.fdopen(reading) as told:
        sentence = told.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise StartFailed(sentence or "The installation could not be prepared.")


def _told(work: Callable[[], None], writing: int) -> int:
    try:
        work()
    except Explained as error:
        os.write(writing, str(error).encode())
        return 1
    except BaseException:  # noqa: BLE001  # the edge of a process
        traceback.print_exc()
        return 1
    return 0


def _start(settings: Settings, folders: Folders, supervisor: Supervisor, managed: int) -> None:
    try:
        if managed:
            supervisor.start([_orthanc(settings, folders, managed)])
        supervisor.start(list(_our_parts(settings, folders)))
        if not supervisor.stopping:
            _say_ready(settings)
            for sentence in where(settings):
                to_stderr(sentence)
            if settings.demo:
                to_stderr(f"open {_pages(settings)}/login and choose an account (password: demo)")
                supervisor.run_once(replace(_child(settings, "demo", "send-demo"), nice=LAST))
            supervisor.watch()
    finally:
        supervisor.stop()


def _orthanc(settings: Settings, folders: Folders, port: int) -> Part:
    password = settings.archive.password.get_secret_value()
    configuration = orthanc_server.write_configuration(folders.archive, port, password)
    try:
        command = orthanc_server.command(configuration)
    except ArchiveUnavailable as error:
        raise StartFailed(str(error)) from error
    return Part("orthanc", command.argv, environment(command.environment),
                lambda: _answers("127.0.0.1", port, "/system"), STOPS["orthanc"], NICENESS)  # fmt: skip


def _our_parts(settings: Settings, folders: Folders) -> Iterator[Part]:
    for number in range(1, settings.dicom.processes + 1):
        yield _child(settings, f"receiver-{number}", "serve", "dicom", ready=ready_file(folders, f"receiver-{number}"))
    yield _child(settings, "worker", "serve", "worker", ready=ready_file(folders, "worker"))
    web = _child(settings, "web", "serve", "web")
    yield replace(web, ready=lambda: _answers(settings.http.called, settings.http.port, "/api/openapi.json"))


def _child(settings: Settings, name: str, *words: str, ready: Path | None = None) -> Part:
    argv = (sys.executable, "-m", "gateway", *words, "--data", str(settings.data), "--part", name)
    kind = name.partition("-")[0]
    return Part(
        name,
        argv,
        environment(settings.keys_for_children()),
        (lambda: ready.exists()) if ready else (lambda: True),
        STOPS[kind],
    )


def _say_ready(settings: Settings) -> None:
    dicom = settings.dicom
    sys.stdout.write(f"ready http={_pages(settings)} dicom={dicom.ae_title}@{dicom.called}:{dicom.port}\n")
    sys.stdout.flush()


def _pages(settings: Settings) -> str:
    return f"http://{settings.http.called}:{settings.http.port}"


def _answers(host: str, port: int, path: str) -> bool:
    """Whether a web server answers there, with whatever status."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
