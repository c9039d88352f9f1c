"""Asking a peer which instances it shows (PS3.4 section C.4.1: C-FIND, Study Root)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pynetdicom.association import Association

from scp.queries import STUDY_ROOT_FIND
from scp.requesting import Endpoint, PeerUnavailable

_PENDING = frozenset({0xFF00, 0xFF01})


@dataclass(frozen=True, slots=True)
class Query:
    """Questions to one peer on one association."""

    association: Association
    endpoint: Endpoint

    def series_of(self, study_uid: str) -> list[str]:
        """Return the series of a study that the peer shows."""
        keys = Dataset()
        keys.QueryRetrieveLevel = "SERIES"
        keys.StudyInstanceUID = study_uid
        keys.SeriesInstanceUID = ""
        return [str(found.get("SeriesInstanceUID", "")) for found in self._answers(keys)]

    def count_of(self, study_uid: str) -> int | None:
        """Return how many instances the peer has of a study; None if it does not know the study.

        Number of Study Related Instances (0020,1208) is optional (PS3.4 table C.6-5): without it they are counted.
        """
        keys = Dataset()
        keys.QueryRetrieveLevel = "STUDY"
        keys.StudyInstanceUID = study_uid
        keys.NumberOfStudyRelatedInstances = ""
        found = list(self._answers(keys))
        if len(found) != 1:
            return None
        said = found[0].get("NumberOfStudyRelatedInstances")
        if said is not None:
            return int(said)
        return sum(len(self.instances(study_uid, each, ())) for each in self.series_of(study_uid))

    def instances(self, study_uid: str, series_uid: str, sop_uids: Sequence[str]) -> set[str]:
        """Return those of the instances that the peer shows, all for none; no `series_uid` asks across the study."""
        keys = Dataset()
        keys.QueryRetrieveLevel = "IMAGE"
        keys.StudyInstanceUID = study_uid
        keys.SeriesInstanceUID = series_uid
        keys.SOPInstanceUID = list(sop_uids)
        return {str(found.get("SOPInstanceUID", "")) for found in self._answers(keys)}

    def _answers(self, keys: Dataset) -> Iterator[Dataset]:
        """Yield what matches; a query that the peer does not support yields nothing."""
        for status, found in self.association.send_c_find(keys, STUDY_ROOT_FIND):
            if "Status" not in status:
                raise PeerUnavailable(f"{self.endpoint} does not answer a query.")
            if status.Status in _PENDING and found is not None:
                yield found


def shows_all(query: Query, study_uid: str, sop_uids: Sequence[str]) -> bool:
    """Tell whether the peer shows all the instances: across the study, else series by series.

    A peer without relational queries wants the unique keys of every level above (PS3.4 C.4.1.2.1).
    """
    missing = set(sop_uids) - query.instances(study_uid, "", sop_uids)
    for series_uid in query.series_of(study_uid) if missing else ():
        missing -= query.instances(study_uid, series_uid, sorted(missing))
        if not missing:
            break
    return not missing
