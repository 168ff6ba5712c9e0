"""Reading one open message in threads, again and again while the queue goes on."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING

from textual.widget import Widget

from tuiq.tui.page import run_in
from tuiq.tui.pages.message_facts import (
    DATA_BYTES,
    Facts,
    History,
    read_facts,
    read_history,
)

if TYPE_CHECKING:
    from tuiq.tui.world import World


class MessageReader(Widget):
    """Keeps what is known of the message that ``begin`` names, until ``end``."""

    def __init__(self, world: World) -> None:
        """Know nothing yet."""
        super().__init__()
        self._world = world
        self.queue_id = ""
        """Empty while no message is open."""
        self.facts: Facts | None = None
        self.history: History | None = None
        """What the journal tells; None before it was asked for and read."""
        self.gone = False
        """Whether the message has left the queue since it was opened."""
        self._read_as: tuple[int, int] | None = None
        self._directory = ""
        self._stop = threading.Event()

    @property
    def is_open(self) -> bool:
        """Say whether a message is shown."""
        return bool(self.queue_id)

    def told(self) -> None:
        """Note that something else is known now."""

    def begin(self, queue_id: str) -> None:
        """Read a message from now on."""
        row = self._world.messages.row(queue_id)
        self.queue_id = queue_id
        self._directory = row.directory if row else ""
        self._read_as = (row.version, row.stamp) if row else None
        self._read()

    def end(self) -> None:
        """Forget the message."""
        self._stop.set()
        self._stop = threading.Event()
        self.workers.cancel_node(self)
        self.queue_id = ""
        self.facts = self.history = None
        self.gone = False

    def _read(self) -> None:
        run_in(self, self._load, group="facts")

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
        self.told()

    def _leave(self) -> None:
        """Note that the message is no longer in the queue; keep what was read."""
        if not self.gone:
            self.gone = True
            self.history = None
            self.told()

    def read_journal(self) -> None:
        """Read what the journal tells, unless that was done."""
        if self.history is None:
            work = partial(self._load_history, self._stop)
            run_in(self, work, group="history")

    async def _load_history(self, stop: threading.Event) -> None:
        journal = self._world.spool.path / "journal"
        self.history = await asyncio.to_thread(
            read_history, journal, self.queue_id, stop=stop.is_set
        )
        self.told()

    def follow(self) -> bool:
        """Read the message again if it changed; return whether that was so."""
        row = self._world.messages.row(self.queue_id)
        if row is None:
            self._leave()
            return self.gone
        if (row.version, row.stamp) == self._read_as and not self.gone:
            return False
        self._read_as, self._directory = (row.version, row.stamp), row.directory
        self.gone = False
        self.history = None
        self._read()
        return True
