"""`overread route`: where would these studies go, and why? Nothing is sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from config.settings import ConfigurationError
from orthanc.errors import Unreadable
from orthanc.header import InstanceHeader, read_header
from worklist.routing import StudyFacts, load_rules


@dataclass(slots=True)
class _Study:
    headers: list[InstanceHeader] = field(default_factory=list)


def explain_paths(paths: list[Path], rules: Path, site: str, history: str) -> None:
    """Print, for each study among the files, rule, subspecialty, turnaround and reason."""
    routing, console = load_rules(rules), Console(highlight=False)
    studies, skipped = _read(paths)
    if not studies:
        raise ConfigurationError(f"There is no DICOM image in {', '.join(map(str, paths))}.")
    for study_uid, study in studies.items():
        facts = _facts(study, site, history)
        routed, nearest = routing.explain(facts)
        console.print(f"[bold]{escape(facts.study_description or 'No study description')}[/] ({study_uid})")
        console.print(f"  {len(study.headers)} instances, {', '.join(facts.modalities) or 'no modality'}")
        console.print(f"  → {routed.subspecialty}, {routed.priority}, {routed.turnaround_hours:g} hours")
        console.print(f"  {escape(routed.why)}")
        for miss in nearest:
            console.print(f"    not “{escape(miss.rule)}” ({miss.subspecialty}): {escape(miss.why_not)}")
    if skipped:
        console.print(f"{skipped} files are not DICOM images and were passed over.")


def _read(paths: list[Path]) -> tuple[dict[str, _Study], int]:
    studies: dict[str, _Study] = defaultdict(_Study)
    skipped = 0
    for file in _files(paths):
        try:
            header = read_header(file.read_bytes())
            studies[header.study_uid].headers.append(header)
        except Unreadable:
            skipped += 1
    return dict(studies), skipped


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise ConfigurationError(f"There is no {path}.")
        yield from sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


def _facts(study: _Study, site: str, history: str) -> StudyFacts:
    first = study.headers[0]
    return StudyFacts(
        modalities=_distinct(header.modality for header in study.headers),
        body_parts=_distinct(header.body_part for header in study.headers),
        study_description=first.study_description,
        series_descriptions=_distinct(header.series_description for header in study.headers),
        laterality=next((header.laterality for header in study.headers if header.laterality), ""),
        patient_age_years=first.age_years,
        patient_sex=first.sex,
        site=site,
        history=history,
    )


def _distinct(values: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))
