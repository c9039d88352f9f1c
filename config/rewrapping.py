"""Rotation: the data key of a sealed file is wrapped anew; the content stays as it is.

One slot is replaced and made durable before the other is touched, so that a kill at any moment leaves one that opens.
"""

from __future__ import annotations

import os
from pathlib import Path

from config.keys import Key, KeyRing
from config.sealed_head import NOTE_AT, SLOTS_AT, Damaged, Subject, intact_slots, make_slot, open_slots


def keys_needed(path: Path) -> frozenset[str]:
    """The ids of the keys that the head names; none for what is no sealed file. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        head = file.read(NOTE_AT)
    return frozenset(slot.key_id for slot in intact_slots(head) if slot is not None)


def rewrap(path: Path, subject: Subject, ring: KeyRing) -> bool:
    """Wrap the data key with the active key, durably; False if it is already. The file's times stay as they are.

    Raises Damaged, KeyMissing, OSError; repeating it after any of them, or after a kill, is safe.
    """
    active = ring.active()
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return _rewrap(descriptor, subject, ring, active)
    finally:
        os.close(descriptor)


def _rewrap(descriptor: int, subject: Subject, ring: KeyRing, active: Key) -> bool:
    head = os.pread(descriptor, NOTE_AT, 0)
    slots = intact_slots(head)
    if all(slot is not None and slot.key_id == active.id for slot in slots):
        return False
    data_key = open_slots(head, ring, subject)
    before = os.fstat(descriptor)
    fresh = make_slot(data_key, active, subject)
    for at in sorted(SLOTS_AT, key=lambda at: slots[SLOTS_AT.index(at)] is not None):  # a torn one first
        if os.pwrite(descriptor, fresh, at) != len(fresh):
            raise Damaged(f"the head of {subject.id} could not be written whole")
        os.fsync(descriptor)
    os.utime(descriptor, ns=(before.st_atime_ns, before.st_mtime_ns))
    return True
