"""The lookout: once a second, in its own thread, what no file of a message says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiq.actions.circumstances import Circumstances
    from tuiq.spool.spool import Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryFacts:
    """One queue directory from outside."""

    name: str
    path: str
    free_bytes: int = 0
    total_bytes: int = 0
    free_inodes: int = 0
    total_inodes: int = 0
    low: str = ""
    """Why nothing is attempted there; clean."""
    error: str = ""
    """Why it cannot be looked at; clean."""
    runner: str = ""
    """Who serves it: ``worker-1 (pid 12)``; empty: nobody."""
    rate_in: float = 0.0
    rate_out: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One look; replaced as a whole."""

    at: float
    """Epoch seconds."""
    around: Circumstances
    directories: Mapping[str, DirectoryFacts] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    """Per second: ``in``, ``delivered``, ``deferred``, ``failed``."""
    error: str = ""
    """Why the look failed, in one sentence; the rest is then the last good look."""


class Lookout:
    """Looks by itself; the UI reads ``sight`` and ``history`` without waiting."""

    def __init__(self, spool: Spool, *, interval: float = 1.0) -> None:
        """Look at *spool* every *interval* seconds once it is started."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin; looks once in the caller's thread first where that is quick."""

    def stop(self) -> None:
        """End the thread."""

    @property
    def sight(self) -> Sight:
        """Return the latest look."""
        raise NotImplementedError

    def history(self, name: str, seconds: int) -> Sequence[float]:
        """Return a rate's values, one per look, oldest first, for so long back.

        *name* is one of ``Sight.rates``, or ``queue:q.1`` / ``destination:x`` with
        ``:in`` or ``:out`` after it.
        """
        raise NotImplementedError
