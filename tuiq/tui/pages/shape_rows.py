"""Domains by age, and reasons, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.filter_terms import format_duration
from tuiq.actions.words import age, plural
from tuiq.tui.grid.model import Cell, Column, left, right
from tuiq.tui.look.roles import HEAT, Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages.figures import compact, percent

if TYPE_CHECKING:
    from tuiq.tui.index.messages import ReasonGroup, ShapeRow
    from tuiq.tui.pages.lines import Line

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
TO = {"domain": "to", "sender": "from", "reason": "told", "route": "through"}
"""What stands between messages and the name of a row."""
_WARM = (0.0, 0.01, 0.05, 0.20)
"""Shares of the whole queue above which a cell is a shade hotter."""
_TITLES = (
    "<5m", "10m", "20m", "40m", "80m", "160m", "320m", "640m", "21h", "old"
)  # fmt: skip
"""The age at which each ends."""


def _bucket(number: int) -> Column:
    gloss = f"open recipients, {ages(number)}"
    return right(f"age-{number}", _TITLES[number], 4, 0, gloss)


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
    left("name", "BY", 9, 0, "the domain, reason or route that is counted by", flex=3),
    left(
        "reasons", "REASONS", 14, 9, "what servers said last, with the share of each",
        flex=2, sortable=False,
    ),
    right("total", "TOTAL", 6, 0, "open recipients of all ages"),
    *map(_bucket, range(BUCKETS)),
)  # fmt: skip


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


def about(value: HeatRow, number: int | None) -> Line:
    """Return the line on the focused cell."""
    row = value.row
    count, which = row.total, ""
    if number is not None:
        count, which = row.buckets[number], f" {ages(number)}"
    said = " · ".join(f"{clean(label)} {percent(n)}" for label, n in row.reasons)
    return [
        (f" {row.name}", Role.STRONG),
        (f"  {plural(count, 'open recipient')}{which}", Role.TEXT),
        (f"  {said}", Role.DIM),
    ]


def about_group(group: ReasonGroup) -> Line:
    """Return the line on the focused reason."""
    return [
        (f" {group.label}", Role.STRONG),
        (f"  {plural(group.count, 'message')}", Role.TEXT),
        (f"  {clean(group.sample)}", Role.DIM),
    ]


def _heat(count: int, whole: int) -> Cell:
    share = count / whole if whole else 0.0
    return compact(count), HEAT[sum(share > above for above in _WARM)]


REASON_COLUMNS = (
    left("label", "REASON", 16, 0, "code, and what the reply is about", flex=2),
    right("count", "MSGS", 7, 0, "messages with such a last reply"),
    right("recipients", "RCPTS", 7, 2, "their open recipients"),
    right("oldest", "OLDEST", 6, 1, "age of the oldest"),
    left(
        "sample", "ONE OF THE REPLIES", 20, 3, "one such reply, whole",
        flex=4, sortable=False,
    ),
)  # fmt: skip


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
