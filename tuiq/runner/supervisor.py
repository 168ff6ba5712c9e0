"""The supervisor: worker processes, the governor of their limits, housekeeping.

It delivers nothing itself.  A worker that dies is replaced; its messages are free at
once because the kernel released their locks, and its leases are taken back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tuiq.errors import SpoolUnavailable
from tuiq.runner.budget import raise_limit
from tuiq.runner.governor import Governor
from tuiq.runner.housekeeping import Housekeeping
from tuiq.runner.leases import Answered, Ask, AskTurn, Ended, Failed
from tuiq.runner.outages import tell_change
from tuiq.runner.process import WorkerProcess, start_worker
from tuiq.runner.pulse import Pulse
from tuiq.runner.removing import Remover
from tuiq.runner.runner import Runner
from tuiq.runner.shares import share_out
from tuiq.runner.wire import (
    Adopt,
    Begin,
    Counted,
    Look,
    LowDisk,
    Reload,
    Remove,
    Stop,
    Suspected,
    Unable,
)

if TYPE_CHECKING:
    from tuiq.runner.governor import Letter
    from tuiq.runner.locks import DirectoryLocks
    from tuiq.runner.runner import Options
    from tuiq.runner.shares import Share
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool

FIRST_REST = 0.5
LONGEST_REST = 30.0
"""Seconds before a worker is replaced that lived for less than ``SOUND``."""
SOUND = 10.0
MARGIN = 10.0
"""Seconds beyond ``drain_timeout`` after which a draining worker is killed."""
MAX_SLEEP = 60.0
EX_TEMPFAIL = 75
_log = logging.getLogger(__name__)


class Supervisor:
    """Keeps workers alive and tells them what they may do."""

    def __init__(
        self, spool: Spool, locks: DirectoryLocks, options: Options, workers: int
    ) -> None:
        """Serve the directories of *locks* as *options* say, by *workers* workers."""
        self.spool = spool
        self._locks = locks
        self.options = options
        self.governor = Governor(partial(tell_change, spool))
        names = [directory.name for directory in spool.directories]
        self.shares = share_out(names, workers)
        self._housekeeping = Housekeeping(spool)
        self._remover = Remover(spool, descriptors=raise_limit())
        self._workers: dict[int, WorkerProcess] = {}
        self._pulse = Pulse(self._workers, self._take_leases_back)
        self._codes: set[int] = set()
        self.departed: Counter[str] = Counter()
        """What workers had counted that are gone."""
        self._suspicions: list[Suspected] = []
        """What workers that start later have to know."""
        self._has_begun = False
        """Whether any worker ever had."""
        self._problem = ""
        """Why none could."""
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._sooner = asyncio.Event()
        """Set when the governor has something to say before ``_next_tick``."""
        self._next_tick = 0.0
        self._tasks: asyncio.TaskGroup | None = None
        self._notices: Runner | None = None

    # -- the whole -------------------------------------------------------------

    @property
    def is_stopping(self) -> bool:
        """Say whether the workers drain."""
        return self._stopping.is_set()

    async def run(self) -> bool:
        """Run until stopped, or (``once``) until all is done; say whether all was.

        Raises SpoolUnavailable when no worker can begin.
        """
        await self._housekeeping.begin()
        try:
            await self._keep_all_alive()
        finally:
            self._ended.set()
            self._remover.close()
        if self._problem:
            raise SpoolUnavailable(self._problem)
        settled = self._codes <= {0}
        if self.options.once and not self.is_stopping:
            settled &= await self._deliver_notices()
        return settled

    async def _keep_all_alive(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            side = [
                tasks.create_task(self._tick(), name="governor"),
                tasks.create_task(self._pulse.run(), name="pulse"),
            ]
            if not self.options.once:
                side.append(tasks.create_task(self._housekeeping.run(), name="keeper"))
            keeping = [tasks.create_task(self._keep_alive(s)) for s in self.shares]
            await asyncio.wait(keeping)
            for task in side:
                task.cancel()

    async def _deliver_notices(self) -> bool:
        """Deliver what the workers wrote for each other's directories."""
        options = replace(self.options, notices_only=True, responsible=False)
        self._notices = Runner(self.spool, list(self._locks.held), options)
        settled = await self._notices.run()
        self.departed.update(self._notices.courier.counters)
        return settled

    async def stop(self) -> None:
        """Let every worker drain; kill those that are not able to."""
        self._stopping.set()
        self._tell_all(Stop())
        if self._notices is not None:
            await self._notices.stop()
        patience = self._patience
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._ended.wait()
        for worker in self._workers.values():
            name = f"worker-{worker.share.number}"
            _log.error("%s: killed: it did not end within %.0f s", name, patience)
            worker.kill()

    @property
    def _patience(self) -> float:
        """Return how many seconds a worker has for its end."""
        return self.spool.config.runner.drain_timeout + MARGIN

    def reconfigure(self) -> None:
        """Pass on settings that were read again."""
        self._deliver(self.governor.try_again(self.spool.clock.now()))
        self._tell_all(Reload(config=self.spool.config))

    def look_at_everything(self) -> None:
        """Let every worker scan, and every destination be tried."""
        self._deliver(self.governor.try_again(self.spool.clock.now()))
        self._tell_all(Look())

    def adopt(self, directory: QueueDirectory) -> None:
        """Let a directory be served that another runner had so far."""
        for worker in self._workers.values():
            if directory.name in worker.share.directories:
                worker.channel.send(Adopt(directory=directory.name))

    # -- workers ---------------------------------------------------------------

    async def _keep_alive(self, share: Share) -> None:
        """Run a worker, and another one whenever it dies."""
        rest = FIRST_REST / 2
        while not self.is_stopping:
            began = self.spool.clock.boottime()
            try:
                code, ended = await self._run_worker(share)
            except OSError as error:
                code, ended = EX_TEMPFAIL, f"cannot be started: {error.strerror}"
            if self._is_last(share, code, ended, rest):
                self._codes.add(code)
                return
            lived = self.spool.clock.boottime() - began
            rest = FIRST_REST if lived > SOUND else min(LONGEST_REST, rest * 2)
            _log.error(
                "worker-%d %s; another one takes its place in %.1f s",
                share.number,
                ended,
                rest,
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._stopping.wait()

    def _is_last(self, share: Share, code: int, ended: str, rest: float) -> bool:
        """Say whether no other worker takes the place of one that has ended."""
        if self.is_stopping:
            return True
        if code > 0 and not self._has_begun:
            # Nor will the next one be able to.
            self._problem = self._problem or f"worker-{share.number} {ended}"
            self._stopping.set()
            self._tell_all(Stop())
            return True
        return self.options.once and (code >= 0 or rest >= LONGEST_REST)

    async def _run_worker(self, share: Share) -> tuple[int, str]:
        """Run one worker to its end.

        Returns its exit code, negative for a signal, and what became of it in words.
        Raises OSError when it cannot be started.
        """
        worker = await start_worker(share)
        self._workers[share.number] = worker
        try:
            worker.channel.send(self._first_words(share))
            for suspected in self._suspicions:
                worker.channel.send(suspected)
            if self.is_stopping:
                worker.channel.send(Stop())
            async for message in worker.channel.messages():
                self._hear(worker, message)
        finally:
            await worker.channel.close()  # so that it ends, whoever ended this
            code = await worker.wait(self._patience)
            del self._workers[share.number]
            self.departed.update(worker.counters)
            self._take_leases_back(share.number)
        return code, worker.fate(code)

    def _take_leases_back(self, number: int) -> None:
        """Let others have the leases of a worker that is dead, or as good as dead."""
        now = self.spool.clock.now()
        self._deliver(self.governor.forget_worker(number, now))

    def _first_words(self, share: Share) -> Begin:
        held = {directory.name for directory in self._locks.held}
        return Begin(
            config=self.spool.config,
            number=share.number,
            directories=tuple(name for name in share.directories if name in held),
            options=replace(
                self.options,
                responsible=False,
                shard=share.shard,
                shards=share.shards,
            ),
            verbose=_log.isEnabledFor(logging.DEBUG),
        )

    def _hear(self, worker: WorkerProcess, message: object) -> None:
        worker.silent = 0.0
        now = self.spool.clock.now()
        match message:
            case Ask() | AskTurn() | Ended() | Answered() | Failed():
                self._deliver(self.governor.hear(worker.share.number, message, now))
            case Counted(counters=counters):
                worker.counters = counters
                self._has_begun = True
            case Remove():
                assert self._tasks is not None
                self._tasks.create_task(self._remover.serve(worker.channel, message))
            case Unable(reason=reason):
                worker.problem = reason
            case Suspected():
                self._suspected(worker, message)
            case LowDisk(directory=name):
                assert self._tasks is not None
                self._tasks.create_task(
                    self._housekeeping.make_room(self._directory(name))
                )

    def _suspected(self, finder: WorkerProcess, message: Suspected) -> None:
        """Let nobody use a file system whose sync failed, nor whoever starts later."""
        self._suspicions.append(message)
        self._housekeeping.suspect(self._directory(message.directory), message.reason)
        for worker in self._workers.values():
            if worker is not finder:
                worker.channel.send(message)

    def _directory(self, name: str) -> QueueDirectory:
        return next(d for d in self.spool.directories if d.name == name)

    def _deliver(self, letters: list[Letter]) -> None:
        for number, told in letters:
            worker = self._workers.get(number)
            if worker is not None:
                worker.channel.send(told)
        if self.governor.next_time() < self._next_tick:
            self._sooner.set()

    def _tell_all(self, message: object) -> None:
        for worker in self._workers.values():
            worker.channel.send(message)

    async def _tick(self) -> None:
        """Say what becomes possible by the clock."""
        while True:
            now = self.spool.clock.now()
            self._deliver(self.governor.poll(now))
            self._next_tick = min(now + MAX_SLEEP, self.governor.next_time())
            self._sooner.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.001, self._next_tick - now)):
                    await self._sooner.wait()

    # -- telling ---------------------------------------------------------------

    @property
    def directories(self) -> list[QueueDirectory]:
        """Return the directories that are served."""
        return self._locks.held

    def notes(self) -> list[str]:
        """Return sentences that an operator should read."""
        missing = [
            f"worker-{share.number} is not running"
            for share in self.shares
            if share.number not in self._workers and not self.options.once
        ]
        blocked = [
            f"{d.blocked}; nothing is sent from it"
            for d in self.directories
            if d.blocked
        ]
        return [*missing, *self._pulse.notes(), *blocked]

    def totals(self) -> dict[str, int]:
        """Return the counters of all workers that there were."""
        totals = Counter(self.departed)
        for worker in self._workers.values():
            totals.update(worker.counters)
        return dict(totals)
