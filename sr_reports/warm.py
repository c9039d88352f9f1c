"""Make a process ready, so that its first report takes no longer than the others."""

from __future__ import annotations

import sr_reports.pdf  # noqa: F401 - loads typst and highdicom
from sr_reports.typeset import missing_fonts, prepare


def warm_up() -> tuple[str, ...]:
    """Find the fonts; importing this module has loaded the libraries.

    Returns the font families that are missing: without them there are names that cannot be printed.
    """
    prepare()
    return missing_fonts()
