"""A page with given rows, an application that only acts, and a real spool below."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from textual.app import App

from tests.spool.world import SetClock
from tests.tui.world import NOW, PlantedSpool
from tuiq.actions.actor import Actor
from tuiq.config import load
from tuiq.spool.pauses import NOTHING
from tuiq.spool.spool import Spool
from tuiq.tui.choices import Choices
from tuiq.tui.index.messages import Row, Stage
from tuiq.tui.look.palette import Palette
from tuiq.tui.operate.jobs import Jobs
from tuiq.tui.operate.operator import Operator
from tuiq.tui.operate.runner import RunnerControl
from tuiq.tui.pages.page import Page, Subject
from tuiq.tui.world import Options, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from textual.screen import ModalScreen

    from tuiq.clock import Clock

T = TypeVar("T")
ACTOR = Actor(who="ops", uid=0, user="root", host="mx1.example.net")


class Index:
    """Rows made from the files at once, as the index would have them later."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def row(self, queue_id: str) -> Row | None:
        for directory in self._spool.directories:
            if queue_id in directory.ids():
                entry = self._spool.entry(queue_id)
                return Row(
                    queue_id=queue_id,
                    directory=entry.directory,
                    birth=entry.birth,
                    stage=Stage.READ,
                    state=entry.state(),
                )
        return None


class Desk(Page):
    """A page whose subject is what the test says."""

    page_name = "desk"
    picks: Sequence[tuple[str, tuple[int, ...] | None]] = ()
    scope = "what the test says"
    hidden_marks = 0
    places: Sequence[list[str]] = (["spool"],)

    def subject(self) -> Subject | None:
        if not self.picks:
            return None
        return Subject(
            scope=self.scope, picks=tuple(self.picks), hidden=self.hidden_marks
        )

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
        self.operator = Operator(self)

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

    def refresh_bars(self) -> None:
        """Have no bars."""

    def mean(self, *ids: str) -> None:
        """Let these messages be the subject."""
        self.page.picks = [(queue_id, None) for queue_id in ids]

    @property
    def asked(self) -> str:
        """Return all that the open dialog says; empty without one."""
        return shown(self)


def shown(app: App[Any]) -> str:
    """Return the text of the screen, dialogs included."""
    width = app.size.width
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.crop(0, width).text.rstrip() for strip in strips)


@contextmanager
def open_desk(
    path: Path, *, clock: Clock | None = None, **options: Any
) -> Iterator[Floor]:
    """Open the spool *path* for an application that acts on it."""
    config = load(str(path / "tuiq.toml"))
    with Spool(config, clock=clock or SetClock(float(NOW))) as spool:
        around = SimpleNamespace(pauses=NOTHING, alive=[], runners=())
        world = World(
            config=spool.config,
            spool=spool,
            clock=spool.clock,
            actor=ACTOR,
            messages=cast("Any", Index(spool)),
            feed=cast("Any", None),
            lookout=cast("Any", SimpleNamespace(sight=SimpleNamespace(around=around))),
            jobs=Jobs(spool, ACTOR),
            runner=RunnerControl(spool.config),
            choices=Choices(),
            options=Options(**options),
        )
        try:
            yield Floor(world)
        finally:
            world.jobs.close(5.0)
            world.runner.close()


def plant_many(spool: PlantedSpool, count: int, **settings: Any) -> list[str]:
    """Plant *count* plain messages; return their ids, oldest first."""
    names = [f"N{number:05X}" for number in range(count)]
    return [
        spool.plant(name, age=10_000 - at / 10, **settings)
        for at, name in enumerate(names)
    ]


async def until(pilot: Any, done: Callable[[], bool], *, seconds: float = 20) -> None:
    """Let the application work until *done*; fail when it never is."""
    for _ in range(int(seconds / 0.01)):
        await pilot.pause(0.01)
        if done():
            return
    raise AssertionError(f"it never came to that: {shown(pilot.app)}")
