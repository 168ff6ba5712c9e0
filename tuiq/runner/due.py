"""Which messages to look at, and when: a heap fed by scans and wake-ups.

Only messages that come due before the next scan are kept in memory, so an
enormous deferred queue costs nothing while it waits.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, TypeAlias

from tuiq.spool.layout import is_queue_id
from tuiq.spool.lifecycle import HORIZON

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.spool.layout import QueueDirectory

Mine: TypeAlias = "Callable[[str], bool]"
"""Says of a queue id whether this process is to deliver it."""
_HORIZON_NS = HORIZON * 1_000_000_000


class DueList:
    """Messages by the time they come due; each at most once, at its earliest."""

    def __init__(self) -> None:
        """Begin empty."""
        self._heap: list[tuple[float, str, str]] = []
        self._when: dict[tuple[str, str], float] = {}
        self._directories: dict[str, QueueDirectory] = {}

    def __len__(self) -> int:
        """Return how many messages are waiting here."""
        return len(self._when)

    def add(self, directory: QueueDirectory, queue_id: str, when: float) -> None:
        """Look at a message at *when* (epoch seconds), or earlier if so listed."""
        key = queue_id, directory.name
        known = self._when.get(key)
        if known is None or when < known:
            self._when[key] = when
            self._directories[directory.name] = directory
            heapq.heappush(self._heap, (when, *key))

    def pop(self, now: float) -> tuple[QueueDirectory, str] | None:
        """Take the message that has been due longest; None when none is."""
        when = self.next_time()
        if when is None or when > now:
            return None
        _, queue_id, name = heapq.heappop(self._heap)
        del self._when[queue_id, name]
        return self._directories[name], queue_id

    def next_time(self) -> float | None:
        """Return when the next message comes due."""
        heap = self._heap
        while heap and self._when.get(heap[0][1:3]) != heap[0][0]:
            heapq.heappop(heap)  # it was listed again, for an earlier time
        return heap[0][0] if heap else None


def scan(
    directory: QueueDirectory, *, now: float, until: float, mine: Mine | None = None
) -> list[tuple[str, float]]:
    """Return (queue id, due time) of messages due before *until* that are *mine*.

    One scandir and a stat per file; nothing is opened.  A time beyond the
    horizon is damage and means now.
    """
    found: list[tuple[str, float]] = []
    last_ns = int(until * 1e9)
    damaged_ns = int(now * 1e9) + _HORIZON_NS
    for name, mtime_ns in directory.fs.scan(directory.qf_fd):
        if mtime_ns > last_ns and mtime_ns <= damaged_ns:
            continue
        if name[:2] != "qf" or not is_queue_id(name[2:]):
            continue
        if mine is None or mine(name[2:]):
            when = now if mtime_ns > damaged_ns else mtime_ns / 1e9
            found.append((name[2:], when))
    return found


def index_time(directory: QueueDirectory, queue_id: str) -> float | None:
    """Return when a message is due, None when it is gone."""
    try:
        info = directory.fs.stat("qf" + queue_id, dir_fd=directory.qf_fd)
    except FileNotFoundError:
        return None
    return info.st_mtime_ns / 1e9
