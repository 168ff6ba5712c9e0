"""One message, whole, in sections; read in threads while the queue goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from tuiq.errors import MessageGone
from tuiq.tui.grid.grid import Grid
from tuiq.tui.look.palette import Palette
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.page import Subject, run_in
from tuiq.tui.pages import message_content, message_history, message_sections
from tuiq.tui.pages.lines import LongText, OneLine, note
from tuiq.tui.pages.message_facts import DATA_BYTES, Facts
from tuiq.tui.pages.message_reader import MessageReader
from tuiq.tui.pages.message_recipients import SlotRows
from tuiq.tui.pages.message_summary import pane_title
from tuiq.tui.pages.message_tabs import JUMPS, ORDER, Section, tabs_line
from tuiq.tui.world import World

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiq.actions.circumstances import Circumstances
    from tuiq.tui.grid.news import MarksChanged, Moved, Opened, SortWanted
    from tuiq.tui.pages.lines import Line


_MOVING = frozenset({Section.ENVELOPE, Section.LOCK, Section.WHY, Section.ATTEMPTS})
"""Sections that time and circumstances change."""
_TOLD = frozenset({Section.TRANSCRIPT, Section.ATTEMPTS})
"""Sections that need the journal."""
_AGAIN = 1.0
"""Seconds between two looks at what only time changes."""


class MessageView(MessageReader):
    """Shows the message that ``open`` names until ``close``."""

    DEFAULT_CSS = """
    MessageView { layout: vertical; height: 1fr; }
    MessageView > Grid { display: none; }
    MessageView.-slots > Grid { display: block; }
    MessageView.-slots > LongText { display: none; }
    """
    COMMANDS: ClassVar[frozenset[str]] = (
        LongText.COMMANDS
        | Grid.COMMANDS
        | JUMPS.keys()
        | {"column-left", "column-right", "next-match", "previous-match"}
    )

    def __init__(self, world: World, palette: Callable[[], Palette]) -> None:
        """Show nothing yet."""
        super().__init__(world)
        self._palette = palette
        self.section = Section.ENVELOPE
        self._shown_at = 0.0
        self._raw_header = False
        self._raw_at = 0
        self._slot: int | None = None
        # Whether other lines than those in sight were asked for, and the keys since.
        self._is_turning = False
        self._early: list[str] = []
        self.rows = SlotRows(lambda: world.lookout.sight.around)

    def compose(self) -> ComposeResult:
        """Make title, tabs, text and the grid of recipients."""
        self.title = OneLine(self._palette, ruled=True)
        self.tabs = OneLine(self._palette)
        self.lines = LongText(self._palette)
        self.grid = Grid(self.rows, palette=self._palette, empty=self._no_recipients)
        yield self.title
        yield self.tabs
        yield self.lines
        yield self.grid

    # Opening, and what comes in.

    def open(self, queue_id: str, *, section: Section, slot: int | None = None) -> None:
        """Show a message from *section* on, with the recipient *slot* focused."""
        self.close()
        self._slot = slot
        self.begin(queue_id)
        self._show_title()
        self.lines.show([note("reading …")])
        self.grid.marks.clear()
        self.go(Section.RECIPIENTS if slot is not None else section)

    def close(self) -> None:
        """Forget the message."""
        self.end()
        self._is_turning = False
        self._raw_header = False
        self._raw_at = 0
        self.rows.take(None, 0.0)

    def told(self) -> None:
        """Show what is known now."""
        if self.facts is not None:
            self.rows.take(self.facts, self._world.clock.now())
            self.grid.changed()
            if self._slot is not None:
                self.grid.go_to(self._slot)
                self._slot = None
        self._show_title()
        self._show()

    def tick(self, now: float) -> None:
        """Read again what changed; say anew what time changes."""
        if self.follow():
            return
        if self.section in _MOVING and abs(now - self._shown_at) >= _AGAIN:
            self._show()
        if self.section is Section.RECIPIENTS and now - self.rows.now >= _AGAIN:
            self.rows.now = now
            self.grid.changed()

    # Showing.

    def go(self, section: Section) -> None:
        """Show another section from its top."""
        self.section = section
        self.set_class(section is Section.RECIPIENTS, "-slots")
        self._show_tabs()
        self.take_focus()
        self._turn()

    def take_focus(self) -> None:
        """Give the keys to what is shown."""
        (self.grid if self.section is Section.RECIPIENTS else self.lines).focus()

    def on_resize(self) -> None:
        """Show as many tabs as there is room for."""
        self._show_tabs()

    def _show_title(self) -> None:
        if self.facts is None:
            said = "it is no longer in the queue" if self.gone else "reading …"
            self.title.show([(f" {self.queue_id} · {said}", Role.STRONG)])
            return
        line = list(pane_title(self.facts, self._world.lookout.sight.around))
        if self.gone:
            line[2:] = [("· left the queue; shown as it was read last ", Role.WARN)]
        self.title.show(line)

    def _show_tabs(self) -> None:
        self.tabs.show(tabs_line(self.section, self.size.width))

    def _turn(self) -> None:
        """Show other lines from their top; keys wait for them."""
        self._is_turning = self.section is not Section.RECIPIENTS
        self._early.clear()
        self._show()

    def _show(self) -> None:
        if not self.is_open or self.section is Section.RECIPIENTS:
            return
        self._shown_at = self._world.clock.now()
        if self.section in _TOLD:
            self.read_journal()
        run_in(self, self._fill, group="show")

    async def _fill(self) -> None:
        """Make the lines of the section in a thread: mail may be hard to read."""
        facts = self.facts
        if self.section is Section.RECIPIENTS:
            return  # it was gone to before this began
        if facts is None:
            said = "reading …"
            if self.gone:
                said = f"{self.queue_id} is no longer in the queue; Esc goes back."
            self.lines.show([note(said)])
            return
        around = self._world.lookout.sight.around
        make = _MAKERS[self.section]
        lines = await asyncio.to_thread(make, self, facts, around)
        self.lines.show(lines, again=not self._is_turning)
        self._is_turning = False
        while self._early:
            self.lines.perform(self._early.pop(0))

    def _raw(self, facts: Facts, _around: Circumstances) -> list[Line]:
        if facts.trouble:
            return [note(facts.trouble, Role.BAD)]
        data, entry = facts.data, facts.entry
        if self._raw_at:
            try:
                end = self._raw_at + DATA_BYTES
                data = self._world.spool.read_data(entry, limit=end)[self._raw_at :]
            except (MessageGone, OSError):
                return [
                    note("The message left the queue; only its first part is kept.")
                ]
        return message_content.raw(data, start=self._raw_at, of=entry.size)

    def _no_recipients(self) -> str:
        if self.facts is None:
            return "reading …"
        return f"The recipients cannot be read: {clean(self.facts.entry.damage)}"

    # Commands.

    def perform(self, command: str) -> None:
        """Do one of ``COMMANDS``."""
        if command in {"column-left", "column-right"}:
            step = 1 if command == "column-right" else -1
            self.go(ORDER[(ORDER.index(self.section) + step) % len(ORDER)])
        elif command == "raw" and self.section is Section.HEADERS:
            self._raw_header = not self._raw_header
            self._turn()
        elif command in JUMPS:
            self.go(JUMPS[command])
        elif command in {"next-match", "previous-match"}:
            self._turn_page(1 if command == "next-match" else -1)
        elif self.section is Section.RECIPIENTS:
            self.grid.perform(command)
        elif command in LongText.COMMANDS and self._is_turning:
            self._early.append(command)
        elif command in LongText.COMMANDS:
            self.lines.perform(command)

    def why_not(self, command: str) -> str:
        """Return why a command cannot work now; empty: it can."""
        if command in {"next-match", "previous-match"}:
            return "" if self.section is Section.RAW else "only Raw has further parts"
        is_row = command in Grid.COMMANDS and command not in LongText.COMMANDS
        if is_row and not command.startswith("column-"):
            if self.section is not Section.RECIPIENTS:
                return "only in the section Recipients"
            return self.grid.why_not(command)
        return ""

    def _turn_page(self, step: int) -> None:
        size = self.facts.entry.size if self.facts else 0
        start = self._raw_at + step * DATA_BYTES
        if self.section is Section.RAW and 0 <= start < size:
            self._raw_at = start
            self._turn()

    def subject(self) -> Subject:
        """Return the message, or those of its recipients that are meant."""
        tail = self.queue_id
        if self.section is not Section.RECIPIENTS or self.grid.cursor is None:
            return Subject(scope=tail, picks=((self.queue_id, None),))
        slots = sorted(key for key in self.grid.marks if isinstance(key, int))
        if slots:
            scope = f"{len(slots):,} marked of the recipients of {tail}"
        else:
            slots = [key for key in (self.grid.cursor,) if isinstance(key, int)]
            scope = f"{self.rows.address(self.grid.cursor)} of {tail}"
        return Subject(scope=scope, picks=((self.queue_id, tuple(slots)),))

    def status(self) -> str:
        """Return what of the message is shown, and what is marked."""
        if self.section is not Section.RECIPIENTS:
            return f"{self.queue_id}   {self.section.value}   Esc goes back"
        return f"{len(self.grid.marks):,} recipients marked   Esc goes back"

    def on_grid_sort_wanted(self, event: SortWanted) -> None:
        """Order the recipients."""
        event.stop()
        self.rows.sort(event.column, event.reverse)
        self.grid.changed()

    def on_grid_moved(self, event: Moved) -> None:
        """Keep it from the list behind."""
        event.stop()

    def on_grid_opened(self, event: Opened) -> None:
        """Keep it from the list behind."""
        event.stop()

    def on_grid_marks_changed(self, event: MarksChanged) -> None:
        """Keep it from the list behind."""
        event.stop()


_Maker = Callable[[MessageView, Facts, "Circumstances"], "list[Line]"]
_MAKERS: dict[Section, _Maker] = {
    Section.ENVELOPE: lambda view, facts, around: message_sections.envelope(
        facts, around, view._world.clock.now()
    ),
    Section.HEADERS: lambda view, facts, _around: message_content.header(
        facts, raw=view._raw_header
    ),
    Section.BODY: lambda _view, facts, _around: message_content.body(facts),
    Section.RAW: MessageView._raw,
    Section.TRANSCRIPT: lambda view, facts, _around: message_history.transcript(
        facts, view.history
    ),
    Section.ATTEMPTS: lambda view, facts, _around: message_history.attempts(
        facts,
        view.history,
        view._world.clock.now(),
    ),
    Section.LOCK: lambda _view, facts, around: message_sections.lock(facts, around),
    Section.WHY: lambda view, facts, around: message_sections.why(
        facts, around, view._world.clock.now()
    ),
}
