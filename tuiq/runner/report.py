"""The runner's status: what it says about itself a few times a second."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

import tuiq
from tuiq.log import printable
from tuiq.runner.budget import in_use
from tuiq.spool.status import RunnerStatus, own_pid_namespace

if TYPE_CHECKING:
    from tuiq.runner.runner import Runner
    from tuiq.spool.status import StatusWriter

QUIET = 5.0
"""Seconds between status files while nothing changes."""
_RATE_WINDOW = 5.0


class StatusReporter:
    """Writes ``run/<name>.status`` while the runner lives."""

    def __init__(self, runner: Runner, writer: StatusWriter) -> None:
        """Describe *runner* through *writer*."""
        self._runner = runner
        self._writer = writer
        self._clock = runner.spool.clock
        self._started = self._clock.now()
        self._samples: list[tuple[float, dict[str, int]]] = []

    async def run(self) -> None:
        """Write until cancelled: soon after a change, rarely while there is none."""
        while True:
            interval = self._runner.spool.config.runner.status_interval
            self._runner.stirred.clear()
            self._runner.access.tell_waiting()
            self.write()
            await asyncio.sleep(interval)
            if not self._runner.courier.watchers:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, QUIET - interval)):
                        await self._runner.stirred.wait()

    def write(self) -> None:
        """Write the status now."""
        self._writer.write(self.status())

    def status(self) -> RunnerStatus:
        """Return what there is to say now."""
        runner = self._runner
        counters = dict(runner.courier.counters)
        counters["claims_lost"] = runner.desk.lost_claims
        counters["messages_open"] = runner.desk.open_messages + runner.marks.held
        counters["messages_limit"] = runner.budget.messages
        counters["connections_limit"] = runner.budget.connections
        return RunnerStatus(
            name=self._writer.name,
            pid=os.getpid(),
            program=f"tuiq --run{' --once' if runner.options.once else ''}",
            host=socket.gethostname(),
            pid_namespace=own_pid_namespace(),
            version=tuiq.__version__,
            mode="once" if runner.options.once else "daemon",
            phase="draining" if runner.is_stopping else "running",
            started=self._started,
            directories=tuple(d.name for d in runner.directories),
            counters=counters,
            rates=self._rates(counters),
            fd_used=in_use(),
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
        return [f"{text}; nothing is sent from it" for text in obstacles if text]

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
            for name in ("delivered", "deferred", "failed", "in_doubt")
            if name in counters
        }
