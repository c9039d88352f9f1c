"""What was sealed opens as it was, or not at all."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from config.key_file import file_ring_made
from config.keys import Key, KeyMissing, KeyRing, Keys
from config.rewrapping import keys_needed, rewrap
from config.sealed_head import HEAD_SIZE, NOTE_AT, SLOT_SIZE, TAG_BYTES
from config.sealing import CHUNK, Damaged, Room, Sealed, Sealer, Subject

ONE, OTHER = Subject("test", "one"), Subject("test", "other")
STEP = CHUNK + TAG_BYTES
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 7 * CHUNK + 5)


def ring_of(*keys: Key) -> KeyRing:
    return KeyRing("a test", lambda: Keys(keys[0], keys), lambda: None)


@pytest.fixture
def ring() -> KeyRing:
    return ring_of(Key(bytes(32)))


@pytest.fixture
def seal(tmp_path: Path, ring: KeyRing) -> Callable[..., Path]:
    def make(content: bytes, subject: Subject = ONE, note: bytes = b"note", pieces: int = 1 << 30) -> Path:
        path = tmp_path / f"{subject.id}.{os.urandom(4).hex()}"
        with path.open("xb") as file:
            sealer = Sealer(file.fileno(), subject, Room())
            for at in range(0, len(content), pieces):
                sealer.write(memoryview(content)[at : at + pieces])
            sealer.finish(note, ring)
        return path

    return make


def opened(path: Path, ring: KeyRing, subject: Subject = ONE) -> tuple[bytes, bytes]:
    with Sealed(path, ring, subject) as sealed:
        return sealed.note, b"".join(sealed.pieces())


@pytest.mark.parametrize("size", SIZES)
def test_content_of_any_size_comes_out_as_it_went_in_however_it_came(seal, ring, size) -> None:
    content = random.Random(size).randbytes(size)
    for pieces in (1 << 30, 131_060, CHUNK, 77_777):
        path = seal(content, pieces=pieces)
        assert opened(path, ring) == (b"note", content)
        with Sealed(path, ring, ONE) as sealed:
            assert sealed.size == size


def test_any_range_is_read_through_the_chunks_that_hold_it(seal, ring) -> None:
    content = random.Random(1).randbytes(3 * CHUNK + 9)
    with Sealed(seal(content), ring, ONE) as sealed:
        for start in (0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 5, len(content) - 1, len(content), len(content) + CHUNK):
            for size in (0, 1, CHUNK, CHUNK + 2, len(content)):
                assert sealed.read(start, size) == content[start : start + size]


def test_a_chunk_that_is_not_read_need_not_be_whole(seal, ring) -> None:
    path = seal(bytes(3 * CHUNK))
    spoil(path, HEAD_SIZE + STEP + 7)
    with Sealed(path, ring, ONE) as sealed:
        assert sealed.read(0, CHUNK) == bytes(CHUNK)
        assert sealed.read(2 * CHUNK, CHUNK) == bytes(CHUNK)
        with pytest.raises(Damaged):
            sealed.read(CHUNK - 1, 2)


def test_nothing_of_the_content_or_the_note_lies_on_the_disk(seal) -> None:
    raw = seal(b"Synthetic^Person" * 20_000, note=b"HOSPITAL").read_bytes()
    assert b"Synthetic" not in raw
    assert b"HOSPITAL" not in raw


def test_the_same_content_is_never_sealed_alike(seal) -> None:
    one, two = seal(bytes(1000)).read_bytes(), seal(bytes(1000)).read_bytes()
    assert one[HEAD_SIZE:] != two[HEAD_SIZE:]
    assert one[:SLOT_SIZE] != two[:SLOT_SIZE]


def test_no_nonce_is_used_twice_in_a_file(seal) -> None:
    """Twice the same nonce would give the difference of two chunks away, and the key that proves them."""
    raw = seal(bytes(4 * CHUNK), note=bytes(500)).read_bytes()
    chunks = [raw[at : at + CHUNK] for at in range(HEAD_SIZE, len(raw), STEP)]
    starts = [chunk[:64] for chunk in chunks] + [raw[NOTE_AT + 2 + 8 :][:56] + chunks[0][56:64]]
    assert len(set(starts)) == 5
    assert starts[-1][:56] != chunks[0][8:64]


def spoil(path: Path, at: int, bit: int = 0) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1 << bit
    path.write_bytes(raw)


def true_or_damaged(path: Path, ring: KeyRing, content: bytes, subject: Subject = ONE) -> bool:
    """Whether it is Damaged; content that is not the true one fails the test."""
    try:
        assert opened(path, ring, subject) == (b"note", content)
    except Damaged:
        return True
    return False


def test_any_changed_bit_of_note_or_content_is_damage_and_none_gives_other_content(seal, ring) -> None:
    content = random.Random(2).randbytes(2 * CHUNK + 100)
    path = seal(content)
    whole = path.read_bytes()
    note_end = NOTE_AT + 2 + int.from_bytes(whole[NOTE_AT : NOTE_AT + 2], "little")
    places = [*range(NOTE_AT, note_end), *random.Random(3).sample(range(HEAD_SIZE, len(whole)), 150), len(whole) - 1]
    for at in places:
        spoil(path, at, at % 8)
        assert true_or_damaged(path, ring, content), at
        path.write_bytes(whole)
    for at in range(0, NOTE_AT, 3):  # one slot is enough to open it
        spoil(path, at, at % 8)
        assert not true_or_damaged(path, ring, content), at
        spoil(path, (at + SLOT_SIZE) % NOTE_AT, at % 8)
        assert true_or_damaged(path, ring, content), at
        path.write_bytes(whole)


def test_what_is_cut_off_or_appended_is_damage(seal, ring) -> None:
    content = random.Random(4).randbytes(3 * CHUNK)
    path = seal(content)
    whole = path.read_bytes()
    for size in (0, 100, SLOT_SIZE, HEAD_SIZE - 1, HEAD_SIZE, HEAD_SIZE + STEP, HEAD_SIZE + 2 * STEP, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert true_or_damaged(path, ring, content), size
    for more in (b"\0", bytes(TAG_BYTES), whole[-STEP:]):
        path.write_bytes(whole + more)
        assert true_or_damaged(path, ring, content)


def test_chunks_that_change_places_are_damage(seal, ring) -> None:
    content = random.Random(5).randbytes(4 * CHUNK)
    path, twin = seal(content), seal(content)
    whole, alike = path.read_bytes(), twin.read_bytes()
    chunks = [whole[HEAD_SIZE + number * STEP :][:STEP] for number in range(4)]
    for one, two in ((0, 1), (1, 2), (0, 3), (2, 3)):
        moved = list(chunks)
        moved[one], moved[two] = moved[two], moved[one]
        path.write_bytes(whole[:HEAD_SIZE] + b"".join(moved))
        assert true_or_damaged(path, ring, content)
    path.write_bytes(whole[:HEAD_SIZE] + chunks[0] + chunks[0] + b"".join(chunks[2:]))
    assert true_or_damaged(path, ring, content)
    for start in (0, NOTE_AT, HEAD_SIZE, HEAD_SIZE + STEP):  # parts of a file with the very same content
        path.write_bytes(whole[:start] + alike[start : start + STEP] + whole[start + STEP :])
        if start:
            assert true_or_damaged(path, ring, content)


def test_a_file_under_another_name_or_purpose_is_damage(seal, ring) -> None:
    path = seal(b"content")
    for subject in (OTHER, Subject("other", "one")):
        with pytest.raises(Damaged):
            opened(path, ring, subject)


def test_a_wrong_key_is_named_and_is_no_damage(seal) -> None:
    path = seal(b"content")
    wanted = Key(bytes(32)).id
    with pytest.raises(KeyMissing, match=wanted):
        opened(path, ring_of(Key(b"x" * 32)))


def test_rotation_changes_the_head_alone_and_the_old_key_is_needed_no_more(seal, ring) -> None:
    content = random.Random(6).randbytes(2 * CHUNK)
    path = seal(content)
    whole, times = path.read_bytes(), path.stat().st_mtime_ns
    fresh = Key(b"n" * 32)
    both = ring_of(fresh, Key(bytes(32)))
    assert rewrap(path, ONE, both)
    assert not rewrap(path, ONE, both)
    assert keys_needed(path) == {fresh.id}
    assert opened(path, ring_of(fresh)) == (b"note", content)
    assert path.read_bytes()[NOTE_AT:] == whole[NOTE_AT:]
    assert path.stat().st_mtime_ns == times
    with pytest.raises(KeyMissing):
        opened(path, ring)


@pytest.mark.parametrize("written", [0, 1, 8, 40, 100, SLOT_SIZE - 1, SLOT_SIZE])
@pytest.mark.parametrize("slot", [0, 1])
def test_a_rotation_that_was_cut_off_anywhere_loses_nothing_and_goes_on(seal, ring, slot, written) -> None:
    path = seal(b"content")
    before = path.read_bytes()
    fresh = Key(b"n" * 32)
    both = ring_of(fresh, Key(bytes(32)))
    rewrap(path, ONE, both)
    after = path.read_bytes()
    cut = slot * SLOT_SIZE + written  # the slots are written in this order
    path.write_bytes(after[:cut] + before[cut:])
    assert opened(path, both) == (b"note", b"content")
    rewrap(path, ONE, both)
    assert keys_needed(path) == {fresh.id}
    assert opened(path, ring_of(fresh)) == (b"note", b"content")


def test_what_was_never_finished_opens_for_nobody(tmp_path, ring) -> None:
    path = tmp_path / "half"
    with path.open("xb") as file:
        Sealer(file.fileno(), ONE, Room()).write(bytes(20 * CHUNK))
    assert path.stat().st_size > 0
    assert not keys_needed(path)
    with pytest.raises(Damaged):
        opened(path, ring)


def test_a_new_key_in_the_file_is_seen_without_a_restart(tmp_path) -> None:
    from config.key_file import with_new_key, write_keys

    file = tmp_path / "keys.json"
    ring = file_ring_made(file)
    first = ring.active()
    write_keys(file, with_new_key(ring.keys()))
    assert ring.active() != first
    assert ring.find(first.id) == first
    file.unlink()
    with pytest.raises(FileNotFoundError):  # nothing may be sealed with a key that is nowhere
        ring.active()
