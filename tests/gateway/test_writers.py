"""Several workers write rows about the same studies at the same moment."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError

import pytest
from pydicom.uid import generate_uid

from gateway import recording
from gateway.identity import OTHER_CONTENT
from gateway.taken import Archived, Facts, Rejected
from orthanc.header import read_header
from scp.part10 import split_part10
from worklist.models import Study

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def test_two_workers_that_write_about_the_same_two_studies_wait_for_each_other_in_one_order(
    world, make, monkeypatch
) -> None:
    """Each held the study of what it had archived, and wanted that of what it kept aside: PostgreSQL ended one."""
    uids = [{"StudyInstanceUID": f"1.2.{n}", "SOPInstanceUID": f"1.2.{n}.1"} for n in range(2)]
    for each in uids:
        world.receive(make(**each))
    world.carry()
    with world.database.writing() as session:
        for study in session.query(Study):
            study.fetched = True
    batches = [_batch(world, make, fresh, aside) for fresh, aside in (uids, reversed(uids))]
    both, write_aside = Barrier(2), recording.note_quarantine

    def together(*args) -> None:
        with suppress(BrokenBarrierError):
            both.wait(2)
        write_aside(*args)

    monkeypatch.setattr(recording, "note_quarantine", together)
    with ThreadPoolExecutor(2) as pool:
        written = [pool.submit(recording.write_rows, world.database, *each) for each in batches]
        assert [len(each.result()[0]) for each in written] == [1, 1]


def _batch(world, make, fresh: dict[str, str], aside: dict[str, str]) -> tuple[list[Archived], list[Rejected]]:
    """One new image of a study, and another version of an image of another study."""
    facts = []
    for part10 in (make(**fresh | {"SOPInstanceUID": generate_uid()}), make(**aside, StudyDescription="other")):
        entry, digest = world.receive(part10), hashlib.sha256(split_part10(part10)[1]).hexdigest()
        facts.append(Facts(entry, read_header(part10), digest))
    new, other = facts
    return [Archived(new, "somewhere", replaces=False)], [Rejected(other.entry, OTHER_CONTENT, other.header)]
