"""The embedded runner: ``tuiq --run`` as a child in a process group of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiq.config import Config


class RunnerControl:
    """Starts, drains and stops the child; whoever else runs is only watched."""

    def __init__(self, config: Config) -> None:
        """Control a runner by *config*; none is started yet."""
        raise NotImplementedError

    @property
    def pid(self) -> int | None:
        """Return the child's pid while it lives."""
        raise NotImplementedError

    @property
    def word(self) -> str:
        """Return ``""``, ``starting``, ``running``, ``draining``, or how it died."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it; raise TuiqError with the reason when that cannot be done."""
        raise NotImplementedError

    def drain(self) -> None:
        """Let it end what it does and exit; returns at once."""
        raise NotImplementedError

    def leave_running(self) -> None:
        """Let it live on when the UI ends."""
        raise NotImplementedError

    def close(self) -> None:
        """Drain the child unless it was to be left running; returns at once."""
        raise NotImplementedError
