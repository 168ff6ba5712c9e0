"""What the tests of the live pages share: a stage, runners, what is on the screen."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tests.tui.world import NOW, Stage, furnish, open_world, settle
from tuiq.spool.status import RunnerStatus, StatusWriter
from tuiq.tui.page import Page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from textual.pilot import Pilot

    from tests.spool.world import SetClock
    from tests.tui.world import PlantedSpool
    from tuiq.tui.world import World

P = TypeVar("P", bound=Page)
MESSAGES = 13
"""What ``furnish`` plants."""


class Scene(Generic[P]):
    """A page on a stage, and the world around it."""

    def __init__(
        self, page: P, world: World, clock: SetClock, planted: PlantedSpool
    ) -> None:
        self.page, self.world, self.clock, self.planted = page, world, clock, planted
        self.app = Stage(world, page)
        self.pilot: Pilot[Any]

    @property
    def text(self) -> str:
        """Return what is on the screen."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(part.text for part in strip) for strip in strips)

    def line(self, part: str) -> str:
        """Return the first line that has *part* in it."""
        found = [line for line in self.text.splitlines() if part in line]
        assert found, f"{part} is not in:\n{self.text}"
        return found[0]

    async def turn(self, seconds: float = 0.0) -> None:
        """Let time pass, look around, and show it."""
        self.clock.time += seconds
        self.world.lookout.look()
        self.app.turn()
        await self.pilot.pause()

    async def focus(self, key: object) -> None:
        """Put the cursor on a row."""
        self.page.focus_on(key)
        await self.pilot.pause()

    async def do(self, *commands: str) -> None:
        for command in commands:
            assert not self.page.why_not(command), self.page.why_not(command)
            self.page.perform(command)
            await self.pilot.pause()

    async def until(self, done: Callable[[], bool]) -> None:
        await settle(self.pilot, done)

    @contextmanager
    def runner(self, name: str, **facts: Any) -> Iterator[StatusWriter]:
        """Be a runner for a while."""
        fs, run_fd = self.world.spool.fs, self.world.spool.run_fd
        writer = StatusWriter(fs, run_fd, name, self.clock)
        told: dict[str, Any] = {"started": NOW - 4000.0, "fd_limit": 1024, **facts}
        writer.write(RunnerStatus(name=name, **told))
        try:
            yield writer
        finally:
            writer.close()


@asynccontextmanager
async def board(
    path: Path,
    page: P,
    size: tuple[int, int] = (120, 36),
    *,
    prepare: Callable[[PlantedSpool], None] = lambda _: None,
    read: bool = True,
) -> AsyncIterator[Scene[P]]:
    """Show *page* of a furnished spool; not *read*: the index stays empty."""
    planted = furnish(path)
    prepare(planted)
    with open_world(path) as (world, clock):
        scene = Scene(page, world, clock, planted)
        async with scene.app.run_test(size=size) as pilot:
            scene.pilot = pilot
            if read:
                world.feed.start()
                await settle(pilot, lambda: world.messages.count >= MESSAGES)
            await scene.turn()
            yield scene
