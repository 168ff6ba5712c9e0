"""Unlinking finished messages where nobody waits for it.

Giving an inode back makes its caller sleep: a worker's loop would spend a third of
its time in that.  So workers name their finished messages to the supervisor, which
has nothing else to do, and hold their locks until it has unlinked them.  It keeps the
control files open a little longer than they do: whoever closes last does the sleeping.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING

from tuiq.runner.threads import in_thread
from tuiq.runner.wire import Remove, Removed
from tuiq.spool.finish import ORDER, ORDER_UNSYNCED, remove_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiq.runner.wire import Channel
    from tuiq.spool.claim import Claim
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool

THREADS = 8
"""They sleep most of the time: 150 µs for each file on a disk that discards at once."""
SHARE = 64
"""Messages that one of them removes at a time."""
KEPT_OPEN = 0.1
"""Seconds for which control files stay open after they were unlinked."""
MOST_KEPT = 512
"""Control files that are kept open at a time, out of 16 times as many descriptors."""


class Remover:
    """The supervisor's side."""

    def __init__(self, spool: Spool, *, descriptors: int) -> None:
        """Remove messages of *spool*; of *descriptors* some may be used."""
        self._directories = {d.name: d for d in spool.directories}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="tuiq-remove")
        self._most = min(MOST_KEPT, descriptors // 16)

    async def serve(self, channel: Channel, wanted: Remove) -> None:
        """Unlink what a worker named, tell it, and let go of the inodes later."""
        order = ORDER if wanted.synced else ORDER_UNSYNCED
        messages = wanted.messages
        shares = [
            (begin, messages[begin : begin + SHARE])
            for begin in range(0, len(messages), SHARE)
        ]
        failed: dict[str, str] = {}
        fds: list[tuple[QueueDirectory, int]] = []
        for failures, kept in await asyncio.gather(
            *(
                in_thread(
                    self._remove, share, order, self._most - begin, executor=self._pool
                )
                for begin, share in shares
            )
        ):
            failed |= failures
            fds += kept
        channel.send(Removed(number=wanted.number, failed=failed))
        if fds:
            await asyncio.sleep(KEPT_OPEN)
            await in_thread(_close, fds, executor=self._pool)

    def _remove(
        self, messages: Sequence[tuple[str, str, bool]], order: Sequence[str], most: int
    ) -> tuple[dict[str, str], list[tuple[QueueDirectory, int]]]:
        failed: dict[str, str] = {}
        fds: list[tuple[QueueDirectory, int]] = []
        for name, queue_id, has_texts in messages:
            directory = self._directories[name]
            try:
                if len(fds) < most:
                    flags = os.O_RDONLY | os.O_NONBLOCK
                    fd = directory.fs.open(
                        "qf" + queue_id, flags, dir_fd=directory.qf_fd
                    )
                    fds.append((directory, fd))
                remove_files(directory, queue_id, has_texts=has_texts, order=order)
            except OSError as error:
                failed[queue_id] = error.strerror or "error"
        return failed, fds

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


def _close(fds: list[tuple[QueueDirectory, int]]) -> None:
    for directory, fd in fds:
        directory.fs.close(fd)


class FarRemover:
    """A worker's side: ``marks`` asks it, the supervisor's answers come to it."""

    def __init__(self, channel: Channel) -> None:
        """Ask over *channel*."""
        self._channel = channel
        self._numbers = count()
        self._asked: dict[int, asyncio.Future[dict[str, str]]] = {}
        self._is_lost = False

    async def __call__(
        self, claims: Sequence[Claim], *, synced: bool
    ) -> dict[str, str] | None:
        """Have finished messages unlinked; return why some were not, by id.

        None: nobody is there to do it.  *synced*: their ends are durable.
        """
        if self._is_lost:
            return None
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, str]]
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        messages = tuple(
            (claim.directory.name, claim.queue_id, claim.has_texts) for claim in claims
        )
        self._channel.send(Remove(number=number, messages=messages, synced=synced))
        try:
            return await answer
        except ConnectionError:
            return None
        finally:
            del self._asked[number]

    def heard(self, removed: Removed) -> None:
        """Take the supervisor's answer."""
        answer = self._asked.get(removed.number)
        if answer is not None and not answer.done():
            answer.set_result(removed.failed)

    def lost(self) -> None:
        """Take note that the supervisor is gone, or hears nothing any more."""
        self._is_lost = True
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ConnectionError())
