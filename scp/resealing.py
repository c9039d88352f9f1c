"""Sealing an entry that lies in clear, in its place and under its name."""

from pathlib import Path

from config.keys import KeyRing
from config.sealing import Room, Sealer
from scp import entry, plain_entry
from scp.durable import Unfinished


def seal(path: Path, tmp: Path, ring: KeyRing) -> None:
    """Replace a plain entry by a sealed one, durably and all at once. Raises Damaged, OSError: it is as it was then."""
    arrival, dataset = plain_entry.read_head(path).arrival, plain_entry.read_dataset(path)
    made = Unfinished(tmp / f"{path.name}.sealing")
    try:
        sealer = Sealer(made.descriptor, entry.subject_of(path.name), Room())
        sealer.write(dataset)
        sealer.finish(entry.note_of(path.name, arrival), ring)
        made.finish(path)
    finally:
        made.drop()
