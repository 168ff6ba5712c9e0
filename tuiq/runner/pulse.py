"""Whether workers still answer.  One that has not for a minute is killed.

A process that was stopped, or hangs in a call to a disk, keeps its locks and leases,
and its mail would wait for ever.  Killing it is safe, since its locks die with it;
what it had at the final dot is in doubt then, as after any crash.  The next worker
begins when it is gone: a process that a disk holds on to may outlive SIGKILL for a
while, but never do anything again.
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
REMARKABLE = 15.0
"""Seconds after which people are told."""
_log = logging.getLogger(__name__)


class Pulse:
    """Asks workers whether they are there, and ends those that are not."""

    def __init__(
        self, workers: Mapping[int, WorkerProcess], on_kill: Callable[[int], None]
    ) -> None:
        """Watch over *workers*, by number; tell *on_kill* who can do nothing more."""
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
            if worker.silent > PATIENCE and not worker.is_given_up:
                _log.error(
                    "worker-%d: killed: it did not answer for %.0f s", number, PATIENCE
                )
                worker.is_given_up = True
                worker.kill()
                self._on_kill(number)

    def notes(self) -> list[str]:
        """Return sentences about workers that do not answer."""
        return [
            f"worker-{number} has not answered for {worker.silent:.0f} s"
            + (", was killed and has not ended yet" if worker.is_given_up else "")
            for number, worker in self._workers.items()
            if worker.silent > REMARKABLE
        ]
