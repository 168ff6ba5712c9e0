"""Runners and destinations as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.words import age, countdown, instant, plural
from tuiq.spool.status import DESTINATION_STATES
from tuiq.tui.grid.model import Cell, left, right
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages.figures import rate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiq.spool.pauses import Pause
    from tuiq.spool.status import DestinationStatus, RunnerStatus
    from tuiq.tui.pages.lines import Line


RUNNERS = (
    left("name", "RUNNER", 10, 0, "its name; supervisor leads the workers"),
    right("pid", "PID", 7, 1, "its process"),
    left("phase", "PHASE", 8, 0, "starting, running or draining"),
    right("up", "UP", 6, 3, "since when it runs"),
    left("mode", "MODE", 6, 9, "daemon, or once: ends when nothing is due"),
    left("version", "VERSION", 8, 10, "its tuiq"),
    left("host", "HOST", 10, 8, "where it runs"),
    right("fds", "FILES", 10, 4, "open files, and how many it may open"),
    right("connections", "CONNS", 9, 2, "open connections, and how many it may have"),
    right("rate", "DELIV/s", 7, 5, "recipients delivered a second"),
    left("says", "SAYS", 12, 6, "why it is idle, or what one should know", flex=1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerRow:
    """One runner."""

    told: RunnerStatus
    now: float


def runner_cell(row: RunnerRow, column: str) -> Cell:
    """Return what a column says about a runner."""
    told = row.told
    if column in ("name", "mode", "version", "host"):
        role = Role.STRONG if column == "name" else Role.DIM
        return clean(getattr(told, column)), role
    if column == "phase":
        return phase(told)
    if column == "says":
        return says(told)
    return _runner_number(row, column), Role.TEXT


def _runner_number(row: RunnerRow, column: str) -> str:
    told = row.told
    if column == "pid":
        return str(told.pid)
    if column == "up":
        return age(row.now - told.started) if told.started else ""
    if column == "fds":
        return f"{told.fd_used}/{told.fd_limit}"
    if column == "connections":
        limit = told.counters.get("connections_limit")
        used = len(told.connections)
        return f"{used}/{limit}" if limit else str(used)
    return rate(told.rates.get("delivered", 0.0))


def runner_rank(row: RunnerRow, column: str) -> object:
    """Return what a column is ordered by."""
    told = row.told
    numbers = {
        "pid": told.pid,
        "up": row.now - told.started,
        "fds": told.fd_used,
        "connections": len(told.connections),
        "rate": told.rates.get("delivered", 0.0),
    }
    if column in numbers:
        return numbers[column]
    return says(told)[0] if column == "says" else getattr(told, column, told.name)


def phase(told: RunnerStatus) -> Cell:
    """Say whether a runner works."""
    if told.alive is False:
        return "died", Role.BAD
    if told.alive is None:
        return f"{clean(told.phase)}?", Role.WARN
    role = Role.GOOD if told.phase == "running" else Role.WARN
    return clean(told.phase), role


def says(told: RunnerStatus) -> Cell:
    """Return the one thing that one should know about a runner."""
    if told.alive is False:
        return "ended without a word: killed, or crashed", Role.BAD
    if told.notes:
        more = f" (and {len(told.notes) - 1} more)" if len(told.notes) > 1 else ""
        return clean(told.notes[0]) + more, Role.BAD
    if told.alive is None:
        return "not visible from here: in another pid namespace", Role.WARN
    return clean(told.idle), Role.DIM


def about_runner(row: RunnerRow) -> list[Line]:
    """Return the lines on the focused runner."""
    told = row.told
    where = f" on {clean(told.host)}" if told.host else ""
    since = f", since {instant(told.started)}" if told.started else ""
    serves = ", ".join(map(clean, told.directories)) or "no queue directory"
    first: Line = [
        (f" {clean(told.name)}", Role.STRONG),
        (f" pid {told.pid}{where}{since}; serves {serves}", Role.TEXT),
    ]
    notes: list[Line] = [[(f" {clean(note)}", Role.BAD)] for note in told.notes]
    text, role = says(told)
    return [first, *notes] if notes else [first, [(f" {text}", role)] if text else []]


# -- destinations ------------------------------------------------------------------

DESTINATIONS = (
    left(
        "name", "DESTINATION", 16, 0, "domain, host or pool, as pauses name it", flex=1
    ),
    left("state", "STATE", 6, 0, "ok, slow (limited) or dead (left alone)"),
    right("until", "FOR", 6, 3, "when that ends by itself"),
    right("connections", "CONNS", 5, 2, "open connections"),
    right("limit", "LIMIT", 8, 1, "connections it may have now, and at best"),
    right("waiting", "WAITING", 7, 2, "units of mail that wait for a connection"),
    right("rate", "DELIV/s", 7, 4, "recipients delivered a second"),
    left("reason", "WHY", 12, 5, "what its servers said, or a sentence", flex=2),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationRow:
    """One destination."""

    told: DestinationStatus
    now: float
    rate: float | None = None
    """Recipients a second; None: it cannot be told."""
    pause: Pause | None = None


_WORDS = {"ok": Role.GOOD, "slow": Role.WARN, "dead": Role.BAD}


def destination_cell(row: DestinationRow, column: str) -> Cell:
    """Return what a column says about a destination."""
    told = row.told
    if column == "name":
        return clean(told.name), Role.STRONG
    if column == "state":
        if row.pause is not None:
            return "paused", Role.PAUSED
        return clean(told.state), _WORDS.get(told.state, Role.TEXT)
    if column == "reason":
        return _reason(row)
    return _destination_number(row, column)


def _destination_number(row: DestinationRow, column: str) -> Cell:
    told = row.told
    if column == "until":
        end = row.pause.until if row.pause is not None else told.until
        return countdown(end - row.now) if end > row.now else "", Role.TEXT
    if column == "limit":
        known = bool(told.ceiling or told.limit)
        text = f"{told.limit}/{told.ceiling}" if known else "not told"
        return text, Role.TEXT if known else Role.DIM
    if column == "rate":
        return ("", Role.DIM) if row.rate is None else (rate(row.rate), Role.TEXT)
    number = getattr(told, column)
    return f"{number:,}", Role.TEXT if number else Role.DIM


def _reason(row: DestinationRow) -> Cell:
    if row.pause is not None:
        return clean(row.pause.reason or row.pause.damage), Role.PAUSED
    return clean(row.told.reason), Role.TEXT


def destination_rank(row: DestinationRow, column: str) -> object:
    """Return what a column is ordered by."""
    told = row.told
    if column == "state":
        rank = DESTINATION_STATES.index(told.state) if told.state in _WORDS else 0
        return rank, told.connections + told.waiting
    if column == "until":
        return max(0.0, told.until - row.now)
    if column == "rate":
        return row.rate or 0.0
    return getattr(told, column)


def about_destination(row: DestinationRow) -> list[Line]:
    """Return the lines on the focused destination."""
    told = row.told
    connections = plural(told.connections, "connection")
    limit = f" of {told.limit} it may have now ({told.ceiling} at best)"
    first: Line = [
        (f" {clean(told.name)}", Role.STRONG),
        (
            f" {connections}{limit if told.ceiling else ''}, {told.waiting:,} waiting",
            Role.TEXT,
        ),
    ]
    return [first, [why(row)]]


def why(row: DestinationRow) -> Cell:
    """Say why a destination gets less than it might, and until when."""
    told = row.told
    if row.pause is not None:
        end = (
            f" until {instant(row.pause.until)}" if row.pause.until else ", open-ended"
        )
        said = clean(row.pause.reason or row.pause.damage or "no reason given")
        return f" paused{end}: {said}; resume ends it", Role.PAUSED
    if told.state == "ok":
        return " all goes well", Role.DIM
    end = f" until {instant(told.until)}" if told.until else ""
    what = "left alone" if told.state == "dead" else "slowed"
    return f" {what}{end}: {clean(told.reason) or 'no reason told'}", _WORDS.get(
        told.state, Role.TEXT
    )


def troubled(destinations: Iterable[DestinationStatus]) -> str:
    """Return ``2 dead, 1 slow``; empty when all is well."""
    states = [told.state for told in destinations]
    counts = ((word, states.count(word)) for word in ("dead", "slow"))
    return ", ".join(f"{count} {word}" for word, count in counts if count)
