"""The settings of one installation: default.toml, then a site's own file, then the environment.

Only this package reads the environment. Everything else is handed a `Settings`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from config.errors import Explained

DEFAULTS = Path(__file__).parent / "default.toml"
DEMO = Path(__file__).parent / "demo.toml"
SHIPPED_ROUTING = Path(__file__).parent / "routing.toml"
SHIPPED_PRIORS = Path(__file__).parent / "priors.toml"
PROGRAM = Path(__file__).parent.parent


class ConfigurationError(Explained):
    """The configuration cannot be used; the message says which line and what to write instead."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Listening(_Section):
    """What listens on an address of this machine, or on each of them."""

    host: str
    port: int = Field(ge=1, le=65535)

    @property
    def called(self) -> str:
        """The address under which this machine itself reaches it."""
        return "127.0.0.1" if self.host in {"0.0.0.0", ""} else self.host  # noqa: S104  # compared, not bound


class Http(_Listening):
    """The web application."""

    public_url: str
    blocking_threads: int = Field(ge=4, le=1024)
    max_upload_bytes: int = Field(gt=0)


class Tls(_Section):
    """DICOM over TLS: `port` 0 is off. Files in PEM; `ca` signs our peers' certificates, `crl` revokes some."""

    port: int = Field(ge=0, le=65535)
    certificate: str
    key: str
    ca: str
    crl: str


class Dicom(_Listening):
    """The DICOM receiver. AE title: at most 16 characters (PS3.5 6.2)."""

    ae_title: str = Field(min_length=1, max_length=16)
    processes: int = Field(ge=1, le=32)
    max_associations: int = Field(ge=1, le=512)
    idle_seconds: float = Field(ge=1)
    max_object_bytes: int = Field(ge=1)
    tls: Tls
    inbox_keep_free: int = Field(ge=0)


class Keys(_Section):
    """The keys that seal files: `ring` (from the environment alone) or else `file`; empty: DIR/keys.json."""

    file: str
    ring: SecretStr


class Archive(_Section):
    """The Orthanc that keeps the images; an empty `url` means one of our own.

    `grace_seconds`: how long a received instance is kept after the archive had it, until it is asked once more.
    `max_object_bytes`: larger data sets are refused at the door, since the archive could not give them back.
    """

    url: str
    username: str
    password: SecretStr
    connections: int = Field(ge=1, le=64)
    timeout: float = Field(gt=0)
    grace_seconds: float = Field(ge=0)
    max_object_bytes: int = Field(ge=1)


class Database(_Section):
    """Where our rows are; an empty `url` means SQLite in the data folder."""

    url: str


class Studies(_Section):
    """When a study is complete, and which rules route it."""

    quiet_seconds: float = Field(gt=0)
    patience_seconds: float = Field(gt=0)
    routing: str

    @property
    def longest_wait(self) -> timedelta:
        """After its last image no study waits any longer than this."""
        return timedelta(seconds=max(self.patience_seconds, self.quiet_seconds))


class Cache(_Section):
    """The images kept ready beside the archive."""

    max_bytes: int = Field(gt=0)


class Delivery(_Section):
    """How a report travels: patience with a peer, and pauses between attempts."""

    timeout: float = Field(gt=0)
    first_pause: float = Field(gt=0)
    longest_pause: float = Field(gt=0)


class Priors(_Section):
    """Earlier studies from a site's archive: its seconds for an answer, and for sending one study in all."""

    rules: str
    timeout: float = Field(gt=0)
    study_seconds: float = Field(gt=0)


class Commitment(_Section):
    """Storage commitment: how long a transaction may wait for its images, and how many days its report is tried."""

    patience_seconds: float = Field(gt=0)
    same_association_seconds: float = Field(ge=0)
    days: float = Field(gt=0)


class Web(_Section):
    """The pages."""

    assets: str
    session_hours: float = Field(gt=0)
    idle_hours: float = Field(gt=0)


class Viewer(_Section):
    """OHIF: what stands in its corner, how much it does at once, whether readers save from it."""

    name: str = Field(min_length=1, max_length=40)
    workers: int = Field(ge=1, le=16)
    prefetch: int = Field(ge=0, le=100)
    saving: bool


class Settings(BaseSettings):
    """All settings of one installation, checked."""

    model_config = SettingsConfigDict(
        env_prefix="OVERREAD_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )
    files: ClassVar[tuple[Path, ...]] = (DEFAULTS,)

    data: Path
    demo: bool = False
    http: Http
    dicom: Dicom
    keys: Keys
    archive: Archive
    database: Database
    studies: Studies
    cache: Cache
    delivery: Delivery
    priors: Priors
    commitment: Commitment
    web: Web
    viewer: Viewer

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The command line beats the environment, which beats the site's file, which beats the defaults."""
        del dotenv_settings, file_secret_settings
        files = TomlConfigSettingsSource(settings_cls, toml_file=list(cls.files), deep_merge=True)
        return init_settings, env_settings, files

    def with_archive(self, url: str, username: str, password: str) -> Settings:
        """The same settings with another archive."""
        archive = self.archive.model_copy(update={"url": url, "username": username, "password": SecretStr(password)})
        return self.model_copy(update={"archive": archive})

    @property
    def public_url(self) -> str:
        """The address under which people reach us, without a slash at its end."""
        return (self.http.public_url or f"http://{self.http.called}:{self.http.port}").rstrip("/")

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of our rows."""
        return self.database.url or f"sqlite:///{self.data / 'overread.db'}"

    @property
    def key_file(self) -> Path:
        """Where the keys are, unless they come from the environment."""
        return self.data / (self.keys.file or "keys.json")

    def keys_for_children(self) -> dict[str, str]:
        """The variable that hands keys from the environment on; they are never written down."""
        ring = self.keys.ring.get_secret_value()
        return {"OVERREAD_KEYS__RING": ring} if ring else {}

    @property
    def routing_file(self) -> Path:
        """The routing rules in force."""
        return Path(self.studies.routing) if self.studies.routing else SHIPPED_ROUTING

    @property
    def priors_file(self) -> Path:
        """The rules in force about which earlier studies are fetched."""
        return Path(self.priors.rules) if self.priors.rules else SHIPPED_PRIORS

    @property
    def assets(self) -> Path:
        """The folder with the viewer and the other installed front-end files."""
        return Path(self.web.assets) if self.web.assets else PROGRAM / "build" / "assets"


def load_settings(data: Path, file: Path | None = None, **given: Any) -> Settings:
    """Read the settings of the installation in `data`.

    `given` are sections from the command line, e.g. `http={"port": 8080}`; `demo=True` puts demo.toml on top of the
    defaults. Raises ConfigurationError in plain words.
    """
    if file is not None:
        _check_toml(file)
    layers = DEFAULTS, DEMO if given.get("demo") else None, file
    chosen = tuple(layer for layer in layers if layer is not None)

    class _Chosen(Settings):
        files = chosen

    try:
        return _Chosen(data=data.absolute(), **given)
    except ValidationError as error:
        raise ConfigurationError(_in_plain_words(error, file)) from error
    except SettingsError as error:
        raise ConfigurationError(f"The configuration has a mistake (in the environment): {error}.") from error


def _check_toml(file: Path) -> None:
    try:
        tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"The configuration file {file} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # not TOML, or not even text
        raise ConfigurationError(f"The configuration file {file} is not valid TOML: {error}.") from error


def _in_plain_words(error: ValidationError, file: Path | None) -> str:
    where = f"in {file} or the environment" if file else "in the environment or on the command line"
    lines = [f"  [{'.'.join(str(part) for part in each['loc'])}] {each['msg']}" for each in error.errors()]
    return "\n".join([f"The configuration has a mistake ({where}):", *lines])


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment for a child process: ours, with `extra` on top."""
    return {**os.environ, **extra}


def tell_children(data: Path) -> None:
    """Let processes that this one starts know the data folder (OVERREAD_DATA)."""
    os.environ["OVERREAD_DATA"] = str(data)


def data_folder_of_this_process() -> Path:
    """The data folder that a parent process told this one."""
    return Path(os.environ["OVERREAD_DATA"])
