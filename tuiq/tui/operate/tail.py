"""What is appended to the delivery journal from a moment on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from tuiq.spool.trace import open_all, parse

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

    from tuiq.spool.trace import Record

_BLOCK = 256 * 1024
_ID = b'"id":"'


class Tail:
    """Reads on in the journal; takes no lock, keeps no file open."""

    def __init__(self, journal: Path) -> None:
        """Begin at the end of what there is."""
        self._journal = journal
        self._positions = dict(self._ends())

    def _ends(self) -> Iterator[tuple[tuple[int, int], int]]:
        for file in open_all(self._journal):
            with file:
                info = os.fstat(file.fileno())
                yield (info.st_dev, info.st_ino), info.st_size

    def poll(self, wanted: Container[str]) -> Iterator[Record]:
        """Yield the new events about the messages *wanted*, in the order of writing.

        Every file is looked at: others may write on in one that was renamed away.
        """
        positions = {}
        for file in open_all(self._journal):
            with file:
                info = os.fstat(file.fileno())
                name = info.st_dev, info.st_ino
                start = self._positions.get(name, 0)
                if start > info.st_size:  # another file with the inode of one
                    start = 0
                yield from _records(file, start, info.st_size, wanted)
                positions[name] = file.tell() if info.st_size > start else start
        self._positions = positions


def _records(
    file: BinaryIO, start: int, end: int, wanted: Container[str]
) -> Iterator[Record]:
    """Yield from whole lines between *start* and *end*; leave the file behind them."""
    if start == end:
        return
    file.seek(start)
    rest = b""
    while read := file.read(min(_BLOCK, end - file.tell())):
        *lines, rest = (rest + read).split(b"\n")
        for line in lines:
            record = parse(line) if _id_of(line) in wanted else None
            if record is not None:
                yield record
    file.seek(-len(rest), os.SEEK_CUR)


def _id_of(line: bytes) -> str:
    """Return the queue id in a line; JSON escapes quotes, so no text can fake it."""
    _, found, rest = line.partition(_ID)
    return rest[: rest.find(b'"')].decode("ascii", "replace") if found else ""
