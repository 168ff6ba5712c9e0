"""Who works on what: runners, locks on messages, destinations."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical

from tuiq.actions.filter_tree import Term, Value
from tuiq.tui.grid import news
from tuiq.tui.grid.grid import Grid
from tuiq.tui.look.roles import Role
from tuiq.tui.page import Subject
from tuiq.tui.pages import holder_rows, runner_rows
from tuiq.tui.pages.holder_rows import HolderRow
from tuiq.tui.pages.lines import Line, Lines, OneLine
from tuiq.tui.pages.runner_rows import DestinationRow, RunnerRow
from tuiq.tui.pages.table import Table
from tuiq.tui.pages.throughput import Plotted, Throughput

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from tuiq.tui.grid.model import Key
    from tuiq.tui.live.lookout import Sight

CURVES = (
    ("delivered", "recipients/s", "delivered", Role.PLOT_OUT),
    ("deferred", "recipients/s", "deferred", Role.PLOT_IN),
)
_NAMES = ("Runners", "Locks", "Destinations")
_PLOT = 8
"""Lines of the plots."""


class RunnerPage(Plotted):
    """Three grids: runners, holders of locks, destinations."""

    page_name = "runner"
    page_title = "Runner & Locks"
    footer: ClassVar[tuple[str, ...]] = (
        "pane",
        "runner-start",
        "runner-drain",
        "runner-limit",
        "pause",
        "resume",
        "open",
        "sort",
    )
    takes: ClassVar[frozenset[str]] = Plotted.takes | {"pane"}
    DEFAULT_CSS = """
    RunnerPage Grid.-away { display: none; }
    """

    def compose(self) -> ComposeResult:
        """Make the grids, the line that names them, and the plots."""
        self.runners: Table[RunnerRow] = Table(
            runner_rows.RUNNERS,
            runner_rows.runner_cell,
            runner_rows.runner_rank,
            sort=("name", False),
        )
        self.locks: Table[HolderRow] = Table(
            holder_rows.HOLDERS,
            holder_rows.holder_cell,
            holder_rows.holder_rank,
            sort=("seconds", True),
        )
        self.destinations: Table[DestinationRow] = Table(
            runner_rows.DESTINATIONS,
            runner_rows.destination_cell,
            runner_rows.destination_rank,
            sort=("state", True),
        )
        self.parts = OneLine(self.palette, id="runner-parts")
        self.runner_grid = self.make_grid(self.runners, "runners", self._no_runner)
        self.lock_grid = self.make_grid(self.locks, "locks", self._no_lock)
        self.destination_grid = self.make_grid(
            self.destinations, "destinations", self._no_destination
        )
        self.detail = Lines(self.palette, least=2, most=4, id="runner-about")
        self.throughput = Throughput(
            self.world.lookout, CURVES, self.palette, id="runner-plots"
        )
        yield Vertical(
            self.parts,
            self.runner_grid,
            self.lock_grid,
            self.destination_grid,
            self.detail,
            self.throughput,
        )

    # -- where everything stands -------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        """Deal the lines out anew."""
        width, height = event.size
        self.throughput.fit(width, _PLOT if height >= 24 else 0)
        self.detail.fit(height)
        self._deal()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Give most lines to the grid that has the keys."""
        before = self.last_focused
        super().on_descendant_focus(event)
        if self.last_focused != before:
            self._deal()
        self._tell()

    def _deal(self) -> None:
        """Give the grids their lines; where there are few, one grid has them all."""
        room = self.size.height - 1
        room -= 2 if self.detail.display else 0
        room -= _PLOT if self.throughput.display else 0
        crowded = room < 11
        for number, grid in enumerate(self.grids):
            active = number == self.last_focused
            grid.set_class(crowded and not active, "-away")
            if active:
                grid.styles.height = "1fr"
            else:
                most = 4 if grid is self.runner_grid else max(3, room // 4)
                grid.styles.height = most

    # -- what is shown -----------------------------------------------------------

    def tick(self, now: float) -> None:
        """Bring what is shown up to date."""
        if not self.is_mounted:
            return
        sight = self.world.lookout.sight
        around = sight.around
        self.runners.show({r.name: RunnerRow(told=r, now=now) for r in around.runners})
        self.locks.show(holder_rows.holders(around, now))
        self.destinations.show(self._destinations(sight, now))
        for grid in self.grids:
            if grid.display:
                grid.changed()
        self._tell()
        self.throughput.bring()

    def _destinations(self, sight: Sight, now: float) -> dict[str, DestinationRow]:
        delivered, pauses = sight.delivered, sight.around.pauses
        return {
            told.name: DestinationRow(
                told=told,
                now=now,
                rate=delivered.get(told.name),
                pause=pauses.destination(told.name),
            )
            for told in sight.destinations
        }

    def _tell(self) -> None:
        """Say which parts there are, and about the focused row."""
        if not self.grids:
            return
        self.parts.show(self._parts())
        error = self.world.lookout.sight.error
        lines = self._about()
        self.detail.say([[(f" {error}", Role.BAD)], *lines] if error else lines)

    def _parts(self) -> Line:
        sight = self.world.lookout.sight
        trouble = runner_rows.troubled(sight.destinations)
        counts = (len(sight.around.alive), self.locks.count, self.destinations.count)
        line = []
        for number, (name, count) in enumerate(zip(_NAMES, counts, strict=True)):
            on = number == self.last_focused
            text = f"[{name} {count:,}]" if on else f" {name} {count:,} "
            line.append((f" {text}", Role.TAB_ON if on else Role.TAB))
        if trouble:
            line.append((f" {trouble}", Role.WARN))
        if not sight.around.locks.complete:
            line.append(("  inside a container: locks from outside unseen", Role.WARN))
        return line

    def _about(self) -> list[Line]:
        grid, key = self.active, self.active.cursor
        if grid is self.runner_grid and (runner := self.runners.value(key)):
            return runner_rows.about_runner(runner)
        if grid is self.lock_grid and (lock := self.locks.value(key)):
            return holder_rows.about_holder(lock, self.world.config.delivery)
        if grid is self.destination_grid and (it := self.destinations.value(key)):
            return runner_rows.about_destination(it)
        return []

    def on_grid_moved(self, _event: news.Moved) -> None:
        """Tell about the row that is focused now."""
        self._tell()

    def _no_runner(self) -> str:
        return f"No runner is running; {self.key('runner-start')} starts one here."

    def _no_lock(self) -> str:
        if self.world.lookout.sight.around.locks.complete:
            return "No message is locked: nobody is working on one."
        return "No lock is visible from here; run tuiq on the host to see them all."

    def _no_destination(self) -> str:
        if not self.world.lookout.sight.around.alive:
            return "Destinations are told by runners, and no runner is running."
        return "No destination has mail, connections or trouble."

    # -- what can be done ----------------------------------------------------------

    def subject(self) -> Subject | None:
        """Return the message whose lock is focused."""
        key = self.lock_grid.cursor
        if self.active is not self.lock_grid or self.locks.value(key) is None:
            return None
        return Subject(scope=str(key), picks=((str(key), None),))

    def pausable(self) -> list[list[str]]:
        """Return the focused destination, then the whole spool."""
        name = self._destination()
        return [["destination", name], ["spool"]] if name else [["spool"]]

    def _destination(self) -> str:
        if self.active is self.destination_grid:
            row = self.destinations.value(self.destination_grid.cursor)
            return row.told.name if row else ""
        if self.active is self.lock_grid:
            lock = self.locks.value(self.lock_grid.cursor)
            return lock.connection.destination if lock and lock.connection else ""
        return ""

    def perform(self, command: str) -> None:
        """Do one of the commands in ``takes``."""
        if command == "pane":
            self._next_part()
        else:
            super().perform(command)

    def _next_part(self) -> None:
        """Give the keys to the next grid."""
        grids = self.grids
        following = grids[(self.last_focused + 1) % len(grids)]
        following.remove_class("-away")
        following.focus()

    def opened(self, grid: Grid, key: Key) -> None:
        """Show the messages that a row is about."""
        if grid is self.lock_grid:
            self.shell.go("messages", filter=f"id:{key}", focus=key)
        elif grid is self.destination_grid:
            route = Term(field="route", operator="=", values=(Value(text=str(key)),))
            self.shell.go("messages", filter=str(route))
        else:
            self.shell.go("messages", filter="is:locked")
