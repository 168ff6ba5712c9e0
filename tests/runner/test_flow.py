"""Batches, connections and turns: how mail flows while everything works."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.runner.world import DATA, World, until
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.runner.housekeeping import Housekeeping
from tuiq.runner.keeper import Keeper
from tuiq.spool.drop import submit_to_drop

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.demo.script import Peer


def addresses(count: int, name: bytes = b"u") -> list[bytes]:
    return [b"%b%d@there.invalid" % (name, number) for number in range(count)]


def batches(server: ScriptedServer) -> list[int]:
    return [len(message.recipients) for message in server.received]


def everybody(server: ScriptedServer) -> Counter[bytes]:
    return Counter(a for message in server.received for a, _ in message.recipients)


def _has(server: ScriptedServer, count: int) -> bool:
    return len(server.received) == count


async def test_recipients_go_in_batches_of_the_setting(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"recipients_per_transaction": 20, "concurrency": 1})
    world.submit(*addresses(50))
    async with ScriptedServer() as server:
        await world.once(server)
        assert batches(server) == [20, 20, 10]
        assert everybody(server) == Counter(addresses(50))
        assert server.connections == 1


async def test_a_server_with_a_limit_is_obeyed_and_remembered(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"recipients_per_transaction": 50, "concurrency": 1})
    world.submit(*addresses(30))
    async with ScriptedServer(Script(max_recipients=7)) as server:
        await world.once(server)
        assert everybody(server) == Counter(addresses(30))
        assert max(batches(server)) == 7
        mails = [line for line in server.commands if line.startswith(b"MAIL")]
        rcpts = [line for line in server.commands if line.startswith(b"RCPT")]
    assert len(mails) == len(batches(server)) == 5
    # Only the first transaction was too long; the others had learned.
    assert len(rcpts) == 30 + 23
    assert world.journal("deferred") == []
    assert world.ids() == set()


async def test_one_connection_serves_many_messages(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"concurrency": 1})
    for _ in range(10):
        world.submit()
    async with ScriptedServer() as server:
        await world.once(server)
        assert len(server.received) == 10
        assert server.connections == 1


async def test_a_connection_ends_after_its_share_of_transactions(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"concurrency": 1, "messages_per_connection": 4})
    for _ in range(10):
        world.submit()
    async with ScriptedServer() as server:
        await world.once(server)
        uses = Counter(message.connection for message in server.received)
    assert sorted(uses.values()) == [2, 4, 4]


async def test_an_idle_connection_is_kept_for_a_while_then_closed(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"idle_timeout": 0.3})
    async with ScriptedServer() as server, world.running(server) as runner:
        world.submit()
        await until(lambda: len(server.received) == 1)
        world.submit()
        await until(lambda: len(server.received) == 2)
        assert server.connections == 1
        await until(lambda: not runner.courier.watchers)
        assert server.commands[-1] == b"QUIT"
        world.submit()
        await until(lambda: len(server.received) == 3)
        assert server.connections == 2


async def test_several_connections_share_a_large_message(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"recipients_per_transaction": 10, "concurrency": 5})
    world.submit(*addresses(400))
    everyone_here = asyncio.Event()
    seen: set[int] = set()

    def dot(peer: Peer) -> Act:
        seen.add(peer.connection)
        if len(seen) == 5:
            everyone_here.set()
        return Act(until=everyone_here)

    async with ScriptedServer(Script(dot=dot)) as server:
        await world.once(server)
        assert everybody(server) == Counter(addresses(400))
        assert server.connections == 5
    assert world.ids() == set()


async def test_a_newsletter_does_not_hold_up_a_letter(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"concurrency": 2})
    async with ScriptedServer(Script(dot=Act(delay=0.01))) as server:
        async with world.running(server):
            world.submit(*addresses(5000))
            await until(lambda: len(server.received) > 3)
            world.submit(b"letter@there.invalid")
            await until(lambda: b"letter@there.invalid" in everybody(server))
            at = list(everybody(server)).index(b"letter@there.invalid")
            assert at < 2500
            await until(lambda: not world.ids())
        assert set(everybody(server).values()) == {1}


async def test_no_more_connections_than_allowed(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"concurrency": 3})
    for _ in range(30):
        world.submit()
    async with ScriptedServer(Script(dot=Act(delay=0.02))) as server:
        await world.once(server)
        assert len(server.received) == 30
        assert server.connections == 3


async def test_verbose_means_one_connection(world: World) -> None:
    for _ in range(5):
        world.submit()
    async with ScriptedServer() as server:
        world.serve_by(server)
        ran = await asyncio.to_thread(world.run, "--run", "--once", "-v")
        assert ran.returncode == 0
        assert server.connections == 1
    assert ran.stderr.count(">>> MAIL FROM:<me@here.invalid>") == 5
    assert "<<< 250 2.0.0 Ok: queued" in ran.stderr


async def test_new_mail_is_noticed_within_a_second(
    make_world: Callable[..., World],
) -> None:
    world = make_world(runner={"rescan_interval": 86400})
    async with ScriptedServer() as server, world.running(server) as runner:
        await until(lambda: runner.intake.next_scan)
        for count in range(1, 6):
            world.submit()
            await until(partial(_has, server, count), 1.0)


async def test_a_rescan_finds_what_no_event_told(
    make_world: Callable[..., World],
) -> None:
    world = make_world(runner={"rescan_interval": 1})
    async with ScriptedServer() as server, world.running(server) as runner:
        await until(lambda: runner.intake.next_scan)
        runner.intake.close()
        world.submit()
        await until(lambda: len(server.received) == 1)


async def test_several_directories_are_one_queue(
    make_world: Callable[..., World],
) -> None:
    world = make_world(queues=4)
    for _ in range(20):
        world.submit()
    assert len({entry.directory for entry in world.spool.entries()}) > 1
    async with ScriptedServer() as server:
        await world.once(server)
        assert len(server.received) == 20
    assert world.ids() == set()


async def test_no_smarthost_holds_mail_back_and_hup_style_reload_sends_it(
    world: World,
) -> None:
    queue_id = world.submit()
    async with ScriptedServer() as server, world.running() as runner:
        await until(lambda: runner.courier.counters.get("messages_held_back"))
        assert world.states(queue_id) == b"T"
        assert world.entry(queue_id).tries == 0
        world.serve_by(server)
        runner.reconfigure()
        await until(lambda: len(server.received) == 1)


async def test_a_change_of_smarthost_takes_the_waiting_mail_along(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"concurrency": 1})
    async with (
        ScriptedServer(Script(dot=Act(until=asyncio.Event()))) as old,
        ScriptedServer() as new,
        world.running(old) as runner,
    ):
        for _ in range(5):
            world.submit()
        await until(lambda: b"DATA" in old.commands)
        world.serve_by(new)
        runner.reconfigure()
        await until(lambda: len(new.received) == 4)
        await old.__aexit__()


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_backlog_in_drop_is_taken_in_look_by_look(
    make_world: Callable[..., World],
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
) -> None:
    world = make_world(drop=True, runner={"rescan_interval": 86400})
    envelope = Envelope(
        sender=b"me@here.invalid", recipients=(Recipient(address=b"you@x.invalid"),)
    )
    for _ in range(600):  # several batches
        submit_to_drop(world.path, envelope, (DATA,))
    looks: list[int] = []
    ingest = Keeper.ingest

    def counted(keeper: Keeper) -> None:
        looks.append(len(list(world.path.glob("drop/m.*"))))
        ingest(keeper)

    monkeypatch.setattr(Keeper, "ingest", counted)
    if workers == 1:
        monkeypatch.setattr("tuiq.runner.runner.LONGEST_LOOK", 0.02)
        async with ScriptedServer() as server, world.running(server):
            await until(lambda: len(server.received) == 600)
    else:
        monkeypatch.setattr("tuiq.runner.housekeeping.LONGEST_LOOK", 0.02)
        keeping = asyncio.create_task(Housekeeping(world.spool).run())
        await until(lambda: not list(world.path.glob("drop/m.*")))
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        assert len(world.ids()) == 600
    assert len([left for left in looks if left]) > 1


async def test_dropped_mail_is_taken_in_and_sent_at_once(
    make_world: Callable[..., World],
) -> None:
    world = make_world(drop=True, runner={"rescan_interval": 86400})
    envelope = Envelope(
        sender=b"me@here.invalid", recipients=(Recipient(address=b"you@x.invalid"),)
    )
    submit_to_drop(world.path, envelope, (DATA,))
    async with ScriptedServer() as server, world.running(server):
        await until(lambda: len(server.received) == 1)
        submit_to_drop(world.path, envelope, (DATA,))
        await until(lambda: len(server.received) == 2, 2.0)
        await until(lambda: not world.ids())
    assert server.received[0].data.endswith(DATA)
    assert not list(world.path.glob("drop/m.*"))
