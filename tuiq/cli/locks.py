"""``tuiq locks``: every lock that is held, by whom, and what they are doing.

Who holds is the kernel's word; what they do with it is told by the status files of
the runners.  Takes no message lock.

``--json``: one object a line.  ``lock`` (queue id, or the file's place in the
spool), ``directory``, ``queue_id`` (null for other locks), ``pid``, ``program``,
``command``, ``uid``, ``process_since``, ``holder`` (``visible``, ``gone`` or
``hidden``), ``runner``, ``destination``, ``phase``, ``phase_since``,
``phase_seconds``, ``recipients``; what is not known is null, times are epoch seconds.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.json_text import json_line
from tuiq.actions.words import instant, span
from tuiq.cli.render import Column, table
from tuiq.log import printable
from tuiq.spool.holders import (
    NOT_VISIBLE,
    HeldLock,
    Holder,
    LockReader,
    LockTable,
    Place,
    queue_places,
)
from tuiq.spool.spool import open_spool
from tuiq.spool.status import Connection, RunnerStatus, read_statuses

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from tuiq.config import Config
    from tuiq.spool.layout import QueueDirectory

_SERVICE_DIRECTORIES = ("run", "pauses", "journal", "audit", "drop")
_COLUMNS = (
    Column(title="LOCK"),
    Column(title="PID", right=True),
    Column(title="PROGRAM"),
    Column(title="RUNNING SINCE"),
    Column(title="DESTINATION"),
    Column(title="PHASE"),
    Column(title="FOR", right=True),
    Column(title="RCPTS", right=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One lock with everything that is known about it."""

    lock: HeldLock
    hidden: bool = False
    """Only a runner's status tells of it: its process cannot be seen from here."""
    runner: str = ""
    """Name of the runner that works under it."""
    connection: Connection | None = None

    @property
    def name(self) -> str:
        """Return the message, or the file's place in the spool."""
        return self.lock.queue_id or printable(f"{self.lock.place}/{self.lock.file}")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tuiq locks``."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """List the locks."""
    with open_spool(config_loader()) as spool:
        reader = LockReader()
        held = read_locks(spool.path, spool.directories, reader)
        rows = join(held, read_statuses(spool.path, reader))
        now = spool.clock.now()
    lines = as_json(rows, now) if args.json else as_text(rows, held, now)
    for line in lines:
        print(line)
    return 0


def read_locks(
    spool: Path, directories: Iterable[QueueDirectory], reader: LockReader
) -> LockTable:
    """Return the locks held anywhere in the spool."""
    with ExitStack() as stack:
        places = queue_places(directories)
        for name in _SERVICE_DIRECTORIES:
            try:
                fd = os.open(spool / name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError:  # not made yet, or not ours to read
                continue
            stack.callback(os.close, fd)
            places.append(Place(name=name, fd=fd))
        return reader.read(places)


def join(held: LockTable, runners: Iterable[RunnerStatus]) -> list[Row]:
    """Put together what the kernel and the runners tell, messages first."""
    told = {
        connection.message: (runner, connection)
        for runner in runners
        if runner.alive is not False
        for connection in runner.connections
        if connection.message
    }
    rows = []
    for lock in held.locks:
        runner, connection = told.pop(lock.queue_id, (None, None))
        name = runner.name if runner else _runner_of(lock)
        rows.append(Row(lock=lock, runner=name, connection=connection))
    rows += [
        _hidden(runner, connection)
        for runner, connection in told.values()
        if runner.alive is None
    ]
    return sorted(rows, key=lambda row: (not row.lock.queue_id, row.name))


def _runner_of(lock: HeldLock) -> str:
    return lock.file.removesuffix(".lock") if lock.place == "run" else ""


def _hidden(runner: RunnerStatus, connection: Connection) -> Row:
    """Return a lock that only the status of an invisible runner tells of."""
    lock = HeldLock(
        place=connection.directory,
        file="qf" + connection.message,
        inode=0,
        holder=Holder(pid=runner.pid, program=runner.program),
    )
    return Row(lock=lock, hidden=True, runner=runner.name, connection=connection)


def as_text(rows: Sequence[Row], held: LockTable, now: float) -> Iterator[str]:
    """Yield the table and what an operator should know about it."""
    if rows:
        yield from table(_COLUMNS, [_cells(row, now) for row in rows])
    else:
        yield "no lock is held"
    if not held.complete:
        yield ""
        yield (
            f"{NOT_VISIBLE}: inside a pid namespace, a lock held by a process outside "
            "of it is not listed; run this on the host"
        )
    for row in rows:
        if row.lock.holder.gone:
            yield ""
            yield (
                f"{row.name}: pid {row.lock.holder.pid} took this lock and died, a "
                "process it started keeps the file open; fuser on the file names it"
            )
    if any(row.lock.queue_id for row in rows):
        yield ""
        yield (
            "Killing a stuck holder is always safe: the kernel frees its locks and the "
            "mail stays\nin the queue. Recipients whose final dot had left are then in "
            "doubt, see tuiq trace."
        )


def _cells(row: Row, now: float) -> list[str]:
    holder, connection = row.lock.holder, row.connection
    program = printable(holder.program) or ("(gone)" if holder.gone else "")
    return [
        row.name,
        str(holder.pid),
        NOT_VISIBLE if row.hidden else program or NOT_VISIBLE,
        instant(holder.since) if holder.since else "",
        connection.destination if connection else "",
        connection.phase if connection else "",
        span(now - connection.since) if connection else "",
        str(connection.recipients) if connection else "",
    ]


def as_json(rows: Iterable[Row], now: float) -> Iterator[str]:
    """Yield one object per lock, as the module describes it."""
    for row in rows:
        lock, holder, connection = row.lock, row.lock.holder, row.connection
        visible = "gone" if holder.gone else "hidden" if row.hidden else "visible"
        yield json_line(
            {
                "lock": row.name,
                "directory": printable(lock.place),
                "queue_id": lock.queue_id or None,
                "pid": holder.pid,
                "program": printable(holder.program) or None,
                "command": printable(holder.command) or None,
                "uid": holder.uid,
                "process_since": int(holder.since) or None,
                "holder": visible,
                "runner": row.runner or None,
                "destination": connection.destination if connection else None,
                "phase": connection.phase if connection else None,
                "phase_since": int(connection.since) if connection else None,
                "phase_seconds": max(0, int(now - connection.since))
                if connection
                else None,
                "recipients": connection.recipients if connection else None,
            }
        )
