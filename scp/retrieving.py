"""Fetching a patient's earlier studies from a site's archive: C-FIND, then C-GET or C-MOVE (PS3.4 Annex C)."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from ssl import SSLContext
from typing import Final

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context, build_role
from pynetdicom.transport import AddressInformation

from scp.asked import CalledOff, FoundStudy, Listed, Patient, Wanted
from scp.calling_off import MESSAGE, CallingOff, watched
from scp.counters import Count, Counters
from scp.getting import GetDoor, GettingSocket
from scp.inbox import Inbox
from scp.kinds import MOST, kinds_of, other_kinds
from scp.limits import Limits
from scp.peers import Peer
from scp.presence import Presence
from scp.queries import STUDY_ROOT_FIND
from scp.requesting import Endpoint, Failure, Offer, Patience, PeerRefused, PeerUnavailable, associated
from scp.showing import Showing
from scp.syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE

STUDY_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
_PLAIN: Final = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
_COMPRESSED: Final = tuple(f"1.2.840.10008.1.2.{end}" for end in (
    "4.70", "4.90", "4.80", "4.50", "4.91", "4.51", "4.57", "5", "4.81", "4.202", "4.201", "4.203", "4.102", "4.103",
    "4.100", "4.106", "4.101", "4.104", "4.105", "4.107", "4.108",
))  # fmt: skip
"""Those that archives keep images in, the usual ones first."""
SILENCE: Final = 10
"""So many times as long as for another answer an archive may say nothing: it may have to fetch the study itself."""
_SUCCESS: Final = 0x0000
_PENDING: Final = frozenset({0xFF00, 0xFF01})
_WARNING: Final = 0xB000
_SOME_FAILED: Final = 0xA702
_UNKNOWN_DESTINATION: Final = 0xA801
_FOR_GOOD: Final = frozenset({0x0122, 0x0124, 0x0211, 0x0212, 0xA900})
_NOBODY: Final = Patient("OVERREAD-TEST-OF-THE-CONNECTION", "", "", "")


@dataclass(frozen=True, slots=True)
class Intake:
    """Where what comes by C-GET is kept; `counters` is a folder of ours. `object_bytes`: the largest object taken."""

    inbox: Inbox
    counters: Path
    object_bytes: int


@dataclass(frozen=True, slots=True)
class DicomArchive:
    """A site's archive under our calling AE title; everything raises PeerUnavailable (try again) or PeerRefused.

    `moves`: it is asked to send to us (C-MOVE to `calling`), not to answer on our own association (C-GET).
    """

    endpoint: Endpoint
    calling: str
    patience: Patience
    tls: SSLContext | None
    moves: bool
    intake: Intake

    def __str__(self) -> str:
        return str(self.endpoint)

    def test(self) -> None:
        """Return if it takes a query from us, and offers what we fetch by; a patient is asked for who is nobody."""
        retrieving = STUDY_ROOT_MOVE if self.moves else STUDY_ROOT_GET
        with self._associated(Offer([_plainly(STUDY_ROOT_FIND), _plainly(retrieving)])) as association:
            self._require(association, STUDY_ROOT_FIND)
            self._require(association, retrieving)
            Showing(association, self.endpoint).studies_of(_NOBODY)

    def studies_of(self, patient: Patient) -> list[FoundStudy]:
        """Every study that it shows under this Patient ID."""
        with self._asking() as showing:
            return showing.studies_of(patient)

    def instances_of(self, study_uid: str) -> tuple[Listed, ...]:
        """Every instance that it shows of this study."""
        with self._asking() as showing:
            return showing.instances_of(study_uid)

    def fetch(self, wanted: Wanted) -> int:
        """Have one study sent; return how many of its instances the archive could not send. Raises CalledOff.

        By C-GET what came is in the inbox now. By C-MOVE it comes through our own door, and may still be on its way.
        """
        return self._move(wanted) if self.moves else self._get(wanted)

    def _get(self, wanted: Wanted) -> int:
        """Have it sent; what did not come is asked for a second time, compressed, or of other SOP classes.

        DCMTK sends everything of one SOP class in the first context that was accepted for it, or not at all.
        """
        folder, peer = self.intake.counters, Peer(self.endpoint.ae_title, wanted.origin, "")
        door = GetDoor(self.intake.inbox, Counters(folder, "fetch"), Presence(folder, "fetch"), peer, wanted)
        kinds = kinds_of(wanted.listed)
        self._get_in(_storage(kinds), wanted, door)
        if door.counters.count(Count.FAILED):
            raise PeerUnavailable("Our own disk does not take what is sent just now.")
        if door.missing:
            with contextlib.suppress(PeerUnavailable, PeerRefused):  # what is missing is counted
                self._get_in(_otherwise(kinds), wanted, door)
        return len(door.missing)

    def _get_in(self, storage: list[PresentationContext], wanted: Wanted, door: GetDoor) -> None:
        limits = replace(Limits(), object_bytes=self.intake.object_bytes, pdu_seconds=self.patience.answering)

        def make_socket(association: Association, address: AddressInformation) -> GettingSocket:
            return GettingSocket(association, address, door, limits, SILENCE * self.patience.answering)

        roles = tuple(build_role(kind, scp_role=True) for kind in {str(one.abstract_syntax) for one in storage})
        try:
            with self._associated(Offer([_plainly(STUDY_ROOT_GET), *storage], roles, make_socket)) as association:
                association.dimse_timeout = None  # objects come meanwhile, which the socket knows
                self._require(association, STUDY_ROOT_GET)
                answers = association.send_c_get(_keys(wanted), STUDY_ROOT_GET, MESSAGE)
                with watched(association, STUDY_ROOT_GET, wanted.goes_on) as calling_off:
                    self._followed(answers, calling_off)
        except PeerUnavailable as error:
            if door.is_flooded:
                raise PeerRefused(f"{self} sends far more than it lists of the study.") from error
            raise

    def _move(self, wanted: Wanted) -> int:
        with self._associated(Offer([_plainly(STUDY_ROOT_MOVE)])) as association:
            self._require(association, STUDY_ROOT_MOVE)
            association.dimse_timeout = SILENCE * self.patience.answering
            answers = association.send_c_move(_keys(wanted), self.calling, STUDY_ROOT_MOVE, MESSAGE)
            with watched(association, STUDY_ROOT_MOVE, wanted.goes_on) as calling_off:
                return self._followed(answers, calling_off)

    def _followed(self, answers: Iterable[tuple[Dataset, Dataset | None]], calling_off: CallingOff) -> int:
        for status, _ in answers:
            goes_on = calling_off.look()
            if status.get("Status") in _PENDING:
                continue
            if status.get("Status") == _SUCCESS or goes_on:
                return self._ended(status)
            raise CalledOff
        raise PeerUnavailable(f"{self} broke off while it sent.")

    def _ended(self, status: Dataset) -> int:
        if "Status" not in status:
            raise PeerUnavailable(f"{self} broke off, or fell silent, while it sent.", Failure.TIMEOUT)
        code = int(status.Status)
        if code in {_SUCCESS, _WARNING} or (code == _SOME_FAILED and not self.moves):
            return int(status.get("NumberOfFailedSuboperations") or 0)
        if code == _UNKNOWN_DESTINATION:
            raise PeerRefused(
                f"{self} does not know where {self.calling} is, so it cannot send to us.", Failure.DESTINATION
            )
        words = f"{self} does not send it (status {code:04X})."
        raise PeerRefused(words) if code in _FOR_GOOD else PeerUnavailable(words)

    def _require(self, association: Association, model: str) -> None:
        if not any(one.abstract_syntax == model for one in association.accepted_contexts):
            raise PeerRefused(f"{self} answers, but does not offer {_NAMES[model]} to us.", Failure.NO_RETRIEVAL)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[Showing]:
        patience = replace(self.patience, in_all=min(self.patience.in_all, 10 * self.patience.answering))
        offer = Offer([_plainly(STUDY_ROOT_FIND)])
        with associated(self.endpoint, self.calling, patience, offer, self.tls) as association:
            yield Showing(association, self.endpoint)

    def _associated(self, offer: Offer) -> contextlib.AbstractContextManager[Association]:
        return associated(self.endpoint, self.calling, self.patience, offer, self.tls)


_NAMES: Final = {STUDY_ROOT_FIND: "C-FIND", STUDY_ROOT_MOVE: "C-MOVE", STUDY_ROOT_GET: "C-GET"}


def _plainly(model: str) -> PresentationContext:
    return build_context(model, [*_PLAIN])


def _storage(kinds: list[str]) -> list[PresentationContext]:
    """Each transfer syntax in a context of its own, as far as there is room, so that images come as they are kept."""
    each = max(1, MOST // max(1, len(kinds)))
    syntaxes = (*_PLAIN, *_COMPRESSED)
    alone, together = syntaxes[: each - 1], syntaxes[each - 1 :]
    return [build_context(kind, [*some]) for kind in kinds for some in (*((one,) for one in alone), together) if some]


def _otherwise(kinds: list[str]) -> list[PresentationContext]:
    compressed = [build_context(kind, [*_COMPRESSED]) for kind in kinds]
    return [*compressed, *(build_context(kind, [*_PLAIN, *_COMPRESSED]) for kind in other_kinds(kinds))][:MOST]


def _keys(wanted: Wanted) -> Dataset:
    keys = Dataset()
    keys.QueryRetrieveLevel = "STUDY"
    keys.StudyInstanceUID = wanted.study_uid
    return keys
