"""The two roots of the DICOMweb front, with the same routes below both (docs/adr/0005).

`/dicom-web` shows whatever one may see, of each Study Instance UID one origin. `/dicom-web/cases/<case id>` shows
the studies of that case alone: what a person looks at is bound to the case.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from flask import Blueprint, Response

URL_PREFIX: Final = "/dicom-web"
CASE: Final = "case_id"
ROOTS: Final = ("", f"/cases/<{CASE}>")

_CASE_ID = re.compile(r"[1-9][0-9]{0,8}")


def add_route(blueprint: Blueprint, rule: str, endpoint: str, view: Callable[..., Response], method: str) -> None:
    """Let one view answer below both roots; `rights.guard` takes the case out of the path before the view sees it."""
    for root in ROOTS:
        blueprint.add_url_rule(f"{root}{rule}", endpoint, view, methods=[method])


def case_id_of(text: str) -> int | None:
    """Return the case that a path names, None for what cannot be the number of one."""
    return int(text) if _CASE_ID.fullmatch(text) else None


def root_url(base_url: str, case_id: int | None) -> str:
    """Return the public URL of a root, below which every URL stays that is written into its answers."""
    return base_url if case_id is None else f"{base_url}/cases/{case_id}"
