"""The queue directories: what lies in each, who serves it, how fast it moves."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical

from tuiq.actions.filter_tree import Term, Value
from tuiq.tui.grid import news
from tuiq.tui.grid.grid import Grid
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages.lines import Lines
from tuiq.tui.pages.queue_about import about
from tuiq.tui.pages.queue_rows import COLUMNS, SPARK, QueueRow, cell, rank, stopping
from tuiq.tui.pages.table import Table
from tuiq.tui.pages.throughput import Plotted, Throughput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

    from tuiq.spool.entry import State
    from tuiq.spool.layout import QueueDirectory
    from tuiq.tui.grid.model import Key

TOTAL = ""
"""Key of the row of all; no directory's name."""
CURVES = (
    ("came in", "messages/s", "in", Role.PLOT_IN),
    ("done with", "messages/s", "out", Role.PLOT_OUT),
    ("deferred", "recipients/s", "deferred", Role.PLOT_IN),
    ("failed", "recipients/s", "failed", Role.PLOT_OUT),
)
_SPARK_SECONDS = 10 * SPARK


class QueuesPage(Plotted):
    """One row per queue directory."""

    page_name = "queues"
    page_title = "Queues"
    footer: ClassVar[tuple[str, ...]] = (
        "open",
        "pause",
        "resume",
        "sort",
        "columns",
        "plot-shorter",
        "plot-longer",
        "runner-start",
        "freeze",
    )
    DEFAULT_CSS = """
    QueuesPage { layout: vertical; }
    """

    def compose(self) -> ComposeResult:
        """Make the grid, the lines about its focused row, and the plots."""
        self.table: Table[QueueRow] = Table(
            COLUMNS, cell, rank, sort=("name", False), first=TOTAL
        )
        self.grid = self.make_grid(self.table, "queues")
        self.detail = Lines(self.palette, least=3, most=6, id="queues-about")
        self.throughput = Throughput(
            self.world.lookout, CURVES, self.palette, id="queues-plots"
        )
        yield Vertical(self.grid, self.detail, self.throughput)

    def on_resize(self, event: events.Resize) -> None:
        """Say about the focused row what there is room for."""
        self.detail.fit(event.size.height)
        self._fit()

    def _fit(self) -> None:
        """Deal the lines out: rows first, then what is said about one, then plots."""
        width, height = self.size
        spare = height - len(self.world.spool.directories) - 2 - self.detail.height
        self.throughput.fit(width, max(spare, 0) if height >= 14 else 0)

    # -- what is shown -----------------------------------------------------------

    def tick(self, now: float) -> None:
        """Bring what is shown up to date."""
        if not self.is_mounted:
            return
        rows = {d.name: self._row(d, now) for d in self.world.spool.directories}
        self.table.show({TOTAL: self._total(list(rows.values()), now), **rows})
        self.grid.changed()
        self._tell()
        self.throughput.bring()

    def _row(self, directory: QueueDirectory, now: float) -> QueueRow:
        world, name = self.world, directory.name
        sight = world.lookout.sight
        facts = sight.directories.get(name)
        return QueueRow(
            name=clean(name),
            now=now,
            tally=world.messages.tally_of(name),
            oldest=world.messages.oldest_of(name),
            facts=facts,
            rates=(facts.rate_in, facts.rate_out) if facts else (0.0, 0.0),
            lines=(
                self._spark(f"queue:{name}:in"),
                self._spark(f"queue:{name}:out"),
            ),
            pauses=stopping(sight.around.pauses, directory.uuid),
        )

    def _total(self, rows: list[QueueRow], now: float) -> QueueRow:
        lookout = self.world.lookout
        tally: Counter[State] = Counter()
        for row in rows:
            tally.update(row.tally)
        rates, around = lookout.sight.rates, lookout.sight.around
        return QueueRow(
            name="TOTAL",
            now=now,
            tally=tally,
            oldest=min((r.oldest for r in rows if r.oldest is not None), default=None),
            rates=(rates.get("in", 0.0), rates.get("out", 0.0)),
            lines=(
                self._spark("in"),
                self._spark("out"),
            ),
            pauses=around.pauses.pauses,
            places={p.file: around.pause_place(p) for p in around.pauses.pauses},
        )

    def _spark(self, name: str) -> Sequence[float]:
        return self.world.lookout.points(name, _SPARK_SECONDS, SPARK)

    def _tell(self) -> None:
        error = self.world.lookout.sight.error
        row = self.table.value(self.grid.cursor)
        lines = about(row) if row is not None else []
        self.detail.say([[(f" {error}", Role.BAD)], *lines] if error else lines)
        self._fit()

    def on_grid_moved(self, _event: news.Moved) -> None:
        """Tell about the row that is focused now."""
        self._tell()

    def empty_text(self) -> str:
        """Return what stands where rows would be."""
        return "The queue directories are being looked at."

    # -- what can be done ----------------------------------------------------------

    def opened(self, grid: Grid, key: Key) -> None:
        """Show the messages of a directory."""
        term = Term(field="queue", operator=":", values=(Value(text=str(key)),))
        self.shell.go("messages", filter="" if key == TOTAL else str(term))

    def pausable(self) -> list[list[str]]:
        """Return the focused directory, then the whole spool."""
        key = self.grid.cursor
        if key is None or key == TOTAL:
            return [["spool"]]
        return [["queue", str(key)], ["spool"]]
