"""Nothing is starved: new mail, retries, small messages, other destinations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.test_flow import everybody
from tests.runner.test_routes import BERLIN, PARIS, at, route
from tests.runner.world import StillClock, World, until
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.runner import crowds

if TYPE_CHECKING:
    from collections.abc import Callable

SLOW = Script(dot=Act(delay=0.02))
ONE = {"concurrency": 1, "initial_concurrency": 1}


def recipients(server: ScriptedServer) -> list[bytes]:
    """Return the recipients in the order in which they were served."""
    return [to for message in server.received for to, _ in message.recipients]


def overdue(world: World, count: int, address: bytes, **envelope: Any) -> list[str]:
    """Queue messages that were deferred and have been due for a minute."""
    ids = [world.submit(address, **envelope) for _ in range(count)]
    for queue_id in ids:
        world.touch(queue_id, world.spool.clock.now() - 60)
    return ids


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let memory hold 20 messages."""
    monkeypatch.setattr(crowds, "MAX_ACTIVE", 20)
    monkeypatch.setattr(crowds, "MIN_SHARE", 2)


async def test_new_mail_does_not_wait_behind_an_overdue_backlog(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery=ONE)
    overdue(world, 80, b"old@x.invalid")
    async with ScriptedServer(SLOW) as server, world.running(server):
        await until(lambda: len(server.received) >= 5)
        began = len(server.received)
        world.submit(b"new@x.invalid")
        await until(lambda: b"new@x.invalid" in recipients(server))
        assert recipients(server).index(b"new@x.invalid") < began + 10


@pytest.mark.usefixtures("narrow")
async def test_new_mail_gets_its_turn_when_memory_is_full_of_retries(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery=ONE)
    overdue(world, 80, b"old@x.invalid")
    async with ScriptedServer(SLOW) as server, world.running(server):
        await until(lambda: len(server.received) >= 5)
        began = len(server.received)
        world.submit(b"new@x.invalid")
        await until(lambda: b"new@x.invalid" in recipients(server))
        assert recipients(server).index(b"new@x.invalid") < began + 10


@pytest.mark.usefixtures("narrow")
async def test_retries_do_not_wait_behind_new_mail_that_came_before_them(
    make_world: Callable[..., World], clock: StillClock
) -> None:
    world = make_world(delivery=ONE, clock=clock)
    old = [world.submit(b"old@x.invalid") for _ in range(2)]
    clock.offset = 100
    for _ in range(80):
        world.submit(b"new@x.invalid")
    clock.offset = 110
    for queue_id in old:
        world.touch(queue_id, clock.now() - 5)
    async with ScriptedServer(SLOW) as server:
        world.serve_by(server)
        await world.once()
        order = recipients(server)
    places = [n for n, address in enumerate(order) if address[:3] == b"old"]
    assert len(places) == 2
    assert places[1] < 8
    assert len(order) == 82


async def test_small_messages_do_not_wait_behind_a_huge_one(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"recipients_per_transaction": 10, **ONE})
    world.submit(*(b"u%d@x.invalid" % number for number in range(2000)))
    for _ in range(5):
        world.submit(b"small@x.invalid")
    async with ScriptedServer() as server:
        await world.once(server)
        order = recipients(server)
    places = [n for n, address in enumerate(order) if address[:5] == b"small"]
    assert len(places) == 5
    assert places[-1] < 100
    assert len(order) == 2005


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("fresh", [True, False])
async def test_a_slow_destination_with_a_backlog_keeps_nobody_out(
    make_world: Callable[..., World], *, fresh: bool
) -> None:
    world = make_world()
    for address, count in ((BERLIN, 100), (PARIS, 30)):
        if fresh:
            for _ in range(count):
                world.submit(address)
        else:
            overdue(world, count, address)
    late = Script(dot=Act(delay=0.2))
    async with ScriptedServer(late) as slow, ScriptedServer() as quick:
        to = {"to": "*.de", "via": at(slow), "concurrency": 1}
        route(world, to, smarthost=at(quick))
        async with world.running():
            await until(lambda: len(quick.received) == 30)
            assert len(slow.received) < 20


@pytest.mark.usefixtures("narrow")
async def test_a_slow_way_of_many_messages_does_not_keep_their_quick_one_waiting(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    for _ in range(60):
        world.submit(BERLIN, PARIS)
    late = Script(dot=Act(delay=0.1))
    async with ScriptedServer(late) as slow, ScriptedServer() as quick:
        to = {"to": "*.de", "via": at(slow), "concurrency": 1}
        route(world, to, smarthost=at(quick))
        async with world.running():
            await until(lambda: len(quick.received) == 60)
            assert len(slow.received) < 40
            assert everybody(quick) == {PARIS: 60}


@pytest.mark.usefixtures("narrow")
async def test_what_waits_outside_is_sent_once_each_in_one_pass(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    overdue(world, 50, BERLIN)
    for _ in range(50):
        world.submit(BERLIN, PARIS)
    async with ScriptedServer(SLOW) as slow, ScriptedServer() as quick:
        route(world, {"to": "*.de", "via": at(slow)}, smarthost=at(quick))
        await world.once()
        assert everybody(slow) == {BERLIN: 100}
        assert everybody(quick) == {PARIS: 50}
    assert world.ids() == set()


@pytest.mark.usefixtures("narrow")
async def test_what_waits_outside_takes_a_new_route(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    overdue(world, 60, BERLIN)
    late = Script(dot=Act(delay=0.5))
    async with ScriptedServer(late) as slow, ScriptedServer() as quick:
        to = {"to": "*.de", "via": at(slow), "concurrency": 1}
        route(world, to, smarthost=at(quick))
        async with world.running() as runner:
            await until(lambda: len(runner.routes.crowds) > 30)
            route(world, smarthost=at(quick))
            runner.reconfigure()
            await until(lambda: len(quick.received) >= 55)
