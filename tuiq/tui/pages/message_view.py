"""One message, whole, in sections; read in threads while the queue goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from textual.widget import Widget

from tuiq.errors import MessageGone
from tuiq.tui.grid.grid import Grid
from tuiq.tui.look.palette import Palette
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages import message_content, message_history, message_sections
from tuiq.tui.pages.message_facts import DATA_BYTES, Facts, read_facts, read_history
from tuiq.tui.pages.message_lines import Lines, OneLine, note
from tuiq.tui.pages.message_slots import SlotRows
from tuiq.tui.pages.message_summary import pane_title
from tuiq.tui.pages.page import Subject
from tuiq.tui.world import World

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiq.actions.circumstances import Circumstances
    from tuiq.tui.grid.news import MarksChanged, Moved, Opened, SortWanted
    from tuiq.tui.pages.message_facts import History
    from tuiq.tui.pages.message_lines import Line


class Section(Enum):
    """A part of the view; the value is its title."""

    ENVELOPE = "Envelope"
    RECIPIENTS = "Recipients"
    HEADERS = "Headers"
    BODY = "Body"
    RAW = "Raw"
    TRANSCRIPT = "Transcript"
    ATTEMPTS = "Attempts"
    LOCK = "Lock"
    WHY = "Why not now"


JUMPS = {
    "raw": Section.RAW,
    "transcript": Section.TRANSCRIPT,
    "lock": Section.LOCK,
    "why": Section.WHY,
}
"""Commands that open a section."""
_ORDER = tuple(Section)
_MOVING = frozenset({Section.ENVELOPE, Section.LOCK, Section.WHY, Section.ATTEMPTS})
"""Sections that time and circumstances change."""
_TOLD = frozenset({Section.TRANSCRIPT, Section.ATTEMPTS})
"""Sections that need the journal."""
_AGAIN = 1.0
"""Seconds between two looks at what only time changes."""


class MessageView(Widget):
    """Shows the message that ``open`` names until ``close``."""

    DEFAULT_CSS = """
    MessageView { layout: vertical; height: 1fr; }
    MessageView > Grid { display: none; }
    MessageView.-slots > Grid { display: block; }
    MessageView.-slots > Lines { display: none; }
    """
    COMMANDS: ClassVar[frozenset[str]] = (
        Lines.COMMANDS
        | Grid.COMMANDS
        | JUMPS.keys()
        | {"column-left", "column-right", "next-match", "previous-match"}
    )

    def __init__(self, world: World, palette: Callable[[], Palette]) -> None:
        """Show nothing yet."""
        super().__init__()
        self._world = world
        self._palette = palette
        self.queue_id = ""
        """Empty while it is closed."""
        self.section = Section.ENVELOPE
        self.facts: Facts | None = None
        self.gone = False
        """Whether the message has left the queue since it was opened."""
        self._version: int | None = None
        self._directory = ""
        self._history: History | None = None
        self._stop = threading.Event()
        self._shown_at = 0.0
        self._raw_header = False
        self._raw_at = 0
        self._slot: int | None = None
        self.rows = SlotRows(
            lambda: world.lookout.sight.around, ascii=lambda: palette().ascii
        )

    def compose(self) -> ComposeResult:
        """Make title, tabs, text and the grid of recipients."""
        self.title = OneLine(self._palette)
        self.tabs = OneLine(self._palette)
        self.lines = Lines(self._palette)
        self.grid = Grid(self.rows, palette=self._palette, empty=self._no_recipients)
        yield self.title
        yield self.tabs
        yield self.lines
        yield self.grid

    @property
    def is_open(self) -> bool:
        """Say whether a message is shown."""
        return bool(self.queue_id)

    # Opening, and what is read for it.

    def open(self, queue_id: str, *, section: Section, slot: int | None = None) -> None:
        """Show a message from *section* on, with the recipient *slot* focused."""
        self.close()
        row = self._world.messages.row(queue_id)
        self.queue_id = queue_id
        self._directory = row.directory if row else ""
        self._version = row.version if row else None
        self._slot = slot
        self.title.show([(f" {queue_id}", Role.STRONG)])
        self.lines.show([note("reading …")])
        self.grid.marks.clear()
        self.go(Section.RECIPIENTS if slot is not None else section)
        self._read()

    def close(self) -> None:
        """Forget the message."""
        self._stop.set()
        self._stop = threading.Event()
        self.workers.cancel_node(self)
        self.queue_id = ""
        self.facts = self._history = None
        self.gone = self._raw_header = False
        self._raw_at = 0
        self.rows.take(None, 0.0)

    def _read(self) -> None:
        self.run_worker(self._load(), group="facts", exclusive=True)

    async def _load(self) -> None:
        facts = await asyncio.to_thread(
            read_facts,
            self._world.spool,
            self.queue_id,
            self._directory,
            limit=DATA_BYTES,
        )
        if facts is None:
            self._leave()
            return
        self.facts = facts
        self.rows.take(facts, self._world.clock.now())
        self.grid.changed()
        if self._slot is not None:
            self.grid.go_to(self._slot)
            self._slot = None
        self._show_title()
        self._show()

    def _leave(self) -> None:
        """Note that the message is no longer in the queue; keep what was read."""
        if not self.gone:
            self.gone = True
            self._history = None
            self._show_title()
            self._show()

    async def _load_history(self, stop: threading.Event) -> None:
        journal = self._world.spool.path / "journal"
        self._history = await asyncio.to_thread(
            read_history, journal, self.queue_id, stop=stop.is_set
        )
        self._show()

    def tick(self, now: float) -> None:
        """Read again what changed; say anew what time changes."""
        row = self._world.messages.row(self.queue_id)
        if row is None:
            self._leave()
        elif row.version != self._version:
            self._version, self._directory = row.version, row.directory
            self.gone = False
            self._read()
        elif self.section in _MOVING and abs(now - self._shown_at) >= _AGAIN:
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
        self._show(from_top=True)

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
            line = [
                line[0],
                ("· left the queue since; shown as it was read last", Role.WARN),
            ]
        self.title.show(line)

    def _show_tabs(self) -> None:
        width = self.size.width
        line: list[tuple[str, Role]] = [(" ", Role.TAB)]
        for section in _ORDER:
            is_on = section is self.section
            text = f"[{section.value}]" if is_on else f" {section.value} "
            line.append((text, Role.TAB_ON if is_on else Role.TAB))
        if sum(len(text) for text, _ in line) > width:
            place = f"{_ORDER.index(self.section) + 1} of {len(_ORDER)}"
            arrows = "<- ->" if self._palette().ascii else "← →"
            line = [
                (f" [{self.section.value}]", Role.TAB_ON),
                (f"  {place}  {arrows}", Role.TAB),
            ]
        self.tabs.show(line)

    def _show(self, *, from_top: bool = False) -> None:
        if not self.is_open or self.section is Section.RECIPIENTS:
            return
        self._shown_at = self._world.clock.now()
        if self.section in _TOLD and self._history is None:
            work = self._load_history(self._stop)
            self.run_worker(work, group="history", exclusive=True)
        self.run_worker(self._fill(from_top=from_top), group="show", exclusive=True)

    async def _fill(self, *, from_top: bool) -> None:
        """Make the lines of the section in a thread: mail may be hard to read."""
        facts = self.facts
        if facts is None:
            said = "reading …"
            if self.gone:
                said = f"{self.queue_id} is no longer in the queue; Esc goes back."
            self.lines.show([note(said)])
            return
        around = self._world.lookout.sight.around
        make = _MAKERS[self.section]
        lines = await asyncio.to_thread(make, self, facts, around)
        self.lines.show(lines, again=not from_top)

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
            self.go(_ORDER[(_ORDER.index(self.section) + step) % len(_ORDER)])
        elif command == "raw" and self.section is Section.HEADERS:
            self._raw_header = not self._raw_header
            self._show(from_top=True)
        elif command in JUMPS:
            self.go(JUMPS[command])
        elif command in {"next-match", "previous-match"}:
            self._turn_page(1 if command == "next-match" else -1)
        elif self.section is Section.RECIPIENTS:
            self.grid.perform(command)
        elif command in Lines.COMMANDS:
            self.lines.perform(command)

    def why_not(self, command: str) -> str:
        """Return why a command cannot work now; empty: it can."""
        if command in {"next-match", "previous-match"}:
            return "" if self.section is Section.RAW else "only Raw has further parts"
        is_row = command in Grid.COMMANDS and command not in Lines.COMMANDS
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
            self._show(from_top=True)

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
        facts, view._history
    ),
    Section.ATTEMPTS: lambda view, facts, _around: message_history.attempts(
        facts,
        view._history,
        view._world.clock.now(),
        ascii=view._palette().ascii,
    ),
    Section.LOCK: lambda _view, facts, around: message_sections.lock(facts, around),
    Section.WHY: lambda view, facts, around: message_sections.why(
        facts, around, view._world.clock.now()
    ),
}
