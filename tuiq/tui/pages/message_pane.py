"""The detail pane: the focused message, once the cursor rests on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from textual.containers import Vertical

from tuiq.tui.look.palette import Palette
from tuiq.tui.page import run_in
from tuiq.tui.pages.lines import LongText, OneLine
from tuiq.tui.pages.message_facts import (
    QUICK_JOURNAL,
    Facts,
    journal_size,
    read_facts,
    read_history,
)
from tuiq.tui.pages.message_summary import pane_lines, pane_title

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.timer import Timer

    from tuiq.tui.index.messages import Row
    from tuiq.tui.world import World

REST = 0.08
"""Seconds that the cursor rests before the pane follows."""


class MessagePane(Vertical):
    """A title and a few lines about one message."""

    DEFAULT_CSS = "MessagePane { height: auto; }"

    def __init__(self, world: World, palette: Callable[[], Palette]) -> None:
        """Show nothing yet."""
        super().__init__()
        self._world = world
        self.title = OneLine(palette, ruled=True)
        self.lines = LongText(palette, wrap=False)
        self.facts: Facts | None = None
        """What is shown."""
        self._aim: tuple[str, int, int] | None = None
        self._rest: Timer | None = None

    def compose(self) -> ComposeResult:
        """Yield both."""
        yield self.title
        yield self.lines

    def set_height(self, height: int) -> None:
        """Take so many lines below the title; none: leave the screen."""
        self.display = height > 0
        self.lines.styles.height = height
        self.repaint()

    def aim(self, row: Row | None, *, at_once: bool = False) -> None:
        """Show a message as soon as the cursor has rested on it for a moment."""
        wanted = None if row is None else (row.queue_id, row.version, row.stamp)
        if wanted == self._aim or not self.display:
            return
        moved = wanted is None or self._aim is None or wanted[0] != self._aim[0]
        self._aim = wanted
        if self._rest is not None:
            self._rest.stop()
        if row is None or at_once or not moved:
            self._follow(row)
        else:
            self._rest = self.set_timer(REST, lambda: self._follow(row))

    def _follow(self, row: Row | None) -> None:
        if row is None:
            self.workers.cancel_group(self, "read")
            self._take(None)
            return
        work = partial(self._load, row.queue_id, row.directory)
        run_in(self, work, group="read")

    async def _load(self, queue_id: str, directory: str) -> None:
        """Read the message; then when it was tried, if that is quick."""
        spool = self._world.spool
        facts = await asyncio.to_thread(read_facts, spool, queue_id, directory)
        old = self.facts
        is_known = False
        if facts and old and old.entry.queue_id == queue_id:
            facts = replace(facts, attempts=old.attempts)
            is_known = bool(old.attempts) and old.entry.tries == facts.entry.tries
        self._take(facts)
        if facts is None or not facts.entry.tries or is_known:
            return
        journal = spool.path / "journal"
        if await asyncio.to_thread(journal_size, journal) <= QUICK_JOURNAL:
            history = await asyncio.to_thread(read_history, journal, queue_id)
            self._take(replace(facts, attempts=history.attempts))

    def _take(self, facts: Facts | None) -> None:
        self.facts = facts
        self.repaint()

    def repaint(self) -> None:
        """Say it again, with what time and circumstances have changed."""
        if not self.display:
            return
        if self.facts is None:
            self.title.show([])
            self.lines.show([])
            return
        around = self._world.lookout.sight.around
        self.title.show(pane_title(self.facts, around))
        lines = pane_lines(
            self.facts,
            around,
            now=self._world.clock.now(),
            room=self.lines.size.height or 1,
        )
        self.lines.show(lines, again=True)
