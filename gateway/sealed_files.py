"""Every sealed file of an installation: which keys they need, and wrapping them anew."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from config.keys import KeyRing
from config.rewrapping import keys_needed, rewrap
from config.sealing import Damaged, Subject
from gateway.installation import Folders
from orthanc.shelf import sealed_files as cached_files
from scp.entry import subject_of
from scp.notes import subject_of_note
from scp.shelf import is_key


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did: files wrapped anew, and files that nobody can open."""

    wrapped: int
    damaged: tuple[Path, ...]


def needs(folders: Folders) -> Counter[str]:
    """How many files need each key, by its id."""
    return _counted(_files(folders))


def needed_at_start(folders: Folders) -> Counter[str]:
    """As `needs`, but for the read cache: it may be large, and what no key opens there is fetched again."""
    return _counted(_received(folders))


def _counted(files: Iterator[tuple[Path, Subject]]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for path, _ in files:
        with suppress(FileNotFoundError):
            counted.update(keys_needed(path))
    return counted


def rotate(folders: Folders, ring: KeyRing) -> Rotated:
    """Wrap everything with the active key. Safe beside running parts, and to repeat after a kill.

    Raises KeyMissing, OSError.
    """
    wrapped = 0
    while True:  # a file may move to a folder that was looked at before: until a whole look finds nothing to do
        done, damaged = _pass(folders, ring)
        wrapped += done
        if not done:
            return Rotated(wrapped, tuple(damaged))


def _pass(folders: Folders, ring: KeyRing) -> tuple[int, list[Path]]:
    done, damaged = 0, []
    for path, subject in _files(folders):
        try:
            done += rewrap(path, subject, ring)
        except FileNotFoundError:
            continue
        except Damaged:
            damaged.append(path)
    return done, damaged


def _files(folders: Folders) -> Iterator[tuple[Path, Subject]]:
    """Every sealed file but the key check, and what it is."""
    yield from _received(folders)
    yield from cached_files(folders.cache)


def _received(folders: Folders) -> Iterator[tuple[Path, Subject]]:
    for path in _entries(folders):
        yield path, subject_of(path.name)
    for path in (folders.inbox / "refused").glob("*"):
        yield path, subject_of_note(path.name)


def _entries(folders: Folders) -> Iterator[Path]:
    for folder in (*(folders.inbox / name for name in ("new", "held", "damaged")), folders.quarantine):
        if folder.exists():
            yield from (folder / name for name in os.listdir(folder) if is_key(name))  # noqa: PTH208 - thousands
