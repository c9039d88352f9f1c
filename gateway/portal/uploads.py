"""The browser's upload: one file is the body of one request, written to disk as it comes, never whole in memory."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import flask
from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.installation import Folders
from gateway.portal.rights import asking
from gateway.portal.services import PortalServices
from worklist import cases
from worklist.lifecycle import WrongState
from worklist.states import CaseState

CHUNK = 1 << 20
LONGEST_NAME = 300
TAKES_IMAGES = frozenset({CaseState.DRAFT, CaseState.AWAITING_IMAGES})


class CutShort(Exception):
    """The body ended before its announced length: the connection was lost."""


def add_pages(portal: Blueprint, services: PortalServices) -> None:
    """`POST /cases/<id>/files?name=…` with the file as body: answers with a verdict for it, or for a zip's entries."""
    folder = Folders(services.settings.data).uploads

    @portal.post("/cases/<int:case_id>/files")
    def upload(case_id: int) -> ResponseReturnValue:
        who = asking()
        with services.database.reading() as session:
            if cases.get(session, who, case_id).state not in TAKES_IMAGES:
                raise WrongState("This request was sent; images cannot be added to it any more.")
        name = flask.request.args.get("name", "").strip()[-LONGEST_NAME:] or "file"
        if (flask.request.content_length or 0) > services.settings.http.max_upload_bytes:
            flask.abort(413)
        try:
            with _on_disk(folder, services.settings.http.max_upload_bytes) as path:
                verdicts = services.keep_upload(who, case_id, path, name)
        except CutShort:
            return {"detail": "The file did not arrive whole."}, 400
        return {"verdicts": [asdict(each) for each in verdicts]}


@contextmanager
def _on_disk(folder: Path, most: int) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
    try:
        _write(path, most)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _write(path: Path, most: int) -> None:
    expected, written = flask.request.content_length, 0
    with path.open("xb") as out:
        while chunk := flask.request.stream.read(CHUNK):
            written += len(chunk)
            if written > most:
                flask.abort(413)
            out.write(chunk)
    if expected is not None and written != expected:
        raise CutShort
