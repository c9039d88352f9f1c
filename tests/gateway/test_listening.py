"""Whoever starts Overread reads where it can be reached, and what to write when it shall be reached from elsewhere."""

from __future__ import annotations

import json
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from config.settings import load_settings
from gateway.listening import reaches_us_alone, where


def test_it_says_where_it_listens_and_how_to_open_what_is_closed(tmp_path: Path) -> None:
    pages, dicom = where(load_settings(tmp_path, http={"port": 81}, dicom={"host": "127.0.0.1", "port": 104}))
    assert pages.startswith("Pages: listens on 127.0.0.1, port 81. Only this machine")
    assert dicom.endswith("port 104. Only this machine reaches it; OVERREAD_DICOM__HOST=0.0.0.0 opens it.")
    assert [*where(load_settings(tmp_path))][1] == "DICOM: listens on 0.0.0.0, port 11112."


def test_it_says_where_tls_listens(tmp_path: Path) -> None:
    said = [*where(load_settings(tmp_path, dicom={"host": "10.0.0.2", "tls": {"port": 2762}}))]
    assert said[2:] == ["DICOM by TLS: listens on 10.0.0.2, port 2762."]


ALONE = ("127.0.0.1", "127.9.9.9", "::1", "localhost")
OPEN = ("0.0.0.0", "::", "10.0.0.2", "pacs.example")  # noqa: S104


def test_a_loopback_address_is_for_this_machine_alone() -> None:
    assert all(reaches_us_alone(host) for host in ALONE)
    assert not any(reaches_us_alone(host) for host in OPEN)


@pytest.mark.flow
def test_the_demonstration_says_at_its_start_that_no_other_machine_reaches_it(installation: Any) -> None:
    expected = f"DICOM: listens on 127.0.0.1, port {installation.dicom}. Only this machine reaches it"
    log, until = installation.data.parent / "up.log", time.monotonic() + 20
    while expected not in log.read_text() and time.monotonic() < until:  # it is said behind the line `ready`
        time.sleep(0.1)
    assert expected in log.read_text()


@pytest.mark.flow
def test_an_installation_says_ready_where_it_listens(start_installation: Any) -> None:
    """It asked 127.0.0.1 whether the pages were there, for ever, and the demonstration was sent there, too."""
    elsewhere = {"OVERREAD_HTTP__HOST": "127.0.0.2", "OVERREAD_DICOM__HOST": "127.0.0.2"}
    with start_installation(environment=elsewhere) as started:
        pages, dicom = f"http://127.0.0.2:{started.http}", f"OVERREAD@127.0.0.2:{started.dicom}"
        assert started.ready_line == f"ready http={pages} dicom={dicom}"
        with closing(HTTPConnection("127.0.0.2", started.http, timeout=20)) as connection:
            connection.request("GET", "/health")
            said = json.loads(connection.getresponse().read())
        assert said["parts"]["receiver"]["ok"], said
        assert f"open {pages}/login" in (started.data.parent / "up.log").read_text()
