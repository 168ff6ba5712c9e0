"""Metrics of a spool: looked at, written to a file, offered over HTTP.

Works from what everybody can see (status files, journal, queue), so it runs in
whichever process of the runner is told to, in a thread of its own: nothing it waits
for or fails at touches delivery.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from tuiq.delivery.route import RouteTable
from tuiq.runner.endpoint import Endpoint
from tuiq.runner.exposition import CONTENT_TYPE, Observation, render
from tuiq.spool.census import Census
from tuiq.spool.disk import low_disk
from tuiq.spool.follow import Follower
from tuiq.spool.holders import LockReader
from tuiq.spool.status import read_counters, read_statuses
from tuiq.spool.totals import Totals, change_totals, read_totals

if TYPE_CHECKING:
    from pathlib import Path

    from tuiq.spool.spool import Spool

SHARE = 0.01
"""Part of one core that counting the queue may take."""
FIRST_SHARE = 0.1
"""The same for the first count: before it there is nothing to tell."""
SLICE = 0.004
"""Seconds of counting at a time: the thread must not keep the runner's waiting."""
FRESH = 1.0
"""Seconds for which a text is good: many clients cost no more than one."""
STOP_PATIENCE = 5.0
_log = logging.getLogger(__name__)


class Observer:
    """Looks at a spool."""

    def __init__(self, spool: Spool) -> None:
        """Look at *spool* from now on."""
        self._spool = spool
        self._reader = LockReader()
        self._routes = RouteTable(spool.config.delivery)
        self._delivery = spool.config.delivery
        self.census = Census(spool, self._next_hop)

    def _next_hop(self, sender: bytes, domain: bytes) -> str:
        if self._delivery is not self._spool.config.delivery:
            self._delivery = self._spool.config.delivery
            self._routes = RouteTable(self._delivery)
        return self._routes.key(sender, domain).name

    def observe(self, *, save: bool = False) -> Observation:
        """Return what is known now; *save* how far the journal was read."""
        spool = self._spool
        found, counters = read_counters(
            spool.fs, spool.run_fd, lambda: read_statuses(spool.path, self._reader)
        )
        space = {d.name: d.fs.statvfs(d.qf_fd) for d in spool.directories}
        return Observation(
            now=spool.clock.now(),
            directories=tuple(space),
            tallies=self.census.tallies,
            counted=self.census.began,
            free={
                name: (
                    info.f_bavail * info.f_frsize,
                    info.f_favail if info.f_files else None,
                )
                for name, info in space.items()
            },
            low_disk=frozenset(
                name
                for name, info in space.items()
                if low_disk(info, spool.config.spool) is not None
            ),
            runners=tuple(told for told in found if told.alive is not False),
            counters=counters,
            submissions=self._submissions(save=save),
        )

    def _submissions(self, *, save: bool) -> int:
        """Return how many messages were ever queued, as far as the journal tells."""
        spool = self._spool
        journal = spool.path / "journal"

        def catch_up(totals: Totals) -> Totals:
            follower = Follower(journal, totals.journal)
            queued = totals.submissions + follower.poll()
            return replace(totals, journal=follower.positions, submissions=queued)

        saved = change_totals(spool.fs, spool.run_fd, catch_up) if save else None
        found = saved or catch_up(read_totals(spool.fs, spool.run_fd))
        return found.submissions


class MetricsWriter:
    """Writes the text file and serves HTTP as ``[metrics]`` says."""

    def __init__(self, spool: Spool) -> None:
        """Tell about *spool*; reads its settings when they are needed."""
        self._spool = spool
        self._observer = Observer(spool)
        # Held while the observer is in use: by the thread, or by write_textfile.
        self._lock = threading.Lock()
        self._text = b""
        self._rendered = float("-inf")
        self._problem = ""
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._ending = False
        self._ready = threading.Event()
        self.port = 0
        """Where HTTP is served; 0: nowhere."""

    # -- the text --------------------------------------------------------------

    def text(self) -> bytes:
        """Return the metrics, at most a second old."""
        with self._lock:
            now = self._spool.clock.boottime()
            if not 0 <= now - self._rendered < FRESH:
                self._text = render(self._observer.observe(save=True))
                self._rendered = now
            return self._text

    def write_textfile(self, *, leaving: str = "", count: bool = False) -> bool:
        """Write the text file where one is set; False when that failed.

        *count* the whole queue first, as one pass does at its end.  *leaving*: the
        name of a runner that is about to end, and not to be told as living.
        """
        path = self._spool.config.metrics.textfile
        if path is None:
            return True
        try:
            with self._lock:
                if count:
                    self._observer.census.advance()
                seen = self._observer.observe(save=True)
            runners = tuple(told for told in seen.runners if told.name != leaving)
            _replace(path, render(replace(seen, runners=runners)))
        except OSError as error:
            self._tell(f"metrics: {path}: cannot be written: {error.strerror or error}")
            return False
        self._problem = ""
        return True

    def _tell(self, problem: str) -> None:
        """Log a problem, once until something else happens."""
        if problem != self._problem:
            _log.error("%s; delivery goes on without it", problem)
        self._problem = problem

    # -- the thread ------------------------------------------------------------

    def start(self) -> None:
        """Do in a thread what the settings ask for; nothing when they do not."""
        if self._wanted and not self.is_running:
            self._ending = False
            self._ready.clear()
            self._thread = threading.Thread(
                target=self._run, name="metrics", daemon=True
            )
            self._thread.start()

    def reconfigure(self) -> None:
        """Go by the spool's new settings."""
        self._wake()
        self.start()

    def stop(self) -> None:
        """End the thread; the text file stays as it is."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._ready.wait(STOP_PATIENCE)
            self._ending = True
            self._wake()
            thread.join(STOP_PATIENCE)

    def wait_until_ready(self, seconds: float) -> bool:
        """Wait until HTTP is served where it is to be, or is known not to be."""
        return self._ready.wait(seconds)

    @property
    def is_running(self) -> bool:
        """Say whether the thread lives."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def _wanted(self) -> bool:
        settings = self._spool.config.metrics
        return bool(settings.textfile or settings.listen)

    def _wake(self) -> None:
        """Let the thread look at the settings, and at whether it is to end."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._changed.set)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception:  # noqa: BLE001 - a fault in here concerns nobody else
            _log.exception("metrics: stopped; delivery goes on without them")
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._loop, self._changed = asyncio.get_running_loop(), asyncio.Event()
        while self._wanted and not self._ending:
            endpoint = await self._open_endpoint()
            jobs = [asyncio.create_task(job()) for job in (self._write, self._count)]
            self._ready.set()
            try:
                await self._changed.wait()
            finally:
                self._changed.clear()
                for job in jobs:
                    job.cancel()
                await asyncio.gather(*jobs, return_exceptions=True)
                if endpoint is not None:
                    endpoint.stop()
                self.port = 0

    async def _open_endpoint(self) -> Endpoint | None:
        listen = self._spool.config.metrics.listen
        if not listen:
            return None
        endpoint = Endpoint(listen, self.text, CONTENT_TYPE)
        try:
            await endpoint.start()
        except OSError as error:
            self._tell(f"metrics: cannot listen on {listen}: {error.strerror or error}")
            return None
        self.port = endpoint.port
        return endpoint

    async def _write(self) -> None:
        while True:
            self.write_textfile()
            await asyncio.sleep(self._spool.config.metrics.interval)

    async def _count(self) -> None:
        """Count again and again, a slice at a time."""
        share = FIRST_SHARE
        while True:
            complete = False
            try:
                with self._lock:
                    complete = self._observer.census.advance(SLICE)
            except OSError as error:
                self._tell(f"metrics: cannot count: {error.strerror or error}")
                complete = True
            if complete:
                if share == FIRST_SHARE:
                    self.write_textfile()
                share = SHARE
                await asyncio.sleep(self._spool.config.metrics.interval)
            else:
                spent = self._observer.census.spent
                await asyncio.sleep(max(SLICE, spent) * (1 / share - 1))


def _replace(path: Path, data: bytes) -> None:
    """Replace a file that other users read; a collector never sees half of one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(temporary, flags, 0o644)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), 0o644)  # whatever the umask
            file.write(data)
        temporary.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
