"""Why a verb cannot work on what is focused or marked, by the rows' states.

Possible if any row qualifies; a look at many rows ends after ``BUDGET``, and what was
not looked at may qualify.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tuiq.spool.answers import Verb
from tuiq.spool.entry import State
from tuiq.spool.flags import MHold
from tuiq.spool.verbs import nothing_to_do
from tuiq.tui.index.facts import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tuiq.spool.entry import QueueEntry
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
_NEVER_SINGLE = "single recipients cannot be purged; delete them"
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


def why_not_single(
    verb: Verb, picks: Iterable[tuple[QueueEntry, tuple[int, ...]]], *, in_doubt: str
) -> str:
    """Return why *verb* has nothing to do on any of these single recipients.

    Empty: it may have.  *in_doubt* is the setting.
    """
    if verb is Verb.PURGE:
        return _NEVER_SINGLE
    deadline = time.perf_counter() + BUDGET
    first = ""
    for entry, slots in picks:
        reason = _why_not_slots(verb, entry, slots, in_doubt)
        if not reason:
            return ""
        if first and time.perf_counter() > deadline:
            return ""
        first = first or reason
    return first


def _why_not_slots(
    verb: Verb, entry: QueueEntry, slots: tuple[int, ...], in_doubt: str
) -> str:
    if entry.damage:
        return _DAMAGED
    requests, states = entry.requests, entry.states
    held = sum(requests[slot] in b"H" for slot in slots)
    is_whole = entry.hold != MHold.NONE
    if verb is Verb.RELEASE:
        if is_whole:
            return "the whole message is held; release that"
        return "" if held else "not held"
    if is_whole or held == len(slots):
        reason = _DIM.get(verb, {}).get(State.HELD, "")
        if reason:
            return reason
    return nothing_to_do(verb, {states[slot] for slot in slots}, in_doubt=in_doubt)


def _why_not(verb: Verb, row: Row, is_held: Callable[[Row], bool]) -> str:
    if row.stage is Stage.NAMED:
        return ""  # nobody knows yet
    state = row.state
    if verb is Verb.PURGE:
        fits = state in (State.TRASHED, State.DAMAGED)
        return "" if fits else "not in the trash; delete it first"
    if verb is Verb.RELEASE:
        fits = state is State.HELD or is_held(row)
        return "" if fits else "not held"
    own = _DIM[verb].get(state)
    return _ALWAYS.get(state, "") if own is None else own
