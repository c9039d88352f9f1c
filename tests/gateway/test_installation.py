"""One installation on disk: folders, secrets, and what it was started with."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from config.private import write_private
from config.settings import ConfigurationError, load_settings
from gateway.installation import Folders, open_installation, read_secrets, remember_start


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "data")
    made.make()
    return made


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_every_folder_is_made_for_this_user_alone_and_again_is_no_error(folders: Folders) -> None:
    folders.make()
    for each in (folders.inbox, folders.quarantine, folders.cache, folders.archive, folders.uploads, folders.log):
        assert mode(each) == 0o700
        assert list(each.iterdir()) == []


def test_a_data_folder_that_is_a_file_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        Folders(tmp_path / "file").make()


def test_secrets_are_made_once_and_kept_for_this_user_alone(folders: Folders) -> None:
    first = read_secrets(folders)
    assert read_secrets(folders) == first
    assert mode(folders.data / "secrets.json") == 0o600
    assert len({first.session_key, first.password_salt, first.archive_password}) == 3
    assert read_secrets(Folders(folders.data)) == first


def test_the_title_of_our_own_check_is_each_installations_own_and_tells_nothing_of_its_secrets(
    folders, tmp_path
) -> None:
    """It was the same everywhere: whoever was on the machine could store with it."""
    other = Folders(tmp_path / "other")
    other.make()
    mine, theirs = read_secrets(folders), read_secrets(other)
    assert re.fullmatch("OVR_[A-Z2-7]{12}", mine.own_title)
    assert mine.own_title == read_secrets(folders).own_title != theirs.own_title


def test_damaged_secrets_are_not_replaced(folders: Folders) -> None:
    for content in ("", "{}", '{"session_key": 1}', "[]"):
        (folders.data / "secrets.json").write_text(content)
        with pytest.raises(ConfigurationError, match="damaged"):
            read_secrets(folders)


def test_what_is_written_privately_is_whole_or_not_there(folders: Folders) -> None:
    file = folders.data / "some.json"
    write_private(file, {"a": 1})
    with pytest.raises(TypeError):
        write_private(file, {"a": object()})
    assert file.read_text() == '{\n  "a": 1\n}'
    assert mode(file) == 0o600


def test_a_command_finds_the_installation_as_it_was_started(folders: Folders, monkeypatch, tmp_path) -> None:
    """Without the file and the environment of who started it: it once looked into another database."""
    file = tmp_path / "site.toml"
    file.write_text("[delivery]\nfirst_pause = 7.0\n")
    monkeypatch.setenv("OVERREAD_DATABASE__URL", "postgresql://overread@db/overread")
    monkeypatch.setenv("OVERREAD_DICOM__AE_TITLE", "SECOND")
    monkeypatch.setenv("OVERREAD_STUDIES__ROUTING", "/etc/rules.toml")
    started = load_settings(
        folders.data, file, http={"port": 1234}, dicom={"port": 4321}, studies={"quiet_seconds": 3.0}, demo=True
    ).with_archive("http://127.0.0.1:1", "overread", "secret")
    remember_start(started)
    for name in [name for name in os.environ if name.startswith("OVERREAD_")]:
        monkeypatch.delenv(name)
    file.unlink()
    assert open_installation(folders.data).model_dump() == started.model_dump()
    assert mode(folders.run) == 0o600


def test_where_no_installation_is_a_command_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="overread up --data"):
        open_installation(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"surprise": 1}'])
def test_a_damaged_note_of_the_last_start_is_said_in_one_sentence(folders: Folders, content: str) -> None:
    folders.run.write_text(content)
    with pytest.raises(ConfigurationError, match="overread up --data"):
        open_installation(folders.data)
