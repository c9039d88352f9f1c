"""The keys of an installation: made once, proven at each start, rotated beside running parts, retired when unneeded."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from config.key_file import file_ring, read_keys, with_new_key, write_keys
from config.keys import Key, KeyMissing, Keys, KeysUnusable
from config.rewrapping import keys_needed
from config.settings import Settings, load_settings
from gateway.installation import Folders, open_installation, remember_start
from gateway.parts import build_parts
from gateway.sealed_files import needs, rotate
from gateway.unlocking import unlock
from orthanc.cache import ReadCache
from scp.arrival import Arrival, Refusal
from scp.inbox import Inbox

ARRIVAL = Arrival("site:7", "HOSPITAL", "1.2", "1.2.3", "1.2.4", "1.2.5", "1.2.840.10008.1.2.1", datetime.now(UTC))
ONE, TWO = (Key(bytes([number]) * 32) for number in (1, 2))


@pytest.fixture
def started(settings: Settings) -> Settings:
    """An installation that was started once, with one file in each place."""
    remember_start(settings)
    folders = Folders(settings.data)
    inbox = Inbox(folders.inbox, 0, unlock(settings))
    held, aside, _ = (inbox.put(ARRIVAL, word.encode()) for word in ("held", "aside", "waiting"))
    inbox.archived(held)
    inbox.set_aside(aside, folders.quarantine)
    inbox.refuse(Refusal("site:7", "HOSPITAL", "It ends early", 0xC010, "1.2", "1.2.3", "", datetime.now(UTC)))
    return settings


def said(settings: Settings, command: Callable[..., subprocess.CompletedProcess[str]], *words: str) -> str:
    done = command("keys", *words, "--data", str(settings.data))
    assert "Traceback" not in done.stderr
    return done.stdout if done.returncode == 0 else done.stderr


def contents(settings: Settings) -> list[bytes]:
    folders = Folders(settings.data)
    inbox = Inbox(folders.inbox, 0, unlock(settings))
    files = [path for place in (folders.inbox, folders.quarantine) for path in sorted(place.rglob("0*-*-*"))]
    return [inbox.read_aside(path).part10[-4:] for path in files]


def test_the_first_start_makes_one_key_for_this_user_alone(settings) -> None:
    ring = unlock(settings)
    assert settings.key_file == settings.data / "keys.json"
    assert settings.key_file.stat().st_mode & 0o777 == 0o600
    assert [key.id for key in ring.keys().all] == [ring.active().id]
    assert unlock(settings).active() == ring.active()
    assert ring.active().written() not in repr(ring.keys())


def test_a_missing_key_file_is_said_and_never_replaced(started) -> None:
    started.key_file.unlink()
    with pytest.raises(KeyMissing, match="is missing. Put it back from a backup"):
        unlock(started)
    assert not started.key_file.exists()


def test_a_key_file_where_none_can_be_is_said_in_one_sentence(settings) -> None:
    for place in ("no/such/folder/keys.json", "log"):
        with pytest.raises(KeysUnusable, match="cannot be used"):
            unlock(load_settings(settings.data, None, keys={"file": place}))


@pytest.mark.parametrize("content", ["", "{}", '{"keys": ["AAAA"], "active": "x"}', '{"keys": ["?"], "active": ""}'])
def test_a_damaged_key_file_is_said_in_one_sentence(started, content) -> None:
    started.key_file.write_text(content)
    with pytest.raises(KeysUnusable):
        unlock(started)


def test_another_key_than_the_files_need_is_said_by_every_part(started, run_overread) -> None:
    wanted = read_keys(started.key_file).active.id
    write_keys(started.key_file, Keys(ONE, (ONE,)))
    for part in ("dicom", "web", "worker"):
        done = run_overread("serve", part, "--data", str(started.data))
        assert done.returncode == 1
        assert f"The key {wanted}, which sealed files here need, is not in" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    Folders(started.data).key_check.unlink()  # the files themselves name the key, too
    with pytest.raises(KeyMissing, match=wanted):
        unlock(started)


def test_keys_from_the_environment_are_written_nowhere(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OVERREAD_KEYS__RING", f"{ONE.written()} {TWO.written()}")
    settings = load_settings(tmp_path / "data")
    Folders(settings.data).make()
    remember_start(settings)
    again = open_installation(settings.data)
    assert unlock(again).active() == ONE
    assert again.keys_for_children() == {"OVERREAD_KEYS__RING": f"{ONE.written()} {TWO.written()}"}
    kept = b"".join(path.read_bytes() for path in settings.data.rglob("*") if path.is_file())
    assert ONE.written().encode() not in kept
    assert ONE.secret not in kept
    assert not again.key_file.exists()
    monkeypatch.delenv("OVERREAD_KEYS__RING")
    with pytest.raises(KeyMissing, match="set OVERREAD_KEYS__RING"):
        unlock(open_installation(settings.data))
    for wrong in ("no base64!", "QUJD", " "):
        monkeypatch.setenv("OVERREAD_KEYS__RING", wrong)
        with pytest.raises(KeysUnusable):
            unlock(open_installation(settings.data))


def test_a_rotation_lets_the_old_key_go_and_changes_no_image(started, run_overread) -> None:
    before, old = contents(started), read_keys(started.key_file).active.id
    assert old in said(started, run_overread, "list")
    assert "seals from now on" in said(started, run_overread, "new")
    fresh = read_keys(started.key_file).active.id
    assert fresh != old
    assert "4 files and rows still need the key" in said(started, run_overread, "retire", old)
    assert f"{old} is no longer needed" in said(started, run_overread, "rotate")
    assert "0 files wrapped" in said(started, run_overread, "rotate")
    assert needs(Folders(started.data)) == {fresh: 4}
    assert "is active" in said(started, run_overread, "retire", fresh)
    assert "There is no key" in said(started, run_overread, "retire", "0" * 16)
    assert "is gone" in said(started, run_overread, "retire", old)
    assert [key.id for key in read_keys(started.key_file).all] == [fresh]
    assert sorted(contents(started)) == sorted(before) == [b"held", b"side", b"ting"]


def test_a_running_receiver_uses_a_new_key_at_once(started) -> None:
    ring = file_ring(started.key_file)
    inbox = Inbox(Folders(started.data).inbox, 0, ring)
    fresh = with_new_key(ring.keys())
    with inbox.begin() as writing:
        writing.write(b"data")
        write_keys(started.key_file, fresh)
        entry = writing.keep(ARRIVAL)
    assert keys_needed(Folders(started.data).inbox / "new" / entry.key) == {fresh.active.id}
    assert inbox.read(entry).part10.endswith(b"data")


@pytest.mark.parametrize("when", [1, 2, 3, 5])
def test_a_rotation_that_is_killed_anywhere_is_finished_by_the_next(started, when) -> None:
    before = contents(started)
    write_keys(started.key_file, with_new_key(read_keys(started.key_file)))
    program = (
        "import sys\nfrom pathlib import Path\nfrom config.key_file import file_ring\n"
        "from gateway.installation import Folders\nfrom gateway.sealed_files import rotate\n"
        "rotate(Folders(Path(sys.argv[1])), file_ring(Path(sys.argv[2])))\n"
    )
    inject = ("strace", "-f", "-o", "/dev/null", "-e", "trace=fsync", "-e", f"inject=fsync:signal=KILL:when={when}")
    done = subprocess.run(
        [*inject, sys.executable, "-c", program, str(started.data), str(started.key_file)], check=False
    )
    assert done.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL}
    assert contents(started) == before
    ring = unlock(started)
    rotate(Folders(started.data), ring)
    assert needs(Folders(started.data)) == {ring.active().id: 4}
    assert contents(started) == before


def test_the_read_cache_is_wrapped_anew_with_the_rest(started) -> None:
    folders = Folders(started.data)
    cache = ReadCache(folders.cache, 1 << 30, None, unlock(started))
    instance = cache.put("a" * 64, Path(get_testdata_file("CT_small.dcm")).read_bytes())
    before = b"".join(instance.stream())
    write_keys(started.key_file, with_new_key(read_keys(started.key_file)))
    ring = unlock(started)
    assert keys_needed(instance.path) != {ring.active().id}
    rotate(folders, ring)
    assert needs(folders) == {ring.active().id: 5}
    again = ReadCache(folders.cache, 1 << 30, None, ring).held("a" * 64)
    assert again is not None
    assert b"".join(again.stream()) == before == b"".join(instance.stream())


def test_parts_share_one_ring_and_keep_the_disk_free(started, database_url, archive_server) -> None:
    archive = {"url": archive_server.url, "username": "overread", "password": archive_server.password}
    parts = build_parts(
        load_settings(
            started.data, None, archive=archive, database={"url": database_url}, dicom={"inbox_keep_free": 1 << 60}
        )  # fmt: skip
    )
    assert parts.ring.active() == unlock(started).active()
    with pytest.raises(OSError, match="almost full"):
        parts.inbox.begin()
    parts.cache.close()
    parts.archive.close()
    parts.database.close()
