"""The supervisor: worker processes, the governor of their limits, housekeeping.

It delivers nothing itself.  A worker that dies is replaced; its messages are free at
once because the kernel released their locks, and its leases are taken back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from tuiq.errors import TuiqError
from tuiq.runner.governor import Governor
from tuiq.runner.keeper import Keeper
from tuiq.runner.leases import Answered, Ask, AskTurn, Ended, Failed
from tuiq.runner.outages import tell_change
from tuiq.runner.runner import Runner
from tuiq.runner.shares import share_out
from tuiq.runner.threads import in_thread
from tuiq.runner.wire import (
    Adopt,
    Begin,
    Channel,
    Counted,
    Look,
    LowDisk,
    Reload,
    Stop,
    Suspected,
    TryAgain,
)
from tuiq.spool.layout import DROP
from tuiq.spool.watch import SpoolWatch

if TYPE_CHECKING:
    from collections.abc import Callable

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
_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Process:
    """One living worker."""

    share: Share
    process: asyncio.subprocess.Process
    channel: Channel
    counters: dict[str, int] = field(default_factory=dict)
    """Its totals, as it told them last."""


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
        self._keeper = Keeper(spool, list(spool.directories))
        self._workers: dict[int, _Process] = {}
        self._codes: set[int] = set()
        self.departed: Counter[str] = Counter()
        """What workers had counted that are gone."""
        self._stopping = asyncio.Event()
        self._sooner = asyncio.Event()
        """Set when the governor may have something to say earlier than thought."""
        self._tasks: asyncio.TaskGroup | None = None

    # -- the whole -------------------------------------------------------------

    @property
    def is_stopping(self) -> bool:
        """Say whether the workers drain."""
        return self._stopping.is_set()

    async def run(self) -> bool:
        """Run until stopped, or (``once``) until all is done; say whether all was."""
        await in_thread(self._rounds)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            side = [tasks.create_task(self._tick(), name="governor")]
            if not self.options.once:
                side.append(tasks.create_task(self._keep(), name="keeper"))
            keeping = [tasks.create_task(self._keep_alive(s)) for s in self.shares]
            await asyncio.wait(keeping)
            for task in side:
                task.cancel()
        settled = self._codes <= {0}
        if self.options.once and not self.is_stopping:
            settled &= await self._deliver_notices()
        return settled

    async def _deliver_notices(self) -> bool:
        """Deliver what the workers wrote for each other's directories."""
        options = replace(self.options, notices_only=True, responsible=False)
        runner = Runner(self.spool, list(self._locks.held), options)
        settled = await runner.run()
        self.departed.update(runner.courier.counters)
        return settled

    async def stop(self) -> None:
        """Let every worker drain."""
        self._stopping.set()
        self._tell_all(Stop())

    def reconfigure(self) -> None:
        """Pass on settings that were read again."""
        self._tell_all(Reload(config=self.spool.config))
        self._deliver(self.governor.try_again(self.spool.clock.now()))

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
            code = await self._run_worker(share)
            if self._stopping.is_set() or (self.options.once and code >= 0):
                self._codes.add(code)
                return
            lived = self.spool.clock.boottime() - began
            rest = FIRST_REST if lived > SOUND else min(LONGEST_REST, rest * 2)
            _log.error(
                "worker-%d ended with %s; another one takes its place in %.1f s",
                share.number,
                _cause(code),
                rest,
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._stopping.wait()

    async def _run_worker(self, share: Share) -> int:
        """Run one worker to its end; return its exit code, negative for a signal."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *_command(theirs.fileno()), pass_fds=(theirs.fileno(),)
            )
        channel = Channel(*await asyncio.open_unix_connection(sock=ours))
        worker = _Process(share, process, channel)
        self._workers[share.number] = worker
        try:
            channel.send(self._first_words(share))
            if self.is_stopping:
                channel.send(Stop())
            async for message in channel.messages():
                self._hear(worker, message)
            return await self._wait_for(process)
        finally:
            del self._workers[share.number]
            self.departed.update(worker.counters)
            channel.close()
            if process.returncode is None:
                process.kill()
                await process.wait()
            now = self.spool.clock.now()
            self._deliver(self.governor.forget_worker(share.number, now))

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

    async def _wait_for(self, process: asyncio.subprocess.Process) -> int:
        """Wait for a worker that has closed its end; it has nothing left to do."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MARGIN):
                return await process.wait()
        process.kill()
        return await process.wait()

    def _hear(self, worker: _Process, message: object) -> None:
        now = self.spool.clock.now()
        match message:
            case Ask() | AskTurn() | Ended() | Answered() | Failed():
                self._deliver(self.governor.hear(worker.share.number, message, now))
                self._sooner.set()
            case Counted(counters=counters):
                worker.counters = counters
            case TryAgain():
                self._deliver(self.governor.try_again(now))
            case Suspected():
                self._suspected(worker, message)
            case LowDisk(directory=name):
                assert self._tasks is not None
                self._tasks.create_task(self._make_room(self._directory(name)))

    def _suspected(self, finder: _Process, message: Suspected) -> None:
        """Let nobody use a file system whose sync failed."""
        self._keeper.suspect(self._directory(message.directory), message.reason)
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

    def _tell_all(self, message: object) -> None:
        for worker in self._workers.values():
            worker.channel.send(message)

    async def _tick(self) -> None:
        """Say what becomes possible by the clock."""
        while True:
            self._sooner.clear()
            now = self.spool.clock.now()
            self._deliver(self.governor.poll(now))
            wait = min(MAX_SLEEP, self.governor.next_time() - now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.001, wait)):
                    await self._sooner.wait()

    # -- housekeeping ----------------------------------------------------------

    def _rounds(self) -> None:
        try:
            self._keeper.housekeep()
            if not self.options.once:
                self._keeper.collect()
        except (TuiqError, OSError) as error:
            _log.error("housekeeping: %s; it is repeated", error)

    async def _make_room(self, directory: QueueDirectory) -> None:
        try:
            await in_thread(self._keeper.make_room, directory)
        except OSError as error:
            _log.error("%s: cannot be cleared: %s", directory.path, error.strerror)

    async def _keep(self) -> None:
        """Do the rounds, and take in what is dropped as soon as it is."""
        dropped = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(dropped.set)

        with contextlib.closing(_DropWatch(self._keeper, wake)) as watch:
            due = 0.0
            while True:
                now = self.spool.clock.now()
                if now >= due:
                    due = now + self.spool.config.runner.rescan_interval
                    await in_thread(self._rounds)
                elif watch.has_drops():
                    await in_thread(self._keeper.ingest)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(watch.patience(due - now)):
                        await dropped.wait()
                dropped.clear()

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
        return missing + [
            f"{d.blocked}; nothing is sent from it"
            for d in self.directories
            if d.blocked
        ]

    def totals(self) -> dict[str, int]:
        """Return the counters of all workers that there were."""
        totals = Counter(self.departed)
        for worker in self._workers.values():
            totals.update(worker.counters)
        return dict(totals)


class _DropWatch:
    """Whether something came into drop/; where the kernel does not tell, by looks."""

    def __init__(self, keeper: Keeper, wake: Callable[[], None]) -> None:
        """Call *wake*, in any thread, when something came."""
        self._watch: SpoolWatch | None = None
        self._fd = keeper.watched().get(DROP, -1)
        try:
            self._watch = SpoolWatch(wake)
        except TuiqError as error:
            _log.warning("%s; polling until then", error)
            return
        if self._fd >= 0:
            reason = self._watch.add(DROP, self._fd)
            if reason:
                _log.warning("%s", reason)
                self.close()
                self._watch = None

    def has_drops(self) -> bool:
        """Say whether it is worth a look."""
        if self._watch is None:
            return self._fd >= 0
        dirty = self._watch.drain()
        if dirty is None:
            return False
        names = dirty.names.get(DROP, ())
        return bool(dirty.lost or dirty.rescan) or any(
            name.startswith("m.") for name in names
        )

    def patience(self, until_rounds: float) -> float:
        """Return how long to wait for a call, given the seconds until the rounds."""
        blind = self._watch is None and self._fd >= 0
        return max(0.0, min(until_rounds, 10.0 if blind else MAX_SLEEP))

    def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.close()


def _command(fd: int) -> list[str]:
    """Return the command line of a worker, in the same interpreter and its flags."""
    flags = [f"-W{option}" for option in sys.warnoptions]
    if sys.flags.isolated:
        flags.append("-I")
    return [sys.executable, *flags, "-P", "-m", "tuiq.runner.worker", str(fd)]


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
