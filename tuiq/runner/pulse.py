"""Whether workers still answer.  One that has not for a minute is killed.

A process that was stopped, or goes round in circles, keeps its locks and leases, and
its mail would wait for ever.  Killing it is safe, since its locks die with it; what
it had at the final dot is in doubt then, as after any crash.

One that waits for a disk has more time: SIGKILL would have to wait for the disk as
well, and would cost the answers that servers give meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tuiq.runner.wire import Ping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tuiq.runner.process import WorkerProcess

LOOK_EVERY = 5.0
"""Seconds between looks at all workers."""
PATIENCE = 60.0
"""Seconds for which a worker may say nothing."""
DISK_PATIENCE = 600.0
"""The same for one that waits for a disk: by then no server waits for it either."""
REMARKABLE = 15.0
"""Seconds after which people are told."""
_log = logging.getLogger(__name__)


class Pulse:
    """Asks workers whether they are there, and ends those that are not."""

    def __init__(
        self, workers: Mapping[int, WorkerProcess], on_kill: Callable[[int], None]
    ) -> None:
        """Watch over *workers*, by number; *on_kill* hears who says nothing any more.

        Even if it lives on until a disk lets go of it.
        """
        self._workers = workers
        self._on_kill = on_kill

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.look()

    def look(self) -> None:
        """Ask who was heard since the last look, and count the silence of the others.

        A look counts as the seconds that were meant to pass before it: what workers
        said while this process was stopped itself has not been read yet.
        """
        for number, worker in self._workers.items():
            if not worker.silent:
                worker.channel.send(Ping())
            worker.silent += LOOK_EVERY
            if worker.silent > PATIENCE and not worker.is_killed:
                self._end(number, worker)

    def _end(self, number: int, worker: WorkerProcess) -> None:
        """Kill a worker, unless it waits for a disk and may go on to."""
        if worker.silent > DISK_PATIENCE or not worker.waits_for_disk():
            silent = worker.silent - LOOK_EVERY
            _log.error(
                "worker-%d: killed: it did not answer for %.0f s", number, silent
            )
            worker.kill()
            self._on_kill(number)

    def notes(self) -> list[str]:
        """Return sentences about workers that do not answer."""
        return [
            f"worker-{number} has not answered for {worker.silent:.0f} s"
            + (", and waits for a disk" if worker.waits_for_disk() else "")
            for number, worker in self._workers.items()
            if worker.silent > REMARKABLE
        ]
