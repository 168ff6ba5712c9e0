"""Counters that outlive who counted: ``run/totals.json``.

A living runner's counters are in its status file; they are added here when it ends,
or when somebody finds that it died.  A runner's counters are at every moment in
exactly one of the two places: ``ended`` names those that were added, whose status
file may still be there for a moment.

Mail is handed in by many short processes, which count nothing.  What they did is
read from the journal, and ``journal`` says up to where.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from tuiq.spool.fs import pread_all, write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tuiq.spool.fs import Fs

FILE = "totals.json"
GUARD_FILE = ".totals"
"""Locked while the file is changed; a name that no runner's lock has."""
GAUGES = frozenset({"messages_open", "messages_limit", "connections_limit"})
"""What runners tell among their counters although it goes up and down."""
_LARGEST = 1024 * 1024
_REMEMBERED = 256
_TRIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What was counted by those who have ended."""

    counters: dict[str, int] = field(default_factory=dict)
    ended: tuple[str, ...] = ()
    """Runners whose counters are in here, latest last; see ``identity``."""
    journal: dict[str, int] = field(default_factory=dict)
    """Files of the journal, by ``device:inode``: up to where they were read."""
    submissions: int = 0
    """Messages queued, by the journal up to there."""


def identity(name: str, started: float) -> str:
    """Return what tells a runner from all others of this spool."""
    return f"{name} {started!r}"


def read_totals(fs: Fs, run_fd: int) -> Totals:
    """Return the totals; what cannot be read is none."""
    try:
        fd = fs.open(FILE, os.O_RDONLY | os.O_NONBLOCK, dir_fd=run_fd)
    except OSError:
        return Totals()
    try:
        return _decode(pread_all(fs, fd, _LARGEST, 0))
    except OSError:
        return Totals()
    finally:
        fs.close(fd)


def _decode(data: bytes) -> Totals:
    try:
        members = json.loads(data)
    except ValueError:
        members = {}
    if not isinstance(members, dict):
        members = {}
    ended = members.get("ended")
    submissions = members.get("submissions")
    return Totals(
        counters=_numbers(members.get("counters")),
        ended=tuple(map(str, ended)) if isinstance(ended, list) else (),
        journal=_numbers(members.get("journal")),
        submissions=submissions if type(submissions) is int else 0,
    )


def _numbers(value: object) -> dict[str, int]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {name: number for name, number in pairs if type(number) is int}


def change_totals(
    fs: Fs, run_fd: int, change: Callable[[Totals], Totals]
) -> Totals | None:
    """Replace the totals by what *change* makes of them; None when that failed.

    Not synced: a power failure may take back the last seconds.
    """
    try:
        guard = fs.open(GUARD_FILE, os.O_RDWR | os.O_CREAT, dir_fd=run_fd)
    except OSError:
        return None
    try:
        _lock(fs, guard)
        totals = change(read_totals(fs, run_fd))
        data = json.dumps(asdict(totals), separators=(",", ":")).encode() + b"\n"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        fd = fs.open(FILE + ".tmp", flags, dir_fd=run_fd)
        try:
            write_all(fs, fd, data)
        finally:
            fs.close(fd)
        fs.rename(FILE + ".tmp", FILE, dir_fd=run_fd)
    except OSError:
        return None
    finally:
        with suppress(OSError):
            fs.close(guard)
    return totals


def _lock(fs: Fs, guard: int) -> None:
    """Lock the file; whoever holds it is done in a moment, or it is an OSError."""
    for _ in range(_TRIES):
        with suppress(BlockingIOError):
            return fs.flock(guard)
        time.sleep(0.01)
    return fs.flock(guard)


def fold(fs: Fs, run_fd: int, runner: str, counters: Mapping[str, int]) -> None:
    """Add what the *runner* of that identity counted, once however often asked."""

    def change(totals: Totals) -> Totals:
        if runner in totals.ended:
            return totals
        return replace(
            totals,
            counters=added(totals.counters, counters),
            ended=(*totals.ended, runner)[-_REMEMBERED:],
        )

    change_totals(fs, run_fd, change)


def added(totals: Mapping[str, int], counters: Mapping[str, int]) -> dict[str, int]:
    """Return the sums by name, without what is no counter."""
    sums = dict(totals)
    for name, number in counters.items():
        if name not in GAUGES:
            sums[name] = sums.get(name, 0) + int(number)
    return sums
