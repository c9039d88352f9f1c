"""A site's archive that is asked and fetched from by DICOMweb: QIDO-RS and WADO-RS (PS3.18 sections 10.4 and 10.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import requests
from dicomweb_client.api import DICOMwebClient
from werkzeug.http import parse_options_header

from dicomweb.received import CHUNK, BadBody, Part, StoreLimits, TooLarge, read_parts
from gateway.door import looked_at, put
from gateway.web_peer import WebPeer
from scp.arrival import DICOMWEB, FETCHED
from scp.asked import (
    MOST_INSTANCES,
    MOST_STUDIES,
    CalledOff,
    FoundStudy,
    Listed,
    Patient,
    Wanted,
    said,
    well_formed,
)
from scp.part10 import NotDicom
from scp.reasons import Unacceptable
from scp.retrieving import Intake
from scp.sender import Failure, PeerRefused, PeerUnavailable
from scp.showing import date_or_nothing

PAGE: Final = 1000
AS_KEPT: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
ROOM: Final = 64 << 10
"""For what stands around one object in its answer."""
NOT_THERE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.NOT_ACCEPTABLE})
_FIELDS: Final = ("StudyDescription", "IssuerOfPatientID", "PatientBirthDate", "PatientName", "ModalitiesInStudy",
                  "NumberOfStudyRelatedInstances", "BodyPartExamined")  # fmt: skip
Answer = Mapping[str, Any]
"""One match in the DICOM JSON model (PS3.18 Annex F), of a stranger."""


@dataclass(frozen=True, slots=True)
class WebArchive:
    """Everything raises PeerUnavailable (try again) or PeerRefused. `study_seconds`: for fetching one study in all.

    What comes lies in `spool` until it was screened; from there it goes into the inbox.
    """

    peer: WebPeer
    study_seconds: float
    intake: Intake
    spool: Path

    def __str__(self) -> str:
        return str(self.peer)

    def test(self) -> None:
        """Return if it answers a search, for a study of nobody."""
        self.peer.echo()

    def studies_of(self, patient: Patient) -> list[FoundStudy]:
        """Every study that it shows under this Patient ID; nothing is compared here."""
        with self.peer.calling() as client:
            filters = {"PatientID": patient.patient_id}
            found = client.search_for_studies(search_filters=filters, fields=_FIELDS, limit=MOST_STUDIES + 1)
            self._require_few(found, MOST_STUDIES)
            read = [_study(each) for each in found]
        return [one for one in read if well_formed([one.study_uid])]

    def instances_of(self, study_uid: str) -> tuple[Listed, ...]:
        """Every instance that it shows of this study, page by page."""
        listed: dict[str, Listed] = {}
        with self.peer.calling() as client:
            for page in self._pages(client, study_uid):
                fresh = {one.sop_uid: one for one in map(_listed, page) if well_formed([one.sop_uid, one.series_uid])}
                if not fresh.keys() - listed.keys():  # the end, or a server that knows no offset
                    break
                listed |= fresh
                self._require_few(listed, MOST_INSTANCES)
        return tuple(listed.values())

    def fetch(self, wanted: Wanted) -> int:
        """Take every instance of one study that is not here; how many it could not send. Raises CalledOff."""
        lacking, patient = 0, replace(self.peer, in_all=self.study_seconds)
        with patient.calling(most=self.intake.object_bytes + ROOM) as client:
            for one in wanted.listed:
                if not wanted.goes_on():
                    raise CalledOff
                if one.sop_uid not in wanted.here:
                    lacking += not self._take(client, wanted, one)
        return lacking

    def _pages(self, client: DICOMwebClient, study_uid: str) -> Iterator[Sequence[Answer]]:
        for offset in range(0, MOST_INSTANCES + PAGE, PAGE):
            page: Sequence[Answer] = client.search_for_instances(study_uid, limit=PAGE, offset=offset)
            yield page
            if len(page) < PAGE:
                return

    def _take(self, client: DICOMwebClient, wanted: Wanted, one: Listed) -> bool:
        """Fetch one instance into the inbox; False where the archive does not have it after all."""
        path = f"/studies/{wanted.study_uid}/series/{one.series_uid}/instances/{one.sop_uid}"
        try:
            with client._http_get(self.peer.base_url + path, headers={"Accept": AS_KEPT}, stream=True) as answer:
                self._read(answer, wanted, one)
        except requests.HTTPError as error:
            if error.response is None or error.response.status_code not in NOT_THERE:
                raise
            return False
        return True

    def _read(self, answer: requests.Response, wanted: Wanted, one: Listed) -> None:
        boundary = parse_options_header(answer.headers.get("Content-Type", ""))[1].get("boundary", "")
        largest = self.intake.object_bytes
        limits = StoreLimits(part_bytes=largest, total_bytes=largest + ROOM, parts=1)
        try:
            read_parts(_Reading(answer), boundary, limits, self.spool, lambda part: self._keep(part, wanted, one))
        except BadBody as error:
            raise PeerUnavailable(f"{self} sends an image that is no whole answer: {error}") from error
        except (TooLarge, NotDicom, Unacceptable) as error:
            raise PeerRefused(f"{self} sends an image that we do not take: {error}") from error

    def _keep(self, part: Part, wanted: Wanted, one: Listed) -> None:
        looked = looked_at(part.content)
        if (looked.identity.study_uid, looked.identity.sop_uid) != (wanted.study_uid, one.sop_uid):
            raise PeerRefused(f"{self} sends another image than the one that was asked for.")
        put(self.intake.inbox, looked, wanted.origin, DICOMWEB, fetched=FETCHED)

    def _require_few(self, found: Iterable[object], most: int) -> None:
        if len(list(found)) > most:
            raise PeerRefused(f"{self} answers a query with more than {most:,} matches.", Failure.OTHER)


class _Reading:
    """The body of an answer as a stream."""

    def __init__(self, answer: requests.Response) -> None:
        self._pieces = answer.iter_content(CHUNK)

    def read(self, size: int, /) -> bytes:
        """Return the next piece, whatever its size; nothing at the end."""
        del size
        return next(self._pieces, b"")


def _study(found: Answer) -> FoundStudy:
    counted = _value(found, "00201208")
    return FoundStudy(
        _value(found, "0020000D"),
        Patient(*(_value(found, tag) for tag in ("00100020", "00100021", "00100010", "00100030"))),
        date_or_nothing(_value(found, "00080020")),
        _value(found, "00081030"),
        _values(found, "00080061"),
        _values(found, "00180015"),
        int(counted) if counted.isdecimal() else None,
    )


def _listed(found: Answer) -> Listed:
    return Listed(_value(found, "00080018"), _value(found, "00080016"), _value(found, "0020000E"))


def _value(found: Answer, tag: str) -> str:
    return next(iter(_values(found, tag)), "")


def _values(found: Answer, tag: str) -> tuple[str, ...]:
    """The values of an attribute as text; of a person name its component groups, joined as DICOM has them."""
    several = found.get(tag, {}).get("Value") or []
    return tuple(_text(each) for each in several[:64])


def _text(value: object) -> str:
    if isinstance(value, dict):
        groups = (str(value.get(name, "")) for name in ("Alphabetic", "Ideographic", "Phonetic"))
        value = "=".join(groups).rstrip("=")
    return "" if value is None else said(value)
