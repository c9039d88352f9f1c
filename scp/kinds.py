"""Which storage classes to offer for a study of whose instances an archive tells no SOP class: that key is optional.

PS3.4 table B.5-1; modalities PS3.3 C.7.3.1.1.1.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from scp.asked import Listed

MOST: Final = 127
"""Contexts of one association beside the one for C-GET."""
_ROOT: Final = "1.2.840.10008.5.1.4.1.1."
_CR, _DX, _US = ("1",), ("1.1", "1.1.1"), ("6.1", "3.1", "6", "3", "6.2", "6.3")
_XRAY = ("12.1", "12.2", "12.1.1", "12.2.1", "12.3", "13.1.1")
_RT: Final = tuple(f"481.{number}" for number in range(1, 10))
_LIGHT = ("77.1.1", "77.1.1.1", "77.1.2", "77.1.2.1", "77.1.4", "77.1.4.1")
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "CT": ("2", "2.1", "2.2"),
    "MR": ("4", "4.1", "4.2", "4.3", "4.4"),
    "PT": ("128", "130", "128.1"),
    "NM": ("20", "5"),
    "US": _US,
    "IVUS": _US,
    "CR": (*_CR, *_DX),
    "DX": (*_DX, *_CR),
    "MG": ("1.2", "1.2.1", "13.1.3", "13.1.4", "13.1.5", *_CR),
    "IO": ("1.3", "1.3.1"),
    "PX": _DX,
    "XA": _XRAY,
    "RF": _XRAY,
    "SEG": ("66.4", "66.5", "66"),
    "REG": ("66.1", "66.3"),
    "DOC": ("104.1", "104.2", "104.3"),
    "ES": _LIGHT,
    "XC": _LIGHT,
    "GM": _LIGHT,
    "OP": ("77.1.5.1", "77.1.5.2", "77.1.5.4"),
    "OCT": ("77.1.5.4",),
    "ECG": ("9.1.1", "9.1.2", "9.1.3"),
    **dict.fromkeys(("RTDOSE", "RTIMAGE", "RTPLAN", "RTSTRUCT", "RTRECORD"), _RT),
}
_WITH_ALL: Final = ("7", "7.4", "7.2", "88.11", "88.22", "88.33", "88.34", "88.59", "88.67", "11.1")
"""Secondary captures, reports, selections and presentation states may be in any study."""


def kinds_of(listed: Iterable[Listed]) -> list[str]:
    """The storage classes of these instances, as said, or else all that their modalities have; no more than 127."""
    found: dict[str, None] = {}
    for one in listed:
        found |= dict.fromkeys([one.sop_class_uid] if one.sop_class_uid else _usual(one.modality))
    return list(found)[:MOST]


def other_kinds(kinds: Iterable[str]) -> list[str]:
    """All usual ones besides these: an instance may be of another class than its series' modality has."""
    return [kind for kind in dict.fromkeys(_usual("")) if kind not in set(kinds)]


def _usual(modality: str) -> list[str]:
    every = (kind for kinds in _KINDS.values() for kind in kinds)
    return [_ROOT + end for end in (*_KINDS.get(modality, tuple(every)), *_WITH_ALL)]
