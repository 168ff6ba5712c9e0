"""The runner's status: what it says about itself a few times a second."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import tuiq
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
        self._said: RunnerStatus | None = None
        self._said_at = 0.0

    async def run(self) -> None:
        """Write until cancelled."""
        interval = self._runner.spool.config.runner.status_interval
        while True:
            self.write()
            await asyncio.sleep(interval)

    def write(self) -> None:
        """Write the status if it changed, or if the last one is getting old."""
        status = self.status()
        now = self._clock.now()
        if status == self._said and now - self._said_at < QUIET:
            return
        self._said, self._said_at = status, now
        self._writer.write(status)

    def status(self) -> RunnerStatus:
        """Return what there is to say now."""
        runner = self._runner
        counters = dict(runner.courier.counters)
        counters["claims_lost"] = runner.desk.lost_claims
        counters["messages_open"] = runner.desk.open_messages + runner.marks.held
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
            idle=runner.why_idle(),
            notes=tuple(runner.notes()),
            connections=tuple(
                watcher.snapshot() for watcher in runner.courier.watchers.values()
            ),
        )

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
