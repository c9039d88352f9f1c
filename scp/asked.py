"""What a site's archive is asked about a patient, and what it says, by DICOM's own protocol or by the web alike.

Everything here comes from a stranger: text is decoded, short and otherwise unchecked, UIDs are well-formed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from scp.reasons import Unacceptable
from scp.screen import uid_text

MOST_STUDIES: Final = 500
"""Of one patient: an archive that says more does not search by Patient ID."""
MOST_INSTANCES: Final = 20_000
"""Of one study."""
LONGEST_TEXT: Final = 200


class CalledOff(Exception):  # noqa: N818 - it says what happened to the work
    """Nobody wants it any more."""


@dataclass(frozen=True, slots=True)
class Patient:
    """Whose studies are asked for, or whose one is; "" is what nobody said. `birth_date`: DICOM DA."""

    patient_id: str
    issuer: str
    name: str
    birth_date: str


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """One study as an archive shows it; `images` None if it does not count them."""

    study_uid: str
    patient: Patient
    date: str
    description: str
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]
    images: int | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One instance of a study, as its archive shows it; `sop_class_uid` and `modality` may be "": not said."""

    sop_uid: str
    sop_class_uid: str
    series_uid: str
    modality: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One study that is fetched: its instances, whose they will be, and those that need not come again.

    `goes_on` is asked at each instance, and now and then between two, by any thread.
    """

    study_uid: str
    origin: str
    listed: tuple[Listed, ...]
    goes_on: Callable[[], bool]
    here: frozenset[str] = frozenset()

    @property
    def sop_uids(self) -> frozenset[str]:
        """What may come: nothing else is taken."""
        return frozenset(one.sop_uid for one in self.listed)


def said(value: object) -> str:
    """A stranger's value as text that any database takes: short, no character that is none, no NUL."""
    text = str(value)[:LONGEST_TEXT].replace("\0", " ").strip()
    return text.encode("utf-8", "replace").decode()


def well_formed(uids: Iterable[str]) -> bool:
    """Whether these are UIDs at all (PS3.5 section 9.1)."""
    try:
        return all(uid_text(each.encode(), "") == each for each in uids)
    except Unacceptable:
        return False
