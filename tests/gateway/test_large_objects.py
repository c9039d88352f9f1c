"""An object of any size goes through the worker in little memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEGABYTES = 300

PROGRAM = f"""
import hashlib, resource, struct, sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.database import connect
from gateway.grace import Grace
from gateway.ingest import Ingest
from gateway.proving import Proving
from orthanc.archive import Archive
from orthanc.cache import ReadCache
from scp.arrival import Arrival
from scp.inbox import Inbox
from scp.part10 import split_part10
from worklist.models import Instance

folder, database_url, archive_url, password, head = Path(sys.argv[1]), *sys.argv[2:5], Path(sys.argv[5]).read_bytes()
database, archive = connect(database_url), Archive(archive_url, "overread", password)
inbox, pool = Inbox(folder / "inbox"), ThreadPoolExecutor(4)
cache = ReadCache(folder / "cache", 1 << 30, archive)
(folder / "quarantine").mkdir()
grace = Grace(inbox, archive, database, pool, 0.0)
ingest = Ingest(inbox, archive, database, folder / "quarantine", grace, pool)
proving = Proving(inbox, archive, cache, grace, pool)

syntax, data_set = split_part10(head)
arrival = Arrival("site:1", "H", "1.2.840.10008.5.1.4.1.1.7.2", "1.2.3", "1.2.4", "1.2.5", syntax, datetime.now(UTC))
digest = hashlib.sha256()
with inbox.begin() as writing:
    pixels = struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OB", 0, {MEGABYTES} << 20)
    for piece in (bytes(data_set), pixels, *[bytes(1 << 20)] * {MEGABYTES}):
        writing.write(piece)
        digest.update(piece)
    writing.keep(arrival)

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
while ingest.step() or proving.step():
    pass
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
with database.reading() as session:
    (row,) = session.query(Instance)
assert (row.sha256, row.frames, row.rows) == (digest.hexdigest(), {MEGABYTES}, 1024), row.frames
assert len(inbox.held(9, timedelta(0))) == 1
grace.step()
assert inbox.backlog().count == 0 and not list((folder / "inbox" / "held").iterdir())
again = hashlib.sha256()
pieces = archive.stream(row.archive_id)
start = b"".join(next(pieces) for _ in range(2))
again.update(split_part10(start)[1])
for piece in pieces:
    again.update(piece)
assert again.hexdigest() == digest.hexdigest()
print(f"grown by {{grown:.0f}} MB")
assert grown < 100
archive.delete(row.archive_id)
"""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_large_object_comes_into_the_archive_in_little_memory(database_url, archive_server, make, tmp_path) -> None:
    """Ingest once read whole objects into memory: 300 MB grew it by 900."""
    head = make(SOPInstanceUID="1.2.3", StudyInstanceUID="1.2.4", SeriesInstanceUID="1.2.5",
                SOPClassUID="1.2.840.10008.5.1.4.1.1.7.2", Rows=1024, Columns=1024, BitsAllocated=8, BitsStored=8,
                HighBit=7, NumberOfFrames=MEGABYTES)  # fmt: skip
    file = tmp_path / "head"
    file.write_bytes(head[: head.index(b"\xe0\x7f\x10\x00OW")])
    arguments = [str(tmp_path), database_url, archive_server.url, archive_server.password, str(file)]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
