"""What is missing in a study, in words: for those who read and send, and gentler for the patient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from gateway.portal.words import counted
from worklist.completeness import NOT_MISSING, Kind, Remark
from worklist.models import Case, Series, Study

Refused = Mapping[int, Sequence[Remark]]
NOTHING: Refused = {}


def remarks_in_words(case: Case, refused: Refused = NOTHING) -> tuple[str, ...]:
    """One sentence for each finding in the case's studies; `refused`: what `worklist.strangers.decided_of` found."""
    return tuple(
        _sentence(study, remark)
        for study in case.studies
        for remark in (*(Remark(**said) for said in study.remarks), *refused.get(study.id, ()))
    )


def lacks_images(case: Case, refused: Refused = NOTHING) -> bool:
    """Whether one of the findings is that images are missing."""
    kinds = {said["kind"] for study in case.studies for said in study.remarks}
    return bool((kinds | {one.kind for each in refused.values() for one in each}) - NOT_MISSING)


def who_else(study: Study) -> tuple[str, ...]:
    """What images of a study say of its patient that others do not, a sentence each."""
    said = (Remark(**each) for each in study.remarks)
    return tuple(_sentence(study, each) for each in said if each.kind == Kind.OTHER_PERSON)


def remarks_for_patient(case: Case, refused: Refused = NOTHING) -> str:
    """One sentence if images seem to be missing, else ""."""
    if not lacks_images(case, refused):
        return ""
    return (
        "It looks as if some images of this examination are not on what you gave us. The specialist knows; "
        "if you have another CD of the same examination, keep it at hand."
    )


def last_arrival(case: Case, remarks: Sequence[str]) -> tuple[str, datetime] | None:
    """What is true of the images since which moment; None before the case was ready.

    Complete is said only where the sender's own archive counted them and nothing is amiss, not of a study gone quiet.
    """
    if case.ready_at is None:
        return None
    moments = (case.ready_at, case.images_added_at, case.images_replaced_at)
    counted_there = bool(case.studies) and all(each.expected is not None for each in case.studies)
    words = "complete" if counted_there and not remarks else "nothing more came"
    return words, max(each for each in moments if each is not None)


def _sentence(study: Study, remark: Remark) -> str:
    series = next((each for each in study.series if each.series_uid == remark.series_uid), None)
    said = WORDS[Kind(remark.kind)](remark)
    if series is None:
        return said[:1].upper() + said[1:]
    return f"{_name(series)}: {said.replace('of this study', 'of this series', 1)}"


def _name(series: Series) -> str:
    number = f"Series {series.number}" if series.number is not None else "A series"
    return f"{number} ({series.description})" if series.description else number


def _gap(remark: Remark) -> str:
    where = f" between image {remark.first} and image {remark.last}" if remark.first is not None else ""
    return f"{_seem(remark.count, 'slice')} to be missing{where} (slices are {remark.spacing:g} mm apart)."


def _seem(count: int, noun: str) -> str:
    return f"{counted(count, noun)} {'seems' if count == 1 else 'seem'}"


def _scattered(remark: Remark) -> str:
    amount = f"about {remark.count} of {remark.of} images"
    return f"{amount} seem to be missing, in many places (slices are {remark.spacing:g} mm apart)."


def _thinned(remark: Remark) -> str:
    return (
        f"perhaps {remark.count} of {remark.of} images are missing: the image numbers leave out as many, "
        f"and slices of {remark.spacing:g} mm lie further apart than that."
    )


def _left_out(remark: Remark) -> str:
    return (
        f"perhaps {remark.count} of {remark.of} images are missing: the image numbers leave out as many, regularly, "
        "and the slices are thick enough for others between them."
    )


def _ends(remark: Remark) -> str:
    are = "is" if remark.count == 1 else "are"
    return (
        f"perhaps {counted(remark.count, 'image')} {are} missing at the {remark.reason}: another series of the same "
        f"acquisition has {remark.of}."
    )


def _numbers(remark: Remark) -> str:
    if remark.first == remark.last:
        return f"image {remark.first} did not arrive."
    return f"images {remark.first} to {remark.last} did not arrive."


def _refused(remark: Remark) -> str:
    were, they_are = ("was", "It is") if remark.count == 1 else ("were", "They are")
    images = counted(remark.count, "image")
    return f"{images} of this study {were} refused: {remark.reason}. {they_are} not among the images."


def _asked_to_keep(remark: Remark) -> str:
    """A request for storage commitment names no study: that an image is of this one is likely, and no more."""
    images, may = counted(remark.count, "image"), "It may" if remark.count == 1 else "They may"
    return (
        f"the sender asked us to keep images of this study, and with them {images} that we do not have. {may} be of it."
    )


def _cut(remark: Remark) -> str:
    came = f"after {counted(remark.first or 0, 'image')}" if remark.first else "in the first image"
    since = f"; {counted(remark.of, 'image')} came since" if remark.of else ""
    more = counted(remark.count, "more image") if remark.count else "more images"
    return f"the link to the sender was cut {came}{since}: {more} may be missing."


def _strangers(remark: Remark) -> str:
    images, carry = counted(remark.count, "image"), "carries" if remark.count == 1 else "carry"
    when = f" on {datetime.fromisoformat(remark.at):%-d %B %Y at %H:%M} UTC" if remark.at else ""
    than = "though the study has one" if remark.reason.startswith("no ") else "than the study"
    return f"{images} {carry} {remark.reason} {than}: accepted by the coordinator{when}."


def _other_person(remark: Remark) -> str:
    """They came under the same name and Patient ID, or would have been kept aside."""
    images, say = counted(remark.count, "image"), "says" if remark.count == 1 else "say"
    return f"{images} of this study {say} {remark.reason} than the others, under the same name and Patient ID."


WORDS: Mapping[Kind, Callable[[Remark], str]] = {
    Kind.GAP: _gap,
    Kind.SCATTERED: _scattered,
    Kind.SKIPPED: _left_out,
    Kind.ENDS: _ends,
    Kind.THINNED: _thinned,
    Kind.NUMBERS: _numbers,
    Kind.DUPLICATES: lambda one: f"{counted(one.count, 'image')} came twice, under different identifiers.",
    Kind.PLANNED: lambda one: f"by their own count, {counted(one.count, 'image')} of this acquisition did not arrive.",
    Kind.SENDER_HAS_MORE: lambda one: f"the sender’s archive has {counted(one.count, 'more image')} of this study.",
    Kind.COMMITMENT: _asked_to_keep,
    Kind.KEY_OBJECTS: lambda one: f"{counted(one.count, 'image')} named as a key image did not arrive.",
    Kind.REFUSED: _refused,
    Kind.CUT: _cut,
    Kind.STRANGERS: _strangers,
    Kind.OTHER_PERSON: _other_person,
}
