"""Is this the same patient as in the study's other instances, and have we seen this instance before?"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from gateway.same_patient import agree, contradiction, together
from orthanc.header import InstanceHeader
from scp.arrival import Arrival
from scp.asked import Patient
from scp.inbox import Entry
from worklist.access import OF_A_SITE
from worklist.models import Instance, Prior, PriorSearch, Series, Study
from worklist.names import same_name

SELF_TEST = "self-test"  # the origin of what `overread doctor` sends
SELF_TEST_PATIENT = "SELF-TEST"  # its Patient ID; the archive tells instances apart by it, so it never is a patient's

IN_WORDS = {"Patient ID": "Patient ID", "Issuer of Patient ID": "issuer of the Patient ID", "Patient's Name": "name"}


def self_test_part(sop_uid: str) -> str:
    """The Pulse that says of one self-test that it arrived: as short for the longest UID as for any other."""
    return f"self-test {hashlib.sha256(sop_uid.encode()).hexdigest()[:32]}"


OTHER_CONTENT = "An instance with the same SOP Instance UID but other content is already here."


class Contradiction(Exception):
    """The object says something else than its study, or than an earlier object with its UID. A person decides.

    `patient`: in what it names another patient than its study ("another name", "no name"), else "".
    """

    def __init__(self, reason: str, patient: str = "") -> None:
        super().__init__(reason)
        self.patient = patient


@dataclass(frozen=True, slots=True)
class Verdict:
    """It fits. `archive_id` is set when a row says that the archive has exactly this instance: ask whether it does.

    `replaces`: a coordinator accepted it in the place of another version.
    """

    archive_id: str | None = None
    replaces: bool = False


_Series = tuple[str, str, str]
"""Origin, Study and Series Instance UID."""

_Instance = tuple[str, str, str]
"""Origin, Study and SOP Instance UID: by a coordinator's decision one SOP Instance UID may be in two studies."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a row says of an instance: its content, and where the archive has it."""

    sha256: str
    archive_id: str


@dataclass(slots=True)
class Identities:
    """Checks one object after the other; remembers what it let pass, so that two without rows are compared too."""

    _patients: dict[tuple[str, str], Patient] = field(default_factory=dict)
    _digests: dict[tuple[str, str], str] = field(default_factory=dict)
    _earlier: dict[tuple[str, str], Known] = field(default_factory=dict)
    _rows: dict[_Instance, Known] = field(default_factory=dict)
    _replacing: dict[_Instance, str] = field(default_factory=dict)
    _makers: dict[_Series, set[int | None]] = field(default_factory=dict)
    _accepted: set[str] = field(default_factory=set)
    _asked_for: dict[tuple[str, str], list[Patient]] = field(default_factory=dict)

    def look_up(self, session: Session, arrivals: Sequence[Arrival]) -> None:
        """Find what we already have under the UIDs of a batch; `check` knows of nothing else."""
        self._look_up_patients(session, {arrival.study_uid for arrival in arrivals})
        self._look_up_makers(session, arrivals)
        self._look_up_asked_for(session, arrivals)
        chosen = (
            select(Study.origin, Study.study_uid, Instance.sop_uid, Instance.sha256, Instance.archive_id)
            .join(Study, Study.id == Instance.study_id)
            .where(Instance.sop_uid.in_({arrival.sop_uid for arrival in arrivals}))
            .order_by(Instance.id.desc())
        )
        for origin, study_uid, sop_uid, sha256, archive_id in session.execute(chosen):
            self._earlier[origin, sop_uid] = self._rows[origin, study_uid, sop_uid] = Known(sha256, archive_id)

    def _look_up_patients(self, session: Session, study_uids: set[str]) -> None:
        said = (Study.patient_id, Study.issuer, Study.patient_name, Study.birth_date)
        for origin, study_uid, *patient in session.execute(
            select(Study.origin, Study.study_uid, *said).where(Study.study_uid.in_(study_uids))
        ):
            self._patients.setdefault((origin, study_uid), Patient(*patient))

    def _look_up_makers(self, session: Session, arrivals: Sequence[Arrival]) -> None:
        """Who made the series of what readers save, and the series of readers into which somebody else sends."""
        saved = Series.series_uid.in_({arrival.series_uid for arrival in arrivals if arrival.made_by})
        sent = Series.series_uid.in_({arrival.series_uid for arrival in arrivals if not arrival.made_by})
        made = select(Study.origin, Study.study_uid, Series.series_uid, Series.made_by).join(Study)
        of_these = made.where(or_(saved, and_(sent, Series.made_by.is_not(None))))
        for origin, study_uid, series_uid, maker in session.execute(of_these):
            self._makers.setdefault((origin, study_uid, series_uid), set()).add(maker)

    def _look_up_asked_for(self, session: Session, arrivals: Sequence[Arrival]) -> None:
        said = (PriorSearch.patient_id, PriorSearch.issuer, PriorSearch.patient_name, PriorSearch.birth_date)
        asked = select(Prior.origin, Prior.study_uid, *said).join(PriorSearch, PriorSearch.id == Prior.search_id)
        of_these = (
            Prior.origin.in_({arrival.origin for arrival in arrivals}),
            Prior.study_uid.in_({arrival.study_uid for arrival in arrivals}),
        )
        for origin, study_uid, *patient in session.execute(asked.where(*of_these)):
            self._asked_for.setdefault((origin, study_uid), []).append(Patient(*patient))

    def known(self, arrival: Arrival) -> Known | None:
        """What we wrote down for this origin, study and UID, of those that were looked up."""
        return self._rows.get(_instance_of(arrival))

    def accept(self, keys: Iterable[str]) -> None:
        """A coordinator accepted the entries of these keys: they fit, whatever they contradict."""
        self._accepted.update(keys)

    def judge(self, entry: Entry, header: InstanceHeader, sha256: str) -> Verdict:
        """As `check`, but for what a coordinator accepted."""
        if entry.key not in self._accepted:
            return self.check(entry.arrival, header, sha256)
        key = (entry.arrival.origin, entry.arrival.sop_uid)
        here, self._digests[key] = self._content_of(key), sha256
        self._replacing[_instance_of(entry.arrival)] = sha256
        return self._where(key, sha256) if here in {None, sha256} else Verdict(replaces=True)

    def check(self, arrival: Arrival, header: InstanceHeader, sha256: str) -> Verdict:
        """Raises Contradiction, which names the attribute, never its values: reasons are shown and logged."""
        if header.sop_uid != arrival.sop_uid or header.study_uid != arrival.study_uid:
            raise Contradiction("The object's identifiers are not those under which it was sent.")
        if arrival.origin == SELF_TEST and header.patient_id != SELF_TEST_PATIENT:
            raise Contradiction("Only Overread's own test image may come as a self-test: that is deleted again.")
        if arrival.origin != SELF_TEST and header.patient_id == SELF_TEST_PATIENT:
            raise Contradiction(f"The Patient ID {SELF_TEST_PATIENT} is that of Overread's own test image.")
        if (row := self.known(arrival)) is not None and row.sha256 == sha256 == self._newest(arrival, row):
            return Verdict(row.archive_id)  # it is here, whatever it contradicts: somebody accepted it
        said = Patient(header.patient_id, header.issuer, header.patient_name, header.birth_date)
        patient = self._same_patient(arrival, said)
        if arrival.fetched:
            self._was_asked_for(arrival, said)
        self._own_series(arrival)
        verdict = self._same_content(arrival, sha256)
        self._patients[arrival.origin, arrival.study_uid] = patient
        self._makers.setdefault(_series_of(arrival), set()).add(_maker(arrival))
        return verdict

    def _same_patient(self, arrival: Arrival, here: Patient) -> Patient:
        """Who the study's patient is by all that its images say, this one too."""
        known = self._patients.get((arrival.origin, arrival.study_uid), here)
        may_lack = self._may_lack(arrival, known, here)
        for said, before, is_same, what in (
            (here.patient_id, known.patient_id, here.patient_id == known.patient_id, "Patient ID"),
            (here.issuer, known.issuer, here.issuer == known.issuer, "Issuer of Patient ID"),
            (here.name, known.name, same_name(here.name, known.name), "Patient's Name"),
        ):
            left_out = not said or (not before and not arrival.made_by)
            if not is_same and not (left_out and what in may_lack):
                reason = f"Its {what} is not that of the other images of the same study."
                raise Contradiction(reason, f"{'another' if said else 'no'} {IN_WORDS[what]}")
        return known if arrival.made_by else together(known, here)

    def _may_lack(self, arrival: Arrival, known: Patient, here: Patient) -> Collection[str]:
        """What the object, or all before it, may leave out: viewers copy the Patient ID, not always the rest.

        A hospital's archive and its other systems leave out different things.
        """
        if arrival.made_by:
            return IN_WORDS
        if not (arrival.origin.startswith(OF_A_SITE) and agree(known, here)):
            return ()
        asked_for = (arrival.origin, arrival.study_uid) in self._asked_for
        return ("Issuer of Patient ID", "Patient's Name") if asked_for else ("Issuer of Patient ID",)

    def _was_asked_for(self, arrival: Arrival, said: Patient) -> None:
        """An earlier study is the asked one, of the patient whose studies were asked for, whatever an archive sends."""
        asked = self._asked_for.get((arrival.origin, arrival.study_uid))
        if not asked:
            raise Contradiction("It was sent along with an earlier study that was asked for, but was not asked for.")
        wrong = [contradiction(each, said) for each in asked]
        if all(wrong):
            raise Contradiction(f"It was fetched as an earlier study of a patient, but has {wrong[0]}.", wrong[0])

    def _own_series(self, arrival: Arrival) -> None:
        """What a reader made never becomes part of a series of somebody else, nor the other way round.

        A reader's series is their working paper: what came into it from elsewhere would show all of it.
        """
        others = self._makers.get(_series_of(arrival), set()) - {_maker(arrival)}
        if arrival.made_by and others:
            raise Contradiction("It was made in the viewer, but says that it is part of a series of somebody else.")
        if others:
            raise Contradiction("It says that it is part of a series that a reader made here.")

    def _same_content(self, arrival: Arrival, sha256: str) -> Verdict:
        key = (arrival.origin, arrival.sop_uid)
        if self._content_of(key) not in {None, sha256}:
            raise Contradiction(OTHER_CONTENT)
        self._digests[key] = sha256
        return self._where(key, sha256)

    def _newest(self, arrival: Arrival, row: Known) -> str:
        """What was accepted a moment ago is in no row yet."""
        return self._replacing.get(_instance_of(arrival), row.sha256)

    def _content_of(self, key: tuple[str, str]) -> str | None:
        """What was let pass a moment ago goes before the rows, which may not be written yet."""
        row = self._earlier.get(key)
        return self._digests.get(key) or (row.sha256 if row else None)

    def _where(self, key: tuple[str, str], sha256: str) -> Verdict:
        row = self._earlier.get(key)
        return Verdict(row.archive_id if row and row.sha256 == sha256 else None)


def _instance_of(arrival: Arrival) -> _Instance:
    return arrival.origin, arrival.study_uid, arrival.sop_uid


def _series_of(arrival: Arrival) -> _Series:
    return arrival.origin, arrival.study_uid, arrival.series_uid


def _maker(arrival: Arrival) -> int | None:
    return int(arrival.made_by) if arrival.made_by else None
