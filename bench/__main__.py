"""`python -m bench [--quick]`: start both, measure in turn, print, write build/bench/*.json. Always ends with 0."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from rich.console import Console

from bench.notebook import Notebook
from bench.paper import machine, print_results, write_results
from bench.plan import QUICK, USUAL
from bench.run import run

RESULTS = Path("build/bench")


def main() -> None:
    """Measure everything; what does not work is said, and the rest goes on."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--quick", action="store_true", help="one round, 100 slices: a look, not a result")
    plan = QUICK if options.parse_args().quick else USUAL
    console, notes, about = Console(width=140), Notebook(), machine()
    RESULTS.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=RESULTS)).absolute()
    try:
        notes.attempt("The run", lambda: run(plan, folder, notes, lambda said: console.print(said, style="dim")))
    except KeyboardInterrupt:
        notes.failures.append("The rest: somebody pressed Ctrl-C.")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print_results(console, notes, about, plan)
    console.print(f"Every sample: {write_results(RESULTS, notes, about, plan)}")


if __name__ == "__main__":
    main()
