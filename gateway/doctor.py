"""`overread doctor`: is the installation sound? Asked of the real things, with what to do about each finding."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage, which

from rich.console import Console
from rich.markup import escape
from sqlalchemy import select

from config.settings import Settings
from gateway import assets
from gateway.demo_studies import self_test_instance
from gateway.health import LEAST_FREE
from gateway.identity import self_test_part
from gateway.installation import open_installation, settings_beside_others
from gateway.parts import Parts, build_parts
from orthanc import server as orthanc_server
from scp.sender import Endpoint
from worklist import schema
from worklist.models import Pulse

PATIENCE = 20.0  # seconds for the test instance to reach the archive
PROGRAMS = {
    "storescu": "DCMTK, used in tests and by you: apt-get install dcmtk",
    "dciodvfy": "checks reports, used in tests: apt-get install dicom3tools",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` says what to do when it is not well; an optional one may be missing."""

    what: str
    well: bool
    words: str
    advice: str = ""
    optional: bool = False


def examine(data: Path, file: Path | None = None) -> Iterator[Finding]:
    """Look at everything, one after the other, with the settings of the last start, or of `file` where `up` never ran.

    Raises ConfigurationError when there is no installation at all.
    """
    settings = settings_beside_others(data, file) if file else open_installation(data)
    yield from _machine(settings)
    parts = build_parts(settings)
    try:
        yield from _running(parts)
    finally:
        parts.database.close()


def _running(parts: Parts) -> Iterator[Finding]:
    log, data = parts.folders.log, parts.settings.data
    yield _ask("database", lambda: _database(parts), "Is the database running, and its address in the settings right?")
    yield _ask("archive", lambda: _archive(parts), f"Is Overread running? Its log is {log}/orthanc.log.")
    yield _ask("largest object", lambda: _largest(parts), "Set archive.max_object_bytes to 2,000,000,000 or less.")
    echo = _ask("C-ECHO through the front door", lambda: _echo(parts), f"Start it: overread up --data {data}")
    yield echo
    if echo.well:
        advice = f"The worker carries it there: see {log}/worker.log."
        yield _ask("C-STORE through the front door, into the archive", lambda: _store(parts), advice)


def show(findings: Iterator[Finding]) -> int:
    """Print the findings as they come; 0 when all is well, else 1."""
    console = Console(highlight=False)
    worst = 0
    for finding in findings:
        mark = "[green]well [/]" if finding.well else ("[yellow]note [/]" if finding.optional else "[red]WRONG[/]")
        console.print(f"{mark} {escape(finding.what)}: {escape(finding.words)}")
        if not finding.well:
            console.print(f"      {escape(finding.advice)}")
            worst = worst if finding.optional else 1
    console.print("All is well." if worst == 0 else "Something needs you, see above.")
    return worst


def _machine(settings: Settings) -> Iterator[Finding]:
    installed = orthanc_server.probe()
    managed = settings.archive.url.startswith("http://127.0.0.1")
    yield Finding("Orthanc", bool(installed.version), installed.version or "not installed",
                  "apt-get install orthanc orthanc-dicomweb", optional=not managed)  # fmt: skip
    yield Finding("Orthanc's DICOMweb plugin", installed.dicomweb is not None,
                  str(installed.dicomweb or "not installed"), "apt-get install orthanc-dicomweb",
                  optional=True)  # fmt: skip
    for program, advice in PROGRAMS.items():
        found = which(program)
        yield Finding(program, found is not None, found or "not installed", advice, optional=True)
    yield _ask("viewer", lambda: _viewer(settings), "Run: make setup")
    free, keep = disk_usage(settings.data).free, settings.dicom.inbox_keep_free >> 20
    advice = (
        f"Make room: {LEAST_FREE >> 20} MB are needed; below dicom.inbox_keep_free ({keep} MB) nothing is received."
    )
    yield Finding("disk", free > LEAST_FREE, f"{free >> 20} MB free in {settings.data}", advice)


def _ask(what: str, question: Callable[[], str], advice: str) -> Finding:
    try:
        return Finding(what, True, question())
    except Exception as error:  # noqa: BLE001  # a doctor reports whatever is wrong
        return Finding(what, False, str(error) or type(error).__name__, advice)


def _viewer(settings: Settings) -> str:
    assets.require(settings.assets)
    return f"installed in {settings.assets}"


def _database(parts: Parts) -> str:
    changes = schema.differences(parts.database)
    if changes:
        raise RuntimeError(f"{len(changes)} differences to the tables that this version needs; restart to upgrade.")
    return f"{parts.database.engine.dialect.name}, tables as this version needs them"


def _archive(parts: Parts) -> str:
    info, holdings = parts.archive.probe(), parts.archive.holdings()
    return f"Orthanc {info.version} with {holdings.instances} instances; plugins: {', '.join(info.plugins)}"


def _largest(parts: Parts) -> str:
    """Orthanc 1.10 keeps more than 2 GiB and cannot give it back; what later versions do is their administrator's."""
    most, version = parts.settings.archive.max_object_bytes, parts.archive.version()
    if most >= 2**31 and re.match(r"(0|1\.([0-9]|10))\.", version):
        raise RuntimeError(f"{most:,} bytes are let in, and Orthanc {version} cannot give back more than 2 GiB.")
    return f"data sets up to {most:,} bytes are let in"


def _front_door(parts: Parts) -> Endpoint:
    dicom = parts.settings.dicom
    return Endpoint(dicom.ae_title, dicom.called, dicom.port, parts.secrets.own_title)


def _echo(parts: Parts) -> str:
    parts.sender.echo(_front_door(parts))
    return "answered"


def _store(parts: Parts) -> str:
    """Send one synthetic instance and wait until the worker says that the archive had it; it is removed again."""
    sop_uid, part10 = self_test_instance()
    parts.sender.send(_front_door(parts), [part10])
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with parts.database.reading() as session:
            pulse = session.scalars(select(Pulse).where(Pulse.part == self_test_part(sop_uid))).one_or_none()
        if pulse is not None:
            with parts.database.writing() as session:
                session.delete(session.merge(pulse))
            return pulse.detail
        time.sleep(0.2)
    raise RuntimeError(f"It was received, but did not reach the archive within {PATIENCE:.0f} s.")
