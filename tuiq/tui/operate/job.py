"""A job as its thread writes it and the UI reads it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from tuiq.spool.answers import Answer, Result
    from tuiq.tui.operate.outcome import Outcome


class Phase(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    """For the jobs before it."""
    WORKING = "working"
    WATCHING = "watching"
    """Everything was asked for; a flush is followed until it is known how it went."""
    OVER = "over"


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """One action; the fields are replaced by its thread and read by the UI."""

    number: int
    verb: str
    """``hold`` … ``undo``, ``pause``, ``resume``, ``limits``, ``export``."""
    scope: str
    """Clean."""
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
    """It was stopped before it had done all."""
    error: str = ""
    """Why it failed as a whole; clean."""
    phase: Phase = Phase.WAITING
    outcome: Outcome | None = None
    """Of a flush: what became of the messages."""
    note: str = ""
    """What it came to, where counts do not say it; clean."""
    halt: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def is_over(self) -> bool:
        """Say whether nothing more will happen."""
        return self.phase is Phase.OVER

    @property
    def stopping(self) -> bool:
        """Say whether somebody asked it to stop."""
        return self.halt.is_set()


Work: TypeAlias = Callable[[Job], None]
"""What a job does, in its thread; raises TuiqError, OSError."""
Then: TypeAlias = Callable[[Job], None]
"""What is called in the job's thread when it is over."""
