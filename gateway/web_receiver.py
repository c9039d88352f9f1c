"""A hospital's archive reached by DICOMweb: is it there, take this (STOW-RS), do you have it (QIDO-RS).

It says what `scp.sender` says: PeerUnavailable is tried again, PeerRefused needs a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread

from gateway.web_peer import FOR_A_WHILE, WebPeer
from scp.sender import PeerRefused, PeerUnavailable
from scp.statuses import Outcome, meaning_of

_SOP_UID: Final = "00080018"


@dataclass(frozen=True, slots=True)
class WebReceiver(WebPeer):
    """A receiver of reports."""

    def send(self, part10s: Sequence[bytes]) -> None:
        """Store objects, and return only if the answer names every one as stored (PS3.18 table 10.5.3-3).

        Raises PeerRefused if an object needs a person, else PeerUnavailable if one is to be sent again.
        """
        datasets = [dcmread(BytesIO(each)) for each in part10s]
        with self.calling(self._refusal) as client:
            answer = client.store_instances(datasets)
        self._require_stored(answer, [str(each.SOPInstanceUID) for each in datasets])

    def has_instances(self, study_uid: str, sop_uids: Sequence[str]) -> bool:
        """Tell whether it shows all these instances in that study. Raises PeerUnavailable, PeerRefused."""
        with self.calling(self._refusal) as client:
            return all(_shows(client, study_uid, each) for each in sop_uids)

    def _require_stored(self, answer: Dataset, sop_uids: Sequence[str]) -> None:
        self._require_no_failure(answer)
        stored = {str(each.ReferencedSOPInstanceUID) for each in answer.get("ReferencedSOPSequence", [])}
        missing = [each for each in sop_uids if each not in stored]
        if missing:
            raise PeerUnavailable(f"{self} does not say that it stored {len(missing)} of {len(sop_uids)} objects.")

    def _require_no_failure(self, answer: Dataset) -> None:
        failed = [
            (str(item.ReferencedSOPInstanceUID), meaning_of(int(item.get("FailureReason", 0xFFFF))))
            for item in answer.get("FailedSOPSequence", [])
        ]
        for outcome, error in ((Outcome.ASK_A_PERSON, PeerRefused), (Outcome.TRY_AGAIN, PeerUnavailable)):
            if any(meaning.outcome is outcome for _, meaning in failed):
                told = "; ".join(f"{uid}: {meaning.words}" for uid, meaning in failed)
                raise error(f"{self} did not store {len(failed)} objects: {told}")

    def _refusal(self, response: requests.Response) -> PeerRefused | PeerUnavailable | None:
        if response.status_code in FOR_A_WHILE:
            return None
        try:
            self._require_no_failure(_told(response))
        except (PeerRefused, PeerUnavailable) as error:
            return error
        return None


def _shows(client: DICOMwebClient, study_uid: str, sop_uid: str) -> bool:
    found = client.search_for_instances(study_uid, search_filters={"SOPInstanceUID": sop_uid})
    return any(sop_uid in each.get(_SOP_UID, {}).get("Value", []) for each in found)


def _told(response: requests.Response) -> Dataset:
    """What the body of a refusal says of each object; nothing where it is of another kind."""
    try:
        return Dataset.from_json(response.json())
    except (ValueError, TypeError, KeyError, AttributeError):
        return Dataset()
