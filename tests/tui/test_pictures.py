"""Every screen as a picture: six pages, two sizes, with colours and without any.

With TUIQ_UPDATE_PICTURES set the files are written instead, to be looked at and
committed by a person.  The README shows some of them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.tui.svg import screen_svg
from tests.tui.world import furnish, open_world, settle
from tuiq.spool.fs import OsFs
from tuiq.tui.app import TuiqApp
from tuiq.tui.bars import title
from tuiq.tui.frame import PAGES
from tuiq.tui.index.feed import Freshness
from tuiq.tui.index.messages import Stage
from tuiq.tui.live import directories
from tuiq.tui.look.appearance import Appearance
from tuiq.tui.look.colours import MILLIONS
from tuiq.tui.look.themes import shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tuiq.tui.world import World

PICTURES = Path(__file__).parent / "pictures"
SIZES = {"120x36": (120, 36), "80x24": (80, 24)}
DEPTHS = {"colours": MILLIONS, "plain": 0}
_LOOKS = 60
"""Looks through which a picture must stand that is not the one wanted."""


@pytest.fixture
def still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing depend on this machine: its disk, its zone, the spool's place."""
    space = SimpleNamespace(
        f_frsize=4096,
        f_blocks=1 << 24,
        f_bavail=1 << 23,
        f_files=1 << 20,
        f_favail=1 << 19,
    )
    monkeypatch.setattr(OsFs, "statvfs", lambda _self, _fd: space)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    for module, name in ((title, "clean"), (directories, "printable")):
        monkeypatch.setattr(module, name, _placed(getattr(module, name), tmp_path))


def _placed(escape: Callable[[str], str], path: Path) -> Callable[[str], str]:
    return lambda text: escape(text).replace(str(path / "spool"), "/var/spool/tuiq")


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", PAGES)
async def test_a_screen_looks_as_in_its_picture(
    page: str, size: str, depth: str, tmp_path: Path, still: None
) -> None:
    file = PICTURES / f"{page}-{size}-{depth}.svg"
    update = bool(os.environ.get("TUIQ_UPDATE_PICTURES"))
    wanted = "" if update else file.read_text(encoding="utf-8")

    picture = await draw(tmp_path, page, SIZES[size], DEPTHS[depth], wanted)

    if update:
        file.write_text(picture, encoding="utf-8")
    (tmp_path / file.name).write_text(picture, encoding="utf-8")
    assert update or picture == wanted, (
        f"{tmp_path / file.name} differs; if it is right, set TUIQ_UPDATE_PICTURES"
    )


async def draw(
    path: Path, page: str, size: tuple[int, int], depth: int, wanted: str
) -> str:
    """Return the picture of a page over the furnished spool.

    It is *wanted*, or one that did not change for a while: threads still read the
    message of the pane when the page comes up.
    """
    ids = furnish(path / "spool").ids.values()
    with open_world(path / "spool") as (world, _clock):
        setattr(world.lookout, "start", world.lookout.look)  # noqa: B010
        appearance = Appearance(collection=shipped(), depth=depth)
        app = TuiqApp(world, appearance=appearance)
        async with app.run_test(size=size) as pilot:
            await settle(pilot, lambda: app.is_up)
            await settle(pilot, lambda: all_read(world, ids))
            app.go(page)
            seen: list[str] = []

            def is_done() -> bool:
                seen.append(screen_svg(app))
                last = seen[-_LOOKS:]
                return seen[-1] == wanted or (len(last), len(set(last))) == (_LOOKS, 1)

            await settle(pilot, is_done)
            return seen[-1]


def all_read(world: World, ids: Iterable[str]) -> bool:
    """Say whether the index knows everything about these messages."""
    rows = [world.messages.row(queue_id) for queue_id in ids]
    return world.feed.state.freshness is Freshness.LIVE and all(
        row is not None and row.stage is Stage.READ for row in rows
    )
