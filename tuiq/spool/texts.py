"""Transcript files: bf (why recipients failed) and xf (last deferral texts).

One line each: ``index SP time SP code SP text LF``; in an xf file a text that
several recipients share is written once as ``R<n> SP text LF`` and named by
``R<n>`` after that.  Only the lock holder writes; a torn last line is skipped.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.log import printable
from tuiq.spool.fs import pread_all, pwrite_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiq.spool.layout import QueueDirectory

MAX_TEXT = 900
"""Bytes of a reply text that are kept."""
_MAX_READ = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What was said about one recipient."""

    index: int
    time: int
    """Epoch seconds."""
    code: bytes
    """``550`` or ``550-5.1.1``: reply code and, if known, enhanced status."""
    text: bytes
    """Escaped; never a control byte."""


def escape(text: bytes, limit: int = MAX_TEXT) -> bytes:
    """Return *text* safe for one line of a file and for a terminal."""
    return printable(text[: 2 * limit]).encode("utf-8", "replace")[:limit]


class TextLog:
    """An open bf or xf file, written by the holder of the message's lock."""

    def __init__(self, directory: QueueDirectory, prefix: str, queue_id: str) -> None:
        """Open the file of *prefix*, making it when there is none."""
        fs = directory.fs
        self.directory = directory
        self._dir_fd = directory.fd_of(prefix)
        self._name_synced = False
        name = prefix + queue_id
        try:
            self.fd = fs.open(name, os.O_RDWR, dir_fd=self._dir_fd)
        except FileNotFoundError:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
            self.fd = fs.open(name, flags, dir_fd=self._dir_fd)
        self._end = fs.fstat(self.fd).st_size
        self._torn = self._end > 0 and fs.pread(self.fd, 1, self._end - 1) != b"\n"

    @property
    def size(self) -> int:
        """Return the length of the file in bytes."""
        return self._end

    def append(self, lines: Iterable[bytes]) -> None:
        """Append whole lines (without LF) in one write; no sync."""
        data = b"".join(line + b"\n" for line in lines)
        if self._torn:
            data = b"\n" + data
            self._torn = False
        pwrite_all(self.directory.fs, self.fd, data, self._end)
        self._end += len(data)

    def restart(self, lines: Iterable[bytes]) -> None:
        """Begin the file anew with *lines*; a crash in between loses texts only."""
        self.directory.fs.truncate(self.fd, 0)
        self._end = 0
        self._torn = False
        self.append(lines)

    def sync(self) -> None:
        """Make everything appended durable, and the file's name too.

        A file that was there may be a dead holder's, its name never synced.
        """
        fs = self.directory.fs
        fs.fdatasync(self.fd)
        if not self._name_synced:
            fs.fsync(self._dir_fd)
            self._name_synced = True

    def close(self) -> None:
        """Close the file."""
        self.directory.fs.close(self.fd)


def format_line(line: Line) -> bytes:
    """Return *line* as it stands in the file, without LF."""
    return b"%d %d %b %b" % (line.index, line.time, line.code or b"-", line.text)


def parse(data: bytes) -> dict[int, Line]:
    """Return the last line of each recipient; lines that make no sense are skipped."""
    shared: dict[bytes, bytes] = {}
    lines: dict[int, Line] = {}
    for raw in data.split(b"\n"):
        if raw.startswith(b"R"):
            key, _, text = raw.partition(b" ")
            shared[key] = text
            continue
        fields = raw.split(b" ", 3)
        if len(fields) != 4 or not (fields[0].isdigit() and fields[1].isdigit()):
            continue
        index = int(fields[0])
        lines[index] = Line(
            index=index,
            time=int(fields[1]),
            code=fields[2],
            text=shared.get(fields[3], fields[3]),
        )
    return lines


def read(directory: QueueDirectory, prefix: str, queue_id: str) -> dict[int, Line]:
    """Return what a bf or xf file says, without locking; empty when there is none."""
    fs = directory.fs
    try:
        fd = fs.open(
            prefix + queue_id,
            os.O_RDONLY | os.O_NONBLOCK,
            dir_fd=directory.fd_of(prefix),
        )
    except OSError:
        return {}
    try:
        size = min(fs.fstat(fd).st_size, _MAX_READ)
        return parse(pread_all(fs, fd, size, 0))
    finally:
        fs.close(fd)
