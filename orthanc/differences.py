"""In what two instances differ, attribute by attribute, for a person who decides between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydicom.datadict import dictionary_description

LONGEST: Final = 200
MOST: Final = 200
PATIENT_AND_STUDY: Final = (
    "00100010", "00100020", "00100021", "00100030", "00100040", "0020000D", "00080020", "00080050", "00081030",
    "00080080",
)  # fmt: skip
"""Name, ID, its issuer, birth date, sex; UID, date, accession number, description, institution."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One attribute. A side that does not have it says ""."""

    tag: str
    name: str
    vr: str
    kept: str
    aside: str


def differences(kept: bytes, aside: bytes, *, of_one_instance: bool) -> tuple[Difference, ...]:
    """Compare two instances by their metadata (DICOM JSON, PS3.18 Annex F), at most MOST of them.

    Two versions of one instance are compared in everything; two instances of a study only in patient and study.
    """
    ours, theirs = orjson.loads(kept), orjson.loads(aside)
    tags = sorted(set(ours) | set(theirs)) if of_one_instance else PATIENT_AND_STUDY
    different = [tag for tag in tags if ours.get(tag) != theirs.get(tag)]
    return tuple(
        Difference(
            tag,
            name_of(tag),
            (ours.get(tag) or theirs[tag])["vr"],
            _text(ours.get(tag)),
            _text(theirs.get(tag)),
        )
        for tag in different[:MOST]
    )


def name_of(tag: str) -> str:
    """The attribute's name in the standard (PS3.6); what it does not know is named by its number."""
    try:
        return dictionary_description(int(tag, 16))
    except KeyError:
        return f"({tag[:4]},{tag[4:]})"


def _text(element: Mapping[str, Any] | None) -> str:
    if element is None:
        return ""
    if "Value" not in element:
        return "a large value" if "BulkDataURI" in element else "empty"
    text = ", ".join(_value(one) for one in element["Value"])
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _value(one: Any) -> str:
    if isinstance(one, dict):
        name = one.get("Alphabetic") or one.get("Ideographic")
        return str(name) if name is not None else "an item"
    return "empty" if one is None else str(one)
