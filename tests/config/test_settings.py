"""default.toml < a site's file < the environment < the command line; a mistake is said in plain words."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from config.settings import (
    DEFAULTS,
    PROGRAM,
    SHIPPED_ROUTING,
    ConfigurationError,
    Settings,
    environment,
    load_settings,
)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("OVERREAD_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "site.toml"


def test_the_shipped_defaults_are_complete_and_valid(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    shipped = tomllib.loads(DEFAULTS.read_text())
    assert set(shipped) == set(Settings.model_fields) - {"data", "demo"}
    for name, section in shipped.items():
        assert set(section) == set(type(getattr(settings, name)).model_fields)


def test_each_layer_beats_the_one_below_and_leaves_the_rest(tmp_path, file, monkeypatch) -> None:
    file.write_text("[http]\nport = 1001\nhost = '10.0.0.1'\nblocking_threads = 5\n")
    monkeypatch.setenv("OVERREAD_HTTP__PORT", "1002")
    monkeypatch.setenv("OVERREAD_HTTP__HOST", "10.0.0.2")
    http = load_settings(tmp_path, file, http={"port": 1003}).http
    assert (http.port, http.host, http.blocking_threads) == (1003, "10.0.0.2", 5)
    assert http.max_upload_bytes == load_settings(tmp_path).http.max_upload_bytes


def test_the_demonstration_is_for_this_machine_alone_unless_told_otherwise(tmp_path, file, monkeypatch) -> None:
    """Once the environment could not open it: what the demonstration chose beat everything."""
    closed = load_settings(tmp_path, demo=True)
    assert (closed.dicom.host, closed.studies.quiet_seconds) == ("127.0.0.1", 5.0)
    assert load_settings(tmp_path).dicom.host == "0.0.0.0"  # noqa: S104
    monkeypatch.setenv("OVERREAD_DICOM__HOST", "10.0.0.2")
    file.write_text("[studies]\nquiet_seconds = 7.0\n")
    opened = load_settings(tmp_path, file, demo=True)
    assert (opened.dicom.host, opened.studies.quiet_seconds) == ("10.0.0.2", 7.0)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[http]\nport = 99999\n", "http.port"),
        ("[http]\nport = 'many'\n", "http.port"),
        ("[http]\nprot = 80\n", "http.prot"),
        ("[htpp]\nport = 80\n", "htpp"),
        ("[dicom]\nae_title = 'MUCH_TOO_LONG_TITLE'\n", "dicom.ae_title"),
        ("[studies]\nquiet_seconds = 0\n", "studies.quiet_seconds"),
    ],
)
def test_a_mistake_in_the_file_names_file_and_setting(tmp_path, file, text: str, where: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigurationError) as told:
        load_settings(tmp_path, file)
    assert f"[{where}]" in str(told.value)
    assert str(file) in str(told.value)
    assert "validation error" not in str(told.value)


@pytest.mark.parametrize("text", [b"[http\n", b"[http]\nport = = 3", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_said_so(tmp_path, file, text: bytes) -> None:
    file.write_bytes(text)
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        load_settings(tmp_path, file)


def test_a_file_that_is_not_there_or_a_folder_is_said_so(tmp_path, file) -> None:
    for each in (file, tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            load_settings(tmp_path, each)


@pytest.mark.parametrize(
    ("name", "value"),
    [("OVERREAD_HTTP__PORT", "many"), ("OVERREAD_HTTP__PROT", "80"), ("OVERREAD_HTTP", "no json")],
)
def test_a_mistake_in_the_environment_is_said_in_plain_words(tmp_path, monkeypatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="environment"):
        load_settings(tmp_path)


def test_settings_do_not_change_while_running(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    with pytest.raises(ValidationError):
        settings.http.port = 1
    with pytest.raises(ValidationError):
        settings.demo = True


def test_empty_settings_mean_the_installations_own(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path / 'overread.db'}"
    assert settings.routing_file == SHIPPED_ROUTING
    assert settings.assets == PROGRAM / "build" / "assets"
    assert settings.public_url == "http://127.0.0.1:8080"
    public = load_settings(tmp_path, None, http={"public_url": "https://overread.example/"})
    assert public.public_url == "https://overread.example"


def test_another_archive_changes_nothing_else_and_its_password_is_not_shown(tmp_path: Path) -> None:
    before = load_settings(tmp_path)
    after = before.with_archive("http://127.0.0.1:1", "me", "secret")
    assert (after.archive.url, after.archive.password.get_secret_value()) == ("http://127.0.0.1:1", "secret")
    assert after.model_copy(update={"archive": before.archive}) == before
    assert "secret" not in repr(after)


def test_a_relative_data_folder_is_made_absolute(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(Path("here")).data == tmp_path / "here"


def test_a_child_process_gets_our_environment_and_what_is_added(monkeypatch) -> None:
    monkeypatch.setenv("SOMETHING", "ours")
    assert environment({"ADDED": "1"})["SOMETHING"] == "ours"
    assert environment({"SOMETHING": "other"})["SOMETHING"] == "other"


def test_no_larger_object_is_let_in_than_the_archive_of_debian_can_give_back(tmp_path: Path) -> None:
    assert load_settings(tmp_path, None).archive.max_object_bytes < 2**31
