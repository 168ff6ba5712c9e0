"""Everything the pages look at and act through, made once for the application."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiq.actions.actor import Actor
    from tuiq.clock import Clock
    from tuiq.config import Config
    from tuiq.spool.spool import Spool
    from tuiq.tui.choices import Choices
    from tuiq.tui.index.feed import Feed
    from tuiq.tui.index.messages import Messages
    from tuiq.tui.live.lookout import Lookout
    from tuiq.tui.operate.jobs import Jobs
    from tuiq.tui.operate.runner import RunnerControl


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line and the environment ask of the UI."""

    read_only: bool = False
    ascii: bool = False
    low_bandwidth: bool = False
    mouse: bool = False
    theme: str = ""
    """A theme's name; empty: the user's choice."""
    colours: int = 0
    """0 none, 16, 256 or 1 << 24; told apart before the UI starts."""
    tick: float = 0.5
    """Seconds between two updates of what is shown."""


@dataclass(slots=True, kw_only=True)
class World:
    """The parts; only the UI thread touches them, each keeps its own threads."""

    config: Config
    spool: Spool
    clock: Clock
    actor: Actor
    messages: Messages
    """The index of all messages."""
    feed: Feed
    """What keeps it up to date."""
    lookout: Lookout
    """Runners, locks, pauses, disks, rates."""
    jobs: Jobs
    runner: RunnerControl
    choices: Choices
    options: Options = field(default_factory=Options)
