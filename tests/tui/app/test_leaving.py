"""q leaves; it asks only while something is at work, and Enter decides nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.tui.app.desk import NARROW, WIDE, opened
from tuiq.tui.operate.job import Job

if TYPE_CHECKING:
    from pathlib import Path

    from tuiq.tui.world import World


class BusyRunner:
    """A runner that was started here and delivers."""

    pid = 4711
    word = "running"

    def __init__(self) -> None:
        self.left = False

    def leave_running(self) -> None:
        self.left = True

    def close(self) -> None:
        """End nothing."""


def with_runner(world: World) -> None:
    runner: Any = BusyRunner()
    world.runner = runner


def with_job(world: World) -> None:
    job = Job(number=1, verb="hold", scope="2 marked", of=1842, done=212)
    jobs: Any = SimpleNamespace(
        running=[job], all=[job], close=world.jobs.close, forget=lambda: None
    )
    world.jobs = jobs


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_q_leaves_at_once_when_nothing_is_at_work(
    tmp_path: Path, key: str
) -> None:
    async with opened(tmp_path) as desk:
        await desk.press(key)
        assert desk.app._exit
        assert desk.app.return_code == 0


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_runner_of_our_own_is_asked_about(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with opened(tmp_path, size=size, prepare=with_runner) as desk:
        await desk.press("q")
        assert "pid 4711" in desk.screen
        await desk.press("enter", "q")
        assert len(desk.app.screen_stack) == 2
        await desk.press("escape")
        assert len(desk.app.screen_stack) == 1
        assert not desk.app._exit


async def test_the_runner_may_be_left_running(tmp_path: Path) -> None:
    async with opened(tmp_path, prepare=with_runner) as desk:
        await desk.press("q", "l")
        assert desk.app._exit
        assert desk.app.world.runner.left  # type: ignore[attr-defined]


async def test_or_drained(tmp_path: Path) -> None:
    async with opened(tmp_path, prepare=with_runner) as desk:
        await desk.press("q", "d")
        assert desk.app._exit
        assert not desk.app.world.runner.left  # type: ignore[attr-defined]


async def test_a_job_is_asked_about(tmp_path: Path) -> None:
    async with opened(tmp_path, prepare=with_job) as desk:
        await desk.press("q")
        assert "Hold is at work: 212 of 1,842 messages done" in desk.screen
        await desk.press("l")
        assert not desk.app._exit
        await desk.press("d")
        assert desk.app._exit
