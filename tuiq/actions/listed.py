"""One message with what a listing says about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.explain import recipient_reasons
from tuiq.spool.entry import State
from tuiq.spool.flags import OPEN, MState

if TYPE_CHECKING:
    from tuiq.spool.entry import QueueEntry, RecipientView
    from tuiq.spool.layout import QueueDirectory

ELSEWHERE = frozenset(
    state.value for state in (MState.PENDING, MState.MOVED, MState.FINISHED)
)
"""MSTATE of files that are no message of this directory, or none any more."""
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


def list_entry(directory: QueueDirectory, entry: QueueEntry, state: State) -> Listed:
    """Return *entry*, which lies in *directory*, as listings show it."""
    views = entry.recipients()
    if state is not _DAMAGED:
        wanted = b"X" if state is _TRASHED else OPEN
        views = [view for view in views if view.state in wanted]
    return Listed(
        entry=entry,
        state=state,
        recipients=views,
        reasons=recipient_reasons(directory, entry, views),
    )
