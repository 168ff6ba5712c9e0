"""What operators can ask for, of what, and what they are told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verb(StrEnum):
    """Everything an operator can do to a message or to some of its recipients."""

    HOLD = "hold"
    RELEASE = "release"
    UNHOLD = "unhold"
    """Take a hold back: as ``release``, but what was not due does not become so."""
    FLUSH = "flush"
    REQUEUE = "requeue"
    DELETE = "delete"
    UNDO = "undo"
    PURGE = "purge"
    BOUNCE = "bounce"
    DELIVERED = "delivered"


HOLD_ENDS = frozenset({Verb.RELEASE, Verb.UNHOLD})


class Result(StrEnum):
    """How a verb ended for one target."""

    ACTED = "acted"
    """Done, and durable as far as the verb promises."""
    GONE = "gone since"
    """The message is not there any more: delivered, deleted or moved."""
    IN_FLIGHT = "in flight"
    """An attempt is under way; what happens then is in the text."""
    REFUSED = "refused"
    """Nothing was changed; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a verb applies to; identity, never a position in a list."""

    queue_id: str
    birth: float | None = None
    """Epoch seconds the message was seen with; None: do not compare."""
    recipients: tuple[int, ...] | None = None
    """Slot numbers; None = the whole message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one target."""

    target: Target
    result: Result
    text: str
    """One clause for people, such as ``no attempt will start``."""
    changed: tuple[int, ...] = ()
    """Slots whose state byte this verb changed."""
