"""The messages of a listing: read, selected and judged one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tuiq.actions import filter as filters
from tuiq.actions.listed import ELSEWHERE, list_entry
from tuiq.cli.turns import in_turns
from tuiq.spool.entry import State
from tuiq.spool.reading import read_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tuiq.actions.circumstances import Circumstances
    from tuiq.actions.listed import Listed
    from tuiq.spool.entry import QueueEntry
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool

_TRASHED = State.TRASHED

PART = 1000
"""Messages that one process reads before it is another's turn."""
_LONG = 256 * 1024
"""Characters of text that are not kept any longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a listing."""

    texts: list[str]
    """One per message."""
    size: int
    """Bytes of these messages."""


class Listing:
    """The messages to be listed, read as they are asked for."""

    def __init__(
        self,
        spool: Spool,
        around: Circumstances,
        *,
        expression: str = "",
        trashed: bool = False,
    ) -> None:
        """List what *expression* selects; *trashed*: the trash instead."""
        wanted = filters.parse(expression)
        self.around = around
        self.trash = 0
        """Messages in the trash that were passed over."""
        self._spool = spool
        self._trashed = trashed or wanted.wants_trash
        self._matches = (
            None if wanted.is_empty else wanted.bind(around.context(self._headers))
        )
        self.directories = {d.name: d for d in spool.directories}
        """The queue directories by name, in the order of the listing."""

    def _headers(self, entry: QueueEntry) -> bytes:
        return self._spool.read_data(entry, limit=64 * 1024)

    def __iter__(self) -> Iterator[Listed]:
        """Yield message after message, directory after directory."""
        return self._select(self._spool.entries())

    def pieces(
        self, directory: QueueDirectory, render: Callable[[Listed], str]
    ) -> Iterator[Piece]:
        """Yield what *render* makes of the messages of one directory, in order.

        Many messages are shared out over several processes.
        """
        ids = sorted(directory.ids())
        parts = [ids[at : at + PART] for at in range(0, len(ids), PART)]

        for texts, size, trash in in_turns(
            parts, partial(self._read, directory, render)
        ):
            self.trash += trash
            yield Piece(texts=texts, size=size)

    def _read(
        self,
        directory: QueueDirectory,
        render: Callable[[Listed], str],
        part: list[str],
    ) -> Iterator[tuple[list[str], int, int]]:
        """Yield texts of the messages of *part*, their bytes, and trash passed over."""
        before, self.trash = self.trash, 0
        texts: list[str] = []
        size = length = 0
        for listed in self._select(read_entries(directory, part)):
            texts.append(render(listed))
            size += listed.entry.size
            length += len(texts[-1])
            if length > _LONG:
                yield texts, size, 0
                texts, size, length = [], 0, 0
        passed, self.trash = self.trash, before
        yield texts, size, passed

    def _select(self, entries: Iterable[QueueEntry]) -> Iterator[Listed]:
        for entry in entries:
            if entry.mstate in ELSEWHERE:
                continue
            state = self.around.state(entry)
            is_trashed = state is _TRASHED
            if is_trashed != self._trashed:
                self.trash += is_trashed
                continue
            if self._matches is None or self._matches(entry):
                directory = self.directories[entry.directory]
                yield list_entry(directory, entry, state)
