"""Domains by age, and reasons, as rows; and what the queue is going to do, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.filter_terms import format_duration
from tuiq.actions.words import age, plural, span
from tuiq.tui.grid.model import Align, Cell, Column
from tuiq.tui.look.roles import HEAT, Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages.figures import compact, percent, rate

if TYPE_CHECKING:
    from tuiq.tui.index.messages import Forecast, ReasonGroup, ShapeRow

BUCKETS = 10
BOUNDS = tuple(300 * 2**n for n in range(BUCKETS - 1))
"""Seconds at which a column ends and the next begins; the last one has no end."""
BY = ("domain", "sender", "reason", "route")
WORDS = {
    "domain": "recipient domain",
    "sender": "sender domain",
    "reason": "reason",
    "route": "route",
}
_WARM = (0.0, 0.01, 0.05, 0.20)
"""Shares of the whole queue above which a cell is a shade hotter."""


def _bucket(number: int) -> Column:
    if number == BUCKETS - 1:
        title, gloss = "older", f"older than {format_duration(BOUNDS[-1])}"
    else:
        title = ("<" if number == 0 else "") + f"{BOUNDS[number] // 60}m"
        gloss = ages(number)
    return Column(
        id=f"age-{number}",
        title=title,
        width=5,
        align=Align.RIGHT,
        sortable=True,
        gloss=f"open recipients, {gloss}",
    )


def ages(number: int) -> str:
    """Say which ages a column is for."""
    if number == 0:
        return f"younger than {format_duration(BOUNDS[0])}"
    if number == BUCKETS - 1:
        return f"older than {format_duration(BOUNDS[-1])}"
    lower, upper = BOUNDS[number - 1 : number + 1]
    return f"{format_duration(lower)} to {format_duration(upper)} old"


def bounds(number: int) -> str:
    """Return the filter for the ages of a column."""
    terms = []
    if number > 0:
        terms.append(f"age>={format_duration(BOUNDS[number - 1])}")
    if number < BUCKETS - 1:
        terms.append(f"age<{format_duration(BOUNDS[number])}")
    return " ".join(terms)


def bucket_of(column: str) -> int | None:
    """Return the number of an age column; None for another one."""
    return int(column[4:]) if column.startswith("age-") else None


COLUMNS = (
    Column(id="name", title="BY", width=11, flex=2, sortable=True, gloss="what counts"),
    Column(
        id="reasons",
        title="REASONS",
        width=24,
        flex=3,
        priority=9,
        gloss="what servers said last, with the share of each",
    ),
    Column(
        id="total",
        title="TOTAL",
        width=6,
        align=Align.RIGHT,
        sortable=True,
        gloss="open recipients of all ages",
    ),
    *map(_bucket, range(BUCKETS)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatRow:
    """One line of the table."""

    row: ShapeRow
    whole: int
    """Recipients of the whole table: what shares are of."""

    @property
    def is_total(self) -> bool:
        """Say whether it is the line of sums."""
        return not self.row.filter


def cell(value: HeatRow, column: str) -> Cell:
    """Return what a column says."""
    row = value.row
    number = bucket_of(column)
    if number is not None:
        return _heat(row.buckets[number], value.whole)
    if column == "name":
        return row.name, Role.STRONG if value.is_total else Role.TEXT
    if column == "reasons":
        said = (f"{clean(label)} {percent(share)}" for label, share in row.reasons)
        return " · ".join(said), Role.DIM
    return compact(row.total), Role.STRONG


def rank(value: HeatRow, column: str) -> object:
    """Return what a column is ordered by."""
    number = bucket_of(column)
    if number is not None:
        return value.row.buckets[number]
    return value.row.total if column == "total" else value.row.name


def _heat(count: int, whole: int) -> Cell:
    share = count / whole if whole else 0.0
    return compact(count), HEAT[sum(share > above for above in _WARM)]


REASON_COLUMNS = (
    Column(
        id="label",
        title="REASON",
        width=16,
        flex=2,
        sortable=True,
        gloss="code, and what the reply is about",
    ),
    Column(
        id="count",
        title="MSGS",
        width=7,
        align=Align.RIGHT,
        sortable=True,
        gloss="messages with such a last reply",
    ),
    Column(
        id="recipients",
        title="RCPTS",
        width=7,
        align=Align.RIGHT,
        sortable=True,
        priority=2,
        gloss="their open recipients",
    ),
    Column(
        id="oldest",
        title="OLDEST",
        width=6,
        align=Align.RIGHT,
        sortable=True,
        priority=1,
        gloss="age of the oldest",
    ),
    Column(
        id="sample",
        title="ONE OF THE REPLIES",
        width=20,
        flex=4,
        priority=3,
        gloss="one such reply, whole",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonRow:
    """Messages with one kind of last reply."""

    group: ReasonGroup
    now: float


def reason_cell(value: ReasonRow, column: str) -> Cell:
    """Return what a column says."""
    group = value.group
    if column == "label":
        return group.label, Role.STRONG
    if column == "count":
        return f"× {group.count:,}", Role.TEXT
    if column == "recipients":
        return f"{group.recipients:,}", Role.TEXT
    if column == "oldest":
        return age(value.now - group.oldest), Role.TEXT
    return clean(group.sample), Role.DIM


def reason_rank(value: ReasonRow, column: str) -> object:
    """Return what a column is ordered by."""
    group = value.group
    if column == "oldest":
        return value.now - group.oldest
    if column in ("count", "recipients"):
        return getattr(group, column)
    return group.label if column == "label" else clean(group.sample)


def drain(
    moving: int, came: Sequence[float], left: Sequence[float], *, is_served: bool
) -> str:
    """Say when the queue is empty if all goes on as in the last minute.

    *came* and *left* are messages a second, one value for each second.
    """
    if not moving:
        return "nothing waits to leave"
    if not is_served:
        return f"{plural(moving, 'message')} on the way, and no runner is running"
    if len(left) < 10:
        return "how fast mail leaves is being measured"
    per_second = sum(left) / len(left), sum(came) / len(came)
    out, into = per_second
    pace = f"{rate(into)}/s come in, {rate(out)}/s go out"
    if out <= into:
        return f"never empty at this rate: {pace}"
    return f"empty in {span(moving / (out - into))} at this rate: {pace}"


def due(forecast: Forecast) -> str:
    """Say how many tries come due, and what expires."""
    return (
        f"tries due: {forecast.due_now:,} now, {forecast.due_5m:,} in 5 min, "
        f"{forecast.due_15m:,} in 15 min, {forecast.due_60m:,} in 60 min"
    )


def expiring(forecast: Forecast) -> str:
    """Say how many messages are given up soon."""
    return f"{plural(forecast.expiring_24h, 'message')} expire within 24 h".replace(
        "message expire", "message expires"
    )
