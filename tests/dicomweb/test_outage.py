"""Claims about an archive that is gone: what is in the read cache is served, the rest is told to be asked again."""

from __future__ import annotations

from pydicom.uid import generate_uid
from sqlalchemy import select

from worklist.models import Instance

OHIF = "multipart/related; type=application/octet-stream; transfer-syntax=*"


def test_a_read_study_opens_without_an_archive_and_another_one_is_503(own_world, own_archive_server):
    world = own_world
    read, unread = (world.instance("CT_small.dcm", generate_uid()) for _ in range(2))
    for one in (read, unread):
        world.study(one)
    assert world.get(f"{read.path}/frames/1", Accept=OHIF).status_code == 200
    own_archive_server.kill()
    study, series = f"/studies/{read.study_uid}", f"/studies/{read.study_uid}/series/{read.series_uid}"
    opening = [
        f"/studies?StudyInstanceUID={read.study_uid}", f"{study}/series", f"{series}/metadata", f"{study}/metadata",
        f"{read.path}/frames/1", f"{read.path}/thumbnail", f"{study}/thumbnail",
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
    assert world.get(f"{unread.path}/frames/1", Accept=OHIF).status_code == 200


def test_an_archive_that_lost_an_instance_is_our_fault_and_said_so(world):
    sent = world.instance("CT_small.dcm", generate_uid())
    world.study(sent)
    with world.database.reading() as session:
        archive_id = session.scalars(select(Instance.archive_id).where(Instance.sop_uid == sent.sop_uid)).one()
    world.archive.delete(archive_id)
    response = world.get(f"{sent.path}/frames/1", Accept=OHIF)
    assert (response.status_code, response.headers["Content-Type"]) == (500, "application/problem+json")
