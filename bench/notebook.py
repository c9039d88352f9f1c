"""What was measured in this run: every sample, and the median of them."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from bench.metrics import METRICS
from config.errors import Explained


class NotMeasured(Exception):
    """Something did not work; the message says what. The other measurements go on."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of an installation: resident memory in MB at rest and after the run."""

    name: str
    idle_mb: float
    after_mb: float


@dataclass(slots=True)
class Notebook:
    """Samples by metric and subject."""

    samples: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    processes: list[Process] = field(default_factory=list)
    idle_cpu: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def note(self, metric: str, subject: str, value: float) -> None:
        """Write one sample down."""
        assert metric in METRICS, metric
        self.samples[metric][subject].append(value)

    def attempt(self, what: str, measure: Callable[[], object]) -> None:
        """Measure; what does not work is written down, and the rest goes on."""
        try:
            measure()
        except (NotMeasured, Explained, OSError, subprocess.SubprocessError) as error:
            self.failures.append(f"{what}: {error or type(error).__name__}")

    def median(self, metric: str, subject: str) -> float | None:
        """The median of all rounds; None if it was not measured."""
        found = self.samples.get(metric, {}).get(subject)
        return median(found) if found else None
