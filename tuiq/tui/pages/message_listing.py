"""What the lists of messages and of recipients are made of: grid, pane and view.

The page shows either the list (grid, a line for the last reply, the pane) or the view
of one message; leaving the view leaves the list as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical

from tuiq.actions.filter_tree import FilterError
from tuiq.actions.words import plural
from tuiq.tui.grid.grid import Grid
from tuiq.tui.index.marked import MarkedLines
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.page import Page, run_in
from tuiq.tui.pages.lines import OneLine
from tuiq.tui.pages.message_empty import Emptiness
from tuiq.tui.pages.message_pane import MessagePane
from tuiq.tui.pages.message_view import MessageView

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiq.actions.circumstances import Circumstances
    from tuiq.tui.grid.model import Key
    from tuiq.tui.grid.news import SortWanted
    from tuiq.tui.index.lines import Listing as IndexListing
    from tuiq.tui.index.messages import MessagesView, Row
    from tuiq.tui.live.lookout import Sight
    from tuiq.tui.look.palette import Palette
    from tuiq.tui.pages.message_rows import MessageRows
    from tuiq.tui.pages.recipient_rows import RecipientRows

AGES = 5.0
"""Seconds between two looks at the clock for what is shown as an age."""
STILL = 2.0
"""Seconds for which rows keep their places after a key."""
PANE = 9
"""Lines of the pane as it comes, where the page has ``TALL`` lines."""
TALL = 24
LEAST_ROWS = 6
STEP = 3
CLOSED = -1
"""What ``choices.pane`` holds when the pane was closed."""


class Listing(Page):
    """A grid of messages, or of what is in them."""

    DEFAULT_CSS = """
    Listing { layout: vertical; height: 1fr; }
    Listing > #list { height: 1fr; }
    Listing Grid { height: 1fr; }
    Listing > MessageView { display: none; }
    Listing.-view > #list { display: none; }
    Listing.-view > MessageView { display: block; }
    """
    footer = (
        "filter", "mark", "hold", "flush", "requeue", "delete", "pause", "undo",
        "freeze", "columns", "palette", "help", "quit",
    )  # fmt: skip

    def __init__(self, *, id: str | None = None) -> None:
        """Make the page; what it shows is made when it is mounted."""
        super().__init__(id=id or self.page_name)
        self.ages = 0.0
        """When the clock was looked at for ages."""
        self.is_shown = False
        self.last_filter = ""
        """The last that was in force."""
        self._marked = 0
        self._shown: tuple[object, ...] = ()
        self._frozen: Sight | None = None
        """What was seen around when the rows were frozen."""

    noun = "row"

    # What a page of this kind says for itself.

    def make_model(self) -> MessageRows | RecipientRows:
        """Return the rows of ``self.view``."""
        raise NotImplementedError

    def meant(self, key: Key | None) -> tuple[str, int | None]:
        """Return the message of a row, empty without one, and the slot."""
        raise NotImplementedError

    @property
    def listing(self) -> IndexListing:
        """Return the order that the rows are in."""
        return self.view

    def count_ages_from(self, now: float) -> None:
        """Say ages as of *now* from here on."""
        raise NotImplementedError

    def catch_up(self) -> None:
        """Bring the rows up to date with the view."""

    def filter_changed(self) -> None:
        """Note that another filter is in force."""

    def order_of(self, column: str) -> str:
        """Return the order of messages that a column stands for."""
        return column

    # Parts.

    def compose(self) -> ComposeResult:
        """Make grid, pane and view."""
        self.view: MessagesView = self.world.messages.view()
        self.ages = self.world.clock.now()
        self._emptiness = Emptiness(self.world, self.view)
        self.model = self.make_model()
        self.marks = MarkedLines(self.world.messages, self.listing)
        self.grid = Grid(
            self.model,
            palette=self.palette,
            choice=self.world.choices.grid(self.page_name),
            marks=self.marks,
            empty=self.empty_text,
        )
        self.reply = OneLine(self.palette)
        self.pane = MessagePane(self.world, self.palette)
        self.message = MessageView(self.world, self.palette)
        with Vertical(id="list"):
            yield self.grid
            yield self.reply
            yield self.pane
        yield self.message

    def palette(self) -> Palette:
        """Return the styles in force."""
        return self.shell.palette_now

    def on_mount(self) -> None:
        """Order the rows as they were left, the oldest first as they come."""
        choice = self.world.choices.grid(self.page_name)
        order = self.order_of(choice.sort or "age")
        self.view.sort(order, reverse=choice.reverse or not choice.sort)

    def on_unmount(self) -> None:
        """Let the view go."""
        self.view.close()

    def on_resize(self) -> None:
        """Give the pane its lines."""
        self._lay_out()

    def shown(self) -> None:
        """Take the focus, and catch up."""
        self.is_shown = True
        if self.message.is_open:
            self.message.take_focus()
        else:
            self.grid.focus()
        self.tick(self.world.clock.now())

    def hidden(self) -> None:
        """Read nothing more."""
        self.is_shown = False

    @property
    def queue_id(self) -> str:
        """Return the focused message, or the open one; empty: there is none."""
        if self.message.is_open:
            return self.message.queue_id
        return self.meant(self.grid.cursor)[0]

    @property
    def row(self) -> Row | None:
        """Return what the index knows of the focused message."""
        return self.model.window.row(self.queue_id) if self.queue_id else None

    # The pane, and the line that stands for a folded column.

    @property
    def pane_height(self) -> int:
        """Return the lines of the pane, 0 while it is closed."""
        wanted = self.world.choices.pane
        if wanted == 0:
            wanted = PANE if self.size.height >= TALL else 0
        room = self.size.height
        return max(0, min(wanted, room // 2, room - LEAST_ROWS - 1))

    def _lay_out(self) -> None:
        self.pane.set_height(self.pane_height)
        self.pane.aim(self.row)
        self._show_reply()

    def resize_pane(self, by: int) -> None:
        """Give the pane more lines or fewer; remember it."""
        height = self.pane_height + by
        if by > 0:
            height = max(height, LEAST_ROWS)
        self.world.choices.pane = height if height >= STEP else CLOSED
        complaint = self.world.choices.save()
        if complaint:
            self.shell.tell(complaint, bad=True)
        self._lay_out()

    def _show_reply(self) -> None:
        """Show the focused row's reply where the grid has no column for it."""
        is_folded = "reply" not in self.grid.shown_columns
        if self.reply.display != is_folded:
            self.reply.display = is_folded
        if is_folded:
            row = self.row
            self.reply.show([(f" {clean(row.reply)}" if row else "", Role.DIM)])

    def on_grid_moved(self) -> None:
        """Let reply and pane follow; rows keep their places for a moment."""
        self.view.holds_still(STILL)
        self._show_reply()
        self.pane.aim(self.row)
        self.shell.refresh_bars()

    def on_grid_sort_wanted(self, event: SortWanted) -> None:
        """Order the rows, and remember it."""
        self.view.sort(self.order_of(event.column), reverse=event.reverse)
        choice = self.world.choices.grid(self.page_name)
        choice.sort, choice.reverse = event.column, event.reverse
        self.world.choices.save()
        self.catch_up()
        self.grid.changed(asked=True)
        self.shell.refresh_bars()

    def on_grid_marks_changed(self) -> None:
        """Tell the filter what is marked."""
        self._marked = self.marks.version
        self.view.marked(self.marks)
        self.shell.refresh_bars()

    # Time.

    @property
    def around(self) -> Circumstances:
        """Return who holds what, as far as rows tell of it."""
        return (self._frozen or self.world.lookout.sight).around

    def freeze(self, on: bool) -> None:
        """Hold rows, order and what was read of them still."""
        self.view.freeze(on)
        self._frozen = self.world.lookout.sight if on else None
        self.model.window.hold(on)
        self.catch_up()

    @property
    def is_due(self) -> bool:
        """Say whether the view has moved, as it does while frozen if asked to."""
        return bool(self._shown) and self._shown[1] != self.view.version

    def tick(self, now: float) -> None:
        """Show what changed; say ages anew every few seconds."""
        moved = not self.ages <= now < self.ages + AGES
        if moved:
            self.ages = now
            self.count_ages_from(now)
        world = self.world
        basis = (world.messages.generation, self.view.version, world.lookout.sight)
        is_passing = self.grid.cursor_position is None  # drawn as gone, or no rows
        if moved or is_passing or basis != self._shown:
            self._shown = basis
            self._show_changes(moved=moved)
        if self.message.is_open:
            self.message.tick(now)

    def _show_changes(self, *, moved: bool) -> None:
        self.catch_up()
        self._forget_gone()
        self.grid.changed()
        self._show_reply()
        self.pane.aim(self.row)
        if moved:
            self.pane.repaint()
        if not self.model.count and moved:
            run_in(self, self._explain_emptiness, group="empty")

    def _forget_gone(self) -> None:
        if self.marks.version != self._marked:
            self.on_grid_marks_changed()

    async def _explain_emptiness(self) -> None:
        await self._emptiness.look()
        self.grid.changed()

    # Filter.

    @property
    def filter_text(self) -> str | None:
        """Return the filter in force."""
        return self.view.filter

    def set_filter(self, text: str) -> str:
        """Narrow the rows, or say with a caret what is wrong."""
        try:
            self.view.narrow(text)
        except FilterError as error:
            return f"{error.caret}\n{error.reason}"
        if self.view.filter:
            self.last_filter = self.view.filter
        self.filter_changed()
        self.catch_up()
        self.grid.changed(asked=True)
        self.pane.aim(self.row)
        self._show_reply()
        return ""

    def matched(self) -> str:
        """Return how many match, and how far the reading for that is."""
        if self.view.filter:
            said = f"{self.view.count:,} of {self.view.among:,}"
        else:
            said = plural(self.view.count, "message")
        progress = self.view.progress
        if progress is not None and progress.of:
            said += f"  ⌕ {progress.done * 100 // progress.of}%"
        return said

    def empty_text(self) -> str:
        """Return why there are no rows."""
        return self._emptiness.text(self.ages)
