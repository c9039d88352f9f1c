"""One run: both servers side by side on one disk, asked in turn, round after round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.crowd import measure_crowd
from bench.dcmtk import HOSPITAL, receiving, send
from bench.draining import measure_draining
from bench.footprint import Seen, cpu_seconds, look, machine_seconds
from bench.images import Study, cine_template, ct_template
from bench.metrics import ORTHANC, OVERREAD
from bench.notebook import Notebook, Process
from bench.opening import measure_opening_again, measure_opening_warm
from bench.orthanc_alone import orthanc_alone
from bench.overread import QUIET_SECONDS, overread_up
from bench.plan import Plan
from bench.programs import wait_for
from bench.reading import measure_first_metadata, measure_reading, measure_searching_among_many
from bench.reporting import measure_reporting
from bench.scene import Scene
from bench.storing import measure_answering, measure_storing

AFTERMATH_SECONDS = (
    40.0  # from quiet to rest: cases, their answers for the viewer, the read cache; 25 s on a crowded machine
)
SMALL = 64  # pixels on a side of the studies that are only there to be searched through

Say = Callable[[str], None]


def run(plan: Plan, folder: Path, notes: Notebook, say: Say) -> None:
    """Measure everything into `notes`. Raises NotMeasured at what does not work; what was measured until then stays."""
    say("Making images, starting Overread and Orthanc …")
    with _scene(plan, folder, notes) as scene:
        at_rest = _rest(scene)
        cine = _prepare(scene)
        for turn in range(plan.rounds):
            say(f"Round {turn + 1} of {plan.rounds} …")
            study = _round(scene, cine, turn)
        say(f"{plan.others} studies of other people …")
        notes.attempt("Searches among many", partial(measure_searching_among_many, scene, cine))
        say("A crowd …")
        notes.attempt("A crowd", partial(measure_crowd, scene, study))
        opened = scene.new_ct()
        notes.attempt("Opening", partial(measure_opening_warm, scene, opened))
        notes.processes += _processes(at_rest, look(scene.overread.pid))
    say("Starting Overread again …")
    notes.attempt("Opening again", partial(measure_opening_again, scene, opened))


@contextmanager
def _scene(plan: Plan, folder: Path, notes: Notebook) -> Iterator[Scene]:
    ct = ct_template(plan.slices)
    with (
        receiving(folder / "hospital", HOSPITAL) as hospital,
        overread_up(folder / "overread", folder / "overread.log") as overread,
        orthanc_alone(folder / "orthanc") as orthanc,
    ):
        notes.note("start-first", OVERREAD, overread.start_seconds)
        overread.add_hospital(hospital.port)
        yield Scene(plan, folder, overread, orthanc, ct, folder / "hospital", notes)


def _rest(scene: Scene) -> dict[int, Seen]:
    """Wait until all is done that the demo's studies gave to do, then see what both take while nobody asks."""
    root = scene.overread.pid
    wait_for(lambda: "demo" not in {seen.name for seen in look(root).values()}, 120, "The demo's studies being sent")
    time.sleep(QUIET_SECONDS + AFTERMATH_SECONDS)
    before, orthanc, everybody = look(root), cpu_seconds(scene.orthanc.pid), machine_seconds()
    begun = time.monotonic()
    time.sleep(scene.plan.idle_seconds)
    percent = 100 / (time.monotonic() - begun)
    after = look(root)
    taken = {pid: seen.cpu_seconds - before[pid].cpu_seconds for pid, seen in after.items() if pid in before}
    ours, theirs = sum(taken.values()), cpu_seconds(scene.orthanc.pid) - orthanc
    idle = scene.notes.idle_cpu
    idle[f"of {OVERREAD} at rest"] = percent * ours
    for part in ("receiver", "worker"):
        idle[f"of its {part} processes then"] = percent * sum(
            taken[pid] for pid in taken if after[pid].name.startswith(part)
        )
    idle[f"of {ORTHANC} at rest"] = percent * theirs
    idle["of everybody else on this machine then"] = percent * max(0, machine_seconds() - everybody - ours - theirs)
    return after


def _prepare(scene: Scene) -> Study:
    """Both get the same small studies and the cine loop, which is returned when it is on the worklist."""
    small = ct_template(1, SMALL)
    files = [file for _ in range(scene.plan.studies) for file in small.write(scene.folder / "sent").files]
    cine = cine_template().write(scene.folder / "sent")
    for subject in (OVERREAD, ORTHANC):
        send(scene.receiver(subject), [*files, *cine.files])
    scene.overread.wait_for_case(cine.study_uid)
    return cine


def _round(scene: Scene, cine: Study, turn: int) -> Study:
    """One of each; return the last study, which both have."""
    attempt = scene.notes.attempt
    fresh = measure_storing(scene, turn)
    measure_answering(scene, turn)
    attempt("The backlog", partial(measure_draining, scene, turn))
    for study in fresh:
        attempt("First metadata", partial(measure_first_metadata, scene, study))
    measure_reading(scene, fresh[-1], cine, turn)
    for study in fresh:
        attempt("Reporting", partial(measure_reporting, scene, study))
    return fresh[-1]


def _processes(at_rest: dict[int, Seen], after: dict[int, Seen]) -> list[Process]:
    """Those that lived through the run."""
    both = [(at_rest[pid], seen) for pid, seen in after.items() if pid in at_rest]
    return [Process(seen.name, before.resident_mb, seen.resident_mb) for before, seen in both]
