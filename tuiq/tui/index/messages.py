"""The index: what every message looks like in a list, and the orders of such lists.

Only the UI thread calls it.  ``Feed`` hands it what changed; ``apply`` takes that in.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class Messages:
    """Every message, compactly."""

    @property
    def count(self) -> int:
        """Return the number of messages."""
        raise NotImplementedError

    @property
    def generation(self) -> int:
        """Return a number that grows with every change of anything."""
        raise NotImplementedError

    def row(self, queue_id: str) -> Row | None:
        """Return one message; None when it is not there."""
        raise NotImplementedError

    def tally(self) -> Mapping[State, int]:
        """Return the messages by state."""
        raise NotImplementedError

    def tally_of(self, directory: str) -> Mapping[State, int]:
        """Return those of one queue directory by state."""
        raise NotImplementedError

    def oldest_of(self, directory: str) -> float | None:
        """Return the birth of the oldest live message of a queue directory."""
        raise NotImplementedError

    def view(self) -> MessagesView:
        """Return a new ordered list of all messages; it follows every change."""
        raise NotImplementedError

    def shape(self, by: str, *, now: float, filter: str = "") -> list[ShapeRow]:
        """Count open recipients by age and *by*: domain, sender, reason or route."""
        raise NotImplementedError

    def reasons(self, view: MessagesView | None = None) -> list[ReasonGroup]:
        """Fold the last replies of the view's messages into classes, largest first."""
        raise NotImplementedError

    def forecast(self, *, now: float, lifetime: float) -> Forecast:
        """Say what comes due and what expires."""
        raise NotImplementedError

    def near(self, text: str) -> list[tuple[str, int]]:
        """Return domains spelt like *text* with their messages, for "did you mean"."""
        raise NotImplementedError

    def values(self, field: str, prefix: str, limit: int = 20) -> list[str]:
        """Return values of a filter field that begin so, the most frequent first."""
        raise NotImplementedError


class MessagesView:
    """Messages that match a filter, in an order; positions shift, ids do not."""

    @property
    def count(self) -> int:
        """Return the number of messages that match."""
        raise NotImplementedError

    @property
    def version(self) -> int:
        """Return a number that grows when rows came, went or changed places."""
        raise NotImplementedError

    @property
    def filter(self) -> str:
        """Return the canonical text of the filter in force."""
        raise NotImplementedError

    @property
    def sorted_by(self) -> tuple[str, bool]:
        """Return the sort column and whether the greatest comes first."""
        raise NotImplementedError

    @property
    def progress(self) -> Progress | None:
        """Return how far reading for the filter is; None when nothing is read."""
        raise NotImplementedError

    def narrow(self, text: str) -> None:
        """Show what matches *text*; raise FilterError and keep what was shown."""
        raise NotImplementedError

    def sort(self, column: str, *, reverse: bool) -> None:
        """Order by a column id: id age size tries next sender recipient domain reply
        state queue left."""
        raise NotImplementedError

    def id_at(self, position: int) -> str | None:
        """Return the queue id at *position*; None outside."""
        raise NotImplementedError

    def position_of(self, queue_id: str) -> int | None:
        """Return where a message stands; None when it is not shown."""
        raise NotImplementedError

    def ids(self) -> list[str]:
        """Return all ids in order."""
        raise NotImplementedError

    def holds_still(self, seconds: float) -> None:
        """Keep the order of what is shown for so long, as a key was pressed."""
        raise NotImplementedError

    def marked(self, ids: frozenset[str]) -> None:
        """Tell what ``is:marked`` means."""
        raise NotImplementedError

    def close(self) -> None:
        """Follow no more changes."""
        raise NotImplementedError
