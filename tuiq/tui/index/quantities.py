"""Conditions on numbers and times, for many rows at once."""

from __future__ import annotations

import operator as ops
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.actions.filter_terms import parse_duration, parse_size
from tuiq.tui.index.blocks import LIVE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.actions.filter_tree import Term
    from tuiq.tui.index.table import Table

Rows = Any

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    ">": ops.gt, ">=": ops.ge, "<": ops.lt, "<=": ops.le,
}  # fmt: skip


Numbers = tuple["NDArray[Any]", "NDArray[np.bool_] | bool"]
"""A number per row, and in which rows there is one."""


def _age(table: Table, rows: Rows, now: float) -> Numbers:
    return now - table["birth"][rows] / 1e6, True


def _until_next(table: Table, rows: Rows, now: float) -> Numbers:
    live = table["flags"][rows] & LIVE != 0
    return np.maximum(0.0, table["next"][rows] - now), live


def _since_last(table: Table, rows: Rows, now: float) -> Numbers:
    last = table["last"][rows]
    return now - last, last != 0


def _plain(column: str) -> Callable[[Table, Rows, float], Numbers]:
    return lambda table, rows, _now: (table[column][rows], True)


_NUMBERS: dict[
    str, tuple[Callable[[Table, Rows, float], Numbers], Callable[[str], int]]
] = {
    "age": (_age, parse_duration),
    "next": (_until_next, parse_duration),
    "last": (_since_last, parse_duration),
    "size": (_plain("size"), parse_size),
    "tries": (_plain("tries"), int),
    "rcpts": (_plain("count"), int),
    "left": (_plain("left"), int),
}


def quantity(
    table: Table, term: Term, now: Callable[[], float]
) -> Callable[[Rows], NDArray[np.bool_]]:
    """Return which rows fit a term whose field is one of ``FIELDS``."""
    read, parse = _NUMBERS[term.field]
    wanted = [parse(value.text) for value in term.values]
    compare = _COMPARE.get(term.operator)

    def test(rows: Rows) -> NDArray[np.bool_]:
        numbers, there = read(table, rows, now())
        if compare is None:
            fits = np.isin(numbers, wanted)
        else:
            fits = compare(numbers, wanted[0])
        return fits & there

    return test


FIELDS = tuple(_NUMBERS)
