"""Commands about the keys that seal files and rows. They may run beside a running installation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from config.errors import Explained

if TYPE_CHECKING:
    from config.database import Database
    from config.settings import Settings

keys = typer.Typer(help="Keys that seal the images on our disk (docs/how-to/keys.md).", no_args_is_help=True)
_T = TypeVar("_T")
Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder of the installation.")]


@keys.command("list")
def list_keys(data: Data) -> None:
    """List the keys, and how many files and rows of the database need each. The keys themselves are not shown."""
    from rich.console import Console
    from rich.table import Table

    from gateway.installation import Folders, open_installation
    from gateway.sealed_files import needs
    from gateway.sealed_rows import rows_need
    from gateway.unlocking import unlock

    settings = open_installation(data)
    ring, files, rows = unlock(settings), needs(Folders(settings.data)), _in_database(settings, rows_need)
    table = Table("Key", "Use", "Files that need it", "Rows that need it")
    for key in ring.keys().all:
        use = "seals" if key.id == ring.active().id else "opens"
        table.add_row(key.id, use, str(files[key.id]), str(rows[key.id]))
    Console().print(table)


@keys.command("new")
def new_key(data: Data) -> None:
    """Make another key, which seals from now on. Takes effect at once; `rotate` lets go of the older ones."""
    from config.key_file import with_new_key, write_keys
    from gateway.installation import open_installation
    from gateway.unlocking import unlock

    settings = open_installation(data)
    _require_file(settings)
    made = with_new_key(unlock(settings).keys())
    write_keys(settings.key_file, made)
    typer.echo(f"The key {made.active.id} seals from now on. Back up {settings.key_file}, then: overread keys rotate")


@keys.command("rotate")
def rotate_keys(data: Data) -> None:
    """Let the active key open every file and row. The images themselves are not written again; may be repeated."""
    from gateway.installation import Folders, open_installation
    from gateway.sealed_files import rotate
    from gateway.sealed_rows import rotate_rows
    from gateway.unlocking import unlock

    settings = open_installation(data)
    ring = unlock(settings)
    done = rotate(Folders(settings.data), ring)
    rows = _in_database(settings, lambda database: rotate_rows(database, ring))
    typer.echo(f"{done.wrapped} files wrapped with {ring.active().id}, and {rows} rows of the database.")
    for path in done.damaged:
        typer.echo(f"{path} cannot be opened and stays as it is.")
    needed = _needed(settings)
    for key in ring.keys().all:
        if key.id != ring.active().id and not needed[key.id]:
            typer.echo(f"The key {key.id} is no longer needed: overread keys retire {key.id} --data {data}")


@keys.command("retire")
def retire_key(key_id: Annotated[str, typer.Argument(metavar="KEY", help="Its id, see `list`.")], data: Data) -> None:
    """Remove a key for good, unless a file or row still needs it."""
    from config.key_file import without_key, write_keys
    from gateway.installation import open_installation
    from gateway.unlocking import unlock

    settings = open_installation(data)
    _require_file(settings)
    left = without_key(unlock(settings).keys(), key_id)
    count = _needed(settings)[key_id]
    if count:
        raise Explained(
            f"{count} files and rows still need the key {key_id}; run first: overread keys rotate --data {data}"
        )
    write_keys(settings.key_file, left)
    typer.echo(f"The key {key_id} is gone. Remove it from backups when no backup of sealed files needs it.")


def _needed(settings: Settings) -> Counter[str]:
    from gateway.installation import Folders
    from gateway.sealed_files import needs
    from gateway.sealed_rows import rows_need

    return needs(Folders(settings.data)) + _in_database(settings, rows_need)


def _in_database(settings: Settings, work: Callable[[Database], _T]) -> _T:
    from sqlalchemy.exc import OperationalError

    from config.database import connect

    database = connect(settings.database_url)
    try:
        return work(database)
    except OperationalError as error:
        raise Explained("The database, where sealed rows lie, does not answer. Start it, then try again.") from error
    finally:
        database.close()


def _require_file(settings: Settings) -> None:
    if settings.keys.ring.get_secret_value():
        raise Explained(
            "The keys come from OVERREAD_KEYS__RING: change them there (the first one seals) and start again. "
            "Make one with: openssl rand -base64 32"
        )
