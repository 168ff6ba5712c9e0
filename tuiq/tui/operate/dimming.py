"""Why a verb cannot work on what is focused or marked, by the rows' states.

Possible if any row qualifies; a look at many rows ends after ``BUDGET``, and what was
not looked at may qualify.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tuiq.spool.answers import Verb
from tuiq.spool.entry import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tuiq.tui.index.messages import Row

BUDGET = 0.0008
"""Seconds."""
_TRASH = "in the trash; undo restores it"
_DAMAGED = "damaged; see tuiq check, then requeue or purge it"
_DIM: dict[Verb, dict[State, str]] = {
    Verb.HOLD: {State.HELD: "held already"},
    Verb.FLUSH: {State.HELD: "held; release it first"},
    Verb.REQUEUE: {State.DAMAGED: ""},
    Verb.DELETE: {State.TRASHED: "in the trash already; purge removes it"},
    Verb.BOUNCE: {},
    Verb.DELIVERED: {},
}
_ALWAYS = {State.TRASHED: _TRASH, State.DAMAGED: _DAMAGED}


def why_not(
    verb: Verb, rows: Iterable[Row | None], *, is_held: Callable[[Row], bool]
) -> str:
    """Return why *verb* has nothing to do on any of *rows*; empty: it may have.

    *is_held* looks at single recipients, which a row does not tell about.
    """
    deadline = time.perf_counter() + BUDGET
    first = ""
    for row in rows:
        if first and time.perf_counter() > deadline:
            return ""
        reason = "" if row is None else _why_not(verb, row, is_held)
        if not reason:
            return ""
        first = first or reason
    return first


def _why_not(verb: Verb, row: Row, is_held: Callable[[Row], bool]) -> str:
    state = row.state
    if verb is Verb.PURGE:
        fits = state in (State.TRASHED, State.DAMAGED)
        return "" if fits else "not in the trash; delete it first"
    if verb is Verb.RELEASE:
        fits = state is State.HELD or is_held(row)
        return "" if fits else "not held"
    own = _DIM[verb].get(state)
    return _ALWAYS.get(state, "") if own is None else own
