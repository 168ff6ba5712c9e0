"""Following the journal: what is appended to it, and how many messages came in.

Mail is handed in by many short processes; the journal is where all of them meet.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from tuiq.spool.journal import Kind
from tuiq.spool.trace import open_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

QUEUED = b'"event":"%b"' % Kind.QUEUED.encode()
"""What a line about a message that came in contains; JSON escapes quotes, so no text
can contain it."""
_BLOCK = 256 * 1024


class Follower:
    """Reads what is appended to the journal; takes no lock, keeps no file open."""

    def __init__(
        self, journal: Path, positions: Mapping[str, int] | None = None
    ) -> None:
        """Begin where another one was (its ``positions``), or at the end."""
        self._journal = journal
        self.positions: dict[str, int] = dict(positions or {})
        """By ``device:inode`` of a file: up to where it was read."""
        if positions is None:
            for file in open_all(journal):
                with file:
                    size = os.fstat(file.fileno()).st_size
                    self.positions[_name(file)] = _last_end(file, size)

    def poll(self) -> int:
        """Return how many messages were queued since the last call."""
        return sum(block.count(QUEUED) for block in self.blocks())

    def blocks(self) -> Iterator[bytes]:
        """Yield what was appended since the last call, in whole lines.

        Every file is looked at: others may write on in one that was renamed away.
        What is not taken comes again.
        """
        seen = {}
        for file in open_all(self._journal):
            with file:
                size = os.fstat(file.fileno()).st_size
                name = _name(file)
                start = self.positions.get(name, 0)
                if start > size:  # another file with the inode of one
                    start = 0
                file.seek(start)
                rest = b""
                while read := file.read(min(_BLOCK, size - file.tell())):
                    block = rest + read
                    whole = block.rfind(b"\n") + 1
                    rest = block[whole:]
                    if whole:
                        yield block[:whole]
                seen[name] = file.tell() - len(rest)
        self.positions = seen


def _name(file: BinaryIO) -> str:
    info = os.fstat(file.fileno())
    return f"{info.st_dev}:{info.st_ino}"


def _last_end(file: BinaryIO, size: int) -> int:
    """Return where the last whole line before *size* ends."""
    while size > 0:
        start = max(0, size - _BLOCK)
        newline = os.pread(file.fileno(), size - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        size = start
    return 0
