"""The shape of the queue: open recipients by domain, sender … and by age."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.actions.filter_tree import Term, Value
from tuiq.log import printable
from tuiq.tui.index.facts import ShapeRow
from tuiq.tui.index.folding import kinds_of
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
    _, samples, _ = kinds_of(table["reason"][rows])
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
        codes, samples, which = kinds_of(code)
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
