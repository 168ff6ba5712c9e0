"""Move through many rows: tuiq's grid, and Textual's DataTable with far fewer.

``python -m tests.benchmarks.bench_ui_grid [--small]``.  Each is a program of its own
on a pseudo terminal of 120x36 with 24-bit colours.  A time goes from the key to the
last byte that answers it; the median of a number of keys counts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tests.benchmarks.side import Report, Row, arguments
from tests.tui.terminal.terminal import Terminal

PAGE_DOWN, DOWN, TOP = "\x1b[6~", "\x1b[B", "\x1b[1;5H"
MIB = 2**20
PAUSE = 0.3
"""Seconds of silence after which a grid is where it was sent."""

KEYS = (
    ("cursor down", DOWN, 20, ""),
    ("page down", PAGE_DOWN, 20, ""),
    ("to the last row", "G", 5, TOP),
    ("sort", "s", 5, ""),
    ("change 100 rows", "x", 10, ""),
)
"""What is done, its key, how often, and the key that comes before each."""


@dataclass(slots=True)
class Figures:
    """What one grid took."""

    first: float
    memory: int
    times: list[float]
    sizes: list[float]
    idle: int


def measure(which: str, rows: int) -> Figures:
    """Start a grid and press keys."""
    argv = (sys.executable, "-m", "tests.benchmarks.grids", which, "--rows", str(rows))
    start = time.monotonic()
    with Terminal(argv, size=(120, 36)) as terminal:
        terminal.drawn = False
        terminal.read_until(lambda t: b"@example" in t.output, timeout=300)
        first = time.monotonic() - start
        terminal.read_quiet(1.0, timeout=300)
        times, sizes = [], []
        for _, key, often, before in KEYS:
            answers = []
            for _ in range(often):
                if before:
                    terminal.press(before).read_quiet(PAUSE)
                answers.append(terminal.answer(key))
            times.append(median(seconds for seconds, _ in answers))
            sizes.append(median(size for _, size in answers))
            terminal.press(TOP).read_quiet(PAUSE)  # it may be there already
        idle = terminal.read_for(1.0)
        return Figures(first, terminal.memory(), times, sizes, idle)


def compare(report: Report, own: Figures, table: Figures) -> None:
    """Put the figures beside each other."""

    def add(what: str, unit: str, ours: float, theirs: float) -> None:
        report.add(
            Row(what=what, unit=unit, tuiq=ours, peer=theirs, less_is_better=True)
        )

    add("first row on the screen", "s", own.first, table.first)
    for (what, *_), ours, theirs in zip(KEYS, own.times, table.times, strict=True):
        add(what, "ms", ours * 1e3, theirs * 1e3)
    for (what, *_), ours, theirs in zip(KEYS, own.sizes, table.sizes, strict=True):
        add(f"{what}, sent", "bytes", ours, theirs)
    add("memory", "MiB", own.memory / MIB, table.memory / MIB)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the table."""
    options = arguments(
        __doc__ or "",
        argv,
        rows=(500_000, 5_000, "rows of tuiq's grid"),
        table_rows=(20_000, 500, "rows of the DataTable"),
    )
    own = measure("own", options.rows)
    table = measure("table", options.table_rows)
    report = Report(
        title=f"A grid of {options.rows:,} rows, a DataTable of {options.table_rows:,}",
        where=options.where,
        peer="DataTable",
        durability=(),
        notes=[
            "both under tuiq's driver; times include the frame that is waited for",
            f"idle for a second: tuiq {own.idle} bytes, DataTable {table.idle}",
        ],
    )
    compare(report, own, table)
    report.print(markdown=options.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
