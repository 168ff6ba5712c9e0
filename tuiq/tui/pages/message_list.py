"""What the keys do on the lists of messages and of recipients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tuiq.actions.filter_text import domain_of
from tuiq.actions.filter_tree import FilterError
from tuiq.tui.grid.grid import Grid
from tuiq.tui.look.text import clean
from tuiq.tui.page import Subject
from tuiq.tui.pages.lines import LongText
from tuiq.tui.pages.message_listing import STEP, Listing
from tuiq.tui.pages.message_rows import route_of
from tuiq.tui.pages.message_tabs import JUMPS, Section
from tuiq.tui.pages.message_terms import narrowed, term_of
from tuiq.tui.pages.message_view import MessageView

if TYPE_CHECKING:
    from tuiq.tui.index.messages import MessagesView, Row

_OF_ROWS = frozenset(
    {"open", "copy", "filter-cell", "filter-not-cell", "next-match", "previous-match"}
    | JUMPS.keys()
)
"""Commands that need a focused row."""


class ListPage(Listing):
    """A list that takes commands."""

    def __init__(self, *, id: str | None = None) -> None:
        """Make the page."""
        super().__init__(id=id)
        self._matches: MessagesView | None = None
        self._meant: tuple[tuple[object, ...], Subject | None] = ((), None)

    # What a page of this kind says for itself.

    def scope(self, count: int) -> str:
        """Return in words what *count* marked rows are; 0: the focused one; clean."""
        raise NotImplementedError

    def term(self, column: str, row: Row) -> str:
        """Return the filter text for a cell of the focused row; empty: none."""
        return term_of(column, row, self.world.lookout.sight.around, self.ages)

    # Commands.

    def why_not(self, command: str) -> str:
        """Return why a command cannot work now; empty: it can."""
        if self.message.is_open and command in MessageView.COMMANDS:
            return self.message.why_not(command)
        if command == "back":
            is_away = self.message.is_open or self.pane.lines.has_focus
            return "" if is_away else "nothing is open"
        if command in _OF_ROWS and not self.queue_id:
            return f"no {self.noun} is focused"
        if command in {"next-match", "previous-match"} and not self._sought:
            return "drop a filter with \\ first; n finds what it matched"
        if command in Grid.COMMANDS and not self.message.is_open:
            return self.grid.why_not(command)
        return ""

    def perform(self, command: str) -> None:
        """Do one of the commands in ``takes``."""
        if self.message.is_open and command in MessageView.COMMANDS:
            self.message.perform(command)
        elif self.pane.lines.has_focus and command in LongText.COMMANDS:
            self.pane.lines.perform(command)
        elif command in _DO:
            _DO[command](self)
        elif command in JUMPS:
            self.open(JUMPS[command])
        else:
            self.grid.perform(command)

    def on_grid_opened(self) -> None:
        """Open what Enter was pressed on."""
        self.open(Section.ENVELOPE)

    def open(self, section: Section) -> None:
        """Show the focused message whole."""
        queue_id, slot = self.meant(self.grid.cursor)
        if queue_id:
            self.show_message(queue_id, section, slot)

    def show_message(self, queue_id: str, section: Section, slot: int | None) -> None:
        """Show a message whole, with the recipient *slot* focused if given."""
        self.add_class("-view")
        self.message.open(queue_id, section=section, slot=slot)
        self.shell.refresh_bars()

    def back(self) -> None:
        """Leave the view; the list is as it was."""
        if not self.message.is_open:
            self.grid.focus()  # from the pane
            return
        self.message.close()
        self.remove_class("-view")
        self.grid.focus()
        self.tick(self.world.clock.now())
        self.shell.refresh_bars()

    def other_pane(self) -> None:
        """Give the keys to the pane, or back to the grid; in the view: go on."""
        if self.message.is_open:
            self.message.perform("column-right")
        elif self.pane.lines.has_focus or not self.pane.display:
            self.grid.focus()
        else:
            self.pane.lines.focus()

    def copy(self) -> None:
        """Put the whole queue id on the terminal's clipboard."""
        self.app.copy_to_clipboard(self.queue_id)
        self.shell.tell(f"{self.queue_id} copied, if the terminal allows it (OSC 52)")

    def filter_by_cell(self, *, excluding: bool) -> None:
        """Narrow the rows to those like the focused cell, or to the others."""
        row, column = self.row, self.grid.focused_column
        term = self.term(column, row) if row else ""
        if not term:
            self.shell.tell("The filter knows no such column; go to another with ← →.")
            return
        try:
            text = narrowed(self.view.filter, term, excluding=excluding)
        except FilterError as error:
            self.shell.tell(f"{clean(term)}: {error.reason}", bad=True)
            return
        self.set_filter(text)
        self.shell.refresh_bars()

    # The next match of a filter that was dropped.

    @property
    def _sought(self) -> str:
        """Return the filter whose matches n goes to; empty while one is in force."""
        return "" if self.view.filter else self.last_filter

    def _match(self, step: int) -> None:
        """Go to the next row of those that the dropped filter matches.

        They are a list of their own in the same order, so that the next one is found
        by halving.
        """
        column, reverse = self.view.sorted_by
        if self._matches is None:
            self._matches = self.world.messages.view()
        matches = self._matches
        if matches.filter != self._sought:
            matches.narrow(self._sought)
        if matches.sorted_by != (column, reverse):
            matches.sort(column, reverse=reverse)
        found = self._beside(matches, step)
        if found is None:
            self.shell.tell(f"No further match of {clean(self._sought)}.")
        else:
            self.go_to_message(found)

    def _beside(self, matches: MessagesView, step: int) -> str | None:
        """Return the match next to the focused message in the direction of *step*."""
        here = self.view.position_of(self.queue_id)
        if here is None:
            return None
        low, high = 0, matches.count
        while low < high:
            middle = (low + high) // 2
            place = self.view.position_of(matches.id_at(middle) or "")
            if place is not None and place < here + (step > 0):
                low = middle + 1
            else:
                high = middle
        at = low if step > 0 else low - 1
        return matches.id_at(at) if at >= 0 else None

    def go_to_message(self, queue_id: str) -> bool:
        """Focus a message's row; False when it is not shown."""
        return self.grid.go_to(queue_id)

    def on_unmount(self) -> None:
        """Let the views go."""
        super().on_unmount()
        if self._matches is not None:
            self._matches.close()

    # What actions are about.

    def subject(self) -> Subject | None:
        """Return what is meant: in the view, by marks in sight, or by the cursor."""
        if self.message.is_open:
            return self.message.subject()
        marks, view = self.marks, self.view
        cursor = None if marks else self.grid.cursor
        basis = (marks.version, self.listing.version, view.filter, cursor)
        if self._meant[0] != basis:
            self._meant = (basis, self._subject())
        return self._meant[1]

    def _subject(self) -> Subject | None:
        grid, lines = self.grid, self.marks.shown()
        count = len(lines)
        if not count and grid.cursor is not None and grid.cursor_position is not None:
            lines = self.marks.coded([grid.cursor])
        picks = self.listing.picks(lines)
        if not picks:
            return None
        return Subject(
            scope=self.scope(count),
            filter=self.view.filter,
            picks=picks,
            hidden=self.marks.hidden(),
        )

    def pausable(self) -> list[list[str]]:
        """Return the destination of the focused message, its queue, the spool."""
        row = self.row
        if row is None:
            return [["spool"]]
        domain = domain_of(row.recipient).decode("utf-8", "replace")
        names = dict.fromkeys((domain, route_of(row, self.world.lookout.sight.around)))
        places = [["destination", name] for name in names if name]
        return [*places, ["queue", row.directory], ["spool"]]

    def status(self) -> str:
        """Return marks, order and whether the cursor's row is followed."""
        if self.message.is_open:
            return self.message.status()
        grid = self.grid
        column, reverse = self.model.sorted_by
        arrow = "▼" if reverse else "▲"
        count, hidden = len(self.marks), self.marks.hidden()
        marked = f"{count:,} marked ({hidden:,} hidden by filter)"
        if count and hidden == count:
            marked += ": keys act on the row"
        follow = "on" if grid.following else "off"
        return f"{marked}   sort {column} {arrow}   follow {follow}"


_DO: Mapping[str, Callable[[ListPage], None]] = {
    "back": ListPage.back,
    "copy": ListPage.copy,
    "filter-cell": lambda page: page.filter_by_cell(excluding=False),
    "filter-not-cell": lambda page: page.filter_by_cell(excluding=True),
    "pane": ListPage.other_pane,
    "next-match": lambda page: page._match(1),
    "previous-match": lambda page: page._match(-1),
    "pane-bigger": lambda page: page.resize_pane(STEP),
    "pane-smaller": lambda page: page.resize_pane(-STEP),
}
ListPage.takes = frozenset(_DO) | Grid.COMMANDS | JUMPS.keys()
