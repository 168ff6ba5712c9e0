"""What became of a flush, and the canaries before it, with a real runner and server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.runner.world import World
from tests.tui.operate.desk import Floor, open_now, shown, until
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.spool import control
from tuiq.tui.operate.canary import choices
from tuiq.tui.operate.choose import Choose
from tuiq.tui.operate.confirm import Confirm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tuiq.demo.script import Answer

LATER = int(time.time()) + 86_400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "spool")
    yield world
    world.close()


def answer(address: bytes) -> Answer:
    if address.startswith(b"grey"):
        return b"451 4.7.1 greylisted, come back later"
    return b"550 5.1.1 no such user" if address.startswith(b"no") else None


@pytest.fixture
async def server(world: World) -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(Script(rcpt=answer)) as server:
        world.serve_by(server)
        yield server


def defer(world: World, address: bytes) -> str:
    """Queue a message that is not due for a day."""
    queue_id = world.submit(address)
    at = control.slot_at(0) + control.S_NEXT
    world.poke(queue_id, at, b"%08X" % LATER)
    world.poke(queue_id, control.NEXT, b"%08X" % LATER)
    world.touch(queue_id, LATER)
    return queue_id


async def run_runner(floor: Floor, pilot: object) -> None:
    floor.perform("runner-start")
    await until(pilot, lambda: floor.world.runner.word == "running")
    assert "started a runner" in floor.told.pop()


async def test_a_flush_tells_what_became_of_the_messages(
    world: World, server: ScriptedServer
) -> None:
    ids = [defer(world, b"ok%d@x.invalid" % n) for n in range(3)]
    ids += [defer(world, b"grey%d@x.invalid" % n) for n in range(2)]
    ids.append(defer(world, b"no@x.invalid"))
    with open_now(world.path) as floor:
        async with floor.run_test(size=(120, 36)) as pilot:
            await run_runner(floor, pilot)
            floor.mean(*ids)
            floor.perform("flush")
            await until(pilot, lambda: bool(floor.told))
    assert floor.told == [
        "6 flushed: 3 sent, 2 deferred (451 4.7.1 greylisted, come back later), "
        "1 failed (550 5.1.1 no such user)"
    ]
    assert len(server.received) >= 3


async def test_single_recipients_are_followed_too(
    world: World, server: ScriptedServer
) -> None:
    queue_id = world.submit(b"ok@x.invalid", b"grey@x.invalid")
    for index in (0, 1):
        at = control.slot_at(index) + control.S_NEXT
        world.poke(queue_id, at, b"%08X" % LATER)
    world.poke(queue_id, control.NEXT, b"%08X" % LATER)
    world.touch(queue_id, LATER)
    with open_now(world.path) as floor:
        async with floor.run_test() as pilot:
            await run_runner(floor, pilot)
            floor.page.picks = [(queue_id, (1,))]
            floor.perform("flush")
            await until(pilot, lambda: bool(floor.told))
    assert floor.told[0].startswith("1 flushed: 1 deferred (451 4.7.1 greylisted")
    assert world.states(queue_id) == b"TT"


async def test_without_a_runner_that_is_said(world: World) -> None:
    world.configure(delivery={"smarthost": "127.0.0.1:9"})
    queue_id = defer(world, b"ok@x.invalid")
    with open_now(world.path) as floor:
        async with floor.run_test() as pilot:
            floor.mean(queue_id)
            floor.perform("flush")
            await until(pilot, lambda: bool(floor.told))
    told = "1 flushed: 1 not tried yet · no runner is alive that would try; start one"
    assert floor.told == [told]


async def test_canaries_that_are_taken_offer_the_rest(
    world: World, server: ScriptedServer
) -> None:
    ids = [defer(world, b"ok%d@x.invalid" % n) for n in range(8)]
    with open_now(world.path) as floor:
        async with floor.run_test(size=(120, 36)) as pilot:
            await run_runner(floor, pilot)
            floor.mean(*ids)
            floor.perform("canary")
            await until(pilot, lambda: isinstance(floor.screen, Choose))
            await pilot.press("down", "enter")
            await until(pilot, lambda: bool(floor.told))
            assert floor.told == ["canary: 5 sent · C goes on with the rest (3)"]
            assert [job.of for job in floor.world.jobs.all] == [4, 1]
            assert world.ids() == set(ids[5:]), "the oldest went first"
            floor.perform("canary")
            await until(pilot, lambda: "flush the other 3" in shown(floor))
            assert "goes on with" not in shown(floor), "the key does nothing here"
            await pilot.press("enter")
            await until(pilot, lambda: len(floor.told) == 2)
    assert floor.told[1] == "3 flushed: 3 sent"
    assert not world.ids()


async def test_the_first_refusal_stops_the_canaries(
    world: World, server: ScriptedServer
) -> None:
    ids = [defer(world, b"grey@x.invalid")]
    ids += [defer(world, b"ok%d@x.invalid" % n) for n in range(5)]
    with open_now(world.path) as floor:
        async with floor.run_test(size=(120, 36)) as pilot:
            await run_runner(floor, pilot)
            floor.mean(*ids)
            floor.perform("canary")
            await until(pilot, lambda: isinstance(floor.screen, Choose))
            await pilot.press("down", "enter")
            await until(pilot, lambda: bool(floor.told))
            assert not isinstance(floor.screen, Confirm), "nothing pops up by itself"
            assert floor.operator.line(time.time()).count("C goes on") == 1
    (told,) = floor.told
    assert "1 deferred (451 4.7.1 greylisted, come back later)" in told
    assert "stopped, 4 more canaries stayed" in told
    assert "C goes on with the rest (5)" in told
    assert not server.received


async def test_a_second_drain_stops_hard_after_an_explanation(world: World) -> None:
    world.submit(b"ok@x.invalid")
    async with ScriptedServer(Script(verdict=Act(reply=b""))) as server:
        world.serve_by(server)
        with open_now(world.path) as floor:
            runner = floor.world.runner
            async with floor.run_test(size=(100, 30)) as pilot:
                await run_runner(floor, pilot)
                await until(pilot, lambda: bool(server.received))
                floor.perform("runner-drain")
                assert "T again stops it hard" in floor.told[-1]
                assert runner.word == "draining"
                floor.perform("runner-drain")
                await until(pilot, lambda: "may then be sent a second" in shown(floor))
                await pilot.press("enter")
                assert runner.pid is not None
                await pilot.press("y")
                await until(pilot, lambda: runner.pid is None)
                await until(pilot, lambda: runner.word == "ended with SIGKILL")


async def test_a_flush_waits_for_an_answer_that_is_slow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuiq.tui.operate.outcome.SHORT_PATIENCE", 0.2)
    monkeypatch.setattr("tuiq.tui.operate.outcome.PATIENCE", 0.4)
    queue_id = defer(world, b"ok@x.invalid")
    async with ScriptedServer(Script(verdict=Act(delay=1.5))) as server:
        world.serve_by(server)
        with open_now(world.path) as floor:
            async with floor.run_test() as pilot:
                await run_runner(floor, pilot)
                floor.mean(queue_id)
                floor.perform("flush")
                await until(pilot, lambda: bool(floor.told))
    assert floor.told == ["1 flushed: 1 sent"]


def test_what_canaries_there_may_be_is_said_in_whole_phrases() -> None:
    assert [choice.words() for choice in choices(30)] == [
        "the oldest message",
        "the oldest 5 messages",
        "5 messages, spread over destinations",
        "the oldest 30 messages",
        "30 messages, spread over destinations",
    ]
