"""Jobs: operators' actions at work in the background, one after the other.

A job calls ``tuiq.actions`` and nothing else; it survives changes of screens, can be
stopped between two messages, and tells how far it is and how it went.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiq.actions.actor import Actor
    from tuiq.actions.selection import Selection
    from tuiq.spool.answers import Answer, Result, Verb
    from tuiq.spool.spool import Spool


@dataclass(slots=True, kw_only=True)
class Job:
    """One action; the fields are replaced by its thread and read by the UI."""

    number: int
    verb: str
    """``hold`` … ``undo``; ``pause`` and ``resume`` need no job."""
    scope: str
    of: int
    done: int = 0
    counts: Counter[Result] = field(default_factory=Counter)
    reasons: list[Answer] = field(default_factory=list)
    """The first answers that were not what was asked for."""
    action: str = ""
    """Its id in the audit log; empty before it began."""
    started: float = 0.0
    ended: float = 0.0
    stopped: bool = False
    error: str = ""
    """Why it failed as a whole; clean."""

    @property
    def is_over(self) -> bool:
        """Say whether nothing more will happen."""
        return self.ended > 0.0


class Jobs:
    """The jobs of this UI; safe to call from the UI thread without waiting."""

    def __init__(self, spool: Spool, actor: Actor) -> None:
        """Act on *spool* in the name of *actor*."""
        raise NotImplementedError

    def begin(
        self,
        verb: Verb,
        selection: Selection,
        *,
        reason: str = "",
        then: Callable[[Job], None] | None = None,
    ) -> Job:
        """Do *verb* as soon as the jobs before are over; *then* runs in its thread."""
        raise NotImplementedError

    def stop(self, job: Job) -> None:
        """Take no further message; those that were done stay done."""
        raise NotImplementedError

    @property
    def all(self) -> Sequence[Job]:
        """Return the jobs, the latest first; old ones are forgotten."""
        raise NotImplementedError

    @property
    def running(self) -> Sequence[Job]:
        """Return those that are not over."""
        raise NotImplementedError

    def close(self, seconds: float) -> bool:
        """Stop all jobs and wait for the current messages; False: not in time."""
        raise NotImplementedError
