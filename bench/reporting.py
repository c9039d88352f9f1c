"""From signing to SR and PDF at the hospital: one report for each study that was sent."""

from __future__ import annotations

import time

from bench.images import Study
from bench.metrics import OVERREAD
from bench.programs import wait_for
from bench.scene import Scene

PATIENCE = 60.0
OPINION = {
    "findings": "No haemorrhage, mass or shift. Ventricles and sulci are of normal size for age.\n" * 6,
    "impression": "Normal unenhanced CT of the head.",
    "recommendations": "None.",
    "answers": [],
    "concordance": "not_provided",
}


def measure_reporting(scene: Scene, study: Study) -> None:
    """Claim, write, sign; the end is when the last byte of the second file was written at the hospital."""
    case_id = scene.overread.wait_for_case(study.study_uid)
    scene.overread.api("POST", f"/cases/{case_id}/claim", {})
    scene.overread.api("PUT", f"/cases/{case_id}/opinion", OPINION)
    before = {file.name for file in scene.inbox.iterdir()}
    signed_at, begun = time.time(), time.perf_counter()
    scene.overread.api("POST", f"/cases/{case_id}/sign", {})
    scene.notes.note("signing", OVERREAD, time.perf_counter() - begun)
    wait_for(lambda: _state(scene, case_id) == "DELIVERED", PATIENCE, "The delivery of a report", pause=0.1)
    arrived = [file for file in scene.inbox.iterdir() if file.name not in before]
    wait_for(lambda: len(arrived) == 2, 0, f"SR and PDF at the hospital (there are {len(arrived)})")
    scene.notes.note("report", OVERREAD, max(file.stat().st_mtime for file in arrived) - signed_at)


def _state(scene: Scene, case_id: int) -> str:
    return str(scene.overread.api("GET", f"/cases/{case_id}")["state"])
