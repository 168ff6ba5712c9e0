"""What a queue directory holds, by name and number; no file is opened."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tuiq.spool.layout import ID_LENGTH, is_queue_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tuiq.spool.layout import QueueDirectory


def cut(ids: bytes) -> list[str]:
    """Return the queue ids that are strung together."""
    text = ids.decode("ascii")
    return [text[at : at + ID_LENGTH] for at in range(0, len(text), ID_LENGTH)]


def ctime_of(directory: QueueDirectory, queue_id: str) -> int | None:
    """Return the ctime of a control file; None when it is gone, 0 when unknown."""
    try:
        info = directory.fs.stat("qf" + queue_id, dir_fd=directory.qf_fd)
    except FileNotFoundError:
        return None
    except OSError:
        return 0
    return info.st_ctime_ns


def is_control(name: str) -> bool:
    """Say whether a file name is that of a control file."""
    return name[:2] == "qf" and is_queue_id(name[2:])


def listed(directory: QueueDirectory) -> Iterator[tuple[int, str]]:
    """Yield inode and id of every control file."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    top = os.open(".", flags, dir_fd=directory.qf_fd)
    try:
        with os.scandir(top) as found:
            for item in found:
                if is_control(item.name):
                    yield item.inode(), item.name[2:]
    finally:
        os.close(top)


def pieces(
    items: Iterable[tuple[int, str]], size: int
) -> Iterator[list[tuple[int, str]]]:
    """Yield *items* in lists of *size*; the last may be shorter, or empty."""
    piece = []
    for item in items:
        piece.append(item)
        if len(piece) == size:
            yield piece
            piece = []
    yield piece
