"""What is missing in a study, and whether all of it says the same of its patient.

Looked at once it is settled or waits for images that its sender has, and again whenever an image comes later.

The images' own words come from the read cache; what the sender believes to have sent comes from its archive (a query),
its commitment requests and its key objects. A finding is shown, it never holds a case back.
Another birth date or sex does not keep an image aside: hospitals correct them, and what came before has the old one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from config.database import Database
from orthanc.cache import ReadCache
from orthanc.errors import AlteredInArchive, ArchiveRefused, Unreadable
from worklist.commitments import expected_instances
from worklist.completeness import Kind, Remark, Slice, Vector, remarks_of
from worklist.models import Instance, Series, Study
from worklist.settling import has_fewer
from worklist.sisters import ends_missing

log = structlog.get_logger()

Attributes = Mapping[str, Any]
"""One instance in the DICOM JSON model (PS3.18 Annex F)."""

KEY_OBJECT_SELECTION: Final = "1.2.840.10008.5.1.4.1.1.88.59"
# What tells images of one place apart: acquisition, echo, phase, time and b-value, and whether one was derived.
ACQUISITION: Final = ("00080008", "00200012", "00180086", "00200100", "00181060", "00189087")
PERSON: Final = {"00100030": "another birth date", "00100040": "another sex"}


@dataclass(frozen=True, slots=True)
class _Image:
    sop_uid: str
    series_uid: str
    said: Attributes


@dataclass(frozen=True, slots=True)
class Completeness:
    """Keeps `Study.remarks` true; any number of workers may do it, since the same look says the same."""

    database: Database
    cache: ReadCache

    def step(self) -> bool:
        """Look at one study; False if none has changed. Raises ArchiveUnavailable: try again later."""
        changed = (Study.checked_version < Study.version, or_(Study.settled, has_fewer()))
        due = select(Study).where(*changed).order_by(Study.last_at.desc())
        with self.database.reading() as session:
            study = session.scalars(due.limit(1)).first()
            if study is None:
                return False
            rows, claimed = _rows(session, study), expected_instances(session, study.id)
        remarks = self._look(study, rows, claimed)
        with self.database.writing() as session:
            session.execute(
                update(Study)
                .where(Study.id == study.id)
                .values(remarks=[asdict(one) for one in remarks], checked_version=study.version)
            )
        return True

    def _look(self, study: Study, rows: Sequence[Instance], claimed: set[str]) -> list[Remark]:
        images = [each for row in rows if (each := self._image(row)) is not None]
        series = _by_series(images)
        found = [remark for uid, slices in series.items() for remark in remarks_of(uid, slices)] + ends_missing(series)
        if study.expected is not None and study.expected > len(rows):
            found.append(Remark(Kind.SENDER_HAS_MORE, study.expected - len(rows)))
        named = {uid for one in images for uid in _key_images(one.said, study.study_uid)}
        here = {row.sop_uid for row in rows}
        for kind, missing in ((Kind.COMMITMENT, claimed - here), (Kind.KEY_OBJECTS, named - here)):
            if missing:
                found.append(Remark(kind, len(missing)))
        return found + list(_other_person([one.said for one in images]))

    def _image(self, row: Instance) -> _Image | None:
        try:
            said = orjson.loads(self.cache.get(row.sha256, row.archive_id).metadata)
        except (AlteredInArchive, ArchiveRefused, Unreadable) as error:
            log.warning("an image cannot be looked at", sop_uid=row.sop_uid, error=str(error))
            return None
        return _Image(row.sop_uid, row.series.series_uid, said)


def _rows(session: Session, study: Study) -> list[Instance]:
    """The images that were sent; our own reports are none."""
    query = select(Instance).join(Series).where(Instance.study_id == study.id, Series.ours.is_(False))
    rows = list(session.scalars(query))
    for row in rows:
        _ = row.series  # read while the session is open
    return rows


def _by_series(images: Sequence[_Image]) -> dict[str, list[Slice]]:
    series: dict[str, list[Slice]] = {}
    for one in images:
        if _number(one.said, "00280008") in {None, 1}:  # many frames are one instance, whole or not there at all
            series.setdefault(one.series_uid, []).append(_slice(one.said))
    return series


def _other_person(images: Sequence[Attributes]) -> Iterator[Remark]:
    """How many images do not say what most say of the patient; what an image leaves out differs from nothing."""
    for tag, what in PERSON.items():
        said = Counter(one for each in images if (one := "".join(map(str, _values(each, tag))).strip().upper()))
        if len(said) > 1:
            others = said.total() - said.most_common(1)[0][1]
            yield Remark(Kind.OTHER_PERSON, others, reason=what)


def _slice(said: Attributes) -> Slice:
    directions = _numbers(said, "00200037", 6)
    distance, thickness = (next(iter(_numbers(said, tag, 1)), None) for tag in ("00180088", "00180050"))
    return Slice(
        number=_number(said, "00200013"),
        position=_vector(_numbers(said, "00200032", 3)),
        normal=_cross(directions) if directions else None,
        acquisition=tuple(orjson.dumps(_values(said, tag)).decode() for tag in ACQUISITION),
        planned=_number(said, "00201002") or _slices_of_pet(said),
        spacing=thickness if distance is None else distance,
        modality=_text(said, "00080060"),
        frame=_text(said, "00200052"),
        taken=_taken(said),
        thickness=thickness if distance is None else None,
    )


def _slices_of_pet(said: Attributes) -> int | None:
    """How many images a static or whole-body PET series has (PS3.3 C.8.9.1: Number of Slices, Series Type)."""
    static = _values(said, "00541000")[:1] in (["STATIC"], ["WHOLE BODY"])
    return _number(said, "00540081") if static else None


def _taken(said: Attributes) -> tuple[str, ...]:
    """Number and moment of the acquisition; nothing where either is not known."""
    values = [_values(said, tag) for tag in ("00200012", "00080032")]
    return tuple(orjson.dumps(each).decode() for each in values) if all(values) else ()


def _text(said: Attributes, tag: str) -> str:
    first = next(iter(_values(said, tag)), "")
    return first if isinstance(first, str) else ""


def _values(said: Attributes, tag: str) -> list[Any]:
    values = said.get(tag, {}).get("Value", [])
    return values if isinstance(values, list) else []


def _numbers(said: Attributes, tag: str, count: int) -> list[float]:
    """So many finite numbers, or none at all."""
    values = _values(said, tag)
    good = [float(one) for one in values if isinstance(one, int | float) and math.isfinite(one)]
    return good if len(good) == len(values) == count else []


def _number(said: Attributes, tag: str) -> int | None:
    first = next(iter(_values(said, tag)), None)
    return first if isinstance(first, int) else None


def _vector(numbers: Sequence[float]) -> Vector | None:
    return (numbers[0], numbers[1], numbers[2]) if numbers else None


def _cross(six: Sequence[float]) -> Vector | None:
    a, b, c, d, e, f = six
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = math.hypot(*normal)
    return (normal[0] / length, normal[1] / length, normal[2] / length) if length else None


def _key_images(said: Attributes, study_uid: str) -> Iterator[str]:
    """The instances of this study that a key object selection refers to (PS3.3 C.17.6.2, Evidence)."""
    if _values(said, "00080016") != [KEY_OBJECT_SELECTION]:
        return
    for study in _values(said, "0040A375"):
        if _values(study, "0020000D") == [study_uid]:
            for series in _values(study, "00081115"):
                for one in _values(series, "00081199"):
                    yield from _values(one, "00081155")
