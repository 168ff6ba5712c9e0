"""Find a message: the one that somebody means, or the one with an id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.errors import MessageGone, UsageError
from tuiq.log import printable
from tuiq.spool.layout import ID_LENGTH, is_queue_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiq.spool import Spool
    from tuiq.spool.entry import QueueEntry
    from tuiq.spool.layout import QueueDirectory

SHORTEST = 6
"""Characters that a part of a queue id must have."""
_SHOWN = 10


def find_id(directories: Iterable[QueueDirectory], text: str) -> str:
    """Return the queue id that *text* is, begins or ends; letters of either case.

    Raises MessageGone when there is none, UsageError when the text is too short or
    fits several, which are then listed.
    """
    wanted = text.upper()
    if is_queue_id(wanted):
        return wanted
    if not SHORTEST <= len(wanted) <= ID_LENGTH:
        raise UsageError(
            f"{printable(text)}: is no queue id; give all {ID_LENGTH} characters, or "
            f"at least {SHORTEST} from its beginning or end"
        )
    found = sorted(
        queue_id
        for directory in directories
        for queue_id in directory.ids()
        if queue_id.startswith(wanted) or queue_id.endswith(wanted)
    )
    if not found:
        raise MessageGone(printable(text))
    if len(found) > 1:
        raise UsageError(f"{printable(text)}: fits several messages: {_list(found)}")
    return found[0]


def entry_of(spool: Spool, queue_id: str) -> QueueEntry | None:
    """Read a message wherever it lies; None: it is gone."""
    try:
        return spool.entry(queue_id)
    except MessageGone:
        return None


def split_recipient(text: str) -> tuple[str, int | None]:
    """Split ``ID/N`` into the id and the slot number (N counts from 1)."""
    queue_id, slash, number = text.partition("/")
    if not slash:
        return queue_id, None
    if not number.isdecimal() or int(number) == 0:
        raise UsageError(f"{printable(text)}: recipients are numbered from 1, as ID/1")
    return queue_id, int(number) - 1


def _list(found: list[str]) -> str:
    more = len(found) - _SHOWN
    shown = " ".join(found[:_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown
