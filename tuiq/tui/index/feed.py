"""The feed: reads the queue directories in its own thread and says what changed.

Names come from inotify; what counts is what a look at the file says.  A directory is
listed as a whole at the start, after lost events, when its watch ended, and now and
then where its mtime moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiq.actions.circumstances import Circumstances
    from tuiq.spool.spool import Spool
    from tuiq.tui.index.messages import Messages


class Freshness(Enum):
    """How much the list can be relied on."""

    LIVE = "live"
    SCANNING = "scanning"
    """Some directory is being listed; ``FeedState.share`` says how far."""
    POLLING = "polling"
    """Some directory tells of no changes; it is listed every ``interval`` seconds."""
    STALE = "stale"
    """Some directory cannot be read, or the feed is behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """What the title bar says about the feed."""

    freshness: Freshness
    share: float = 0.0
    """Part of the scan that is done, 0 to 1; 0 while the number is not known."""
    interval: float = 0.0
    backlog: int = 0
    """Changed files that were not read yet."""
    scanned: float = 0.0
    """Epoch seconds of the last full list; 0 = never."""
    read: int = 0
    """Messages read since the scan began."""
    notes: tuple[str, ...] = ()
    """One sentence per directory with trouble, remedy included; clean."""


class Feed:
    """The thread that reads; ``start`` and ``stop`` it, ``drain`` in every tick."""

    def __init__(self, spool: Spool, messages: Messages) -> None:
        """Feed *messages* from *spool*; nothing runs yet."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin; the first rows come with the first ``drain`` calls after it."""

    def stop(self) -> None:
        """End the thread; returns soon, whatever it was doing."""

    def drain(self, seconds: float = 0.02) -> frozenset[str] | None:
        """Take in what was read, for about *seconds*; return the ids that changed.

        None: so many that everything must be looked at again.
        """
        raise NotImplementedError

    def see(self, around: Circumstances) -> None:
        """Take in who holds what and what is paused, for the state words."""

    def rescan(self) -> None:
        """List all directories again, soon."""

    @property
    def state(self) -> FeedState:
        """Return how fresh the index is."""
        raise NotImplementedError
