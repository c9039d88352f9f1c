"""Rows, people and a running DICOMweb server for the claims of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.database import Database, connect
from worklist.schema import upgrade


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database with our tables."""
    opened = connect(f"sqlite:///{tmp_path / 'rows.db'}")
    upgrade(opened)
    yield opened
    opened.close()
