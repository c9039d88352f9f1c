"""The results on paper: tables for people, a JSON file for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.metrics import METRICS, ORTHANC, OVERREAD, STORESCP, Metric, metrics_against
from bench.notebook import Notebook
from bench.plan import Plan
from orthanc import server

VERDICTS = {True: "[green]reached[/green]", False: "[red]missed[/red]", None: ""}


def machine() -> dict[str, str]:
    """Where this ran, and what else ran there: a high load makes every figure worse."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    installed = server.probe()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} × {model[0].partition(': ')[2] if model else platform.machine()}",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "orthanc": installed.version,
        "its DICOMweb": installed.dicomweb.resolve().name if installed.dicomweb else "none",
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def print_results(console: Console, notes: Notebook, about: dict[str, str], plan: Plan) -> None:
    """Print everything."""
    console.print()
    console.print(" · ".join(f"{name}: {value}" for name, value in about.items()), style="dim", highlight=False)
    console.print(f"Medians of {plan.rounds} round(s), {plan.slices} CT slices.", style="dim", highlight=False)
    metrics = metrics_against(about["orthanc"])
    for section in dict.fromkeys(metric.section for metric in metrics.values()):
        console.print(_table(section, notes, metrics))
    console.print(_footprint(notes))
    for failure in notes.failures:
        console.print(f"[red]Not measured:[/red] {failure}")


def write_results(folder: Path, notes: Notebook, about: dict[str, str], plan: Plan) -> Path:
    """Write every sample to a JSON file of its own; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    content = {
        "about": about,
        "plan": asdict(plan),
        "metrics": {key: _as_json(key, metric, notes) for key, metric in metrics_against(about["orthanc"]).items()},
        "processes": [asdict(each) for each in notes.processes],
        "idle_cpu_percent": notes.idle_cpu,
        "not_measured": notes.failures,
    }
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False))
    return file


def _as_json(key: str, metric: Metric, notes: Notebook) -> dict[str, Any]:
    samples = notes.samples.get(key, {})
    medians = {subject: notes.median(key, subject) for subject in samples}
    return asdict(metric) | {"median": medians, "samples": {name: list(taken) for name, taken in samples.items()}}


def _table(section: str, notes: Notebook, metrics: Mapping[str, Metric]) -> Table:
    subjects = [name for name in (OVERREAD, ORTHANC, STORESCP) if _has(section, name, notes)]
    compared = ORTHANC in subjects
    table = Table(title=section, title_justify="left", title_style="bold")
    table.add_column("", min_width=46)
    for name in subjects:
        table.add_column(name, justify="right")
    table.add_column("unit")
    for name in ["× Orthanc"] if compared else []:
        table.add_column(name, justify="right")
    table.add_column("goal")
    table.add_column("")
    for key, metric in metrics.items():
        if metric.section == section:
            table.add_row(*_row(key, metric, notes, subjects))
    return table


def _row(key: str, metric: Metric, notes: Notebook, subjects: list[str]) -> Iterator[str]:
    ours, theirs = notes.median(key, OVERREAD), notes.median(key, ORTHANC)
    yield metric.title
    for name in subjects:
        yield _figure(notes.median(key, name))
    yield metric.unit
    if ORTHANC in subjects:
        yield _figure(metric.ratio(ours, theirs)) if ours and theirs else ""
    yield metric.goal
    yield VERDICTS[metric.reached(ours, theirs)] if ours is not None else "[red]not measured[/red]"


def _has(section: str, subject: str, notes: Notebook) -> bool:
    return subject == OVERREAD or any(
        metric.section == section and notes.median(key, subject) is not None for key, metric in METRICS.items()
    )


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _footprint(notes: Notebook) -> Table:
    table = Table(title="Footprint", title_justify="left", title_style="bold")
    table.add_column("process", min_width=46)
    table.add_column("MB at rest", justify="right")
    table.add_column("MB after the run", justify="right")
    for each in notes.processes:
        table.add_row(each.name, _figure(each.idle_mb), _figure(each.after_mb))
    totals = [sum(each.idle_mb for each in notes.processes), sum(each.after_mb for each in notes.processes)]
    table.add_row("all together", *map(_figure, totals), style="bold")
    for name, percent in notes.idle_cpu.items():
        table.add_row(f"CPU {name}", f"{percent:.1f} % of a core", "")
    return table
