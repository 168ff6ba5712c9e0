"""What the UI's tests share: a spool with mail in every state, its world, a stage.

``furnish`` plants messages byte by byte; the clock stands at ``NOW`` until a test
moves it.  Nothing runs by itself unless a test starts the feed and the lookout.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from textual.app import App, ComposeResult

from tests.cli.conftest import DAY, NOW, PlantedSpool
from tests.spool.world import SetClock
from tuiq.actions.actor import Actor
from tuiq.config import load
from tuiq.spool import control
from tuiq.spool.pauses import Scope
from tuiq.spool.spool import Spool
from tuiq.tui.choices import Choices
from tuiq.tui.index.feed import Feed
from tuiq.tui.index.messages import Messages
from tuiq.tui.live.lookout import Lookout
from tuiq.tui.look.fittings import AsciiSigns
from tuiq.tui.look.palette import Palette
from tuiq.tui.operate.jobs import Jobs
from tuiq.tui.operate.runner import RunnerControl
from tuiq.tui.troubles import Troubles
from tuiq.tui.world import Options, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from textual.filter import LineFilter
    from textual.screen import ModalScreen

    from tuiq.clock import Clock
    from tuiq.tui.page import Page

__all__ = [
    "ACTOR",
    "DAY",
    "NOW",
    "PlantedSpool",
    "Stage",
    "furnish",
    "open_world",
    "settle",
    "world_of",
]

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds until something that has to happen counts as never happening."""
ACTOR = Actor(who="ops", uid=0, user="root", host="mx1.example.net")
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u009b31m[b]bold[/b]\u202egpj.exe"
"""What a stranger may write into every field."""


def furnish(path: Path) -> PlantedSpool:
    """Make a spool of four queue directories with a message in each state."""
    spool = PlantedSpool(path)
    put = spool.plant
    put("NEW", age=30, to=(b"ann@example.org",))
    put("DEF", age=2 * DAY, to=(b"a@example.com", b"b@example.com", b"c@other.net"))
    spool.tried("DEF", tries=31, wait=2280, reply=b"451 4.7.1 greylisted, try later")
    spool.slot("DEF", 0, b"D")
    for number in range(5):
        name = f"QA{number}"
        put(name, place="q.2", age=3600 * (number + 1), to=(b"user@full.example",))
        reply = b"452 4.2.2 mailbox of user%d is full" % number
        spool.tried(name, tries=number + 1, wait=60 * number, reply=reply)
    put("HED", age=DAY, place="q.2")
    spool.poke("HED", (control.MHOLD, b"H"))
    put("DBT", age=7200, place="q.3")
    spool.slot("DBT", 0, b"U")
    put("PSD", age=600, to=(b"x@stop.example",), place="q.3")
    spool.pause(Scope.DESTINATION, "stop.example", wait=1800, reason="their upgrade")
    put("TRSH", age=9000, place="q.3")
    spool.slot("TRSH", 0, b"X")
    spool.poke("TRSH", (control.TRASHED, b"%08X" % (NOW - 100)))
    put("BAD", age=500, place="q.4")
    with spool.control_file("BAD").open("r+b") as file:
        file.truncate(100)
    put("EVK", age=700, place="q.4", sender=HOSTILE.encode(), to=(HOSTILE.encode(),))
    spool.tried("EVK", tries=1, wait=60, reply=HOSTILE.encode("ascii", "ignore"))
    return spool


@contextmanager
def open_world(path: Path, **options: Any) -> Iterator[tuple[World, SetClock]]:
    """Open the spool *path* with all parts of the UI; the clock stands still."""
    clock = SetClock(float(NOW))
    with world_of(path, clock, **options) as world:
        yield world, clock


@contextmanager
def world_of(path: Path, clock: Clock, **options: Any) -> Iterator[World]:
    """Open the spool *path* with all parts of the UI."""
    with Spool(load(str(path / "tuiq.toml")), clock=clock) as spool:
        messages = Messages()
        world = World(
            config=spool.config,
            spool=spool,
            clock=clock,
            actor=ACTOR,
            messages=messages,
            feed=Feed(spool, messages),
            lookout=Lookout(spool),
            jobs=Jobs(spool, ACTOR),
            runner=RunnerControl(spool.config),
            choices=Choices(),
            options=Options(**options),
        )
        try:
            yield world
        finally:
            world.feed.stop()
            world.lookout.stop()
            world.jobs.close(5.0)
            world.runner.close()


class Stage(App[None]):
    """A bare application around one page; remembers what the page asked for."""

    def __init__(self, world: World, page: Page) -> None:
        super().__init__()
        self.world = world
        self.page = page
        self.told: list[str] = []
        self.went: list[tuple[str, str | None, object]] = []
        self.palette_now = Palette(name="test")
        self.troubles = Troubles(None)

    def get_line_filters(self) -> Sequence[LineFilter]:
        own = [AsciiSigns()] if self.palette_now.ascii else []
        return [*own, *super().get_line_filters()]

    def compose(self) -> ComposeResult:
        yield self.page

    def on_mount(self) -> None:
        self.page.shown()

    def go(self, page: str, *, filter: str | None = None, focus: Any = None) -> None:
        self.went.append((page, filter, focus))

    def tell(self, text: str, *, bad: bool = False) -> None:
        self.told.append(text)

    def ask(
        self, dialog: ModalScreen[T], then: Callable[[T | None], None] | None = None
    ) -> None:
        self.push_screen(dialog, then)

    def perform(self, command: str) -> None:
        self.page.perform(command)

    def hold_keys(self) -> None:
        """Have no keys."""

    def let_keys_go(self) -> None:
        """Have no keys."""

    def refresh_bars(self) -> None:
        """Have no bars."""

    def turn(self) -> None:
        """Do what the application does in every tick."""
        self.world.feed.drain(1.0)
        self.world.feed.see(self.world.lookout.sight.around)
        now = self.world.clock.now()
        self.troubles.see(self.world.feed.state.notes, now)
        self.page.tick(now)


async def settle(pilot: Any, done: Callable[[], bool]) -> None:
    """Let the application work until *done*; fail when it never is."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, "it never came to that"
        turn = getattr(pilot.app, "turn", None)
        if turn:
            turn()
        await pilot.pause(0.01)
