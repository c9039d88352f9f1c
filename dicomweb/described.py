"""What a search is asked of instances and no row of ours says: out of the metadata of their series (section 8.3.4.3).

Viewers of slides build their pyramids of one search below a series. Only there, and below a study, is it answered: a
search of everything that somebody may see would read as many files.
"""

from __future__ import annotations

from typing import Final

from dicomweb.attributes import ATTRIBUTES, Found, Level, Returned
from dicomweb.baked import Baked
from dicomweb.holdings import HeldSeries
from dicomweb.json_model import Element
from dicomweb.syntaxes import EXPLICIT_LITTLE, NATIVE
from orthanc.baking import one_by_one
from worklist.models import Instance, Series

OF_ROWS: Final = frozenset(one.tag for one in ATTRIBUTES if one.returned is not Returned.WITHIN)


SYNTAX: Final = frozenset({"00020010", "00083002"})
"""In which transfer syntax we send it: Available Transfer Syntax UID, and the name that Google's clients ask for."""


def beyond_rows(level: Level, known: Level | None, include: frozenset[str]) -> frozenset[str]:
    """Return the tags that were asked for and that only the metadata of images say."""
    return include - OF_ROWS if level is Level.INSTANCE and known is not None else frozenset()


class Described:
    """Attributes of the instances of one search. What they are read from raises what `ReadCache.get` raises."""

    def __init__(self, baked: Baked, root: str, tags: frozenset[str]) -> None:
        self._baked, self._root, self._tags = baked, root, tags
        self._of_series: dict[int, dict[str, dict[str, Element]]] = {}

    def of(self, found: Found) -> dict[str, Element]:
        """Return those that the instance has, by tag."""
        if found.series is None or found.instance is None:
            return {}
        if found.series.id not in self._of_series:
            self._of_series[found.series.id] = self._read(found.series)
        described = self._of_series[found.series.id].get(found.instance.sop_uid, {})
        return described | dict.fromkeys(self._tags & SYNTAX, _syntax(found.instance))

    def _read(self, series: Series) -> dict[str, dict[str, Element]]:
        baked = self._baked.answer(HeldSeries(series.series_uid, series.id, series.version), self._root)
        images = one_by_one(baked)
        return {one["00080018"]["Value"][0]: {tag: one[tag] for tag in self._tags & one.keys()} for one in images}


def _syntax(instance: Instance) -> Element:
    stored = instance.transfer_syntax
    return {"vr": "UI", "Value": [EXPLICIT_LITTLE if stored in NATIVE else stored]}
