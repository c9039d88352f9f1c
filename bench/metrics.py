"""What is measured, and what would be good enough. One row here is one row of the printed table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

OVERREAD: Final = "Overread"
ORTHANC: Final = "Orthanc"
STORESCP: Final = "storescp"
SUBJECTS: Final = (OVERREAD, ORTHANC, STORESCP)


@dataclass(frozen=True, slots=True)
class Metric:
    """One row: `at_most` is a goal in the row's unit, `times_orthanc` one as a ratio in the same run."""

    section: str
    title: str
    unit: str
    more_is_better: bool = True
    at_most: float | None = None
    times_orthanc: float | None = None

    @property
    def goal(self) -> str:
        """The goal in words; "" if there is none."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g} {self.unit}"
        return f"≥ {self.times_orthanc:g} × Orthanc" if self.times_orthanc is not None else ""

    def ratio(self, ours: float, theirs: float) -> float:
        """How many times better ours is."""
        return ours / theirs if self.more_is_better else theirs / ours

    def reached(self, ours: float, theirs: float | None) -> bool | None:
        """Whether the goal is reached; None if there is no goal, or nothing to compare with."""
        if self.at_most is not None:
            return ours <= self.at_most
        if self.times_orthanc is None or theirs is None:
            return None
        return self.ratio(ours, theirs) >= self.times_orthanc


STORE: Final = "C-STORE, CT 512 × 512 × 16 bit, Success means durable"
WAY: Final = "The way of a study and of a report"
METADATA: Final = "DICOMweb: metadata of one series, gzip accepted"
PIXELS: Final = "DICOMweb: pixels"
SEARCH: Final = "DICOMweb: search"
OPEN: Final = "DICOMweb: a READY study opened after a restart, search to first frame (Orthanc: warm)"
CROWD: Final = "The web processes while 20 people page through studies and 5 programs store"
START: Final = "Start"

METRICS: Final = {
    "store-1": Metric(STORE, "1 association", "instances/s", times_orthanc=2),
    "store-1-mb": Metric(STORE, "1 association", "MB/s"),
    "store-1-cpu": Metric(STORE, "CPU time of the receiving processes for one", "ms", False),
    "store-4": Metric(STORE, "4 associations", "instances/s", times_orthanc=2),
    "store-4-mb": Metric(STORE, "4 associations", "MB/s"),
    "store-4-cpu": Metric(STORE, "CPU time of the receiving processes for one", "ms", False),
    "answer-p50": Metric(STORE, "last byte to response, 1 association, median", "ms", False),
    "answer-p99": Metric(STORE, "the same, 99 of 100", "ms", False, 50),
    "drain": Metric(WAY, "a backlog into the archive (Orthanc: REST, 4 connections)", "instances/s", times_orthanc=0.9),
    "worklist-1": Metric(WAY, "last C-STORE response to worklist, less the quiet time (1 ass.)", "s", False, 2.0),
    "worklist-4": Metric(WAY, "last C-STORE response to worklist, less the quiet time (4 ass.)", "s", False, 2.0),
    "report": Metric(WAY, "signing to SR and PDF at the hospital's storescp", "s", False, 3.0),
    "signing": Metric(WAY, "of which the answer to the signing request", "s", False),
    "metadata-cold": Metric(METADATA, "first time asked for", "ms", False),
    "metadata-warm": Metric(METADATA, "again, median", "ms", False, times_orthanc=300),
    "metadata-rate": Metric(METADATA, "again, 6 connections", "requests/s"),
    "metadata-rate-cpu": Metric(METADATA, "the server's CPU time for one of them", "ms", False),
    "frames-1": Metric(PIXELS, "CT frames, 1 connection", "frames/s"),
    "frames-6": Metric(PIXELS, "CT frames, 6 connections", "frames/s", times_orthanc=3),
    "frames-6-cpu": Metric(PIXELS, "the server's CPU time for one of them", "ms", False),
    "cine-1": Metric(PIXELS, "frames of a 200-frame instance, 1 connection", "frames/s", times_orthanc=300),
    "cine-6": Metric(PIXELS, "frames of a 200-frame instance, 6 connections", "frames/s"),
    "search-1": Metric(SEARCH, "a page of studies, asked again, 1 connection", "requests/s"),
    "search-6": Metric(SEARCH, "a page of studies, asked again, 6 connections", "requests/s"),
    "search-6-cpu": Metric(SEARCH, "the server's CPU time for one of them", "ms", False),
    "search-new": Metric(SEARCH, "another page each time, 6 connections", "requests/s"),
    "search-new-cpu": Metric(SEARCH, "the server's CPU time for one of them", "ms", False),
    "search-many-1": Metric(SEARCH, "the same page, many studies of others, 1 conn.", "requests/s", times_orthanc=10),
    "search-many-6": Metric(SEARCH, "the same page, many studies of others, 6 conn.", "requests/s", times_orthanc=10),
    "search-many-6-cpu": Metric(SEARCH, "the server's CPU time for one of them", "ms", False),
    "search-many-new": Metric(SEARCH, "another page each time, likewise, 6 conn.", "requests/s", times_orthanc=10),
    "search-many-new-cpu": Metric(SEARCH, "the server's CPU time for one of them", "ms", False),
    "search-one": Metric(SEARCH, "one study by its UID, asked again, likewise", "requests/s", times_orthanc=10),
    "search-one-cpu": Metric(SEARCH, "the server's CPU time for one of them", "ms", False),
    "search-one-new": Metric(SEARCH, "another study by its UID each time, likewise", "requests/s", times_orthanc=10),
    "search-one-new-cpu": Metric(SEARCH, "the server's CPU time for one of them", "ms", False),
    "open-again": Metric(OPEN, "the read cache is there", "ms", False, times_orthanc=1),
    "open-again-plain": Metric(OPEN, "the same, below the plain root", "ms", False, times_orthanc=1),
    "open-cold": Metric(OPEN, "without a read cache", "ms", False, times_orthanc=1),
    "open-cold-plain": Metric(OPEN, "the same, below the plain root", "ms", False, times_orthanc=1),
    "crowd-peak": Metric(CROWD, "resident memory, the most", "MB", False, 400),
    "crowd-growth": Metric(CROWD, "more in the last third of the time than in the middle", "MB", False, 20),
    "crowd-asked": Metric(CROWD, "answers to the people", "requests/s"),
    "crowd-stored": Metric(CROWD, "instances stored for the programs", "instances/s"),
    "start-first": Metric(START, "`overread up` to ready, an empty folder", "s", False),
    "start-again": Metric(START, "`overread up` to ready, the same folder again", "s", False),
}  # fmt: skip

NEWER: Final = {"metadata-warm": 15, "frames-6": 2, "cine-1": 3}
"""What is wanted as a ratio to Orthanc 1.12 or later, where that differs."""


def metrics_against(orthanc: str) -> Mapping[str, Metric]:
    """Return the rows with the goals for this version of Orthanc, "1.12.7"."""
    if [*map(int, orthanc.split(".")[:2])] < [1, 12]:
        return METRICS
    return {key: replace(one, times_orthanc=NEWER.get(key, one.times_orthanc)) for key, one in METRICS.items()}
