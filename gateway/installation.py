"""One installation on disk: its folders, its secrets, and what it was last started with."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from base64 import b32encode
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import disk_usage
from typing import Any

from config.private import write_private
from config.settings import ConfigurationError, Settings, load_settings

LEAST_TO_START = 16 << 20  # bytes: below it the database or Orthanc would fail a minute later, with other words
FROM_ENVIRONMENT = "from_environment"
MAKE_ROOM = "Make room there, or choose another with --data DIR, and start again."


@dataclass(frozen=True, slots=True)
class Secrets:
    """What nobody else may know; made at the first start, kept in DIR/secrets.json (mode 0600)."""

    session_key: str
    password_salt: str
    archive_password: str

    @property
    def own_title(self) -> str:
        """The AE title of our own check at the front door. Random (60 bits): an AE title is all that it shows there."""
        digest = hashlib.sha256(f"own AE title {self.session_key}".encode()).digest()
        return f"OVR_{b32encode(digest)[:12].decode()}"


@dataclass(frozen=True, slots=True)
class Folders:
    """Where things lie below the data folder."""

    data: Path

    @property
    def log(self) -> Path:
        """Structured logs, one file per part."""
        return self.data / "log"

    @property
    def inbox(self) -> Path:
        """Received instances that the archive does not provably have yet."""
        return self.data / "inbox"

    @property
    def quarantine(self) -> Path:
        """Instances about which a person decides."""
        return self.data / "quarantine"

    @property
    def cache(self) -> Path:
        """Images kept ready."""
        return self.data / "cache"

    @property
    def archive(self) -> Path:
        """The managed Orthanc."""
        return self.data / "orthanc"

    @property
    def uploads(self) -> Path:
        """Bodies of requests on their way to the inbox."""
        return self.data / "uploads"

    @property
    def counters(self) -> Path:
        """The receivers' counters, read by /metrics."""
        return self.data / "counters"

    @property
    def peers(self) -> Path:
        """Who may send: the receivers' snapshot of our rows."""
        return self.data / "peers.json"

    @property
    def run_folder(self) -> Path:
        """Signs of running parts, gone when they are."""
        return self.data / "run"

    @property
    def bell(self) -> Path:
        """Touched by whoever wrote rows: it wakes the worker."""
        return self.run_folder / "bell"

    @property
    def queries(self) -> Path:
        """The socket on which receivers ask the worker what a site has sent."""
        return self.run_folder / "queries"

    @property
    def run(self) -> Path:
        """How the installation was last started; commands with only --data read it."""
        return self.data / "run.json"

    @property
    def key_check(self) -> Path:
        """A sealed file by which a start proves that it has the right keys."""
        return self.data / "keys.check"

    def make(self) -> None:
        """Create every folder. Raises ConfigurationError in plain words if the disk says no."""
        for folder in (
            self.log, self.inbox, self.quarantine, self.cache, self.archive, self.uploads, self.counters,
            self.run_folder,
        ):  # fmt: skip
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                _try_writing(folder / f".write-{os.getpid()}")
            except OSError as error:
                raise ConfigurationError(_in_plain_words(folder, error)) from error
        free = disk_usage(self.data).free
        if free < LEAST_TO_START:
            raise ConfigurationError(f"The disk of {self.data} is full ({free >> 20} MB free). {MAKE_ROOM}")

    def forget_uploads(self) -> None:
        """Remove bodies of requests that were cut off when their process died; nobody was told that they were kept."""
        for left in self.uploads.iterdir():
            left.unlink()


def _try_writing(probe: Path) -> None:
    try:
        probe.write_bytes(bytes(4096))
    finally:
        probe.unlink(missing_ok=True)


def _in_plain_words(folder: Path, error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"The disk of {folder} is full ({error.strerror}). {MAKE_ROOM}"
    return (
        f"The data folder {folder} cannot be written ({error.strerror}). "
        "Choose another with --data DIR, or give this user the right to write there."
    )


def read_secrets(folders: Folders) -> Secrets:
    """The secrets of the installation, made if there are none yet."""
    file = folders.data / "secrets.json"
    try:
        return Secrets(**json.loads(file.read_text()))
    except FileNotFoundError:
        made = Secrets(*(secrets.token_urlsafe(32) for _ in range(3)))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{file} is damaged; restore it from a backup.") from error
    write_private(file, asdict(made), over=False)
    return read_secrets(folders)  # another part of this installation may have been first


def remember_start(settings: Settings, *, from_environment: bool = False) -> None:
    """Keep the settings of this start, so that `overread token --data DIR` finds the same installation.

    All of them: whoever runs that command need not have the file and the environment of who started it.
    `from_environment`: a later `serve` asks the environment again.
    """
    told = settings.model_dump(mode="json", exclude={"data"})
    told["archive"]["password"] = settings.archive.password.get_secret_value()
    del told["keys"]["ring"]  # a key that came by the environment stays out of the data folder
    write_private(Folders(settings.data).run, {FROM_ENVIRONMENT: True} | told if from_environment else told)


def is_remembered(data: Path) -> bool:
    """Whether a start here, by `up` or with a file of settings, left what later commands go by."""
    run = Folders(data.absolute()).run
    return run.exists() and FROM_ENVIRONMENT not in _remembered(run)


def join_installation(data: Path, file: Path | None = None) -> Settings:
    """The settings of a machine where `up` never ran, of `file` and the environment, and its folders, made.

    Rows and images must be elsewhere: what another machine has on its disk cannot be shared. Raises ConfigurationError.
    """
    settings = settings_beside_others(data, file)
    Folders(settings.data).make()
    remember_start(settings, from_environment=file is None)
    return settings


def settings_beside_others(data: Path, file: Path | None) -> Settings:
    """As `join_installation`, and nothing is made or remembered."""
    settings = load_settings(data, file)
    if not (settings.archive.url and settings.database.url):
        raise ConfigurationError(_of_no_others(data, file))
    return settings


def _of_no_others(data: Path, file: Path | None) -> str:
    where = str(file) if file else "the environment (OVERREAD_ARCHIVE__URL, OVERREAD_DATABASE__URL)"
    there = (
        f"The installation in {data} has the settings of its start: leave --config away, or start it anew with "
        f"overread up --data {data} --config {file}."
        if is_remembered(data)
        else f"There is no installation in {data}. Start one with: overread up --data {data}."
    )
    return (
        f"{there} For one part beside the Orthanc and PostgreSQL of others, archive.url and database.url must stand "
        f"in {where}."
    )


def open_installation(data: Path) -> Settings:
    """The settings with which an installation was last started. Raises ConfigurationError if there is none."""
    run = Folders(data.absolute()).run
    if not run.exists():
        raise ConfigurationError(f"There is no installation in {data}. Start one with: overread up --data {data}")
    told = _remembered(run)
    told.pop(FROM_ENVIRONMENT, None)
    try:
        return load_settings(data, **told)
    except (TypeError, ConfigurationError) as error:
        raise ConfigurationError(_unusable(run)) from error


def _remembered(run: Path) -> dict[str, Any]:
    try:
        told = json.loads(run.read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(_unusable(run)) from error
    if not isinstance(told, dict):
        raise ConfigurationError(_unusable(run))
    return told


def _unusable(run: Path) -> str:
    return f"{run} cannot be used. Start again with: overread up --data {run.parent}"
