"""A worker process: a runner for some directories, its limits the supervisor's.

``python -m tuiq.runner.worker FD`` with one end of a socket pair.  When the other
end is closed, however the supervisor ended, the worker drains and ends as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from typing import TYPE_CHECKING

from tuiq import log
from tuiq.errors import SpoolUnavailable, TuiqError
from tuiq.runner.loop import loop_factory
from tuiq.runner.removing import FarRemover
from tuiq.runner.report import StatusReporter
from tuiq.runner.runner import Runner
from tuiq.runner.wire import (
    Adopt,
    Begin,
    Channel,
    Counted,
    Look,
    LowDisk,
    Ping,
    Reload,
    Removed,
    Stop,
    Suspected,
    Unable,
)
from tuiq.spool.spool import Spool, open_spool
from tuiq.spool.status import StatusWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.runner.leases import Said, Told
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.status import DestinationStatus

EX_OK = 0
EX_TEMPFAIL = 75
NAMES = 1000
_log = logging.getLogger(__name__)


class FarGovernor:
    """The governor in the supervisor, at the other end of a channel."""

    def __init__(self, channel: Channel) -> None:
        """Talk over *channel*; ``heard`` gets what comes back."""
        self._channel = channel
        self._hear: Callable[[Told], None] | None = None

    def connect(self, hear: Callable[[Told], None]) -> None:
        """Give everything that is told to *hear*."""
        self._hear = hear

    def heard(self, told: Told) -> None:
        """Pass on what came over the channel."""
        assert self._hear is not None
        self._hear(told)

    def say(self, said: Said) -> None:
        """Tell the governor."""
        self._channel.send(said)

    def try_again(self) -> None:
        """Do nothing: the supervisor sees to it, before it has workers look."""

    def next_time(self) -> float:
        """Return infinity: the supervisor speaks up by itself."""
        return float("inf")

    def poll(self) -> None:
        """Do nothing: the supervisor speaks up by itself."""

    def statuses(self) -> tuple[DestinationStatus, ...]:
        """Return nothing: the supervisor tells people about destinations."""
        return ()


class Worker:
    """The runner of this process and its dealings with the supervisor."""

    def __init__(self, spool: Spool, begin: Begin, channel: Channel) -> None:
        """Serve what *begin* says."""
        self._spool = spool
        self._begin = begin
        self._channel = channel
        self._governor = FarGovernor(channel)
        names = set(begin.directories)
        self.runner = Runner(
            spool,
            [d for d in spool.directories if d.name in names],
            begin.options,
            leases=self._governor,
        )
        self._remover = FarRemover(channel)
        self.runner.marks.remover = self._remover
        self.runner.on_suspect = self._tell_suspicion
        self.runner.keeper.on_low_disk = self._tell_low_disk
        self._stopping: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def _tell_suspicion(self, directory: QueueDirectory, reason: str) -> None:
        self._channel.send(Suspected(directory=directory.name, reason=reason))

    def _tell_low_disk(self, directory: QueueDirectory) -> None:
        """Ask for room; called in a thread."""
        message = LowDisk(directory=directory.name)
        self._loop.call_soon_threadsafe(self._channel.send, message)

    def _tell_counters(self, counters: dict[str, int]) -> None:
        self._channel.send(Counted(counters=counters))

    async def run(self, writer: StatusWriter) -> int:
        """Run to the end and return the exit status."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            # They are for the supervisor, which says what to do.
            loop.add_signal_handler(number, _ignore)
        reporter = StatusReporter(self.runner, writer)
        reporter.on_write = self._tell_counters
        reporting = asyncio.create_task(reporter.run(), name="status")
        listening = asyncio.create_task(self._listen(), name="supervisor")
        listening.add_done_callback(self._heard_the_last)
        try:
            settled = await self.runner.run()
            self._channel.send(Counted(counters=reporter.totals()))
            with contextlib.suppress(OSError):
                await self._channel.writer.drain()
        finally:
            for task in (reporting, listening):
                task.cancel()
            await asyncio.gather(reporting, listening, return_exceptions=True)
            reporter.write()
            if self._stopping is not None:
                await self._stopping
        if not listening.cancelled():
            listening.result()  # or why it could not go on
        return EX_OK if settled else EX_TEMPFAIL

    async def _listen(self) -> None:
        try:
            async for message in self._channel.messages():
                self._do(message)
        finally:
            self._remover.lost()
        if not self.runner.is_stopping:
            _log.warning("worker-%d: the supervisor is gone", self._begin.number)

    def _heard_the_last(self, listening: asyncio.Task[None]) -> None:
        """Drain when there is nobody to listen to, for whatever reason."""
        if not listening.cancelled():
            self.stop()

    def _do(self, message: object) -> None:
        match message:
            case Ping():
                self._channel.send(message)
            case Stop():
                self.stop()
            case Reload(config=config):
                self._spool.reconfigure(config)
                self.runner.reconfigure()
            case Look():
                self.runner.look_at_everything()
            case Adopt(directory=name):
                self.runner.adopt(self._directory(name))
            case Removed():
                self._remover.heard(message)
            case Suspected(directory=name, reason=reason):
                self.runner.keeper.suspect(self._directory(name), reason)
            case _:
                self._governor.heard(message)  # type: ignore[arg-type]

    def _directory(self, name: str) -> QueueDirectory:
        return next(d for d in self._spool.directories if d.name == name)

    def stop(self) -> None:
        """Drain."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self.runner.stop())


def _ignore() -> None:
    pass


def named(spool: Spool, number: int) -> StatusWriter:
    """Take a worker's name; another one if a drained supervisor's worker has it."""
    for suffix in range(NAMES):
        name = f"worker-{number}" + (f"-{suffix}" if suffix else "")
        with contextlib.suppress(SpoolUnavailable):
            return StatusWriter(spool.fs, spool.run_fd, name, spool.clock)
    raise SpoolUnavailable(f"run/worker-{number}.lock: every name like it is taken")


async def work(end: socket.socket) -> int:
    """Serve the supervisor at the other *end* of the socket pair."""
    channel = Channel(*await asyncio.open_unix_connection(sock=end))
    try:
        async for begin in channel.messages():
            return await _begin(begin, channel)
    except TuiqError as error:
        channel.send(Unable(reason=str(error)))
        return EX_TEMPFAIL
    finally:
        await channel.close()
    return EX_OK  # the supervisor died before it had said what to do


async def _begin(begin: Begin, channel: Channel) -> int:
    log.setup(verbose=begin.verbose)
    with open_spool(begin.config) as spool:
        writer = named(spool, begin.number)
        try:
            return await Worker(spool, begin, channel).run(writer)
        finally:
            writer.close()


def main() -> int:
    """Run a worker on the descriptor that the command line names."""
    end = socket.socket(fileno=int(sys.argv[1]))
    end.set_inheritable(False)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(work(end))


if __name__ == "__main__":
    sys.exit(main())
