"""What was done to the queue and by whom, and what happened besides."""

from __future__ import annotations

import asyncio
import shlex
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical

from tuiq.actions.filter_tree import Term, Value
from tuiq.actions.records import read_action
from tuiq.actions.words import instant, plural
from tuiq.errors import TuiqError
from tuiq.tui.grid import news
from tuiq.tui.grid.grid import Grid
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.page import run_in
from tuiq.tui.pages import activity_rows as rows
from tuiq.tui.pages.activity_rows import ActivityRow
from tuiq.tui.pages.board import Board
from tuiq.tui.pages.lines import Line, Lines
from tuiq.tui.pages.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual import events
    from textual.app import ComposeResult

    from tuiq.actions.records import Record
    from tuiq.tui.grid.model import Cell, Key
    from tuiq.tui.page import Done

BY_ID = 50
"""Messages up to which a filter names every one."""


class ActivityPage(Board):
    """Actions, runners, errors and rescans in one list, the newest first."""

    page_name = "activity"
    page_title = "Activity"
    seeks_words = True
    footer: ClassVar[tuple[str, ...]] = ("open", "undo", "filter", "sort", "columns")

    def __init__(self) -> None:
        """Begin without a filter."""
        super().__init__()
        self._filter = ""
        self._now = 0.0
        self._rows: dict[str, ActivityRow] = {}
        self._actions: object = None
        # Rows of actions, by id, with the record that each was made from.
        self._made: dict[str, tuple[Record, ActivityRow]] = {}

    def compose(self) -> ComposeResult:
        """Make the grid, and the lines about its focused row."""
        self.table: Table[ActivityRow] = Table(
            rows.COLUMNS, self._cell, rows.rank, sort=("time", True)
        )
        self.grid = self.make_grid(self.table, "activity")
        self.detail = Lines(self.palette, least=2, most=4, id="activity-about")
        yield Vertical(self.grid, self.detail)

    def on_resize(self, event: events.Resize) -> None:
        """Leave the lines out where there are few."""
        self.detail.fit(event.size.height)

    def _cell(self, row: ActivityRow, column: str) -> Cell:
        return rows.cell(row, column, now=self._now)

    # -- what is shown -----------------------------------------------------------

    def tick(self, now: float) -> None:
        """Take in what is new."""
        if not self.is_mounted:
            return
        self._now = now
        found = self._all()
        if found != self._rows:
            self._rows = found
            self._show()
        else:
            self.grid.changed()
        self._tell()

    def _show(self) -> None:
        self.table.show(rows.matching(self._rows, _words(self._filter)))
        self.grid.changed()

    def _all(self) -> dict[str, ActivityRow]:
        lookout, state = self.world.lookout, self.world.feed.state
        troubles = self.shell.troubles
        found = {f"action {key}": row for key, row in self._of_actions()}
        found |= {f"run {run.number}": rows.of_run(run) for run in lookout.runs}
        found |= {f"error {t.text}": rows.of_trouble(t) for t in troubles}
        found |= {f"reading {s.text}": rows.of_spell(s) for s in troubles.spells}
        if state.scanned:
            found["rescan"] = rows.of_list(state)
        return found

    def _of_actions(self) -> Iterable[tuple[str, ActivityRow]]:
        """Return the rows of all actions; only new and changed ones are made."""
        made, host = self._made, self.world.actor.host
        actions = self.world.lookout.actions
        if actions is not self._actions:
            self._actions = actions
            self._made = {}
            for record in actions:
                action = record.start.action
                before = made.get(action)
                is_same = before is not None and before[0] is record
                row = before[1] if is_same and before else None
                if row is None:
                    row = rows.of_action(record, host=host)
                self._made[action] = record, row
        for action, (record, row) in self._made.items():
            if row.running and not rows.is_alive(record, host):
                self._made[action] = record, rows.of_action(record, host=host)
        return [(action, row) for action, (_, row) in self._made.items()]

    def _tell(self) -> None:
        row = self.table.value(self.grid.cursor)
        note = self.world.lookout.actions_note
        lines: list[Line] = [] if row is None else self._about(row)
        if note:
            lines = [*lines[:1], [(f" {clean(note)}", Role.WARN)]]
        self.detail.say(lines)

    def _about(self, row: ActivityRow) -> list[Line]:
        first: Line = [
            (f" {instant(row.at)}", Role.STRONG),
            (f" {row.what} {row.scope}", Role.TEXT),
        ]
        if row.ended is not None:
            return [first, [(f" over since {instant(row.ended)}", Role.DIM)]]
        if row.record is None:
            return [first]
        actor = row.record.start.actor
        places = (actor.user, actor.tty, actor.remote, actor.host)
        where = " ".join(clean(place) for place in places if place)
        done = self.done()
        undo = f"{self.key('undo')} takes it back"
        if done and done.why_not:
            undo = f"no undo: {done.why_not}"
        text = f" {row.record.start.action} by {row.who} ({where}) · {undo}"
        return [first, [(text, Role.DIM)]]

    def on_grid_moved(self, _event: news.Moved) -> None:
        """Tell about the row that is focused now."""
        self._tell()

    def empty_text(self) -> str:
        """Return what stands where rows would be."""
        if self._filter:
            shown = clean(self._filter)
            key = self.key("filter-toggle")
            return f"Nothing that happened matches {shown}; {key} drops the filter."
        return "Nothing was done yet. What operators do is listed here, and kept."

    def status(self) -> str:
        """Return the order of the rows."""
        return f"sort {self.table.sorted_by[0]}"

    # -- the filter ----------------------------------------------------------------

    @property
    def filter_text(self) -> str | None:
        """Return the words that are sought."""
        return self._filter

    def set_filter(self, text: str) -> str:
        """Show only rows with all words; ``!word``: without it."""
        self._filter = text.strip()
        self._show()
        self.grid.changed(asked=True)
        return ""

    def matched(self) -> str:
        """Return how many rows are shown."""
        if not self._filter:
            return ""
        return f"{self.table.count:,} of {len(self._rows):,}"

    # -- what can be done ------------------------------------------------------------

    def done(self) -> Done | None:
        """Return the focused action, which ``undo`` takes back."""
        row = self.table.value(self.grid.cursor)
        if row is None:
            return None
        keep = self.world.config.spool.trash_keep
        return rows.undoing(row, now=self._now, keep=keep)

    def opened(self, grid: Grid, key: Key) -> None:
        """Show the messages that an action was applied to."""
        row = self.table.value(key)
        if row is None:
            return
        if row.record is None:
            self.shell.tell(row.scope)
        elif not row.count:
            self.shell.tell(f"{row.what} {row.scope}: is about no single messages")
        else:
            show = partial(self._show_messages, row.record)
            run_in(self, show)

    async def _show_messages(self, record: Record) -> None:
        """Open the affected messages by their ids, or else by the filter used then."""
        start = record.start
        if start.count <= BY_ID:
            directory = self.world.spool.path / "audit"
            try:
                whole = await asyncio.to_thread(read_action, directory, start.action)
            except (TuiqError, OSError) as error:
                self.shell.tell(clean(str(error)), bad=True)
                return
            ids = dict.fromkeys(queue_id for queue_id, _ in whole.items)
            values = tuple(Value(text=queue_id) for queue_id in ids)
            term = Term(field="id", operator="=", values=values)
            self.shell.go("messages", filter=str(term))
            return
        many = plural(start.count, "message")
        if start.filter:
            self.shell.go("messages", filter=start.filter)
            self.shell.tell(
                f"{many} were meant then; this is what the same filter finds now"
            )
            return
        self.shell.tell(
            f"{many} are too many for a filter; {start.action}.jsonl in audit/ names "
            "them all"
        )


def _words(text: str) -> list[str]:
    """Return the words of a filter; quotes keep spaces."""
    for closing in ("", '"', "'"):  # one that is still open ends here
        with suppress(ValueError):
            return shlex.split(text + closing)
    return text.split()
