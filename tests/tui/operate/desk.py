"""A page with given rows, an application that only acts, and a real spool below."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from textual.app import App

from tests.tui.world import PATIENCE, PlantedSpool, open_world, world_of
from tuiq.clock import SystemClock
from tuiq.tui.index.messages import Stage
from tuiq.tui.look.palette import Palette
from tuiq.tui.operate.operator import Operator
from tuiq.tui.page import Page, Subject
from tuiq.tui.troubles import Troubles
from tuiq.tui.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from textual.screen import ModalScreen

T = TypeVar("T")


class Desk(Page):
    """A page whose subject is what the test says."""

    page_name = "desk"
    picks: Sequence[tuple[str, tuple[int, ...] | None]] = ()
    scope = "what the test says"
    hidden_marks = 0
    has_more = False
    places: Sequence[list[str]] = (["spool"],)

    def subject(self) -> Subject | None:
        if not self.picks:
            return None
        return Subject(
            scope=self.scope, picks=tuple(self.picks), hidden=self.hidden_marks
        )

    def sample(self) -> Subject | None:
        subject = self.subject()
        return subject and replace(subject, is_sample=self.has_more)

    def pausable(self) -> list[list[str]]:
        return list(self.places)


class Floor(App[None]):
    """A Shell that acts, and remembers what it was told."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.page = Desk()
        self.told: list[str] = []
        self.palette_now = Palette(name="test")
        self.troubles = Troubles(None)
        self.operator = Operator(self)

    def turn(self) -> None:
        """Do what the application does in every tick."""
        self.world.feed.drain(1.0)
        self.world.feed.see(self.world.lookout.sight.around)

    def compose(self) -> Iterator[Desk]:
        yield self.page

    def go(self, page: str, *, filter: str | None = None, focus: Any = None) -> None:
        """Have one page only."""

    def tell(self, text: str, *, bad: bool = False) -> None:
        self.told.append(text)

    def ask(
        self, dialog: ModalScreen[T], then: Callable[[T | None], None] | None = None
    ) -> None:
        self.push_screen(dialog, then)

    def perform(self, command: str) -> None:
        self.operator.perform(command, self.page)

    def hold_keys(self) -> None:
        """Have no keys."""

    def let_keys_go(self) -> None:
        """Have no keys."""

    def refresh_bars(self) -> None:
        """Have no bars."""

    def mean(self, *ids: str) -> None:
        """Let these messages be the subject."""
        self.page.picks = [(queue_id, None) for queue_id in ids]


def shown(app: App[Any]) -> str:
    """Return the text of the screen, dialogs included."""
    width = app.size.width
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.crop(0, width).text.rstrip() for strip in strips)


@contextmanager
def open_desk(path: Path, **options: Any) -> Iterator[Floor]:
    """Open the spool *path*, whose clock stands still, for what acts on it."""
    with open_world(path, **options) as (world, _clock):
        yield start(world)


@contextmanager
def open_now(path: Path, **options: Any) -> Iterator[Floor]:
    """Open the spool *path* under the real clock, as runners beside it do."""
    with world_of(path, SystemClock(), **options) as world:
        yield start(world)


def start(world: World) -> Floor:
    """Let the index be read to the end."""
    world.feed.start()
    world.lookout.start()
    ids = [i for directory in world.spool.directories for i in directory.ids()]
    deadline = time.monotonic() + PATIENCE
    while not all(is_read(world, queue_id) for queue_id in ids):
        assert time.monotonic() < deadline, "the index is not read"
        world.feed.drain(1.0)
        time.sleep(0.005)
    return Floor(world)


def is_read(world: World, queue_id: str) -> bool:
    row = world.messages.row(queue_id)
    return row is not None and row.stage is Stage.READ


def plant_many(spool: PlantedSpool, count: int, **settings: Any) -> list[str]:
    """Plant *count* plain messages; return their ids, oldest first."""
    names = [f"N{number:05X}" for number in range(count)]
    return [
        spool.plant(name, age=10_000 - at / 10, **settings)
        for at, name in enumerate(names)
    ]


async def until(pilot: Any, done: Callable[[], bool]) -> None:
    """Let the application work until *done*; fail when it never is."""
    deadline = time.monotonic() + PATIENCE
    while True:
        pilot.app.turn()
        await pilot.pause(0.01)
        if done():
            return
        assert time.monotonic() < deadline, f"never: {shown(pilot.app)}"
