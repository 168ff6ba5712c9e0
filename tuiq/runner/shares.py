"""Which worker serves which queue directories: a pure decision."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one worker serves."""

    number: int
    """The worker's, from 1."""
    directories: tuple[str, ...]
    """Names of queue directories."""
    shard: int = 0
    """Which of the ``shards`` of its directories' messages are this worker's."""
    shards: int = 1


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0))


def share_out(directories: Sequence[str], workers: int) -> list[Share]:
    """Share *directories* out over up to *workers* workers.

    A directory has one worker as long as there is one for every worker; with fewer
    directories than workers several share one, each with its own messages.
    """
    count = len(directories)
    if count >= workers:
        return [
            Share(number=n + 1, directories=tuple(directories[n::workers]))
            for n in range(workers)
        ]
    return [
        Share(
            number=n + 1,
            directories=(directories[n % count],),
            shard=n // count,
            shards=len(range(n % count, workers, count)),
        )
        for n in range(workers)
    ]


def shard_of(shard: int, shards: int) -> Callable[[str], bool] | None:
    """Return what says whether a queue id belongs to a shard; None: all do."""
    if shards == 1:
        return None
    crc = zlib.crc32
    return lambda queue_id: crc(queue_id.encode()) % shards == shard
