"""Unlinking finished messages where nobody waits for it.

Giving an inode back makes its caller sleep: a worker's loop would spend a third of
its time in that.  So workers name their finished messages to the supervisor, which
has nothing else to do, and hold their locks until the control files are gone, durably.
It keeps those open a little longer than they do: whoever closes last does the sleeping.
"""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from tuiq.runner.threads import in_thread
from tuiq.runner.wire import Remove, Removed
from tuiq.spool.finish import unlink_control, unlink_rest

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    from tuiq.runner.wire import Channel, Named
    from tuiq.spool.claim import Claim
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool

THREADS = 8
"""They sleep most of the time: 150 µs for each file on a disk that discards at once."""
SHARE = 64
"""Messages that one of them removes at a time."""
KEPT_OPEN = 0.1
"""Seconds for which control files stay open after they were unlinked."""
MOST_KEPT = 2048
"""Control files that are kept open, out of 16 times as many descriptors: those of some
0.3 s at full speed."""
PATIENCE = 1.0
"""Seconds for which a worker lets marks wait for the supervisor: it may be stopped."""
LATER = "what dead processes left is removed later"
"""What a log says of a file that could not be unlinked."""
_FLAGS = os.O_RDONLY | os.O_NONBLOCK
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Remover:
    """The supervisor's side."""

    def __init__(self, spool: Spool, *, descriptors: int) -> None:
        """Remove messages of *spool*; of *descriptors* some may be used."""
        self._directories = {d.name: d for d in spool.directories}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="tuiq-remove")
        self._room = min(MOST_KEPT, descriptors // 16)
        """Control files that may be kept open, beside those that are."""

    async def serve(self, channel: Channel, wanted: Remove) -> None:
        """Unlink what a worker named, tell it, and let go of the inodes later.

        It is told as soon as the messages have ceased to exist; what else belonged to
        them goes afterwards.
        """
        shares = [
            wanted.messages[begin : begin + SHARE]
            for begin in range(0, len(wanted.messages), SHARE)
        ]
        fds: list[tuple[QueueDirectory, int]] = []
        failed: dict[str, str] = {}
        rooms = [self._take_room(len(share)) for share in shares]
        retired = await self._each(self._retire, zip(shares, rooms, strict=True))
        for failures, kept in retired:
            failed |= failures
            fds += kept
        self._room += sum(rooms) - len(fds)
        problem = await self._sync(wanted) if wanted.sync else ""
        channel.send(Removed(number=wanted.number, failed=failed, problem=problem))
        if not problem:
            await self._each(self._discard, ((share, failed) for share in shares))
        if fds:
            await asyncio.sleep(KEPT_OPEN)
            await self._each(_close, ((fds,),))
            self._room += len(fds)

    def _take_room(self, wanted: int) -> int:
        room = min(wanted, self._room)
        self._room -= room
        return room

    async def _each(
        self, do: Callable[..., _T], arguments: Iterable[tuple[Any, ...]]
    ) -> list[_T]:
        """Do something with each of *arguments*, in the threads."""
        calls = (in_thread(do, *each, executor=self._pool) for each in arguments)
        return await asyncio.gather(*calls)

    def _retire(
        self, messages: Sequence[Named], most: int
    ) -> tuple[dict[str, str], list[tuple[QueueDirectory, int]]]:
        """Unlink control files; return why some are still there, and *most* open."""
        failed: dict[str, str] = {}
        fds: list[tuple[QueueDirectory, int]] = []
        for name, queue_id, _ in messages:
            directory = self._directories[name]
            if len(fds) < most:
                with suppress(OSError):
                    fd = directory.fs.open(
                        "qf" + queue_id, _FLAGS, dir_fd=directory.qf_fd
                    )
                    fds.append((directory, fd))
            try:
                unlink_control(directory, queue_id)
            except OSError as error:
                failed[queue_id] = error.strerror or "error"
        return failed, fds

    async def _sync(self, wanted: Remove) -> str:
        """Make it durable that control files are gone; return why that failed."""
        names = {name for name, _, _ in wanted.messages}
        problems = await self._each(self._sync_one, ((name,) for name in names))
        return next(filter(None, problems), "")

    def _sync_one(self, name: str) -> str:
        directory = self._directories[name]
        try:
            directory.fs.fsync(directory.qf_fd)
        except OSError as error:
            return error.strerror or "error"
        return ""

    def _discard(self, messages: Sequence[Named], failed: Container[str]) -> None:
        """Unlink what belonged to control files that are gone."""
        for name, queue_id, has_texts in messages:
            if queue_id in failed:
                continue
            directory = self._directories[name]
            try:
                unlink_rest(directory, queue_id, has_texts=has_texts)
            except OSError as error:
                path = directory.path_of("df" + queue_id)
                reason = (error.strerror or "error").lower()
                _log.error("%s: cannot be removed: %s; %s", path, reason, LATER)

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
        self._asked: dict[int, asyncio.Future[Removed]] = {}
        self._is_lost = False

    async def __call__(self, claims: Sequence[Claim], *, sync: bool) -> Removed | None:
        """Have finished messages removed, durably if *sync*; return what failed.

        None: nobody is there to do it, or to be seen doing it: doing it once more
        does no harm.
        """
        if self._is_lost:
            return None
        number = next(self._numbers)
        answer: asyncio.Future[Removed]
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        messages = tuple(
            (claim.directory.name, claim.queue_id, claim.has_texts) for claim in claims
        )
        self._channel.send(Remove(number=number, messages=messages, sync=sync))
        try:
            async with asyncio.timeout(PATIENCE):
                return await answer
        except (ConnectionError, TimeoutError):
            return None
        finally:
            del self._asked[number]

    def heard(self, removed: Removed) -> None:
        """Take the supervisor's answer."""
        answer = self._asked.get(removed.number)
        if answer is not None and not answer.done():
            answer.set_result(removed)

    def lost(self) -> None:
        """Take note that the supervisor is gone, or hears nothing any more."""
        self._is_lost = True
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ConnectionError())
