"""The queue folded: by reason, by what comes due; who is alive, who is oldest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.spool.entry import State
from tuiq.tui.index.blocks import LIVE, STATE_NUMBERS
from tuiq.tui.index.facts import Forecast, ReasonGroup
from tuiq.tui.index.reasons import classify

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.tui.index.table import Table

_MOVES = np.zeros(16, dtype=bool)
"""States in which a message waits for its next attempt."""
_MOVES[[STATE_NUMBERS[State.DEFERRED], STATE_NUMBERS[State.DUE]]] = True


def live(table: Table) -> NDArray[Any]:
    """Return the rows of messages of which something is alive."""
    rows: NDArray[Any] = table.rows[table["flags"][table.rows] & LIVE != 0]
    return rows


def oldest(table: Table, directory: str) -> float | None:
    """Return the birth of the oldest live message of a queue directory."""
    rows = live(table)
    rows = rows[table["place"][rows] == table.place_of(directory)]
    return float(table["birth"][rows].min()) / 1e6 if len(rows) else None


_DENSE = 4_000_000
"""Numbers below which counting needs no sorting."""


def kinds_of(code: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
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


def reasons(table: Table, rows: NDArray[Any]) -> list[ReasonGroup]:
    """See ``Messages.reasons``."""
    if not len(rows):
        return []
    kinds, samples, which = kinds_of(table["reason"][rows])
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
