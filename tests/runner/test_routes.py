"""Messages with several ways out: each recipient goes its own, once."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.delivery.dns_server import DnsServer
from tests.runner.test_flow import everybody
from tests.runner.world import StillClock, World, until
from tuiq.config.routes import Rate
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.mail.reply import Reply
from tuiq.runner import memory
from tuiq.runner.access import Access, OwnGovernor
from tuiq.runner.governor import Governor
from tuiq.runner.limits import Pace
from tuiq.runner.routes import Routes, Way
from tuiq.runner.work import Destination, Work
from tuiq.spool.answers import Verb
from tuiq.spool.pause import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

BERLIN = b"u@berlin.de"
PARIS = b"u@paris.fr"


def at(server: ScriptedServer) -> str:
    return f"127.0.0.1:{server.port}"


def nobody() -> str:
    """Return an address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def route(world: World, *routes: dict[str, Any], **delivery: Any) -> None:
    world.reconfigure(delivery={"routes": list(routes), **delivery})


async def test_each_recipient_takes_the_first_route_that_fits(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    async with ScriptedServer() as german, ScriptedServer() as others:
        route(world, {"to": "*.de", "via": at(german)}, smarthost=at(others))
        world.submit(BERLIN, PARIS, b"v@sub.bonn.de", b"v@paris.fr")

        await world.once()

        assert sorted(everybody(german)) == [BERLIN, b"v@sub.bonn.de"]
        assert sorted(everybody(others)) == [PARIS, b"v@paris.fr"]
    assert world.ids() == set()


async def test_a_dead_way_does_not_hold_up_another(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    dead = nobody()
    async with ScriptedServer() as others:
        route(world, {"to": "*.de", "via": dead}, smarthost=at(others))
        ids = [world.submit(BERLIN, PARIS) for _ in range(20)]

        await world.once()

        assert everybody(others) == {PARIS: 20}
        assert {world.states(queue_id) for queue_id in ids} == {b"TD"}
        assert min(world.entry(queue_id).tries for queue_id in ids) == 1
        async with ScriptedServer(port=int(dead.rpartition(":")[2])) as german:
            for queue_id in ids:
                world.operate(Verb.FLUSH, queue_id)
            await world.once()
            assert everybody(german) == {BERLIN: 20}
        assert everybody(others) == {PARIS: 20}
    assert world.ids() == set()


async def test_a_slow_way_and_a_quick_one_share_large_messages_without_repeats(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"recipients_per_transaction": 10})
    slow = Script(data=Act(delay=0.05))
    germans = [b"u%d@berlin.de" % number for number in range(60)]
    french = [b"u%d@paris.fr" % number for number in range(300)]
    mixed = [a for pair in zip(germans * 5, french, strict=True) for a in pair]
    async with ScriptedServer(slow) as german, ScriptedServer() as others:
        route(world, {"to": "*.de", "via": at(german)}, smarthost=at(others))
        for _ in range(3):
            world.submit(*dict.fromkeys(mixed))

        async with world.running():
            await until(lambda: not world.ids())

        assert everybody(german) == dict.fromkeys(germans, 3)
        assert everybody(others) == dict.fromkeys(french, 3)


async def test_what_a_route_refuses_is_returned_and_the_rest_is_sent(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    async with ScriptedServer() as server:
        refusal = {"to": "*.de", "refuse": "554 5.7.1 no mail to there"}
        route(world, refusal, smarthost=at(server))
        world.submit(BERLIN, PARIS)

        await world.once()

        sent = everybody(server)
        assert sent == {PARIS: 1, b"me@here.invalid": 1}
        (notice,) = [m for m in server.received if not m.sender]
        assert b"no mail to there" in notice.data
    assert world.ids() == set()


async def test_what_a_route_holds_waits_until_the_route_changes(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    async with ScriptedServer() as server:
        route(world, {"to": "*.de", "hold": "not yet"}, smarthost=at(server))
        async with world.running() as runner:
            queue_id = world.submit(BERLIN, PARIS)
            await until(lambda: world.states(queue_id) == b"TD")
            await until(lambda: not runner.feeder.works)
            assert everybody(server) == {PARIS: 1}

            route(world, smarthost=at(server))
            runner.reconfigure()

            await until(lambda: not world.ids())
        assert everybody(server) == {PARIS: 1, BERLIN: 1}


async def test_a_pool_goes_on_with_the_next_server(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    async with ScriptedServer() as server:
        pool = {"out": [nobody(), f"{at(server)} backup"]}
        route(world, {"to": "*", "via": "pool:out"}, pools=pool)
        world.submit(BERLIN)

        await world.once()

        assert everybody(server) == {BERLIN: 1}


async def test_a_pause_of_one_way_leaves_the_others_alone(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    async with ScriptedServer() as german, ScriptedServer() as others:
        route(world, {"to": "*.de", "via": at(german)}, smarthost=at(others))
        world.pause(Scope.DESTINATION, at(german))
        async with world.running():
            queue_id = world.submit(BERLIN, PARIS)
            await until(lambda: world.states(queue_id) == b"TD")
            await asyncio.sleep(0)
            assert german.connections == 0

            world.resume(Scope.DESTINATION, at(german))

            await until(lambda: not world.ids())
        assert (everybody(german), everybody(others)) == ({BERLIN: 1}, {PARIS: 1})


async def test_mx_finds_the_servers_and_unknown_domains_come_back_at_once(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    async with ScriptedServer() as server:
        with DnsServer() as dns:
            dns.zone.add("paris.fr", "MX", "10 dead.paris.fr.", "20 mx.paris.fr.")
            dns.zone.add("dead.paris.fr", "A", "127.0.0.9")
            dns.zone.add("mx.paris.fr", "A", "127.0.0.1")
            dns.zone.add("here.invalid", "A", "127.0.0.1")
            via = {"to": "*", "via": f"mx:{server.port}"}
            route(world, via, nameservers=[dns.address], mx_to_self=True)
            world.submit(PARIS, b"u@nowhere.example")

            await world.once()

        assert everybody(server) == {PARIS: 1, b"me@here.invalid": 1}
        (notice,) = [m for m in server.received if not m.sender]
        assert b"5.1.2" in notice.data
        (delivered,) = [
            line for line in world.journal("delivered") if line["recipients"][0][0] == 1
        ][:1]
        assert delivered["relay"].startswith("mx.paris.fr[127.0.0.1]")
    assert world.ids() == set()


async def test_dns_trouble_defers_and_says_so(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    with DnsServer() as dns:
        dns.zone.failing.add("paris.fr")
        route(world, {"to": "*", "via": "mx"}, nameservers=[dns.address])
        queue_id = world.submit(PARIS)

        await world.once()

    assert world.states(queue_id) == b"T"
    assert b"4.4.3" in world.entry(queue_id).last_reply


async def test_a_rate_spaces_transactions_and_loses_none(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    stamps: list[float] = []
    script = Script(mail=lambda _: stamps.append(time.monotonic()))
    async with ScriptedServer(script) as server:
        route(world, {"to": "*", "via": at(server), "rate": "5/s"})
        for _ in range(9):
            world.submit(BERLIN)
        began = time.monotonic()

        await world.once()

        assert everybody(server) == {BERLIN: 9}
    # Five at once, then one each 0.2 s.
    assert stamps[8] - began > 0.7


def test_a_pace_allows_a_seconds_worth_in_a_row_and_then_its_rate() -> None:
    pace = Pace(Rate(count=10, seconds=2))
    begun = []
    now = 1000.0
    for _ in range(12):
        now = max(now, pace.next_time)
        pace.spend(now)
        begun.append(now - 1000.0)
    assert begun[:5] == pytest.approx([0.0] * 5)
    assert begun[-1] == pytest.approx((12 - 5) * 0.2, abs=0.21)


class Nobody:
    """The governor's host where no server can be reached."""

    def __init__(self) -> None:
        self.access: Access

    def granted(self, destination: Destination) -> bool:
        refused = Reply(code=421, enhanced=b"4.4.1", text=b"connection refused")
        self.access.failed(destination, refused)
        return False

    def wake(self) -> None:
        pass

    def found_dead(self, destination: Destination, _reply: Reply) -> None:
        destination.withdraw()


def test_a_million_dead_destinations_do_not_fill_the_memory(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MANY", 10)
    clock = StillClock()
    world = make_world(clock=clock, delivery={"retry_destination": 5.0})
    route(world, {"to": "*", "via": "mx"})
    governor = Governor(lambda _name, _reply: None)
    host = Nobody()
    host.access = access = Access(OwnGovernor(governor, clock), host)
    routes = Routes(world.spool, one_connection=False)

    def meet(domain: str) -> Destination:
        queue_id = world.submit(b"u@%b" % domain.encode())
        work = Work(directory=world.spool.directories[0], queue_id=queue_id)
        assert routes.queue(work, world.entry(queue_id)) is Way.QUEUED
        (found,) = (each for each in routes if each.queue)
        access.ask(found, room=10)
        return found

    for number in range(100):
        assert not meet(f"dead{number}.example").queue
        access.tell_waiting()
        routes.make_room()
        assert len(list(routes)) <= 10
        assert len(access._known) <= 20
        assert len(governor._allowances) <= 20
        clock.offset += 1.0

    again = meet("dead98.example")
    assert again.dead_until > clock.now()
    assert bytes(again.last_failure or b"") == b"421 4.4.1 connection refused"
    assert len(again.queue) == 1, "it was tried"


def test_mail_for_two_places_waits_for_both_however_many_are_known(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MANY", 1)
    route(world, {"to": "*", "via": "mx"})
    routes = Routes(world.spool, one_connection=False)
    queue_id = world.submit(BERLIN, PARIS)
    work = Work(directory=world.spool.directories[0], queue_id=queue_id)

    assert routes.queue(work, world.entry(queue_id)) is Way.QUEUED

    assert {each.name for each in routes if each.queue} == {
        "mx:berlin.de",
        "mx:paris.fr",
    }


def test_looking_in_vain_wakes_no_other_connection(world: World) -> None:
    """Connections without room to open mail would wake each other for ever."""
    route(world, smarthost="127.0.0.1:9")
    routes = Routes(world.spool, one_connection=False)
    directory = world.spool.directories[0]
    for _ in range(3):
        queue_id = world.submit(BERLIN)
        work = Work(directory=directory, queue_id=queue_id)
        assert routes.queue(work, world.entry(queue_id)) is Way.QUEUED
    (destination,) = routes
    before = list(destination.queue)
    destination.changed.clear()

    assert destination.next_unit(claimed=True) is None

    assert not destination.changed.is_set()
    assert list(destination.queue) == before
    assert destination.next_unit() is before[0]
