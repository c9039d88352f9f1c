"""Claims about an archive that is gone: what is in the read cache is served, the rest is told to be asked again."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

from pydicom.uid import generate_uid
from sqlalchemy import select

from worklist.models import Instance

OHIF = "multipart/related; type=application/octet-stream; transfer-syntax=*"


def test_a_read_study_opens_without_an_archive_and_another_one_is_503(own_world, own_archive_server, wait_for):
    world = own_world
    read, unread = (world.instance("CT_small.dcm", generate_uid()) for _ in range(2))
    for one in (read, unread):
        world.study(one)
    assert world.get(f"{read.path}/frames/1", Accept=OHIF).status_code == 200
    own_archive_server.kill()
    study, series = f"/studies/{read.study_uid}", f"/studies/{read.study_uid}/series/{read.series_uid}"
    opening = [
        f"/studies?StudyInstanceUID={read.study_uid}", f"{study}/series", f"{series}/metadata", f"{study}/metadata",
        f"{read.path}/frames/1", f"{read.path}/thumbnail", f"{study}/thumbnail", f"{series}/thumbnail",
        f"{read.path}/frames/1/rendered", f"{read.path}/rendered", f"{read.path}/bulk/7FE00010", read.path, series,
    ]  # fmt: skip
    assert [world.get(path).status_code for path in opening] == [200] * len(opening)
    assert world.get(study, Accept="*/*").status_code == 200
    for path in ("/frames/1", "/metadata", "/thumbnail", "/bulk/7FE00010", ""):
        response = world.get(f"{unread.path}{path}")
        assert response.status_code == 503, path
        assert response.headers["Retry-After"] == "5"
        assert response.headers["Content-Type"] == "application/problem+json"
        assert world.get(f"{unread.path}{path}", "chest").status_code == 404
    assert world.get(f"/studies/{unread.study_uid}").status_code == 503
    assert world.get(f"/studies?StudyInstanceUID={unread.study_uid}").status_code == 200
    own_archive_server.start()
    wait_for(lambda: world.get(f"{unread.path}/frames/1", Accept=OHIF).status_code == 200, 30)


def test_an_archive_that_hangs_is_asked_by_few_and_holds_nobody_else_up(own_world, own_archive_server, wait_for):
    """Each image that was asked for held a thread until the archive's timeout was over."""
    world, asked, stream = own_world, [], own_world.archive.stream
    study, series = generate_uid(), generate_uid()
    read = world.instance("CT_small.dcm", generate_uid())
    unread = [world.instance("CT_small.dcm", study, series) for _ in range(40)]
    world.study(read)
    world.study(*unread)
    assert world.get(f"{read.path}/frames/1", Accept=OHIF).status_code == 200
    world.archive.stream = lambda *which: (asked.append(which), stream(*which))[1]
    own_archive_server.process.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda one: world.get(f"{one.path}/frames/1", Accept=OHIF), unread))
        assert world.get(f"{read.path}/frames/1", Accept=OHIF).status_code == 200
    assert {(one.status_code, one.headers["Retry-After"]) for one in answers} == {(503, "5")}
    assert 1 <= len(asked) <= 8
    own_archive_server.process.send_signal(signal.SIGCONT)
    wait_for(lambda: world.get(f"{unread[0].path}/frames/1", Accept=OHIF).status_code == 200, 30)
    assert {world.get(f"{one.path}/frames/1", Accept=OHIF).status_code for one in unread} == {200}


def test_an_archive_that_lost_an_instance_is_asked_again_later(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    with world.database.reading() as session:
        archive_id = session.scalars(select(Instance.archive_id).where(Instance.sop_uid == sent.sop_uid)).one()
    world.archive.delete(archive_id)
    response = world.get(f"{sent.path}/frames/1", Accept=OHIF)
    assert (response.status_code, response.headers["Content-Type"]) == (503, "application/problem+json")
    assert response.headers["Retry-After"] == "5"
