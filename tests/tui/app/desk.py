"""The application on a furnished spool, and what can be seen of it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.tui.world import furnish, open_world, settle
from tuiq.tui.app import TuiqApp
from tuiq.tui.index.feed import Freshness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from textual.pilot import Pilot

    from tests.spool.world import SetClock
    from tests.tui.world import PlantedSpool
    from tuiq.tui.troubles import Troubles
    from tuiq.tui.world import World

WIDE, NARROW = (120, 36), (80, 24)
_NAMES = {
    " ": "space", ":": "colon", ">": "greater_than_sign", "<": "less_than_sign",
    ".": "full_stop", "=": "equals_sign", "!": "exclamation_mark", "/": "slash",
}  # fmt: skip


class Desk:
    """One running application."""

    def __init__(
        self,
        pilot: Pilot[int],
        app: TuiqApp,
        clock: SetClock,
        planted: PlantedSpool,
    ) -> None:
        self.pilot = pilot
        self.app = app
        self.clock = clock
        self.planted = planted

    @property
    def lines(self) -> list[str]:
        """Return what is on the screen."""
        strips = self.app.screen._compositor.render_strips()
        return [strip.text for strip in strips]

    @property
    def screen(self) -> str:
        return "\n".join(self.lines)

    @property
    def toasts(self) -> list[str]:
        return [note.message for note in self.app._notifications]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        await self.press(*(_NAMES.get(char, char) for char in text))

    async def until(self, done: Callable[[], bool]) -> None:
        await settle(self.pilot, done)

    async def turn(self) -> None:
        """Let a tick pass."""
        self.app.turn()
        await self.pilot.pause()


@asynccontextmanager
async def opened(
    path: Path,
    *,
    size: tuple[int, int] = WIDE,
    rows: bool = False,
    prepare: Callable[[World], object] = lambda world: None,
    troubles: Troubles | None = None,
    **options: Any,
) -> AsyncIterator[Desk]:
    """Open the UI; the queue is read only if *rows* are wanted."""
    planted = furnish(path)
    with open_world(path, **options) as (world, clock):
        if not rows:
            setattr(world.feed, "start", lambda: None)  # noqa: B010
        prepare(world)
        app = TuiqApp(world, troubles=troubles)
        async with app.run_test(size=size, notifications=True) as pilot:
            desk = Desk(pilot, app, clock, planted)
            await desk.until(lambda: app.is_up)
            if rows:
                await desk.until(
                    lambda: (
                        world.feed.state.freshness is Freshness.LIVE
                        and app.page.subject() is not None
                    )
                )
                await desk.turn()
            yield desk
