"""``Site``: what the sequences need beside a directory, handed in once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tuiq.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiq.clock import Clock
    from tuiq.config import Config
    from tuiq.mail.envelope import Recipient
    from tuiq.mail.reply import Reply
    from tuiq.spool.claim import Claim
    from tuiq.spool.layout import QueueDirectory


class Recorder(Protocol):
    """The delivery journal, as the sequences see it."""

    def record(
        self,
        event: str,
        queue_id: str,
        *,
        recipients: Sequence[tuple[int, bytes]] = (),
        reply: Reply | None = None,
        relay: str = "",
    ) -> None:
        """Append one event; it survives this process, not a power loss."""
        ...

    def sync(self) -> None:
        """Make the events so far survive a power loss."""
        ...


class PauseLookup(Protocol):
    """Which pauses are in force, as the sequences see them."""

    def any(self) -> bool:
        """Say whether there is one."""
        ...

    def until(
        self,
        directory: QueueDirectory,
        recipients: Sequence[Recipient],
        relay_of: Callable[[Recipient], str],
    ) -> list[float | None]:
        """Return per recipient the end of its pause: 0 open-ended, None not paused."""
        ...


def _no_source(_claim: Claim) -> None:
    """Do nothing: there is no drop directory."""


def _block(directory: QueueDirectory, reason: str) -> None:
    directory.blocked = directory.blocked or reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Settings, clock and the shared services of one spool."""

    config: Config
    recorder: Recorder
    pauses: PauseLookup
    clock: Clock = field(default_factory=SystemClock)
    jitter: Callable[[], float] = lambda: 0.0
    """Draws a number between -1 and 1."""
    forget_source: Callable[[Claim], None] = _no_source
    """Removes, durably, the drop file that a newly claimed message was made from."""
    suspect: Callable[[QueueDirectory, str], None] = _block
    """Told that a sync failed in a directory, and why."""
