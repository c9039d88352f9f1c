"""Tables on a terminal; tab-separated lines, nothing cut, for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads."""
    if not sys.stdout.isatty():
        for row in (heads, *rows):
            sys.stdout.write("\t".join(row) + "\n")
        return
    table = Table(*heads)
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)
