"""The runner's status: what it says about itself a few times a second."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import tuiq
from tuiq.log import printable
from tuiq.runner.budget import in_use, raise_limit
from tuiq.spool.journal import OUTCOMES
from tuiq.spool.status import RunnerStatus, own_pid_namespace

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.runner.runner import Options, Runner
    from tuiq.runner.supervisor import Supervisor
    from tuiq.spool.status import StatusWriter

QUIET = 5.0
"""Seconds between status files while nothing changes."""
_RATE_WINDOW = 5.0


class Reporter(Protocol):
    """What writes the status file of a process."""

    changed: str
    """What stands above the configuration, in a sentence; empty: nothing."""

    async def run(self) -> None:
        """Write until cancelled."""
        ...

    def write(self) -> None:
        """Write the status now."""
        ...

    def totals(self) -> dict[str, int]:
        """Return what was counted since the start."""
        ...


def _identity(name: str, options: Options, started: float) -> RunnerStatus:
    """Return what every process says about itself."""
    return RunnerStatus(
        name=name,
        pid=os.getpid(),
        program=f"tuiq --run{' --once' if options.once else ''}",
        host=socket.gethostname(),
        pid_namespace=own_pid_namespace(),
        version=tuiq.__version__,
        mode="once" if options.once else "daemon",
        started=started,
        fd_used=in_use(),
    )


class SupervisorReporter:
    """Writes ``run/supervisor.status``; the workers write their own."""

    def __init__(self, supervisor: Supervisor, writer: StatusWriter) -> None:
        """Describe *supervisor* through *writer*."""
        self._supervisor = supervisor
        self._writer = writer
        self.changed = ""
        self._spool = supervisor.spool
        self._limit = raise_limit()
        self._started = self._spool.clock.now()

    async def run(self) -> None:
        """Write until cancelled: soon after a change, rarely while there is none."""
        last: RunnerStatus | None = None
        written = 0.0
        while True:
            now = self._spool.clock.boottime()
            status = self.status()
            if status != last or now - written >= QUIET:
                self._writer.write(status)
                last, written = status, now
            await asyncio.sleep(self._spool.config.runner.status_interval)

    def write(self) -> None:
        """Write the status now."""
        self._writer.write(self.status())

    def status(self) -> RunnerStatus:
        """Return what there is to say now."""
        supervisor = self._supervisor
        identity = _identity(self._writer.name, supervisor.options, self._started)
        return replace(
            identity,
            phase="draining" if supervisor.is_stopping else "running",
            directories=tuple(d.name for d in supervisor.directories),
            counters=dict(self._spool.journal.counters),
            destinations=supervisor.governor.statuses(self._spool.clock.now()),
            fd_limit=self._limit,
            idle=f"{len(supervisor.shares)} workers deliver",
            notes=tuple(filter(None, (self.changed, *supervisor.notes()))),
        )

    def totals(self) -> dict[str, int]:
        """Return the counters of all workers that there were."""
        return self._supervisor.totals()


class StatusReporter:
    """Writes ``run/<name>.status`` while a runner lives."""

    def __init__(self, runner: Runner, writer: StatusWriter) -> None:
        """Describe *runner* through *writer*."""
        self._runner = runner
        self._writer = writer
        self.changed = ""
        self._clock = runner.spool.clock
        self._started = self._clock.now()
        self._samples: list[tuple[float, dict[str, int]]] = []
        self.on_write: Callable[[dict[str, int]], None] | None = None
        """Told the totals whenever the status is written."""

    async def run(self) -> None:
        """Write until cancelled: soon after a change, rarely while there is none."""
        while True:
            interval = self._runner.spool.config.runner.status_interval
            self._runner.stirred.clear()
            self._runner.access.tell_waiting()
            self._runner.routes.make_room()
            self.write()
            await asyncio.sleep(interval)
            if not self._runner.courier.watchers:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, QUIET - interval)):
                        await self._runner.stirred.wait()

    def write(self) -> None:
        """Write the status now."""
        self._writer.write(self.status())
        if self.on_write is not None:
            self.on_write(self.totals())

    def totals(self) -> dict[str, int]:
        """Return what was counted since the start."""
        counters = dict(self._runner.courier.counters)
        counters["claims_lost"] = self._runner.desk.lost_claims
        journal = self._runner.spool.journal
        counters |= journal.counters
        counters["journal_lost"] = journal.lost
        return counters

    def status(self) -> RunnerStatus:
        """Return what there is to say now."""
        runner = self._runner
        counters = self.totals()
        counters["messages_open"] = runner.desk.open_messages + runner.marks.held
        counters["messages_limit"] = runner.budget.messages
        counters["connections_limit"] = runner.budget.connections
        return replace(
            _identity(self._writer.name, runner.options, self._started),
            phase="draining" if runner.is_stopping else "running",
            directories=tuple(d.name for d in runner.directories),
            counters=counters,
            rates=self._rates(counters),
            fd_limit=runner.budget.limit,
            idle=self._why_idle(),
            notes=tuple(self._notes()),
            destinations=runner.leases.statuses(),
            connections=tuple(
                watcher.snapshot() for watcher in runner.courier.watchers.values()
            ),
        )

    def _why_idle(self) -> str:
        """Say why nothing is being sent; empty while something is."""
        runner = self._runner
        if runner.courier.watchers:
            return ""
        if runner.routes.problem:
            return runner.routes.problem
        now = self._clock.now()
        for destination in runner.routes:
            if destination.dead_until > now:
                said = printable(bytes(destination.last_failure or b""))
                until = time.strftime(
                    "%H:%M:%S", time.localtime(destination.dead_until)
                )
                return f"{destination.name} is left alone until {until}: {said}"
        pause = runner.spool.pauses.current().spool
        if pause is not None:
            return f"the spool is paused: {pause.reason or 'no reason given'}"
        return "nothing is due"

    def _notes(self) -> list[str]:
        """Return sentences that an operator should read."""
        runner = self._runner
        obstacles = map(runner.desk.obstacle, runner.directories)
        notes = [f"{text}; nothing is sent from it" for text in obstacles if text]
        return [*filter(None, (self.changed,)), *notes]

    def _rates(self, counters: dict[str, int]) -> dict[str, float]:
        """Return per-second rates over the last seconds."""
        now = self._clock.boottime()
        self._samples.append((now, counters))
        while len(self._samples) > 2 and now - self._samples[0][0] > _RATE_WINDOW:
            self._samples.pop(0)
        then, before = self._samples[0]
        span = now - then
        if span <= 0:
            return {}
        return {
            name: round((counters[name] - before.get(name, 0)) / span, 1)
            for name in OUTCOMES
            if name in counters
        }
