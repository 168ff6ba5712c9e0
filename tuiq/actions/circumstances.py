"""What bears on a message from outside its file, looked at once for a whole view.

Locks, runners, pauses and disks; taken together they give the state words their
missing halves (*active*, *paused*) and explain why a message is not moving.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiq.actions.filter_match import Context
from tuiq.config import DeliveryConfig
from tuiq.delivery.route import RouteTable
from tuiq.log import printable
from tuiq.spool.census import open_domains, pause_on
from tuiq.spool.disk import low_disk
from tuiq.spool.entry import State
from tuiq.spool.holders import LockReader, LockTable, queue_places
from tuiq.spool.limits import read_limits
from tuiq.spool.pauses import NOTHING, Pause, PauseSet, Scope
from tuiq.spool.reading import read_entry
from tuiq.spool.status import Connection, RunnerStatus, read_statuses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tuiq.delivery.route import DestinationKey
    from tuiq.spool.entry import QueueEntry
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool


LOOK_AGAIN = 0.05
"""Seconds for which a look at the locks serves for several messages in doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Who has a message locked, and what they do with it as far as they tell."""

    pid: int
    program: str
    """Its name, unescaped; empty when it cannot be known."""
    since: float
    """Epoch seconds: of the SMTP phase where one is told, else of the process."""
    phase: str = ""
    """SMTP phase; empty when the holder is not talking to a server."""
    destination: str = ""
    recipients: int = 0
    """Recipients of the running transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """One look around a spool."""

    now: float
    lifetime: float = 0.0
    """Seconds from ``base`` after which a failed try is the last one."""
    trash_keep: float = 0.0
    in_doubt: str = "retry"
    delivery: DeliveryConfig = field(default_factory=DeliveryConfig)
    """With the limits that an operator changed, if any."""
    routes: RouteTable = field(default_factory=lambda: RouteTable(DeliveryConfig()))
    locks: LockTable = field(default_factory=LockTable)
    runners: tuple[RunnerStatus, ...] = ()
    pauses: PauseSet = NOTHING
    uuids: Mapping[str, str] = field(default_factory=dict)
    """Queue directory's name -> its UUID."""
    low_disk: Mapping[str, str] = field(default_factory=dict)
    """Queue directory's name -> why nothing is attempted there."""
    is_doubt: Callable[[QueueEntry], bool] = lambda _entry: True
    """Looks again at a message that seems to be in doubt."""

    @property
    def alive(self) -> list[RunnerStatus]:
        """Return the runners that live, or may live where they cannot be seen."""
        return [runner for runner in self.runners if runner.alive is not False]

    def connections(self) -> list[Connection]:
        """Return the connections of all living runners."""
        return [c for runner in self.alive for c in runner.connections]

    def work(self, queue_id: str) -> Work | None:
        """Return who works on a message; None when its lock is free."""
        lock = self.locks.messages.get(queue_id)
        if lock is None:
            return None
        holder = lock.holder
        for connection in self.connections():
            if connection.message == queue_id:
                return Work(
                    pid=holder.pid,
                    program=holder.program,
                    since=connection.since,
                    phase=connection.phase,
                    destination=connection.destination,
                    recipients=connection.recipients,
                )
        return Work(pid=holder.pid, program=holder.program, since=holder.since)

    def pause(self, entry: QueueEntry) -> Pause | None:
        """Return what keeps every open recipient of a message from being tried."""
        return pause_on(
            entry,
            self.pauses,
            self.uuids.get(entry.directory, ""),
            lambda sender, domain: self.routes.key(sender, domain).name,
        )

    def destinations(self, entry: QueueEntry) -> list[DestinationKey]:
        """Return where the open recipients of a message go, each once."""
        keys = (self.routes.key(entry.sender, d) for d in open_domains(entry))
        return list(dict.fromkeys(keys))

    def pause_place(self, pause: Pause) -> str:
        """Return the queue directory or destination that *pause* stops, escaped.

        Empty for the whole spool; a directory that is not mounted keeps its UUID.
        """
        if pause.scope is not Scope.DIRECTORY:
            return pause.name
        uuid = pause.file.removeprefix(Scope.DIRECTORY.value)
        names = {uuid: name for name, uuid in self.uuids.items()}
        return printable(names.get(uuid, uuid))

    def state(self, entry: QueueEntry) -> State:
        """Return the state word of a message."""
        state = entry.state(
            locked=entry.queue_id in self.locks.messages,
            paused=self.pause(entry) is not None,
        )
        if state is State.DOUBT and not self.is_doubt(entry):
            return State.ACTIVE
        return state

    def expires(self, entry: QueueEntry) -> int:
        """Return the epoch second from which a failed try is the last one."""
        return int(entry.base + self.lifetime)

    def context(self, headers: Callable[[QueueEntry], bytes]) -> Context:
        """Return what a filter needs to know."""
        return Context(
            now=self.now,
            locked=frozenset(self.locks.messages),
            paused=lambda entry: self.pause(entry) is not None,
            headers=headers,
            route=lambda domain: self.routes.key(b"", domain).name,
        )


class SecondLook:
    """Tells messages in doubt from those whose transaction began a moment ago.

    Locks are looked at once for a whole view, so a message that was claimed since
    seems to be in doubt until its answer comes.
    """

    def __init__(self, spool: Spool, reader: LockReader) -> None:
        """Look at the locks of *spool* again when that is needed."""
        self._directories = {d.name: d for d in spool.directories}
        self._reader = reader
        self._held: dict[str, frozenset[int]] = {}
        self._looked: dict[str, float] = {}

    def __call__(self, entry: QueueEntry) -> bool:
        """Say whether nobody is at work on a message in doubt."""
        directory = self._directories[entry.directory]
        now = time.monotonic()
        if now - self._looked.get(directory.name, -1.0) > LOOK_AGAIN:
            self._held[directory.name] = self._reader.held_inodes(directory.qf_fd)
            self._looked[directory.name] = now
        try:
            info = directory.fs.stat("qf" + entry.queue_id, dir_fd=directory.qf_fd)
        except FileNotFoundError:
            return False
        if info.st_ino in self._held[directory.name]:
            return False
        later = read_entry(directory, entry.queue_id)
        return later is not None and later.states == entry.states


def look_around(
    spool: Spool,
    *,
    reader: LockReader | None = None,
    routes: RouteTable | None = None,
    locks: Callable[[Sequence[RunnerStatus]], LockTable] | None = None,
) -> Circumstances:
    """Look at locks, runners, pauses and disks of an open spool; take no lock.

    Who looks often keeps a *reader* and the *routes*, and knows a way to read *locks*
    without listing large directories each time.
    """
    config, limits = spool.config, read_limits(spool.fs, spool.run_fd)
    directories = spool.directories
    reader = reader or LockReader()
    runners = tuple(read_statuses(spool.path, reader))
    return Circumstances(
        now=spool.clock.now(),
        lifetime=config.retry.lifetime,
        trash_keep=config.spool.trash_keep,
        in_doubt=config.spool.in_doubt,
        delivery=(limits.over(config) if limits else config).delivery,
        routes=routes or RouteTable(config.delivery),
        locks=locks(runners) if locks else reader.read(queue_places(directories)),
        runners=runners,
        pauses=spool.pauses.current(),
        uuids={directory.name: directory.uuid for directory in directories},
        low_disk=_low_disks(spool, directories),
        is_doubt=SecondLook(spool, reader),
    )


def _low_disks(spool: Spool, directories: Sequence[QueueDirectory]) -> dict[str, str]:
    found = {}
    for directory in directories:
        try:
            space = directory.fs.statvfs(directory.qf_fd)
        except OSError:  # that it cannot be asked is told by whoever reads it
            continue
        low = low_disk(space, spool.config.spool)
        if low is not None:
            found[directory.name] = str(low)
    return found
