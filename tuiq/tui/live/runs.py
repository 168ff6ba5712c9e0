"""Runners that came and went while somebody was looking."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiq.spool.status import RunnerStatus

KEPT = 1000
"""Turns that are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A runner that began, turned, or ended."""

    number: int
    """Its own; grows with time."""
    at: float
    """Epoch seconds."""
    runner: str
    """``worker-1 (pid 12)``."""
    what: str
    """``started``, ``draining``, ``ended``, ``died`` …"""
    count: int = 0
    """Recipients it had delivered, at its end."""


class Runs:
    """Notes what is different from the look before."""

    def __init__(self) -> None:
        """Begin without having looked."""
        self._before: dict[tuple[str, int, float], RunnerStatus] | None = None
        self._number = 0
        self.turns: deque[Run] = deque(maxlen=KEPT)
        """The latest last."""

    def look(self, runners: Iterable[RunnerStatus], now: float) -> None:
        """Compare with what there is now, the remains of dead ones too."""
        found = {(told.name, told.pid, told.started): told for told in runners}
        present = {key: told for key, told in found.items() if told.alive is not False}
        before = self._before
        self._before = present
        if before is None:
            for told in present.values():
                self._note(told, "was running already", told.started or now)
            return
        for key, told in present.items():
            was = before.get(key)
            if was is None:
                self._note(told, "started", told.started or now)
            elif was.phase != told.phase and told.phase != "running":
                self._note(told, told.phase, now)
        for key, told in before.items():
            if key not in present:
                done = told.counters.get("delivered", 0)
                # Whoever ends in order takes its status away.
                how = "died" if key in found else "ended"
                self._note(told, how, now, count=done)

    def _note(
        self, told: RunnerStatus, what: str, at: float, *, count: int = 0
    ) -> None:
        self._number += 1
        runner = f"{told.name} (pid {told.pid})"
        self.turns.append(
            Run(number=self._number, at=at, runner=runner, what=what, count=count)
        )
