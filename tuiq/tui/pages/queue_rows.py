"""Queue directories as rows: what each cell says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiq.actions.words import age, countdown, plural, size
from tuiq.spool.census import STANDING
from tuiq.spool.entry import State
from tuiq.spool.pauses import Scope
from tuiq.tui.grid.model import Cell, Column, left, right
from tuiq.tui.look.plot import sparkline
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages.figures import gauge, percent, rate

if TYPE_CHECKING:
    from tuiq.spool.pauses import Pause, PauseSet
    from tuiq.tui.live.lookout import DirectoryFacts

SPARK = 10
"""Cells of a sparkline, and seconds for each."""
SCARCE = 0.15
"""Share of a disk from which on less is worth a colour."""
_BAR = 5


def _line(name: str, gloss: str) -> Column:
    return left(f"{name}-line", "LAST 100 s", SPARK, 9, gloss, sortable=False)


COLUMNS = (
    left("name", "QUEUE", 7, 0, "its name"),
    right("messages", "MSGS", 7, 0, "messages, the trash not counted"),
    right("due", "DUE", 7, 5, "messages that are tried next"),
    right("active", "ACT", 5, 4, "messages being worked on"),
    right("deferred", "DEF", 7, 3, "messages that wait for their next try"),
    right("held", "HELD", 6, 6, "messages an operator stopped"),
    right("paused", "PAUSED", 6, 11, "messages that wait for a pause to end"),
    right("doubt", "DOUBT", 5, 13, "messages sent without an answer"),
    right("failed", "FAIL", 5, 14, "failed, and not bounced yet"),
    right("damaged", "DMGD", 5, 12, "messages that cannot be read"),
    right("trashed", "TRASH", 5, 15, "deleted, and not removed yet", hidden=True),
    right("oldest", "OLDEST", 6, 2, "age of the oldest message that should move"),
    right("in", "IN/s", 5, 1, "messages a second that came in lately"),
    _line("in", "messages that came in, ten seconds a sign"),
    right("out", "OUT/s", 5, 1, "messages a second that a runner was done with"),
    _line("out", "messages that left, ten seconds a sign"),
    left(
        "disk", "DISK FREE", 17, 7, "free room on its disk, and a bar of what is taken"
    ),
    left(
        "inodes", "INODES FREE", 17, 16,
        "free inodes of its file system, and a bar of what is taken",
    ),
    left(
        "served", "SERVED BY", 10, 8, "the runner that delivers from it",
        flex=1, sortable=False,
    ),
    left("note", "NOTES", 10, 1, "pause, low disk, trouble", flex=3, sortable=False),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One queue directory, or all of them."""

    name: str
    """Clean; ``TOTAL`` for all."""
    now: float
    tally: Mapping[State, int] = field(default_factory=dict)
    oldest: float | None = None
    """Epoch seconds."""
    facts: DirectoryFacts | None = None
    """None: nobody looked yet, or it is the row of all."""
    rates: tuple[float, float] = (0.0, 0.0)
    """Messages a second, in and out."""
    lines: tuple[Sequence[float], Sequence[float]] = ((), ())
    """The same over the last seconds, oldest first."""
    pauses: tuple[Pause, ...] = ()
    """What stops it, the widest first; of the row of all: every pause."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Of the row of all: what each pause stops, by its file."""

    @property
    def messages(self) -> int:
        """Return the number of messages, the trash not counted."""
        return sum(self.tally.values()) - self.tally.get(State.TRASHED, 0)

    @property
    def moving(self) -> int:
        """Return the number of messages that leave by themselves."""
        return sum(n for state, n in self.tally.items() if state not in STANDING)


_STATES = {
    "due": (State.DUE, Role.DUE),
    "active": (State.ACTIVE, Role.ACTIVE),
    "deferred": (State.DEFERRED, Role.DEFERRED),
    "held": (State.HELD, Role.HELD),
    "paused": (State.PAUSED, Role.PAUSED),
    "doubt": (State.DOUBT, Role.DOUBT),
    "failed": (State.FAILED, Role.FAILED),
    "damaged": (State.DAMAGED, Role.DAMAGED),
    "trashed": (State.TRASHED, Role.TRASHED),
}


def cell(row: QueueRow, column: str) -> Cell:
    """Return what a column says about a directory."""
    if column in _STATES:
        state, role = _STATES[column]
        return _count(row.tally.get(state, 0), role)
    return _CELLS[column](row)


def rank(row: QueueRow, column: str) -> object:
    """Return what a column is ordered by."""
    facts = row.facts
    if column in _STATES:
        return row.tally.get(_STATES[column][0], 0)
    if column == "oldest":
        return -1.0 if row.oldest is None else row.now - row.oldest
    if column in ("in", "out"):
        return row.rates[column == "out"]
    if column == "disk":
        return facts.free_bytes if facts else 0
    if column == "inodes":
        return facts.free_inodes if facts else 0
    return row.messages if column == "messages" else row.name


def _count(number: int, role: Role) -> Cell:
    return (f"{number:,}", role) if number else ("0", Role.DIM)


def _oldest(row: QueueRow) -> Cell:
    if row.oldest is None:
        return "–", Role.DIM
    return age(row.now - row.oldest), Role.TEXT


def _rate(row: QueueRow, number: int) -> Cell:
    value = row.rates[number]
    return rate(value), Role.TEXT if value > 0 else Role.DIM


def _spark(row: QueueRow, number: int) -> Cell:
    role = (Role.PLOT_IN, Role.PLOT_OUT)[number]
    return sparkline(row.lines[number], SPARK), role


def _disk(row: QueueRow) -> Cell:
    facts = row.facts
    if facts is None or not facts.total_bytes:
        return "", Role.DIM
    share = facts.free_bytes / facts.total_bytes
    text = f"{size(facts.free_bytes):>6} {percent(share):>4}"
    return _gauged(text, share, row, bad=bool(facts.low))


def _inodes(row: QueueRow) -> Cell:
    facts = row.facts
    if facts is None:
        return "", Role.DIM
    if not facts.total_inodes:
        return "not counted", Role.DIM
    share = facts.free_inodes / facts.total_inodes
    text = f"{inodes(facts.free_inodes):>6} {percent(share):>4}"
    return _gauged(text, share, row, bad=bool(facts.low))


def inodes(count: int) -> str:
    """Return a number of inodes in up to six characters."""
    if count < 10_000:
        return str(count)
    return f"{count / 1e6:.1f}M" if count >= 999_500 else f"{count / 1e3:.0f}k"


def _gauged(text: str, share: float, row: QueueRow, *, bad: bool) -> Cell:
    role = Role.BAD if bad else Role.WARN if share < SCARCE else Role.TEXT
    return f"{text} {gauge(1 - share, _BAR)}", role


def _served(row: QueueRow) -> Cell:
    if row.facts is None:
        return "", Role.DIM
    if row.facts.runner:
        names, _, _pids = clean(row.facts.runner).partition(" (pid")
        return names, Role.TEXT  # the line below the list has their pids
    return "nobody", Role.WARN


def _note(row: QueueRow) -> Cell:
    facts = row.facts
    if facts is not None:
        troubles = [*filter(None, (facts.error, facts.suspect, facts.low))]
        if troubles:
            more = f" (and {len(troubles) - 1} more)" if troubles[1:] else ""
            return troubles[0] + more, Role.BAD
    if not row.pauses:
        return "", Role.TEXT
    if row.facts is None and row.name == "TOTAL":
        return plural(len(row.pauses), "pause"), Role.PAUSED
    return paused(row.pauses[0], row.now), Role.PAUSED


_CELLS = {
    "name": lambda row: (row.name, Role.STRONG),
    "messages": lambda row: _count(row.messages, Role.TEXT),
    "oldest": _oldest,
    "in": lambda row: _rate(row, 0),
    "out": lambda row: _rate(row, 1),
    "in-line": lambda row: _spark(row, 0),
    "out-line": lambda row: _spark(row, 1),
    "disk": _disk,
    "inodes": _inodes,
    "served": _served,
    "note": _note,
}


def paused(pause: Pause, now: float) -> str:
    """Return ``paused, 12:31 left: their upgrade``."""
    if pause.damage:
        return f"paused: {clean(pause.damage)}"
    whole = "spool paused" if pause.scope is Scope.SPOOL else "paused"
    left = f"{countdown(pause.until - now)} left" if pause.until else "open-ended"
    reason = f": {clean(pause.reason)}" if pause.reason else ""
    return f"{whole}, {left}{reason}"


def stopping(pauses: PauseSet, uuid: str) -> tuple[Pause, ...]:
    """Return the pauses of a whole directory, the widest first."""
    found = (pauses.spool, pauses.directory(uuid))
    return tuple(pause for pause in found if pause is not None)
