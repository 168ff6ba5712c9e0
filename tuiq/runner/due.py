"""Which messages to look at, and when: fed by scans and wake-ups.

Only messages that come due before the next scan are kept in memory, 27 bytes each,
so an enormous deferred queue costs nothing while it waits and little when it comes
due.  First tries and retries take turns: a backlog of either does not hold up the
other.
"""

from __future__ import annotations

import heapq
import struct
from itertools import count, islice
from typing import TYPE_CHECKING, TypeAlias

from tuiq.spool.layout import id_birth, is_queue_id
from tuiq.spool.lifecycle import HORIZON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tuiq.spool.layout import QueueDirectory

Mine: TypeAlias = "Callable[[str], bool]"
"""Says of a queue id whether this process is to deliver it."""
FRESH = 1.0
"""Seconds between birth and index time within which nothing can have been tried."""
LOOSE = 4096
"""Messages listed one by one that are kept as objects; more are packed."""
SCANNED = 128
"""Files that a scan looks at at a time; half a millisecond's work in a warm cache."""
_HORIZON_NS = HORIZON * 1_000_000_000
_RECORD = struct.Struct(">d19s")  # sorts like the time and id in it


def is_fresh(queue_id: str, when: float) -> bool:
    """Say whether a message with the index time *when* was never deferred."""
    return abs(when - id_birth(queue_id)) < FRESH


class _Batch:
    """Messages of one directory and lane, packed and in order."""

    __slots__ = ("_at", "_records", "directory", "left", "serial")

    def __init__(
        self, directory: QueueDirectory, serial: int, records: list[bytes]
    ) -> None:
        self.directory = directory
        self.serial = serial
        self._records = b"".join(sorted(records))
        self._at = 0
        self.left = len(records)
        """Messages that were not skipped."""

    def clear(self) -> None:
        self._records = b""
        self.left = 0

    def head(self) -> _Head:
        when, raw = _RECORD.unpack_from(self._records, self._at)
        return when, raw.decode(), self.serial, self

    def skip(self) -> None:
        self._at += _RECORD.size
        self.left -= 1


_Single: TypeAlias = "tuple[float, str, str]"
_Head: TypeAlias = "tuple[float, str, int, _Batch]"


class _Lane:
    """First tries or retries; the other half of the list is a lane as well."""

    def __init__(self, loose: dict[tuple[str, str], float]) -> None:
        """Ask *loose* which messages listed one by one are still to be taken."""
        self._loose = loose
        self.singles: list[_Single] = []
        self.batches: list[_Head] = []

    def add(self, batch: _Batch) -> None:
        heapq.heappush(self.batches, batch.head())

    def next_time(self) -> float | None:
        """Return when the first message here comes due."""
        singles, batches = self.singles, self.batches
        while singles and self._loose.get(singles[0][1:]) != singles[0][0]:
            heapq.heappop(singles)  # it was listed again, for an earlier time
        while batches and not batches[0][3].left:
            heapq.heappop(batches)
        if not singles:
            return batches[0][0] if batches else None
        first = singles[0][0]
        return min(first, batches[0][0]) if batches else first

    def pop(self) -> tuple[str, str, _Batch | None]:
        """Take the first: its id, its directory's name, the batch it was in.

        To be called after ``next_time`` found something.
        """
        singles, batches = self.singles, self.batches
        if singles and (not batches or singles[0][:2] <= batches[0][:2]):
            _, queue_id, name = heapq.heappop(singles)
            return queue_id, name, None
        _, queue_id, _, batch = batches[0]
        batch.skip()
        if batch.left:
            heapq.heapreplace(batches, batch.head())
        else:
            heapq.heappop(batches)
        return queue_id, batch.directory.name, batch


class DueList:
    """Messages by the time they come due, first tries and retries in turn.

    Those added one by one are in here once, at their earliest.  A message that a
    scan found as well may be given twice, which costs one look.
    """

    def __init__(self, *, loose: int = LOOSE) -> None:
        """Begin empty; keep up to *loose* messages added one by one as objects."""
        self._limit = loose
        self._loose: dict[tuple[str, str], float] = {}
        self._lanes = _Lane(self._loose), _Lane(self._loose)  # retries, first tries
        self._turn = 1
        self._packed = 0
        self._scanned: dict[str, list[_Batch]] = {}
        self._directories: dict[str, QueueDirectory] = {}
        self._serials = count()
        self.took_first_try = False
        """Whether the message taken last was never deferred, by its index time."""

    def __len__(self) -> int:
        """Return how many messages are waiting here."""
        return len(self._loose) + self._packed

    def add(self, directory: QueueDirectory, queue_id: str, when: float) -> None:
        """Look at a message at *when* (epoch seconds), or earlier if so listed."""
        key = queue_id, directory.name
        known = self._loose.get(key)
        if known is not None and when >= known:
            return
        self._directories[directory.name] = directory
        self._loose[key] = when
        lane = self._lanes[is_fresh(queue_id, when)]
        heapq.heappush(lane.singles, (when, *key))
        if len(self._loose) > self._limit:
            self._pack()

    def _pack(self) -> None:
        """Put all that was added one by one into batches."""
        found: dict[str, list[tuple[str, float]]] = {}
        for (queue_id, name), when in self._loose.items():
            found.setdefault(name, []).append((queue_id, when))
        self._loose.clear()
        for lane in self._lanes:
            lane.singles.clear()
        for name, messages in found.items():
            self._add_batches(self._directories[name], messages)

    def _add_batches(
        self, directory: QueueDirectory, messages: Iterable[tuple[str, float]]
    ) -> list[_Batch]:
        sides: tuple[list[bytes], list[bytes]] = [], []
        for queue_id, when in messages:
            record = _RECORD.pack(max(0.0, when), queue_id.encode())
            sides[is_fresh(queue_id, when)].append(record)
        batches = []
        for lane, records in zip(self._lanes, sides, strict=True):
            if records:
                batch = _Batch(directory, next(self._serials), records)
                lane.add(batch)
                batches.append(batch)
                self._packed += batch.left
        return batches

    # -- scans -----------------------------------------------------------------

    def begin_scan(self, directory: QueueDirectory) -> None:
        """Forget what the last scan of a directory found: a new one tells it anew."""
        for batch in self._scanned.pop(directory.name, ()):
            self._packed -= batch.left
            batch.clear()

    def add_scanned(
        self, directory: QueueDirectory, found: Iterable[tuple[str, float]]
    ) -> None:
        """List (queue id, due time) that a scan of a directory has found."""
        batches = self._add_batches(directory, found)
        self._scanned.setdefault(directory.name, []).extend(batches)

    # -- taking ----------------------------------------------------------------

    def pop(
        self, now: float, *, fresh: bool | None = None
    ) -> tuple[QueueDirectory, str] | None:
        """Take the message of the lane in turn that has been due longest.

        None when none is due.  *fresh* asks for one lane alone, out of turn.
        """
        turns = (self._turn, 1 - self._turn) if fresh is None else (int(fresh),)
        for side in turns:
            lane = self._lanes[side]
            when = lane.next_time()
            if when is not None and when <= now:
                self._turn = 1 - side
                self.took_first_try = bool(side)
                return self._take(lane)
        return None

    def _take(self, lane: _Lane) -> tuple[QueueDirectory, str]:
        queue_id, name, batch = lane.pop()
        if self._loose:
            self._loose.pop((queue_id, name), None)
        if batch is None:
            return self._directories[name], queue_id
        self._packed -= 1
        return batch.directory, queue_id

    def next_time(self) -> float | None:
        """Return when the next message comes due."""
        times = [lane.next_time() for lane in self._lanes]
        return min((when for when in times if when is not None), default=None)


def scan(
    directory: QueueDirectory, *, now: float, until: float, mine: Mine | None = None
) -> Iterator[list[tuple[str, float]]]:
    """Yield lists of (queue id, due time) of messages due before *until*.

    Those that are not *mine* are left out.  One stat per control file; nothing is
    opened.  A time beyond the horizon is damage and means now.  Each list has what
    was found among ``SCANNED`` files, so that the caller can pause.
    """
    last_ns = int(until * 1e9)
    damaged_ns = int(now * 1e9) + _HORIZON_NS
    names = directory.fs.names(directory.qf_fd)
    while block := list(islice(names, SCANNED)):
        found = []
        for name in block:
            if not name.startswith("qf"):
                continue
            queue_id = name[2:]
            if mine is not None and not mine(queue_id):
                continue
            mtime_ns = _mtime(directory, name)
            if mtime_ns is None or last_ns < mtime_ns <= damaged_ns:
                continue
            if is_queue_id(queue_id):
                found.append((queue_id, now if mtime_ns > last_ns else mtime_ns / 1e9))
        yield found


def _mtime(directory: QueueDirectory, name: str) -> int | None:
    try:
        return directory.fs.stat(name, dir_fd=directory.qf_fd).st_mtime_ns
    except FileNotFoundError:
        return None


def index_time(directory: QueueDirectory, queue_id: str) -> float | None:
    """Return when a message is due, None when it is gone."""
    mtime_ns = _mtime(directory, "qf" + queue_id)
    return None if mtime_ns is None else mtime_ns / 1e9
