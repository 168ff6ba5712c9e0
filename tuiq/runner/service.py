"""``tuiq --run``: signals, locks, the status file, and the exit status."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from typing import TYPE_CHECKING

from tuiq import config as configuration
from tuiq import log
from tuiq.errors import ConfigError, TuiqError
from tuiq.runner.report import StatusReporter
from tuiq.runner.runner import Options, Runner
from tuiq.runner.work import Fate
from tuiq.spool.journal import Event, Kind
from tuiq.spool.layout import LOCK_FILE
from tuiq.spool.spool import Spool, open_spool
from tuiq.spool.status import StatusWriter, read_statuses
from tuiq.spool.verbs import Target, Verb

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from tuiq.config import Config
    from tuiq.spool.layout import QueueDirectory

EX_OK = 0
EX_TEMPFAIL = 75
_UNSETTLED = frozenset({Fate.LEFT, Fate.HELD_BACK, Fate.BUSY, Fate.DAMAGED})
_log = logging.getLogger(__name__)


def run(
    config: Config,
    *,
    once: bool = False,
    verbose: bool = False,
    directory_locks: bool = True,
) -> int:
    """Run until a signal ends it, or one pass; return the exit status.

    *directory_locks* is for tests that show that the message locks suffice.
    Raises ConfigError, SpoolUnavailable (another runner's pid in the text).
    """
    log.setup(verbose=verbose)
    with open_spool(config) as spool, contextlib.ExitStack() as stack:
        name = f"once-{os.getpid()}" if once else "supervisor"
        writer = StatusWriter(spool.fs, spool.run_fd, name, spool.clock)
        stack.callback(writer.close)
        directories = spool.directories
        if directory_locks:
            directories = _lock_directories(spool, stack)
        if not directories:
            return EX_TEMPFAIL
        options = Options(once=once, verbose=verbose)
        service = Service(spool, directories, options, writer)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(service.run())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _lock_directories(
    spool: Spool, stack: contextlib.ExitStack
) -> list[QueueDirectory]:
    """Take the ``.lock`` of each directory; leave those of another runner to it."""
    locked = []
    for directory in spool.directories:
        fd = spool.fs.open(LOCK_FILE, os.O_RDWR | os.O_CREAT, dir_fd=directory.top_fd)
        stack.callback(spool.fs.close, fd)
        try:
            spool.fs.flock(fd)
        except BlockingIOError:
            _log.warning("%s: drained by %s", directory.path, _who_drains(spool))
        else:
            locked.append(directory)
    return locked


def _who_drains(spool: Spool) -> str:
    """Name the runners that are alive on this spool."""
    others = [
        f"pid {status.pid} (tuiq --run{' --once' if status.mode == 'once' else ''})"
        for status in read_statuses(spool.path)
        if status.alive is not False and status.pid != os.getpid()
    ]
    return ", ".join(others) or "another runner"


class Service:
    """One runner process: the runner, its signals and its status file."""

    def __init__(
        self,
        spool: Spool,
        directories: list[QueueDirectory],
        options: Options,
        writer: StatusWriter,
    ) -> None:
        """Serve *directories*; *writer* holds the runner's name."""
        self._spool = spool
        self._directories = directories
        self._options = options
        self._writer = writer
        self._runner: Runner | None = None
        self._side: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Run to the end and return the exit status."""
        self._runner = runner = Runner(self._spool, self._directories, self._options)
        reporter = StatusReporter(runner, self._writer)
        self._handle_signals()
        status = asyncio.create_task(reporter.run(), name="status")
        self._tell(f"started on {', '.join(d.name for d in self._directories)}")
        try:
            await runner.run()
        finally:
            status.cancel()
            await asyncio.gather(status, *self._side, return_exceptions=True)
            counters = sorted(reporter.status().counters.items())
            self._tell(f"ended: {', '.join(f'{k} {v}' for k, v in counters)}")
        if not self._options.once:
            return EX_OK
        complete = len(self._directories) == len(self._spool.directories)
        unsettled = _UNSETTLED.intersection(runner.fates.values())
        return EX_OK if complete and not unsettled else EX_TEMPFAIL

    def _tell(self, text: str) -> None:
        """Journal what the runner does with itself."""
        self._spool.journal.append((Event(kind=Kind.RUNNER, text=text),))

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._on_reload)
        loop.add_signal_handler(signal.SIGALRM, self._on_alarm)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._side.add(task)
        task.add_done_callback(self._side.discard)

    def _on_stop(self) -> None:
        assert self._runner is not None
        self._spawn(self._runner.stop())

    def _on_reload(self) -> None:
        """Read the configuration again; a wrong one changes nothing."""
        assert self._runner is not None
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
        self._spool.reconfigure(config)
        self._runner.reconfigure()
        _log.info("configuration read again: %s", source)

    def _on_alarm(self) -> None:
        self._spawn(self._flush_everything())

    async def _flush_everything(self) -> None:
        """Try all mail now: a flush of every message, as an operator would."""
        assert self._runner is not None
        flushed = await asyncio.to_thread(self._flush)
        _log.info("ALRM: %d messages are due now", flushed)
        self._runner.look_at_everything()

    def _flush(self) -> int:
        targets = (
            Target(queue_id=queue_id)
            for directory in self._directories
            for queue_id in directory.ids()
        )
        return sum(1 for _ in self._spool.operate(Verb.FLUSH, targets))
