"""Limits that an operator changes while a runner works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.world import World, until
from tuiq.actions.actor import Actor
from tuiq.actions.limiting import limits_now, set_limits
from tuiq.actions.verbs import undo
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.errors import SpoolUnavailable, UsageError
from tuiq.spool.limits import FILE, Limits, read_limits

if TYPE_CHECKING:
    from collections.abc import Callable

ANN = Actor(who="ann", uid=0)
WIDE = Limits(concurrency=40, initial_concurrency=7)


def ceiling(world: World) -> int:
    """Return the most connections that the runner allows its only destination."""
    for destination in world.status()["destinations"]:
        return int(destination["ceiling"])
    return 0


def notes(world: World) -> list[str]:
    return list(world.status()["notes"])


async def test_they_reach_a_living_runner_which_says_so(world: World) -> None:
    world.submit()
    async with ScriptedServer(Script(data=Act(reply=b""))) as server:
        world.serve_by(server)
        before = world.file.read_text()
        with world.process():
            await until(lambda: ceiling(world) == 20)
            action = set_limits(world.other, WIDE, actor=ANN)
            await until(lambda: ceiling(world) == 40)
            (note,) = notes(world)
            assert "limits changed by ann: 40 connections" in note
            assert note in world.run("status").stdout
            assert limits_now(world.other).concurrency == 40
            undo(world.other, action, actor=ANN)
            await until(lambda: ceiling(world) == 20)
            assert notes(world) == []
    assert world.file.read_text() == before


async def test_a_new_runner_begins_by_its_file(world: World) -> None:
    with world.process() as process:
        set_limits(world.other, WIDE, actor=ANN)
        await until(lambda: notes(world))
        process.terminate()
        await until(lambda: process.poll() is not None)
        assert (world.path / "run" / FILE).exists()
    with world.process():
        await until(lambda: not (world.path / "run" / FILE).exists())
        assert notes(world) == []


async def test_without_a_runner_there_is_nothing_to_change(world: World) -> None:
    with pytest.raises(SpoolUnavailable, match="no runner is alive"):
        set_limits(world.other, WIDE, actor=ANN)
    assert read_limits(world.other.fs, world.other.run_fd) is None


@pytest.mark.parametrize(("most", "first"), [(0, 1), (5, 6), (10_001, 1)])
def test_numbers_that_cannot_be_are_refused(
    world: World, most: int, first: int
) -> None:
    limits = Limits(concurrency=most, initial_concurrency=first)
    with pytest.raises(UsageError):
        set_limits(world.other, limits, actor=ANN)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"concurrency": 0}', '{"concurrency": "9"}']
)
def test_a_file_that_makes_no_sense_changes_nothing(world: World, content: str) -> None:
    (world.path / "run" / FILE).write_text(content)
    assert read_limits(world.other.fs, world.other.run_fd) is None


async def test_they_reach_workers(make_world: Callable[..., Any]) -> None:
    world = make_world(runner={"max_workers": 2})
    world.submit()
    async with ScriptedServer(Script(data=Act(reply=b""))) as server:
        world.serve_by(server)
        with world.process():
            status = world.path / "run" / "supervisor.status"

            def told() -> str:
                return status.read_text() if status.exists() else ""

            await until(lambda: '"ceiling":20' in told())
            set_limits(world.other, WIDE, actor=ANN)
            await until(lambda: '"ceiling":40' in told())
            assert "limits changed by ann" in told()
