"""Following the journal: how many messages were handed in.

Mail is handed in by many short processes; the journal is where all of them meet.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from tuiq.spool.journal import Kind
from tuiq.spool.trace import open_all

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_QUEUED = b'"event":"%b"' % Kind.QUEUED.encode()
"""JSON escapes quotes, so no text can contain it."""
_BLOCK = 256 * 1024


class Follower:
    """Counts what is appended to the journal; takes no lock, keeps no file open."""

    def __init__(
        self, journal: Path, positions: Mapping[str, int] | None = None
    ) -> None:
        """Begin where another one was (its ``positions``), or at the end."""
        self._journal = journal
        self.positions: dict[str, int] = dict(positions or {})
        """By ``device:inode`` of a file: up to where it was read."""
        if positions is None:
            self.poll()

    def poll(self) -> int:
        """Return how many messages were queued since the last call.

        Every file is looked at: others may write on in one that was renamed away.
        """
        queued = 0
        seen = {}
        for file in open_all(self._journal):
            with file:
                info = os.fstat(file.fileno())
                name = f"{info.st_dev}:{info.st_ino}"
                start = self.positions.get(name, 0)
                if start > info.st_size:  # another file with the inode of one
                    start = 0
                found, seen[name] = _count(file, start, info.st_size)
                queued += found
        self.positions = seen
        return queued


def _count(file: BinaryIO, start: int, end: int) -> tuple[int, int]:
    """Return what was queued from *start* on, and where the last whole line ends."""
    if start == end:
        return 0, start
    file.seek(start)
    queued, rest = 0, b""
    while read := file.read(min(_BLOCK, end - file.tell())):
        block = rest + read
        whole = block.rfind(b"\n") + 1
        queued += block.count(_QUEUED, 0, whole)
        rest = block[whole:]
    return queued, file.tell() - len(rest)
