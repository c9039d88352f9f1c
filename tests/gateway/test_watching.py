"""A worker that rests is woken by files and by the bell, by whichever process."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from config.database import connect
from gateway.watching import Bell, Watch


@pytest.fixture
def bell(tmp_path) -> Bell:
    return Bell(tmp_path / "bell")


@pytest.fixture
def watch(tmp_path, bell) -> Iterator[Watch]:
    for name in ("new", "refused"):
        (tmp_path / name).mkdir()
    made = Watch({"new": tmp_path / "new", "refused": tmp_path / "refused"}, bell)
    yield made
    made.close()


def test_whatever_comes_into_a_folder_is_heard_and_nothing_else_is(tmp_path, watch) -> None:
    assert watch.wait(0) == set()
    (tmp_path / "tmp").write_text("half")
    assert watch.wait(0) == set()
    (tmp_path / "tmp").rename(tmp_path / "new" / "whole")
    assert watch.wait(20) == {"new"}
    (tmp_path / "new" / "whole").unlink()
    assert watch.wait(0) == set(), "what leaves wakes nobody"
    (tmp_path / "refused" / "note").touch()
    (tmp_path / "new" / "whole").touch()
    assert watch.wait(20) == {"new", "refused"}


def test_another_process_that_writes_rows_is_heard(tmp_path, watch, bell) -> None:
    program = f"""
from pathlib import Path
from sqlalchemy import text
from config.database import connect
from gateway.watching import Bell
database = connect("sqlite:///{tmp_path}/rows.db", Bell(Path({str(bell.file)!r})).ring)
with database.reading() as session:
    session.execute(text("SELECT 1"))
print("looked", flush=True)
input()
with database.writing() as session:
    session.execute(text("CREATE TABLE t (a)"))
database.close()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == "looked\n"
        assert watch.wait(0) == set(), "who only looks rings no bell"
        other.stdin.write("\n")
        other.stdin.close()
        assert watch.wait(60) == {"rows"}


def test_what_was_rolled_back_and_what_nobody_waits_for_rings_no_bell(tmp_path, watch, bell) -> None:
    database = connect(f"sqlite:///{tmp_path}/rows.db", bell.ring)
    with pytest.raises(ZeroDivisionError), database.writing():
        raise ZeroDivisionError
    with database.writing_quietly():
        pass
    assert watch.wait(0) == set()
    with database.writing():
        pass
    assert watch.wait(20) == {"rows"}
    database.close()


def test_a_bell_without_a_worker_hurts_nobody(tmp_path) -> None:
    Bell(tmp_path / "nowhere" / "bell").ring()


def test_stop_ends_the_waiting_for_good(watch, bell) -> None:
    threading.Timer(0.1, watch.stop).start()
    assert watch.wait(60) is None
    bell.ring()
    assert watch.wait(0) is None
