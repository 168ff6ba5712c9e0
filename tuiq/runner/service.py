"""``tuiq --run``: signals, locks, the status file, and the exit status."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from tuiq import config as configuration
from tuiq import log
from tuiq.errors import ConfigError, TuiqError
from tuiq.runner.budget import SPARE, Budget, in_use, raise_limit
from tuiq.runner.due import scan
from tuiq.runner.lifeline import check_lifeline, hold_lifeline
from tuiq.runner.locks import DirectoryLocks
from tuiq.runner.loop import let_threads_compute, loop_factory
from tuiq.runner.metrics import MetricsWriter
from tuiq.runner.report import StatusReporter, SupervisorReporter
from tuiq.runner.routes import way_out_problem
from tuiq.runner.runner import Options, Runner
from tuiq.runner.shares import cores
from tuiq.runner.supervisor import Supervisor
from tuiq.spool.answers import Result, Target, Verb
from tuiq.spool.journal import Event, Kind
from tuiq.spool.limits import clear_limits, read_limits
from tuiq.spool.spool import Spool, open_spool
from tuiq.spool.status import StatusWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Any

    from tuiq.config import Config
    from tuiq.runner.report import Reporter
    from tuiq.spool.layout import QueueDirectory

WORTH_WORKERS = 1000
"""Messages due from which one pass is worth the start of worker processes."""
EX_OK = 0
EX_TEMPFAIL = 75
ADOPT_EVERY = 5.0
"""Seconds between tries for directories that another runner drains just now."""
_log = logging.getLogger(__name__)


def run(
    config: Config,
    *,
    once: bool = False,
    verbose: bool = False,
    max_messages: int | None = None,
    while_fd: int | None = None,
    directory_locks: bool = True,
) -> int:
    """Run until a signal ends it, or one pass; return the exit status.

    The end of file of *while_fd* ends it as well.  *directory_locks* is for tests that
    show that the message locks suffice.
    Raises ConfigError, SpoolUnavailable (another runner's pid in the text).
    """
    log.setup(verbose=verbose)
    if while_fd is not None:
        check_lifeline(while_fd)
    with (
        open_spool(config) as spool,
        _named(spool, once=once) as writer,
        DirectoryLocks(spool, needed=directory_locks) as locks,
    ):
        locks.take()
        if once and not locks.held:
            return EX_TEMPFAIL
        Budget(raise_limit(), reserved=in_use() + SPARE)  # or say what is missing
        options = Options(once=once, verbose=verbose, max_messages=max_messages)
        workers = _workers(spool, locks, options)
        with (
            _metrics(spool, writer.name, once=once) as metrics,
            asyncio.Runner(loop_factory=loop_factory()) as runner,
        ):
            service = Service(spool, locks, options, writer, workers)
            service.on_reload = metrics.reconfigure
            service.while_fd = while_fd
            return runner.run(service.run())


@contextlib.contextmanager
def _metrics(spool: Spool, name: str, *, once: bool) -> Iterator[MetricsWriter]:
    """Offer metrics while the runner *name* lives, and for the last time after it."""
    metrics = MetricsWriter(spool)
    if not once:
        metrics.start()
    try:
        yield metrics
    finally:
        metrics.stop()
        metrics.write_textfile(leaving=name, count=once)


def _workers(spool: Spool, locks: DirectoryLocks, options: Options) -> int:
    """Return over how many processes to share the work out; 1: none but this one."""
    if options.verbose or options.max_messages is not None:
        return 1
    workers = spool.config.runner.max_workers or cores()
    if workers > 1 and options.once:
        now = spool.clock.now()
        blocks = (scan(d, now=now, until=now) for d in locks.held)
        if sum(map(len, chain.from_iterable(blocks))) < WORTH_WORKERS:
            return 1
    return workers


@contextlib.contextmanager
def _named(spool: Spool, *, once: bool) -> Iterator[StatusWriter]:
    """Take a runner's name; that of one pass is nobody else's, ever."""
    name = "supervisor"
    if once:
        name = f"once-{os.getpid()}-{secrets.token_hex(2)}"
    writer = StatusWriter(spool.fs, spool.run_fd, name, spool.clock)
    try:
        yield writer
    finally:
        if once:
            with contextlib.suppress(OSError):
                spool.fs.unlink(f"{name}.lock", dir_fd=spool.run_fd)
        writer.close()


class Engine(Protocol):
    """What delivers: a runner in this process, or a supervisor of workers."""

    @property
    def is_stopping(self) -> bool:
        """Say whether it drains."""
        ...

    async def run(self) -> bool:
        """Run to the end; say whether nothing is left that a runner could do."""
        ...

    async def stop(self) -> None:
        """Drain."""
        ...

    def reconfigure(self) -> None:
        """Take over the spool's new settings."""
        ...

    def look_at_everything(self) -> None:
        """Scan now, and try every destination."""
        ...

    def adopt(self, directory: QueueDirectory) -> None:
        """Serve one more directory."""
        ...


class Service:
    """What delivers, its signals and its status file."""

    def __init__(
        self,
        spool: Spool,
        locks: DirectoryLocks,
        options: Options,
        writer: StatusWriter,
        workers: int,
    ) -> None:
        """Serve the directories of *locks*; *writer* holds the runner's name."""
        self._spool = spool
        self._locks = locks
        self._options = options
        self._engine: Engine
        self._reporter: Reporter
        if workers > 1:
            supervisor = Supervisor(spool, locks, options, workers)
            self._engine = supervisor
            self._reporter = SupervisorReporter(supervisor, writer)
        else:
            let_threads_compute()
            runner = Runner(spool, list(locks.held), options)
            self._engine = runner
            self._reporter = StatusReporter(runner, writer)
        self._side: set[asyncio.Task[None]] = set()
        self.on_reload: Callable[[], None] | None = None
        """Told when the configuration was read again."""
        self.while_fd: int | None = None
        """What this runner does not outlive; see ``lifeline``."""

    async def run(self) -> int:
        """Run to the end and return the exit status."""
        self._handle_signals()
        background = [asyncio.create_task(self._reporter.run(), name="status")]
        if self._locks.missing and not self._options.once:
            background.append(asyncio.create_task(self._adopt(), name="adopt"))
        self._note("started")
        if not self._options.once:
            clear_limits(self._spool.fs, self._spool.run_fd)
        problem = way_out_problem(self._spool.config)
        if problem:
            _log.error("%s", problem)
        try:
            settled = await self._engine.run()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, *self._side, return_exceptions=True)
            self._reporter.write()
            counters = sorted(self._reporter.totals().items())
            self._note(f"ended: {', '.join(f'{k} {v}' for k, v in counters)}")
        if not self._options.once:
            return EX_OK
        return EX_OK if settled and not self._locks.missing else EX_TEMPFAIL

    def _note(self, what: str) -> None:
        """Tell the journal about the runner itself."""
        program = "tuiq --run --once" if self._options.once else "tuiq --run"
        event = Event(kind=Kind.RUNNER, text=f"{program} {what}")
        self._spool.journal.append((event,))

    async def _adopt(self) -> None:
        """Serve the directories that others drained when this runner began."""
        while self._locks.missing:
            await asyncio.sleep(ADOPT_EVERY)
            for directory in self._locks.take():
                _log.info("%s: served from now on", directory.path)
                self._engine.adopt(directory)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._on_reload)
        loop.add_signal_handler(signal.SIGALRM, self._on_alarm)
        if self.while_fd is not None:
            hold_lifeline(self.while_fd, self._on_stop)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._side.add(task)
        task.add_done_callback(self._side.discard)

    def _on_stop(self) -> None:
        if not self._engine.is_stopping:
            self._note("drains")
            self._spawn(self._engine.stop())

    def _on_reload(self) -> None:
        """Read the configuration again; a wrong one changes nothing."""
        source = self._spool.config.source
        if source is None:
            return
        try:
            config = configuration.load(source)
            if config.spool.queues != self._spool.config.spool.queues:
                raise ConfigError(
                    str(source), "spool.queues", "cannot change while running; restart"
                )
        except TuiqError as error:
            _log.error("not reloaded: %s", error)
            return
        if config.runner.max_workers != self._spool.config.runner.max_workers:
            _log.warning("runner.max_workers: counts when the runner starts anew")
        limits = read_limits(self._spool.fs, self._spool.run_fd)
        self._reporter.changed = limits.words() if limits else ""
        self._spool.reconfigure(limits.over(config) if limits else config)
        self._engine.reconfigure()
        if self.on_reload is not None:
            self.on_reload()
        _log.info("configuration read again: %s", source)

    def _on_alarm(self) -> None:
        self._spawn(self._flush_everything())

    async def _flush_everything(self) -> None:
        """Try all mail now: a flush of every message, as an operator would."""
        flushed = await asyncio.to_thread(self._flush)
        _log.info("ALRM: due now: %d", flushed)
        self._engine.look_at_everything()

    def _flush(self) -> int:
        targets = (
            Target(queue_id=queue_id)
            for directory in self._locks.held
            for queue_id in directory.ids()
        )
        answers = self._spool.operate(Verb.FLUSH, targets)
        return sum(answer.result is Result.ACTED for answer in answers)
