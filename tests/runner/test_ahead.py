"""Messages opened early, whose commands leave with the dot of the one before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.test_fairness import recipients
from tests.runner.test_process import ended
from tests.runner.world import World, until
from tuiq.demo.script import Act, Answer, Peer, Script
from tuiq.demo.server import ScriptedServer
from tuiq.runner import trip
from tuiq.spool.answers import Verb

if TYPE_CHECKING:
    from collections.abc import Callable

ONE = {"concurrency": 1, "initial_concurrency": 1}


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open messages early though few wait."""
    monkeypatch.setattr(trip, "BACKLOG", 1)


@pytest.fixture
def one(make_world: Callable[..., World]) -> World:
    """A world with one connection at a time."""
    return make_world(delivery=ONE)


def fill(world: World, count: int) -> list[str]:
    """Queue messages whose recipients tell them apart."""
    return [world.submit(b"u%02d@x.invalid" % n) for n in range(count)]


def at(connection: int, transaction: int, answer: Answer) -> Any:
    """Answer so to one transaction only."""

    def pick(peer: Peer) -> Answer:
        here = peer.connection == connection and peer.transaction == transaction
        return answer if here else None

    return pick


def went_along(server: ScriptedServer) -> int:
    """Count the envelopes that came in one segment with a dot."""
    return sum(b"\r\n.\r\nMAIL FROM" in segment for segment in server.segments)


async def test_a_backlog_is_delivered_with_a_round_trip_a_message(one: World) -> None:
    fill(one, 60)
    async with ScriptedServer() as server:
        await one.once(server)
    assert sorted(recipients(server)) == [b"u%02d@x.invalid" % n for n in range(60)]
    assert server.connections == 1
    assert went_along(server) >= 35
    assert not one.ids()


async def test_few_messages_are_not_opened_early(one: World) -> None:
    fill(one, 15)
    async with ScriptedServer() as server:
        await one.once(server)
    assert len(server.received) == 15
    assert not went_along(server)


@pytest.mark.usefixtures("eager")
async def test_a_connection_that_has_had_its_messages_opens_no_other(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={**ONE, "messages_per_connection": 3})
    fill(world, 10)
    async with ScriptedServer() as server:
        await world.once(server)
    assert len(recipients(server)) == len(set(recipients(server))) == 10
    assert went_along(server) >= 4
    assert server.connections == 4
    assert server.commands.count(b"QUIT") == 4


@pytest.mark.usefixtures("eager")
async def test_a_server_that_takes_few_messages_a_connection_gets_them_all_once(
    one: World,
) -> None:
    ids = fill(one, 10)
    async with ScriptedServer(Script(max_transactions=3)) as server:
        await one.once(server)
    assert len(recipients(server)) == len(set(recipients(server))) == 10
    assert went_along(server) >= 4
    assert not one.ids() & set(ids)
    assert not one.journal("deferred")


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("act", [Act(drop=True), b"421 4.3.2 Closing"])
async def test_a_loss_at_the_dot_costs_the_one_behind_no_attempt(
    make_world: Callable[..., World], act: Answer
) -> None:
    world = make_world(delivery=ONE, spool={"in_doubt": "hold"})
    ids = fill(world, 8)
    async with ScriptedServer(Script(dot=at(1, 2, act))) as server:
        await world.once(server)
    assert len(recipients(server)) == len(set(recipients(server))) == 7
    (left,) = world.ids()
    assert left in ids
    entry = world.entry(left)
    assert entry.states == (b"U" if isinstance(act, Act) else b"T")
    assert [line["id"] for line in world.journal("in_doubt")] == (
        [left] if isinstance(act, Act) else []
    )
    deferred = {line["id"] for line in world.journal("deferred")}
    assert deferred == (set() if isinstance(act, Act) else {left})


@pytest.mark.usefixtures("eager")
async def test_a_server_that_does_not_hear_early_commands_gets_none_for_a_while(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={**ONE, "command_timeout": 1.0})
    fill(world, 10)
    script = Script(mail=at(1, 3, Act(reply=b"")))
    async with ScriptedServer(script) as server:
        await world.once(server)
    assert len(recipients(server)) == len(set(recipients(server))) == 10
    assert went_along(server) == 2
    assert not world.journal("deferred")


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("verb", [Verb.DELETE, Verb.HOLD])
async def test_a_request_between_opening_and_mail_is_honoured(
    one: World, verb: Verb
) -> None:
    ids = fill(one, 4)
    gate = asyncio.Event()
    async with ScriptedServer(Script(data=at(1, 1, Act(until=gate)))) as server:
        one.serve_by(server)
        runner = one.make_runner(once=True)
        task = asyncio.create_task(runner.run())
        await until(lambda: b"DATA" in server.commands)
        assert runner.desk.open_messages == 2
        first = int(server.commands[2][len("RCPT TO:<u") :][:2])
        for n, queue_id in enumerate(ids):
            if n != first:
                one.operate(verb, queue_id)
        gate.set()
        await task
    assert recipients(server) == [b"u%02d@x.invalid" % first]
    assert sum(c.startswith(b"MAIL") for c in server.commands) == 1


@pytest.mark.usefixtures("eager")
async def test_what_is_ahead_at_the_dot_is_in_flight_for_an_operator(
    one: World,
) -> None:
    ids = fill(one, 4)
    gate = asyncio.Event()
    script = Script(verdict=at(1, 1, Act(until=gate)))
    async with ScriptedServer(script) as server:
        one.serve_by(server)
        runner = one.make_runner(once=True)
        task = asyncio.create_task(runner.run())
        await until(lambda: server.received)
        states = {one.states(queue_id): queue_id for queue_id in ids}
        assert set(states) == {b"U", b"A", b"T"}
        assert "in flight" in one.operate(Verb.DELETE, states[b"A"])
        (connection,) = runner.courier.watchers.values()
        assert connection.message == states[b"U"]
        gate.set()
        await task
    assert len(recipients(server)) == 4


@pytest.mark.usefixtures("eager")
async def test_what_waits_too_long_for_the_one_before_goes_back(
    one: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trip, "PATIENCE", 0.05)
    ids = fill(one, 5)
    gate = asyncio.Event()
    script = Script(verdict=at(1, 1, Act(until=gate)))
    async with ScriptedServer(script) as server:
        one.serve_by(server)
        task = asyncio.create_task(one.make_runner(once=True).run())
        await until(lambda: server.received)
        await until(lambda: sorted(map(one.states, ids)) == [b"T"] * 4 + [b"U"])
        gate.set()
        await task
    assert len(recipients(server)) == len(set(recipients(server))) == 5
    assert server.connections == 2
    assert not one.journal("deferred")


async def test_term_at_the_dot_puts_the_one_behind_back_at_once(one: World) -> None:
    ids = fill(one, 30)
    gate = asyncio.Event()
    script = Script(verdict=at(1, 1, Act(until=gate)))
    async with ScriptedServer(script) as server:
        one.serve_by(server)
        with one.process() as process:
            await until(lambda: server.received)
            await until(lambda: min(map(one.states, ids)) == b"A")
            process.terminate()
            await until(lambda: min(map(one.states, ids)) == b"T")
            assert process.poll() is None
            gate.set()
            said = await ended(process)
    assert process.returncode == 0, said
    assert len(server.received) == 1
    left = [one.entry(queue_id) for queue_id in one.ids()]
    assert len(left) == 29
    assert {(entry.states, entry.tries, entry.opened) for entry in left} == {
        (b"T", 0, 0)
    }


async def test_a_runner_killed_at_the_dot_leaves_one_in_doubt(one: World) -> None:
    fill(one, 30)
    script = Script(verdict=at(1, 1, Act(reply=b"")))
    async with ScriptedServer(script) as server:
        one.serve_by(server)
        with one.process() as process:
            await until(lambda: server.received)
            process.kill()
            process.wait()
    states = sorted(one.states(queue_id) for queue_id in one.ids())
    assert states == [b"A"] + [b"T"] * 28 + [b"U"]
    async with ScriptedServer() as server:
        await one.once(server)
    assert len(server.received) == 30
    assert len(one.journal("possible_duplicate")) == 1
