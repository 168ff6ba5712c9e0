"""One look of ``tuiq status --watch``, as a screen and as a line.

Pure: no clock, no stream.
"""

from __future__ import annotations

import textwrap
import time
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.rates import OUTCOMES
from tuiq.actions.words import age, instant, plural, size, span
from tuiq.log import printable
from tuiq.spool.entry import State

if TYPE_CHECKING:
    from tuiq.spool.census import Tally
    from tuiq.spool.status import DestinationStatus, RunnerStatus

BOLD, ALARM, PLAIN = "\x1b[1m", "\x1b[1;31m", "\x1b[m"
_MOVING = (State.DUE, State.ACTIVE, State.DEFERRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What one look found."""

    now: float
    spool: str
    rates: dict[str, float]
    """Per second: ``in``, ``out`` and the outcomes."""
    runners: tuple[RunnerStatus, ...]
    """Those that live."""
    destinations: tuple[DestinationStatus, ...]
    free: tuple[int, str]
    """Least free bytes of a queue directory, and its name."""
    low: tuple[str, ...]
    """Queue directories on full disks."""
    tallies: dict[str, Tally] | None
    """By queue directory; None: not counted yet."""
    counted: float = 0.0
    """Epoch seconds at which that count began."""

    def total(self, state: State) -> int:
        """Return the number of messages in *state*."""
        return sum(tally.counts[state] for tally in (self.tallies or {}).values())

    @property
    def oldest(self) -> float | None:
        """Return the arrival of the oldest message that should move."""
        found = [t.oldest for t in (self.tallies or {}).values()]
        return min((at for at in found if at is not None), default=None)


# -- one line ------------------------------------------------------------------

_COLUMNS = (
    ("time", 8), ("in/s", 7), ("deliv/s", 8), ("defer/s", 8), ("fail/s", 7),
    ("doubt/s", 7), ("due", 8), ("active", 7), ("deferred", 8), ("other", 7),
    ("oldest", 7), ("conns", 6), ("slow", 5), ("dead", 5), ("fds", 6), ("free", 7),
    ("counted", 7),
)  # fmt: skip


def heading() -> str:
    """Return the heading of ``line``."""
    return " ".join(title.rjust(width) for title, width in _COLUMNS)


def line(frame: Frame) -> str:
    """Return a frame in one line, columns as in ``heading``."""
    known = frame.tallies is not None
    others = [state for state in State if state not in _MOVING]
    oldest = frame.oldest
    cells = [
        time.strftime("%H:%M:%S", time.localtime(frame.now)),
        *(_rate(frame.rates[name]) for name in ("in", *OUTCOMES)),
        *(f"{frame.total(state)}" if known else "-" for state in _MOVING),
        f"{sum(map(frame.total, others))}" if known else "-",
        "-" if oldest is None else age(frame.now - oldest),
        str(sum(told.connections for told in frame.destinations)),
        *(
            str(sum(told.state == word for told in frame.destinations))
            for word in ("slow", "dead")
        ),
        str(sum(told.fd_used for told in frame.runners)),
        size(frame.free[0]),
        age(frame.now - frame.counted) if known else "-",
    ]
    pairs = zip(cells, _COLUMNS, strict=True)
    return " ".join(cell.rjust(width) for cell, (_, width) in pairs)


def _rate(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"


# -- one screen ----------------------------------------------------------------


def screen(frame: Frame, width: int, height: int, *, colour: bool) -> list[str]:
    """Return a frame as lines that fit a terminal; sequences take no width."""
    lines = [*_head(frame), *_queue(frame, width), *_processes(frame)]
    lines += _destinations(frame, max(0, height - len(lines)))
    fitting = [(_clipped(text, width), mark) for text, mark in lines[:height]]
    if not colour:
        return [text for text, _ in fitting]
    return [f"{mark}{text}{PLAIN}" if mark else text for text, mark in fitting]


def _clipped(text: str, width: int) -> str:
    """Return the beginning of *text* that takes up to *width* columns."""
    if text.isascii():
        return text[:width]
    used = 0
    for at, char in enumerate(text):
        used += 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if used > width:
            return text[:at]
    return text


_Lines = list[tuple[str, str]]
"""Text, escaped, and the sequence before it."""


def _head(frame: Frame) -> _Lines:
    clock = time.strftime("%H:%M:%S", time.localtime(frame.now))
    titles = ("in", *(name.replace("_", " ") for name in OUTCOMES))
    numbers = (frame.rates["in"], *(frame.rates[name] for name in OUTCOMES))
    return [
        (f"{clock}  {printable(frame.spool)}", BOLD),
        ("", ""),
        ("per second " + "".join(title.rjust(11) for title in titles), ""),
        (" " * 11 + "".join(_rate(number).rjust(11) for number in numbers), BOLD),
        ("", ""),
    ]


def _queue(frame: Frame, width: int) -> _Lines:
    if frame.tallies is None:
        return [("queue      is being counted", ""), ("", "")]
    states = [s for s in State if frame.total(s) or s in _MOVING]
    counts = ", ".join(f"{frame.total(s):,} {s.value}" for s in reversed(states))
    ago = span(frame.now - frame.counted)
    oldest = frame.oldest
    waited = "nothing waits" if oldest is None else f"oldest {span(frame.now - oldest)}"
    recipients = sum(tally.recipients for tally in frame.tallies.values())
    data = sum(tally.size for tally in frame.tallies.values())
    indent = " " * 11
    wrapped = textwrap.wrap(counts, max(20, width - len(indent)))
    rest = [
        f"{plural(recipients, 'recipient')}, {size(data)}, {waited}",
        f"counted {ago} ago",
    ]
    first, *others = [*wrapped, *rest]
    return [(f"queue      {first}", ""), *((indent + text, "") for text in others)]


def _processes(frame: Frame) -> _Lines:
    free, name = frame.free
    lines: _Lines = [(f"disk       {size(free)} free in {printable(name)}", "")]
    lines += [
        (f"           {printable(name)}: low disk; nothing is sent from it", ALARM)
        for name in frame.low
    ]
    if not frame.runners:
        return [*lines, ("runner     none is running", ALARM), ("", "")]
    connections = sum(len(told.connections) for told in frame.runners)
    used = sum(told.fd_used for told in frame.runners)
    limit = min(told.fd_limit for told in frame.runners)
    names = ", ".join(printable(told.name) for told in frame.runners)
    lines += [
        (f"runner     {names}", ""),
        (
            f"           {plural(connections, 'connection')}, "
            f"{plural(used, 'descriptor')}, {limit} allowed to each",
            "",
        ),
    ]
    for told in frame.runners:
        lines += [(f"           {printable(note)}", ALARM) for note in told.notes]
        if told.idle and not connections:
            lines.append((f"           {printable(told.idle)}", ""))
    return [*lines, ("", "")]


def _destinations(frame: Frame, room: int) -> _Lines:
    """Return as many destinations as fit, those in trouble and busy ones first."""
    order = {"dead": 0, "slow": 1}
    ranked = sorted(
        frame.destinations,
        key=lambda d: (order.get(d.state, 2), -d.connections - d.waiting, d.name),
    )
    if not ranked or room < 2:
        return []
    shown = ranked[: room - 1] if len(ranked) < room else ranked[: room - 2]
    title = f"{'DESTINATION':<32} {'CONNS':>5} {'LIMIT':>5} {'WAITING':>8}  STATE"
    lines: _Lines = [(title, BOLD)]
    for told in shown:
        name = printable(told.name)
        lines.append(
            (
                f"{name[:32]:<32} {told.connections:>5} {told.limit or '':>5} "
                f"{told.waiting:>8}  {_why(told)}".rstrip(),
                ALARM if told.state == "dead" else "",
            )
        )
    if len(shown) < len(ranked):
        lines.append((f"and {len(ranked) - len(shown):,} more", ""))
    return lines


def _why(told: DestinationStatus) -> str:
    """Say of a destination what limits it."""
    if told.state == "ok":
        return ""
    until = f" until {instant(told.until)[11:]}" if told.until else ""
    reason = f": {printable(told.reason)}" if told.reason else ""
    return f"{told.state}{until}{reason}"
