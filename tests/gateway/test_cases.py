"""A case that became READY opens at once: what the viewer asks first lies baked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.baking import baking_of
from gateway.cases import settle_complete_studies, soon_complete
from orthanc.shelf import BAKED
from worklist.models import Case, Study
from worklist.states import CaseState

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def baked(web) -> set[str]:
    return {file.name for file in (web.world.folders.cache / BAKED).rglob("*") if file.is_file()}


def test_a_ready_case_has_its_metadata_baked_once_for_every_root(web, people, settled) -> None:
    baking_of(web.parts).step()
    ahead = baked(web)
    assert len(ahead) == 2
    boss, accept = people.coordinator(), {"Accept": "application/dicom+json"}
    for series in ("1.2.3.1", "1.2.3.2"):
        for root in (f"/dicom-web/cases/{settled}", "/dicom-web"):
            path = f"{root}/studies/1.2.3/series/{series}"
            said = web.ask(boss, "GET", f"{path}/metadata", headers=accept)
            assert f"{path}/instances/" in said.text
    assert baked(web) == ahead


def test_a_case_is_ready_although_its_metadata_cannot_be_baked_now(web, people) -> None:
    """An instance that neither the cache nor the archive can give."""
    site = people.site()
    web.world.receive(web.world.make(), f"site:{site}")
    web.world.carry()
    with web.database.writing() as session:
        study = session.query(Study).one()
        study.last_at -= timedelta(hours=1)
        study.series[0].instances[0].sha256, study.series[0].instances[0].archive_id = "0" * 64, "no-such-instance"
    settle_complete_studies(web.parts)
    baking_of(web.parts).step()
    with web.database.reading() as session:
        assert session.query(Case).one().state is CaseState.READY


def test_the_clock_is_watched_only_while_a_study_is_on_its_way(web, people) -> None:
    studies = web.parts.settings.studies
    assert not soon_complete(web.database, studies)
    web.world.receive(web.world.make(), f"site:{people.site()}")
    web.world.carry()
    assert soon_complete(web.database, studies)
    with web.database.writing() as session:
        session.query(Study).one().last_at -= timedelta(hours=1)
    assert not soon_complete(web.database, studies), "an upload into a draft may lie for days"
