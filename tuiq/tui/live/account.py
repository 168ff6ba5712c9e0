"""The audit directory, read as it grows: thousands of records cost a look nothing."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tuiq.actions.audit import SUFFIX, is_action
from tuiq.actions.records import glance
from tuiq.actions.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuiq.actions.records import Record

TURN = 0.2
"""Seconds of reading in one look; the newest come first."""
_NEVER = (0, 0)
# What a file of a shape that nobody expects leads to.
_MEANINGLESS = (AttributeError, KeyError, TypeError, ValueError)


class Account:
    """The actions that were ever done, as their files tell."""

    def __init__(self, directory: Path) -> None:
        """Read *directory*; nothing is read yet."""
        self._directory = directory
        self._mtime_ns = -1
        self._seen: set[str] = set()
        self._waiting: list[str] = []
        self._records: dict[str, Record] = {}
        # Actions that may go on, by when their files were read last.
        self._open: dict[str, tuple[int, int]] = {}
        self._tallies: dict[str, Tally] = {}
        self.actions: Sequence[Record] = ()
        """Newest first; replaced as a whole."""
        self.waiting = 0
        """Files that were not read yet."""
        self.error = ""
        """Why the directory cannot be read."""

    def look(self) -> None:
        """Read what is new, and what goes on."""
        try:
            self._list()
        except FileNotFoundError:  # the first action makes it
            return
        except OSError as error:
            self.error = f"audit: cannot be read: {error.strerror}"
            return
        self.error = ""
        changed = self._read_new() | self._read_open()
        if changed:
            self.actions = [self._records[name] for name in sorted(self._records)[::-1]]
        self.waiting = len(self._waiting)

    def _list(self) -> None:
        mtime_ns = self._directory.stat().st_mtime_ns
        if mtime_ns == self._mtime_ns:
            return
        names = {
            name.removesuffix(SUFFIX)
            for name in os.listdir(self._directory)
            if name.endswith(SUFFIX) and is_action(name.removesuffix(SUFFIX))
        }
        new = names - self._seen
        self._seen |= new
        self._waiting = sorted([*self._waiting, *new])
        # What changed within the clock's grain would not show: it is listed again.
        settled = time.time_ns() - mtime_ns > 50_000_000
        self._mtime_ns = mtime_ns if settled else -1

    def _read_new(self) -> bool:
        end = time.monotonic() + TURN
        changed = False
        while self._waiting and time.monotonic() < end:
            changed |= self._read(self._waiting.pop())
        return changed

    def _read_open(self) -> bool:
        changed = False
        for action, before in list(self._open.items()):
            if self._stamp(action) != before:
                changed |= self._read(action)
        return changed

    def _stamp(self, action: str) -> tuple[int, int]:
        try:
            info = (self._directory / (action + SUFFIX)).stat()
        except OSError:
            return _NEVER
        return info.st_mtime_ns, info.st_size

    def _read(self, action: str) -> bool:
        stamp = self._stamp(action)
        try:
            record = glance(self._directory, action)
            if record is not None and record.counts is None:
                record = replace(record, done=self._count(action))
        except (OSError, *_MEANINGLESS):  # removed, not ours to read, or strange
            record = None
        if record is None:
            self._forget(action)
            return False
        known = self._records.get(action)
        if known is not None and known.undone_by and not record.undone_by:
            record = replace(record, undone_by=known.undone_by)
        self._records[action] = record
        if record.counts is None:
            self._open[action] = _NEVER if record.done is None else stamp
            return True
        self._forget(action)
        undone = self._records.get(record.start.undoes)
        if undone is not None:
            # Its own file says so a moment later, which nothing else would show.
            self._records[undone.start.action] = replace(undone, undone_by=action)
        return True

    def _count(self, action: str) -> int | None:
        path = self._directory / (action + SUFFIX)
        tally = self._tallies.setdefault(action, Tally(path))
        tally.look()
        return tally.done

    def _forget(self, action: str) -> None:
        self._open.pop(action, None)
        self._tallies.pop(action, None)
