"""Actions that others have begun on the spool and not ended, by the audit log."""

from __future__ import annotations

import os
import socket
from itertools import islice
from typing import TYPE_CHECKING

from tuiq.actions.words import span
from tuiq.log import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.actions.records import Record
    from tuiq.tui.world import World

LATEST = 50
"""Actions that are looked at; what began before them is not at work any more."""


def elsewhere(world: World) -> Iterator[str]:
    """Yield a sentence for each action that somebody else has at work; clean."""
    own = {job.action for job in world.jobs.all}
    now = world.clock.now()
    for record in islice(world.lookout.actions, LATEST):
        start = record.start
        if record.counts is None and start.action not in own and is_alive(record):
            what = f"×{start.count:,}" if start.count else start.scope
            done = "" if not record.done else f": {record.done:,} done"
            since = f"pid {start.actor.pid}, for {span(now - start.at)}"
            said = f"{start.verb} {what} by {start.actor.who}{done} ({since})"
            yield printable(f"elsewhere: {said}")


def is_alive(record: Record) -> bool:
    """Say whether the process of an unfinished action may still be at work."""
    actor = record.start.actor
    if actor.host != socket.gethostname():
        return True  # its processes cannot be seen from here
    return actor.pid > 0 and os.path.exists(f"/proc/{actor.pid}")
