"""``--once --max-messages``: which messages a limited run takes, in turns.

Directories take turns, and within one the messages by their ids; each run goes on
behind where the last one stopped, so that repeated runs go round all of them.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from tuiq.spool.fs import pread_all, write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tuiq.spool.fs import Fs

PLACE = "rounds.json"
"""File in run/ that says where the last limited run stopped."""
_LONGEST = 1024 * 1024


@dataclass(slots=True, kw_only=True)
class Place:
    """Where the last limited run stopped."""

    directory: str = ""
    """UUID of the queue directory that had the last turn."""
    after: dict[str, str] = field(default_factory=dict)
    """Queue id that came last, by the directory's UUID."""

    @classmethod
    def decode(cls, data: bytes) -> Place:
        """Read *data*; what is damaged means: begin anywhere."""
        try:
            told = json.loads(data)
            directory, after = told["directory"], told["after"]
            return cls(
                directory=str(directory),
                after={str(uuid): str(last) for uuid, last in after.items()},
            )
        except (ValueError, LookupError, TypeError, AttributeError):
            return cls()

    def encode(self) -> bytes:
        """Return what ``decode`` reads."""
        told = {"directory": self.directory, "after": self.after}
        return json.dumps(told).encode() + b"\n"


class Choice:
    """The messages of one directory that may get a turn; memory for no more."""

    def __init__(self, after: str, limit: int) -> None:
        """Begin behind the queue id *after*, and go round; up to *limit*."""
        self._after = after
        self._limit = limit
        self._best: list[str] = []

    def see(self, queue_ids: Iterable[str]) -> None:
        """Take messages into account, in any order."""
        seen = chain(self._best, queue_ids)
        self._best = heapq.nsmallest(self._limit, seen, key=self._turn)

    def _turn(self, queue_id: str) -> tuple[bool, str]:
        return queue_id <= self._after, queue_id

    def __iter__(self) -> Iterator[str]:
        """Yield the messages in their turns."""
        yield from self._best


def take_turns(
    choices: Mapping[str, Choice], place: Place, limit: int
) -> list[tuple[str, str]]:
    """Return up to *limit* (directory's UUID, queue id); move *place* behind them."""
    names = sorted(choices, key=lambda name: (name <= place.directory, name))
    turns = [(name, iter(choices[name])) for name in names]
    taken: list[tuple[str, str]] = []
    while turns:
        left = []
        for name, ids in turns:
            queue_id = next(ids, None) if len(taken) < limit else None
            if queue_id is not None:
                taken.append((name, queue_id))
                place.directory = name
                place.after[name] = queue_id
                left.append((name, ids))
        turns = left
    return taken


class Rounds:
    """The limit of one run, and where it begins and stops."""

    def __init__(self, fs: Fs, run_fd: int, limit: int) -> None:
        """Take up to *limit* messages in hand; the place is kept in *run_fd*."""
        self._fs = fs
        self._run_fd = run_fd
        self._place = self._load()
        self.limit = limit
        """How many more messages may be taken."""
        self.left = 0
        """Messages that were due in the end and had no turn."""

    def choice(self, uuid: str) -> Choice:
        """Return what is to see the due messages of a directory."""
        return Choice(self._place.after.get(uuid, ""), self.limit)

    def take(self, choices: Mapping[str, Choice]) -> list[tuple[str, str]]:
        """Return the (UUID, queue id) to be taken in hand; keep the place.

        It is kept at once: a message that kills its runner has had its turn.
        """
        taken = take_turns(choices, self._place, self.limit)
        self.limit -= len(taken)
        if taken:
            self._place.after = {
                uuid: self._place.after[uuid]
                for uuid in choices
                if uuid in self._place.after
            }
            with contextlib.suppress(OSError):  # the next run begins anywhere
                self._save()
        return taken

    def _load(self) -> Place:
        try:
            fd = self._fs.open(PLACE, os.O_RDONLY, dir_fd=self._run_fd)
        except OSError:
            return Place()
        try:
            return Place.decode(pread_all(self._fs, fd, _LONGEST, 0))
        except OSError:
            return Place()
        finally:
            self._fs.close(fd)

    def _save(self) -> None:
        temporary = f"{PLACE}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        fd = self._fs.open(temporary, flags, dir_fd=self._run_fd)
        try:
            write_all(self._fs, fd, self._place.encode())
        finally:
            self._fs.close(fd)
        self._fs.rename(temporary, PLACE, dir_fd=self._run_fd)
