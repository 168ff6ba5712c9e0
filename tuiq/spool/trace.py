"""Reading the delivery journal back: what happened to a message or an address.

The format is the business of ``journal``.  Takes no lock and may run while
writers append and rotate; lines cut short by a crash are mended or left out.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, BinaryIO

from tuiq.log import printable
from tuiq.spool.journal import FILE, LINE_START, Kind, numbered, numbers
from tuiq.spool.layout import id_birth, is_queue_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

BLOCK = 256 * 1024
"""Bytes that are looked through at a time."""
SLACK = 60.0
"""Seconds by which lines may be out of order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the journal; members as ``journal`` describes them, escaped."""

    time: float = 0.0
    event: str = ""
    queue_id: str = ""
    directory: str = ""
    sender: str = ""
    relay: str = ""
    code: int = 0
    status: str = ""
    text: str = ""
    recipients: tuple[tuple[int, str], ...] = ()
    """(number, address); only those asked for."""
    size: int | None = None
    pid: int = 0
    who: str = ""
    members: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The whole object as it was written."""


def trace(journal: Path, needle: str = "") -> Iterator[Record]:
    """Yield the events about *needle*, oldest first: a queue id or an address.

    An address (anything with ``@``; case does not matter) finds events that name it
    as a recipient, of which only it is told, or as the sender.  Empty: all events.
    """
    wanted = printable(needle).lower()
    with ExitStack() as stack:
        files = [stack.enter_context(file) for file in open_all(journal)]
        if is_queue_id(wanted.upper()):
            lines: Iterable[bytes] = _about_message(files, wanted.upper())
        else:
            lines = _holding(files, wanted)
        for line in lines:
            record = parse(line)
            found = record and _about(record, wanted)
            if found:
                yield found


def _about_message(files: list[BinaryIO], queue_id: str) -> Iterable[bytes]:
    """Return the lines with *queue_id*, in the order of writing.

    Its time says where its first line should be.  Where that is not so (the clock
    was set, or the line is gone) everything is looked through.
    """
    whole = b'"id":"%b"' % queue_id.encode()
    first = b'"event":"%b",%b' % (Kind.QUEUED.encode(), whole)
    _seek(files, id_birth(queue_id) - SLACK)
    lines = [line for file in files for line in _lines(file, whole)]
    if any(first in line for line in lines):
        return lines
    for file in files:
        file.seek(0)
    return (line for file in files for line in _lines(file, whole))


def _holding(files: list[BinaryIO], wanted: str) -> Iterator[bytes]:
    """Yield the lines that may hold *wanted*, which is in lower case."""
    # Only ASCII has the same bytes whatever case it was written in.
    parts = re.findall(r"[\x00-\x7f]+", json.dumps(wanted, ensure_ascii=False)[1:-1])
    part = max(parts, key=len, default="").encode()
    for file in files:
        yield from _lines(file, part, fold=True)


def _lines(file: BinaryIO, part: bytes, *, fold: bool = False) -> Iterator[bytes]:
    """Yield the lines of *file* that contain *part*, from where it stands.

    With *fold* case does not matter, and *part* is in lower case.
    """
    rest = b""
    while read := file.read(BLOCK):
        block = rest + read
        end = block.rfind(b"\n") + 1
        rest = block[end:]
        yield from _hits(block[:end], part, fold=fold)
    yield from _hits(rest, part, fold=fold)


def _hits(block: bytes, part: bytes, *, fold: bool) -> Iterator[bytes]:
    """Yield the lines of *block* that contain *part*."""
    text = block.lower() if fold else block
    at = text.find(part)
    while at >= 0:
        start, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
        end = len(text) if end < 0 else end + 1
        if start < end:
            yield block[start:end]
        at = text.find(part, end) if end < len(text) else -1


def _seek(files: list[BinaryIO], time: float) -> None:
    """Let *files* stand before their lines of *time* and later, or earlier."""
    for file, following in zip_longest(files, files[1:]):
        size = os.fstat(file.fileno()).st_size
        begins = None if following is None else _time_at(following, 0)
        low, high = 0, size
        if begins is not None and begins < time:
            low = size  # what the next file begins with is older than that
        while high - low > BLOCK:
            middle = (low + high) // 2
            found = _time_at(file, middle)
            if found is not None and found < time:
                low = middle
            else:
                high = middle
        file.seek(max(0, low - BLOCK))


def _time_at(file: BinaryIO, offset: int) -> float | None:
    """Return the time of the first line that begins at *offset* or later."""
    piece = os.pread(file.fileno(), BLOCK, offset)
    start = 0
    while (start := piece.find(LINE_START, start)) >= 0:
        start += len(LINE_START)
        with suppress(ValueError):
            return float(piece[start : piece.find(b",", start)])
    return None


def open_all(journal: Path) -> list[BinaryIO]:
    """Open all files of the journal, oldest first.

    Opened from the newest on: what a rotation renames meanwhile is met a second time
    under its next name, never missed.
    """
    files: dict[tuple[int, int], BinaryIO] = {}
    for name in [FILE, *_rotated(journal)]:
        try:
            file = (journal / name).open("rb")
        except FileNotFoundError:
            continue
        info = os.fstat(file.fileno())
        if files.setdefault((info.st_dev, info.st_ino), file) is not file:
            file.close()
    return list(reversed(files.values()))


def _rotated(journal: Path) -> list[str]:
    """Return names of rotated files, newest first, and one that may yet appear."""
    try:
        oldest = max(numbers(os.listdir(journal)), default=0)
    except FileNotFoundError:
        return []
    return [numbered(number) for number in range(1, oldest + 2)]


def parse(line: bytes) -> Record | None:
    """Return the event in *line*; None when there is none to be read.

    What a torn line left before the last beginning of an event is dropped.
    """
    start = line.rfind(LINE_START)
    if start < 0:
        return None
    try:
        members = json.loads(line[start:])
    except ValueError:
        return None
    values: dict[str, Any] = {
        "queue_id" if name == "id" else name: _clean(members.get(name), kind)
        for name, kind in _KINDS.items()
        if name in members
    }
    return Record(
        **{name: value for name, value in values.items() if value is not None},
        recipients=_recipients(members.get("recipients")),
        members=members,
    )


_KINDS: dict[str, type] = {
    "time": float,
    "event": str,
    "id": str,
    "directory": str,
    "sender": str,
    "relay": str,
    "code": int,
    "status": str,
    "text": str,
    "size": int,
    "pid": int,
    "who": str,
}


def _clean(value: object, kind: type) -> object:
    """Return *value* when it is of *kind*, text escaped, else None."""
    if kind is float and isinstance(value, int):
        return float(value)
    if isinstance(value, str) and kind is str:
        return printable(value)
    return value if isinstance(value, kind) and not isinstance(value, bool) else None


def _recipients(pairs: object) -> tuple[tuple[int, str], ...]:
    found = []
    for pair in pairs if isinstance(pairs, list) else []:
        match pair:
            case [int(number), str(address)]:
                found.append((number, printable(address)))
    return tuple(found)


def _about(record: Record, wanted: str) -> Record | None:
    """Return *record* as far as it concerns *wanted* (lower case), else None."""
    if not wanted or record.queue_id.lower() == wanted:
        return record
    if "@" not in wanted:
        return None
    hits = tuple(pair for pair in record.recipients if pair[1].lower() == wanted)
    if not hits:
        return record if record.sender.lower() == wanted else None
    return Record(
        **{
            name: getattr(record, name)
            for name in Record.__slots__
            if name != "recipients"
        },
        recipients=hits,
    )
