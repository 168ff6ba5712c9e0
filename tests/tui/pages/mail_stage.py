"""A page of mail on its own, over a real spool that is read by the real feed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pytest

from tests.tui.world import PlantedSpool, Stage, furnish, open_world, settle
from tuiq.tui.look.palette import Palette

if TYPE_CHECKING:
    from tests.spool.world import SetClock
    from tuiq.tui.pages.message_list import ListPage
    from tuiq.tui.world import World


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show times in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


P = TypeVar("P", bound="ListPage")


@dataclass
class MailStage(Generic[P]):
    """What a test needs to look at a page and to press its keys."""

    app: Stage
    pilot: Any
    page: P
    world: World
    clock: SetClock
    spool: PlantedSpool

    @property
    def text(self) -> str:
        """Return what is on the screen."""
        width = self.app.size.width
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.crop(0, width).text.rstrip() for strip in strips)

    @property
    def copied(self) -> str:
        """Return what was put on the clipboard."""
        return self.app.clipboard

    def row(self, name: str) -> str:
        """Return the line of a message, by the end of its id."""
        tail = self.spool.ids[name][-10:]
        return next((line for line in self.text.split("\n") if tail in line), "")

    async def until(self, done: Callable[[], bool]) -> None:
        """Let the application work until *done*."""
        await settle(self.pilot, done)

    async def sees(self, *texts: str) -> None:
        """Wait until all *texts* are on the screen."""
        try:
            await self.until(lambda: all(text in self.text for text in texts))
        except AssertionError:
            missing = [text for text in texts if text not in self.text]
            raise AssertionError(f"{missing} not in\n{self.text}") from None

    async def do(self, *commands: str) -> None:
        """Do commands as their keys do."""
        for command in commands:
            why = self.page.why_not(command)
            assert not why, f"{command}: {why}"
            self.page.perform(command)
            await self.pilot.pause()

    async def go_to(self, name: str, slot: int | None = None) -> None:
        """Put the cursor on a message or a recipient."""
        queue_id = self.spool.ids[name]
        key = queue_id if slot is None else (queue_id, slot)
        await self.until(lambda: self.page.grid.go_to(key))

    async def opened(self, name: str, section: str) -> None:
        """Open a message at a section, by the command that leads there."""
        await self.go_to(name)
        await self.do(section)
        await self.until(lambda: self.page.message.facts is not None)

    async def age(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.time += seconds
        self.app.turn()
        await self.pilot.pause()


@asynccontextmanager
async def staged(
    page: P,
    path: Path,
    *,
    size: tuple[int, int] = (120, 36),
    plant: Callable[[PlantedSpool], None] | None = None,
    ascii: bool = False,
) -> AsyncIterator[MailStage[P]]:
    """Show *page* on a spool with a message in each state, or what *plant* plants."""
    if plant is None:
        spool = furnish(path / "spool")
    else:
        spool = PlantedSpool(path / "spool")
        plant(spool)
    with open_world(spool.path) as (world, clock):
        world.lookout.start()
        world.feed.start()
        app = Stage(world, page)
        app.palette_now = Palette(name="test", ascii=ascii)
        async with app.run_test(size=size) as pilot:
            stage = MailStage(app, pilot, page, world, clock, spool)
            await stage.until(lambda: _is_read(stage))
            app.turn()
            await stage.until(lambda: _is_drawn(stage))
            app.turn()
            await pilot.pause()
            yield stage


def _is_read(stage: MailStage[Any]) -> bool:
    messages = stage.world.messages
    rows = [messages.row(queue_id) for queue_id in stage.spool.ids.values()]
    return not messages.is_busy and all(
        row is not None and row.stage.value == "read" for row in rows
    )


def _is_drawn(stage: MailStage[Any]) -> bool:
    """Say whether every row is listed, and has its line if there is room."""
    page, grid = stage.page, stage.page.grid
    if page.view.count < page.view.among:
        return False
    top = grid.region.y + 1  # below the head
    room = min(page.model.count, grid.size.height - 1)
    lines = stage.text.split("\n")[top : top + room]
    return len(lines) == room and all(lines)
