"""What the index answers with: plain values without numpy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiq.spool.entry import State


class Stage(Enum):
    """How much of a message is known."""

    NAMED = "named"
    """Its file is there; the fields of ``Row`` but id, directory, birth are blank."""
    READ = "read"


@dataclass(slots=True, kw_only=True)
class Row:
    """One message as lists show it; bytes are as they stand in the file."""

    queue_id: str
    directory: str
    birth: float
    stage: Stage
    state: State
    """With locks and pauses as the last look around saw them."""
    sender: bytes = b""
    recipient: bytes = b""
    """The first that is not settled; the first of all once every one is."""
    count: int = 0
    """Recipients."""
    left: int = 0
    """Recipients that are not settled."""
    size: int = 0
    tries: int = 0
    next_attempt: int = 0
    """Epoch seconds; 0 = now."""
    last_attempt: int = 0
    reply: bytes = b""
    damage: bool = False
    version: int = 0
    """Grows with every change of the row."""
    stamp: int = 0
    """The change time of its file in nanoseconds; also differs when something changed
    that no other field tells, such as what was asked for one recipient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a view is: reading what a filter needs that the index does not hold."""

    done: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonGroup:
    """Messages whose last reply is of one class."""

    label: str
    """``452 4.2.2 quota``; clean."""
    count: int
    """Messages."""
    recipients: int
    oldest: float
    """Epoch seconds."""
    sample: bytes
    """One reply of the class, whole."""
    filter: str
    """A filter text that selects the group among what was counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What the queue is going to do, by its own times."""

    due_now: int
    due_5m: int
    due_15m: int
    due_60m: int
    expiring_24h: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeRow:
    """One line of the table of domains by age."""

    name: str
    """Clean; ``TOTAL`` first."""
    buckets: tuple[int, ...]
    """Open recipients by age; bounds as ``tuiq domains`` has them (300 s doubling)."""
    reasons: tuple[tuple[str, float], ...]
    """The most frequent reply classes with their share."""
    filter: str
    """Selects the row in Messages; empty for the total."""

    @property
    def total(self) -> int:
        """Return the recipients of all ages."""
        return sum(self.buckets)
