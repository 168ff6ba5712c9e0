"""The messages of a listing: read, selected and judged one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions import filter as filters
from tuiq.actions.explain import recipient_reasons
from tuiq.spool.entry import State
from tuiq.spool.flags import MState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.actions.circumstances import Circumstances
    from tuiq.spool.entry import QueueEntry, RecipientView
    from tuiq.spool.spool import Spool

_OPEN = b"TAUF"
_ELSEWHERE = frozenset(
    state.value for state in (MState.PENDING, MState.MOVED, MState.FINISHED)
)
_TRASHED, _DAMAGED = State.TRASHED, State.DAMAGED


@dataclass(slots=True, kw_only=True)
class Listed:
    """One message of the listing; nobody changes one."""

    entry: QueueEntry
    state: State
    recipients: list[RecipientView]
    """Those still open; in the trash the deleted ones; all of a damaged message."""
    reasons: dict[int, bytes]
    """Slot -> what was last said about it, escaped."""


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
        self._directories = {d.name: d for d in spool.directories}

    def _headers(self, entry: QueueEntry) -> bytes:
        return self._spool.read_data(entry, limit=64 * 1024)

    def __iter__(self) -> Iterator[Listed]:
        """Yield message after message, directory after directory."""
        for entry in self._spool.entries():
            if entry.mstate in _ELSEWHERE:
                continue
            state = self.around.state(entry)
            is_trashed = state is _TRASHED
            if is_trashed != self._trashed:
                self.trash += is_trashed
                continue
            if self._matches is None or self._matches(entry):
                yield self._listed(entry, state)

    def _listed(self, entry: QueueEntry, state: State) -> Listed:
        views = entry.recipients()
        if state is not _DAMAGED:
            wanted = b"X" if state is _TRASHED else _OPEN
            views = [view for view in views if view.state in wanted]
        directory = self._directories[entry.directory]
        return Listed(
            entry=entry,
            state=state,
            recipients=views,
            reasons=recipient_reasons(directory, entry, views),
        )
