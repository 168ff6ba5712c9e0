"""What the views of ``tuiq demo`` show: one value, put together several times a second.

Also the texts that both views share.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiq.actions.words import plural
from tuiq.demo.ledger import Fate, Ledger, Truth
from tuiq.log import printable
from tuiq.spool.entry import State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tuiq.spool.entry import QueueEntry

ABOUT = "a bookshop's mail in a made-up world"
PATIENCE = 3
"""Attempts after which mail that is still deferred is not waited for."""
SHOWN_FATES = (Fate.DELIVERED, Fate.DEFERRED, Fate.DOUBT, Fate.FAILED, Fate.WAITING)
_MANY = 100
"""Open recipients of a message above which it surely is not settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What lies in the spool, as one look at it says."""

    held: tuple[str, ...] = ()
    """Ids of messages that an operator holds."""
    trashed: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()
    """Ids of messages that were tried in vain."""
    moving: int = 0
    """Messages that the runner is not done with yet."""

    @classmethod
    def take(cls, entries: Iterable[QueueEntry]) -> Census:
        """Count *entries*."""
        ids: dict[State, list[str]] = {state: [] for state in State}
        moving = 0
        for entry in entries:
            state = entry.state()
            ids[state].append(entry.queue_id)
            resting = state in (State.HELD, State.TRASHED, State.DAMAGED)
            moving += not resting and _moves(entry)
        return cls(
            held=tuple(ids[State.HELD]),
            trashed=tuple(ids[State.TRASHED]),
            deferred=tuple(ids[State.DEFERRED]),
            moving=moving,
        )


def _moves(entry: QueueEntry) -> bool:
    """Say whether the message has recipients that were not tried long enough."""
    if entry.left > _MANY:
        return True
    return any(
        view.state in b"AUF" or (view.state == b"T" and view.tries < PATIENCE)
        for view in entry.recipients()
    )


@dataclass(slots=True, kw_only=True)
class Scene:
    """Everything there is to show."""

    directory: Path
    command: str
    """How the user calls tuiq."""
    kept: bool
    """Whether the spool stays."""
    limit: float | None
    """Seconds after which the demo ends; None: when everything is settled."""
    staged: bool = False
    """Whether the UI shows it."""
    ledger: Ledger = field(default_factory=Ledger)
    census: Census = field(default_factory=Census)
    stories: list[tuple[float, str]] = field(default_factory=list)
    """Seconds since the start, and what happened."""
    elapsed: float = 0.0
    rate: float = 0.0
    """Deliveries a second, lately."""

    def tell(self, story: str) -> None:
        """Add a story that happens now."""
        self.stories.append((self.elapsed, story))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a demo ended."""

    settled: bool
    """Whether everything due was settled."""
    signal: int
    """The signal that ended it; 0: none."""
    truth: Truth


def clock(seconds: float) -> str:
    """Return a time since the start: ``0:07``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def export(scene: Scene) -> str:
    """Return the command that makes a shell use the demo's spool."""
    config = shlex.quote(str(scene.directory / "tuiq.toml"))
    return printable(f"export TUIQ_CONFIG={config}")


def sums(scene: Scene) -> list[str]:
    """Return the totals in words."""
    totals = scene.ledger.totals
    return [f"{fate.value} {totals[fate]:,}" for fate in SHOWN_FATES]


def messages(scene: Scene) -> str:
    """Return in words how many there are of everything."""
    ledger, census = scene.ledger, scene.census
    words = [
        f"{plural(ledger.recipients, 'recipient')} of "
        f"{plural(len(ledger.messages), 'message')}"
    ]
    if census.held:
        words.append(f"{len(census.held)} held")
    if census.trashed:
        words.append(f"{len(census.trashed)} in the trash")
    return ", ".join(words)
