"""Who holds which message, as rows, and what to do about one that seems stuck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.words import age, countdown, instant, plural, span
from tuiq.spool.holders import NOT_VISIBLE, Holder
from tuiq.tui.grid.model import Cell, left, right
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean

if TYPE_CHECKING:
    from tuiq.actions.circumstances import Circumstances
    from tuiq.config import DeliveryConfig
    from tuiq.spool.status import Connection
    from tuiq.tui.pages.lines import Line

HOLDERS = (
    right("pid", "PID", 7, 0, "the process that has the lock"),
    left("program", "PROGRAM", 10, 2, "its name, or the runner's"),
    left("message", "MESSAGE", 19, 0, "the message that is locked"),
    left("phase", "PHASE", 9, 0, "what is said to the server just now"),
    right("seconds", "FOR", 7, 0, "how long that has lasted"),
    right("recipients", "RCPTS", 5, 4, "recipients of the transaction"),
    left("destination", "DESTINATION", 14, 1, "where it is sent to", flex=1),
    left("directory", "QUEUE", 7, 3, "the queue directory it lies in"),
)
_COMMANDS = frozenset({"ehlo", "starttls", "auth", "mail", "rcpt", "rset"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderRow:
    """One lock on a message."""

    message: str
    directory: str
    holder: Holder
    now: float
    runner: str = ""
    """The runner that its process is; empty: none."""
    connection: Connection | None = None
    hidden: bool = False
    """Only a runner's status tells of it: its process cannot be seen from here."""

    @property
    def since(self) -> float:
        """Return since when it does what it does, epoch seconds; 0: unknown."""
        return self.connection.since if self.connection else 0.0


def holders(around: Circumstances, now: float) -> dict[str, HolderRow]:
    """Return every lock on a message, by queue id."""
    runners = {told.pid: told.name for told in around.alive}
    told = {
        connection.message: (runner, connection)
        for runner in around.alive
        for connection in runner.connections
        if connection.message
    }
    found = {}
    for queue_id, lock in around.locks.messages.items():
        _, connection = told.pop(queue_id, (None, None))
        found[queue_id] = HolderRow(
            message=queue_id,
            directory=clean(lock.place),
            holder=lock.holder,
            now=now,
            runner=runners.get(lock.holder.pid, ""),
            connection=connection,
        )
    for queue_id, (runner, connection) in told.items():
        if runner.alive is None:
            found[queue_id] = _unseen(runner.pid, runner.name, connection, now)
    return found


def _unseen(pid: int, runner: str, connection: Connection, now: float) -> HolderRow:
    return HolderRow(
        message=connection.message,
        directory=clean(connection.directory),
        holder=Holder(pid=pid),
        now=now,
        runner=runner,
        connection=connection,
        hidden=True,
    )


def holder_cell(row: HolderRow, column: str) -> Cell:
    """Return what a column says about a lock."""
    told = {
        "pid": (str(row.holder.pid), Role.STRONG),
        "message": (row.message, Role.TEXT),
        "directory": (row.directory, Role.DIM),
        "seconds": (age(row.now - row.since) if row.since else "", Role.TEXT),
    }
    if column in told:
        return told[column]
    return _program(row) if column == "program" else _work(row.connection, column)


def _work(connection: Connection | None, column: str) -> Cell:
    """Return what a column says about a transaction."""
    if connection is None:
        return ("claimed" if column == "phase" else ""), Role.DIM
    if column == "recipients":
        return f"{connection.recipients:,}", Role.TEXT
    role = Role.ACTIVE if column == "phase" else Role.TEXT
    return clean(getattr(connection, column)), role


def _program(row: HolderRow) -> Cell:
    if row.runner:
        return clean(row.runner), Role.TEXT
    if row.holder.gone:
        return "(gone)", Role.WARN
    return clean(row.holder.program) or NOT_VISIBLE, Role.WARN


def holder_rank(row: HolderRow, column: str) -> object:
    """Return what a column is ordered by."""
    if column == "seconds":
        return row.now - row.since if row.since else 0.0
    if column == "pid":
        return row.holder.pid
    if column == "recipients":
        return row.connection.recipients if row.connection else 0
    return holder_cell(row, column)[0]


def patience(delivery: DeliveryConfig, phase: str) -> tuple[float, str]:
    """Return how long a phase may be silent, and the setting that says so; 0: none."""
    if phase in _COMMANDS:
        return delivery.command_timeout, "command_timeout"
    if phase == "body":
        return delivery.block_timeout, "block_timeout"
    name = f"{phase}_timeout"
    return float(getattr(delivery, name, 0.0)), name


def about_holder(row: HolderRow, delivery: DeliveryConfig) -> list[Line]:
    """Return the lines on the focused lock: who, and what to do about it."""
    who = f"pid {row.holder.pid}"
    started = ""
    if row.holder.since:
        started = f", a process since {instant(row.holder.since)}"
    uid = f", uid {row.holder.uid}" if row.holder.uid is not None else ""
    name = f" ({_program(row)[0]})"
    first: Line = [
        (f" {row.message}", Role.STRONG),
        (f" locked by {who}{name}{uid}{started}", Role.TEXT),
    ]
    return [first, [advice(row, delivery)]]


def advice(row: HolderRow, delivery: DeliveryConfig) -> Cell:
    """Say what is going on, when it ends, and what could be done."""
    pid, connection = row.holder.pid, row.connection
    if row.holder.gone:
        return (
            f" pid {pid} took the lock and died; a process it started keeps it: fuser "
            "on the control file names that one",
            Role.WARN,
        )
    if connection is not None:
        return _talking(row, connection, delivery)
    if row.runner:
        return (
            f" {clean(row.runner)} has claimed it and talks to nobody about it now: "
            "it waits for its turn, or for the disk",
            Role.DIM,
        )
    return (
        f" pid {pid} is not a runner: some tool has the message open; ending that "
        "process is safe, its lock goes with it and the mail stays",
        Role.WARN,
    )


def _talking(row: HolderRow, connection: Connection, delivery: DeliveryConfig) -> Cell:
    spent = row.now - connection.since
    with_whom = f"{clean(connection.phase)} with {clean(connection.destination)}"
    what = (
        f" {with_whom} for {span(spent)}, {plural(connection.recipients, 'recipient')}"
    )
    allowed, name = patience(delivery, connection.phase)
    if not allowed:
        return what, Role.DIM
    if spent <= allowed:
        ends = f"ends by itself in {countdown(allowed - spent)} if nothing is heard"
        return f"{what}; {ends} (delivery.{name})", Role.DIM
    if connection.phase == "body":
        return f"{what}; data still flows, or it would have ended", Role.DIM
    return (
        f"{what}; delivery.{name} is over: is pid {row.holder.pid} stopped? Ending it "
        "is safe; what had been sent whole is then in doubt",
        Role.WARN,
    )
