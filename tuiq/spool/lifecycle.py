"""Pure decisions: from flags, ages and settings to what happens to a message.

No I/O and no clock of its own; instants are epoch seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.spool.flags import FINAL, MReq, RReq, RState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiq.config import RetryConfig

HORIZON = 30 * 86400
"""A soft time further ahead than this is damage and means *now*."""
PARKED = 15 * 86400
"""How far ahead the index time of a message lies that waits for a person."""
PAUSE_LOOK = 15 * 60
"""At the latest after this long a message behind a pause is looked at again."""
BASE_DELAY = 400.0
AGE_FACTOR = 40.0
JITTER = 0.1
"""Share by which a delay is drawn longer or shorter, once per message and pass."""
MAX_OPENED = 5
"""Claims without a verdict after which a message is tried alone, and later."""

_FINAL_BYTES = b"".join(sorted(FINAL))


def sane(time: int, now: float) -> int:
    """Return a soft time, or 0 (= now) when it lies beyond the horizon."""
    return 0 if time > now + HORIZON else time


def next_attempt(now: float, *, base: float, jitter: float, retry: RetryConfig) -> int:
    """Return when deferred mail is tried again.

    qmail-send's quadratic curve, created + 400 n^2 seconds, written as a delay
    from now so that downtime makes no storm.  *jitter* is -1..1.
    """
    age = max(0.0, now - base)
    delay = BASE_DELAY + AGE_FACTOR * math.sqrt(age)
    delay *= 1.0 + JITTER * jitter
    return math.ceil(now + min(max(delay, retry.min_backoff), retry.max_backoff))


def is_settled(states: bytes) -> bool:
    """Say whether every recipient is final."""
    return not states.translate(None, _FINAL_BYTES)


def may_finish(
    states: bytes, *, request: bytes, trashed_at: int, keep: float, now: float
) -> bool:
    """Decide G1: all recipients final, and nothing left that could be undone."""
    if not is_settled(states):
        return False
    if RState.CANCELLED.value not in states or request == MReq.PURGE or keep <= 0:
        return True
    return 0 < trashed_at <= now and trashed_at + keep <= now


def due_indexes(
    states: bytes, requests: bytes, nexts: Sequence[int], *, now: float, flush: bool
) -> list[int]:
    """Return the todo recipients that a pass beginning now tries."""
    todo, hold = RState.TODO[0], RReq.HOLD[0]
    return [
        index
        for index, state in enumerate(states)
        if state == todo
        and requests[index] != hold
        and (flush or sane(nexts[index], now) <= now)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the index time of a message depends on."""

    states: bytes
    requests: bytes
    held: bool
    """The whole message is held."""
    nexts: Sequence[int]
    header_next: int
    """Epoch seconds before which nothing is tried; 0 = none."""
    trashed_at: int
    base: float
    paused_until: float | None = None
    """End of the pause in the way (0 = open-ended); None = no pause."""


def header_next(situation: Situation) -> int:
    """Return the earliest next attempt among the todo recipients not held."""
    todo, hold = RState.TODO[0], RReq.HOLD[0]
    return min(
        (
            next_
            for state, request, next_ in zip(
                situation.states, situation.requests, situation.nexts, strict=True
            )
            if state == todo and request != hold
        ),
        default=0,
    )


def index_time(
    situation: Situation, *, now: float, keep: float, retry: RetryConfig
) -> float:
    """Return the mtime that makes runners look at the message at the right time."""
    if is_settled(situation.states):
        return situation.trashed_at + keep if situation.trashed_at else now
    todo, hold = RState.TODO[0], RReq.HOLD[0]
    waiting = not situation.held and any(
        state == todo and request != hold
        for state, request in zip(situation.states, situation.requests, strict=True)
    )
    if not waiting:
        return now + PARKED
    if situation.paused_until is not None:
        look = now + PAUSE_LOOK
        return min(situation.paused_until, look) if situation.paused_until else look
    when = max(float(situation.header_next), 0.0)
    expiry = situation.base + retry.lifetime
    return min(when, expiry) if expiry > now else when
