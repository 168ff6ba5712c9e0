"""The queue folded: by domain, sender, route and reason, by age, by what comes due."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.actions.filter_terms import BY_NAME
from tuiq.actions.filter_tree import Term, Value
from tuiq.log import printable
from tuiq.spool.entry import State
from tuiq.tui.index.blocks import LIVE, STATE_NUMBERS
from tuiq.tui.index.facts import Forecast, ReasonGroup, ShapeRow
from tuiq.tui.index.reasons import classify

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tuiq.actions.circumstances import Circumstances
    from tuiq.tui.index.table import Table

    Rows = NDArray[Any]
    Around = Circumstances | None

TICK = 300
BUCKETS = 10
"""As ``tuiq domains`` has them: 5 minutes, then each as long as all before."""
_BOUNDS = np.array([TICK << n for n in range(BUCKETS - 1)])
REASONS_OF_ROW = 3
ROWS_WITH_REASONS = 500
"""Rows of the shape, the largest first, that name their reasons."""
_MOVES = np.zeros(16, dtype=bool)
"""States in which a message waits for its next attempt."""
_MOVES[[STATE_NUMBERS[State.DEFERRED], STATE_NUMBERS[State.DUE]]] = True
ALIKE = 0.7
ALIKE_AMONG = 5_000
"""Domains, the most frequent ones, among which ``near`` looks."""
VALUES_AMONG = 20_000
"""Texts, the most frequent ones, among which ``values`` looks."""


def live(table: Table) -> NDArray[Any]:
    """Return the rows of messages of which something is alive."""
    rows: NDArray[Any] = table.rows[table["flags"][table.rows] & LIVE != 0]
    return rows


def oldest(table: Table, directory: str) -> float | None:
    """Return the birth of the oldest live message of a queue directory."""
    rows = live(table)
    rows = rows[table["place"][rows] == table.place_of(directory)]
    return float(table["birth"][rows].min()) / 1e6 if len(rows) else None


# -- shape -------------------------------------------------------------------------


def shape(
    table: Table,
    rows: NDArray[Any],
    by: str,
    *,
    now: float,
    around: Around,
) -> list[ShapeRow]:
    """Count the open recipients of *rows*; see ``Messages.shape``."""
    sort = _SORTS[by](table, rows, around)
    rows, numbers, weights = _weighed(table, rows, sort.column)
    ages = now - table["birth"][rows] / 1e6
    buckets = np.searchsorted(_BOUNDS, ages, side="right")
    groups, group_of = _grouped(table, numbers, sort)
    code = group_of * BUCKETS + buckets
    counts = np.bincount(code, weights=weights, minlength=len(groups) * BUCKETS)
    counts = counts.astype(np.int64).reshape(-1, BUCKETS)
    totals = counts.sum(axis=1)
    shares = _Shares(table, rows, weights, group_of)
    order = sorted(
        range(len(groups)), key=lambda g: (-totals[g], len(groups[g].name), groups[g])
    )
    made = [
        ShapeRow(
            name="TOTAL",
            buckets=tuple(counts.sum(axis=0).tolist()),
            reasons=shares.of_all(),
            filter="",
        )
    ]
    for place, number in enumerate(order):
        group = groups[number]
        made.append(
            ShapeRow(
                name=group.name,
                buckets=tuple(counts[number].tolist()),
                reasons=shares.of(number) if place < ROWS_WITH_REASONS else (),
                filter=group.filter,
            )
        )
    return made


def _weighed(
    table: Table, rows: NDArray[Any], column: str
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return rows, a number of *column* and open recipients; some rows several times.

    Only domains differ between the recipients of a message.
    """
    rows = rows.astype(np.int64)
    numbers, weights = table[column][rows], table["left"][rows].astype(np.int64)
    if column == "domain":
        weights[table["mix"][rows] != 0] = 0
        parts = [(rows, numbers, weights)]
        for places, domains, still_open in table.domains(rows):
            parts.append((rows[places], domains, still_open.astype(np.int64)))
        rows, numbers, weights = (
            np.concatenate([part[n] for part in parts]) for n in range(3)
        )
    there = weights > 0
    return rows[there], numbers[there], weights[there]


class _Group(tuple[str, str]):
    """A line's name and filter."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return self[0]

    @property
    def filter(self) -> str:
        return self[1]


class _Sort:
    """What the lines of a shape stand for."""

    def __init__(
        self,
        column: str,
        key: Callable[[bytes], bytes],
        name: Callable[[bytes], str],
        filter: Callable[[list[bytes]], str],
    ) -> None:
        self.column = column
        self.key = key
        """Texts of one key share a line."""
        self.name = name
        self.filter = filter
        """Takes the texts of a line."""


def _grouped(
    table: Table, numbers: NDArray[Any], sort: _Sort
) -> tuple[list[_Group], NDArray[Any]]:
    """Return the lines, and the line of each number."""
    texts = table.texts[sort.column]
    line_of = np.zeros(texts.count, dtype=np.int64)
    lines: dict[bytes, list[bytes]] = {}
    places: dict[bytes, int] = {}
    for number in _used(numbers, texts.count).tolist():
        text = texts[number]
        key = sort.key(text)
        line_of[number] = places.setdefault(key, len(places))
        lines.setdefault(key, []).append(text)
    groups = [
        _Group((sort.name(key), sort.filter(sorted(set(members)))))
        for key, members in lines.items()
    ]
    return groups, line_of[numbers]


_DENSE = 4_000_000


def _kinds(code: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the distinct numbers, a place of each, and which of them each is."""
    size = int(code.max()) + 1 if len(code) else 0
    if size > _DENSE:
        return np.unique(code, return_index=True, return_inverse=True)
    sample = np.full(size, -1, dtype=np.int64)
    sample[code] = np.arange(len(code))
    kinds = np.flatnonzero(sample >= 0)
    which = np.zeros(size, dtype=np.int64)
    which[kinds] = np.arange(len(kinds))
    return kinds, sample[kinds], which[code]


def _used(numbers: NDArray[Any], count: int) -> NDArray[Any]:
    """Return which numbers occur."""
    seen = np.zeros(count, dtype=bool)
    seen[numbers] = True
    return np.flatnonzero(seen)


def _names(field: str) -> Callable[[list[bytes]], str]:
    """Return what makes the filter for some whole domains."""

    def filter_of(names: list[bytes]) -> str:
        values = []
        for name in names:
            text = name.decode("utf-8", "surrogateescape")
            is_plain = text and "*" not in text
            values.append(
                Value(text=text)
                if is_plain
                else Value(text=f"^{re.escape(text)}$", regex=True)
            )
        return str(Term(field=field, operator=":", values=tuple(values)))

    return filter_of


def _by_domain(_table: Table, _rows: Rows, _around: Around) -> _Sort:
    return _Sort(
        "domain",
        lambda domain: domain.rstrip(b"."),
        lambda domain: printable(domain) or "(no domain)",
        _names("dom"),
    )


def _by_sender(_table: Table, _rows: Rows, _around: Around) -> _Sort:
    return _Sort(
        "sdomain",
        lambda domain: domain.rstrip(b"."),
        lambda domain: printable(domain) or "MAILER-DAEMON",
        _names("sdom"),
    )


def _by_reason(table: Table, rows: Rows, _around: Around) -> _Sort:
    _, samples, _ = _kinds(table["reason"][rows])
    replies = table["reply"][rows[samples]].tolist()
    found = [classify(table.texts["reply"][number]) for number in replies]
    reasons = {
        reason.pattern.encode("utf-8", "surrogateescape"): reason for reason in found
    }
    return _Sort(
        "reason",
        lambda pattern: pattern,
        lambda pattern: reasons[pattern].label,
        lambda patterns: reasons[patterns[0]].filter,
    )


def _by_route(_table: Table, _rows: Rows, around: Around) -> _Sort:
    def route(domain: bytes) -> bytes:
        return around.routes.key(b"", domain).name.encode() if around else b""

    def filter_of(domains: list[bytes]) -> str:
        value = Value(text=route(domains[0]).decode())
        return str(Term(field="route", operator="=", values=(value,)))

    return _Sort("domain", route, lambda hop: printable(hop) or "(unknown)", filter_of)


_SORTS: dict[str, Callable[[Table, Rows, Around], _Sort]] = {
    "domain": _by_domain,
    "sender": _by_sender,
    "reason": _by_reason,
    "route": _by_route,
}


class _Shares:
    """Which reasons the lines of a shape have."""

    def __init__(
        self,
        table: Table,
        rows: NDArray[Any],
        weights: NDArray[Any],
        group_of: NDArray[Any],
    ) -> None:
        self._width = table.texts["reason"].count
        code = group_of * self._width + table["reason"][rows]
        codes, samples, which = _kinds(code)
        counts = np.bincount(which, weights=weights, minlength=len(codes))
        self._all: dict[str, float] = {}
        self._by_group: dict[int, list[tuple[float, str]]] = {}
        for place, number in enumerate(codes.tolist()):
            row = rows[samples[place]]
            label = classify(table.texts["reply"][int(table["reply"][row])]).label
            weight = float(counts[place])
            self._all[label] = self._all.get(label, 0.0) + weight
            group = self._by_group.setdefault(number // self._width, [])
            group.append((weight, label))

    def of_all(self) -> tuple[tuple[str, float], ...]:
        return _largest([(weight, label) for label, weight in self._all.items()])

    def of(self, group: int) -> tuple[tuple[str, float], ...]:
        return _largest(self._by_group.get(group, []))


def _largest(found: list[tuple[float, str]]) -> tuple[tuple[str, float], ...]:
    total = sum(weight for weight, _ in found)
    best = sorted(found, key=lambda item: (-item[0], item[1]))[:REASONS_OF_ROW]
    return tuple((label, weight / total) for weight, label in best)


# -- reasons -----------------------------------------------------------------------


def reasons(table: Table, rows: NDArray[Any]) -> list[ReasonGroup]:
    """See ``Messages.reasons``."""
    if not len(rows):
        return []
    kinds, samples, which = _kinds(table["reason"][rows])
    counts = np.bincount(which)
    recipients = np.bincount(which, weights=table["left"][rows])
    births = np.full(len(kinds), np.iinfo(np.int64).max)
    np.minimum.at(births, which, table["birth"][rows])
    groups: dict[str, ReasonGroup] = {}
    for place in range(len(kinds)):
        sample = table.texts["reply"][int(table["reply"][rows[samples[place]]])]
        reason = classify(sample)
        group = ReasonGroup(
            label=reason.label,
            count=int(counts[place]),
            recipients=int(recipients[place]),
            oldest=float(births[place]) / 1e6,
            sample=sample,
            filter=reason.filter,
        )
        known = groups.get(reason.pattern)
        groups[reason.pattern] = _sum(known, group) if known else group
    return sorted(groups.values(), key=lambda g: (-g.count, g.label))


def _sum(one: ReasonGroup, other: ReasonGroup) -> ReasonGroup:
    return ReasonGroup(
        label=one.label,
        count=one.count + other.count,
        recipients=one.recipients + other.recipients,
        oldest=min(one.oldest, other.oldest),
        sample=one.sample,
        filter=one.filter,
    )


# -- what comes --------------------------------------------------------------------


def forecast(table: Table, *, now: float, lifetime: float) -> Forecast:
    """See ``Messages.forecast``."""
    rows = live(table)
    moving = rows[_MOVES[table["rest"][rows]] & ~_is(table, rows, "paused")]
    wait = table["next"][moving].astype(np.int64) - now
    left = table["base"][rows] + lifetime - now
    return Forecast(
        due_now=int((wait <= 0).sum()),
        due_5m=int(((wait > 0) & (wait <= 300)).sum()),
        due_15m=int(((wait > 0) & (wait <= 900)).sum()),
        due_60m=int(((wait > 0) & (wait <= 3600)).sum()),
        expiring_24h=int((left <= 86_400).sum()),
    )


def _is(table: Table, rows: NDArray[Any], column: str) -> NDArray[np.bool_]:
    there: NDArray[np.bool_] = table[column][rows] != 0
    return there


# -- words -------------------------------------------------------------------------


def near(table: Table, text: str) -> list[tuple[str, int]]:
    """See ``Messages.near``."""
    counts = _counted(table, live(table), "domain", ALIKE_AMONG)
    names: dict[str, int] = {}
    for domain, count in counts:
        names[printable(domain)] = names.get(printable(domain), 0) + count
    alike = difflib.get_close_matches(text.lower(), names, n=3, cutoff=ALIKE)
    return [(name, names[name]) for name in alike]


def _counted(
    table: Table, rows: NDArray[Any], column: str, limit: int
) -> list[tuple[bytes, int]]:
    """Return texts of a column and how many rows have them, the most first."""
    counts = np.bincount(table[column][rows], minlength=1)
    best = np.arange(len(counts))
    if len(counts) > limit:
        best = np.argpartition(counts, len(counts) - limit)[-limit:]
    found: dict[bytes, int] = {}
    for number in best[counts[best] > 0].tolist():
        text = table.texts[column][number]  # equal ones may have several numbers
        found[text] = found.get(text, 0) + int(counts[number])
    return sorted(found.items(), key=lambda item: -item[1])


_TEXT_FIELDS = {
    "from": "sender", "to": "recipient", "dom": "domain", "sdom": "sdomain",
    "err": "reply",
}  # fmt: skip


def values(table: Table, field: str, prefix: str, limit: int) -> list[str]:
    """See ``Messages.values``."""
    known = BY_NAME.get(field.lower())
    if known is None:
        return []
    begin = prefix.lower()
    found: dict[str, None] = {}
    for text in _candidates(table, known.name) if not known.words else known.words:
        if text.lower().startswith(begin):
            found[text] = None
            if len(found) == limit:
                break
    return list(found)


def _candidates(table: Table, field: str) -> list[str]:
    rows = live(table)
    if field == "queue":
        return list(table.places)
    if field == "code":
        counts = _counted(table, rows, "codes", VALUES_AMONG)
        words = [word for codes, _ in counts for word in codes.split()]
        return list(dict.fromkeys(word.decode("ascii", "replace") for word in words))
    if field not in _TEXT_FIELDS:
        return []
    counts = _counted(table, rows, _TEXT_FIELDS[field], VALUES_AMONG)
    return [t.decode("utf-8", "surrogateescape") for t, _ in counts if t]
