"""Pure decisions: from flags, ages and settings to what happens to a message.

No I/O and no clock of its own; instants are epoch seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.spool.flags import FINAL, MReq, RReq, RState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuiq.config import RetryConfig

HORIZON = 30 * 86400
"""A soft time further ahead than this is damage and means *now*."""
PARKED = 15 * 86400
"""How far ahead the index time of a message lies that waits for a person."""
REPORT_RETRY = 300.0
"""Seconds until a notice that could not be stored is tried again."""
PAUSE_LOOK = 15 * 60
"""At the latest after this long a message behind a pause is looked at again."""
BASE_DELAY = 400.0
AGE_FACTOR = 40.0
JITTER = 0.1
"""Share by which a delay is drawn longer or shorter, once per message and pass."""
MAX_OPENED = 5
"""Claims without a verdict after which a message is tried alone, and later."""

_TODO, _FREE = RState.TODO[0], RReq.NONE[0]
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
    last = now + HORIZON  # a later time is none
    return [
        index
        for index, (state, request, when) in enumerate(
            zip(states, requests, nexts, strict=True)
        )
        if state == _TODO and request == _FREE and (flush or when <= now or when > last)
    ]


def header_next(slots: Iterable[tuple[int, int, int]]) -> int:
    """Return the least next attempt of the todo recipients not held; 0 = now.

    *slots* are (state byte, request byte, next attempt).
    """
    return min((n for s, r, n in slots if s == _TODO and r == _FREE), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the index time of a message depends on."""

    states: bytes
    """RSTATE bytes; recipients in doubt that will be retried count as todo."""
    requests: bytes
    held: bool
    """The whole message is held."""
    nexts: Sequence[int]
    """Per slot when it is looked at next: its next attempt, or its pause's end."""
    not_before: int
    """Header next: epoch seconds before which nothing is tried; 0 = none."""
    trashed_at: int
    base: float
    unreported: bool = False
    """A failure could not be reported yet and will be tried again."""


def is_waiting(situation: Situation) -> bool:
    """Say whether some recipient will be tried without an operator's doing."""
    return not situation.held and any(
        state == _TODO and request == _FREE
        for state, request in zip(situation.states, situation.requests, strict=True)
    )


def settled_time(trashed_at: int, now: float, keep: float) -> float:
    """Return the index time of a message whose recipients are all final."""
    return trashed_at + keep if trashed_at else now


def index_time(
    situation: Situation, *, now: float, keep: float, retry: RetryConfig
) -> float:
    """Return the mtime that makes runners look at the message at the right time."""
    if is_settled(situation.states):
        return settled_time(situation.trashed_at, now, keep)
    if situation.unreported:
        return now + REPORT_RETRY
    if not is_waiting(situation):
        return now + PARKED
    slots = zip(situation.states, situation.requests, situation.nexts, strict=True)
    when = float(max(situation.not_before, header_next(slots)))
    expiry = situation.base + retry.lifetime
    return min(when, expiry) if expiry > now else when
