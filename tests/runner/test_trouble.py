"""A destination that is down, operators in the middle, full disks, damaged files."""

from __future__ import annotations

import asyncio
import os
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.runner.world import DATA, ME, StillClock, World, locked, until
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.errors import SpoolUnavailable
from tuiq.runner.trip import Trip
from tuiq.runner.work import Fate
from tuiq.spool import control
from tuiq.spool.answers import Verb
from tuiq.spool.disk import CHECK_EVERY
from tuiq.spool.fs import OsFs
from tuiq.spool.pause import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this host on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def point_at(world: World, port: int) -> None:
    world.reconfigure(delivery={"smarthost": f"127.0.0.1:{port}"})


# -- a destination that is down ------------------------------------------------


async def test_mail_to_a_dead_smarthost_is_deferred_once_in_its_header(
    still: World, closed_port: int
) -> None:
    ids = [still.submit(b"a@x.invalid", b"b@x.invalid") for _ in range(50)]
    point_at(still, closed_port)
    runner = await still.once()
    for queue_id in ids:
        entry = still.entry(queue_id)
        assert entry.states == b"TT"
        assert entry.tries == 1
        assert entry.next_attempt > still.spool.clock.now() + 300
        assert b"refused" in entry.last_reply
        assert [view.tries for view in entry.recipients()] == [0, 0]
        assert entry.nexts() == [0, 0]
        assert entry.index_time == entry.next_attempt
    assert set(runner.fates.values()) == {Fate.LEFT}
    assert len(still.journal("deferred")) == 50


async def test_one_pass_at_a_dead_smarthost_ends_at_once_with_75(
    world: World, closed_port: int
) -> None:
    for _ in range(30):
        world.submit()
    point_at(world, closed_port)
    async with asyncio.timeout(10):
        ran = await asyncio.to_thread(world.run, "--run", "--once")
    assert ran.returncode == 75
    assert ran.stderr.count("refused") == 1
    assert len(world.journal("connection")) == 1


async def test_a_dead_destination_is_left_alone_and_then_probed_by_one(
    make_world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(delivery={"retry_destination": 1})
    replies: list[bytes | None] = [b"421 4.3.2 closed"] * 8
    script = Script(greeting=lambda _: replies.pop() if replies else None)
    async with ScriptedServer(script) as server, world.running(server) as runner:
        world.submit()
        await until(lambda: server.connections == 1)
        await until(lambda: world.journal("deferred"))
        (hop,) = runner.routes
        assert hop.dead_until
        waiting = [world.submit() for _ in range(10)]
        await until(lambda: len(hop.queue) == 10)
        assert server.connections == 1
        assert {world.entry(queue_id).tries for queue_id in waiting} == {0}
        await until(lambda: server.connections == 2)
        await until(lambda: len(world.journal("deferred")) == 11)
        assert server.connections == 2
        # What comes while the others are being deferred is deferred with them.
        await until(lambda: not hop.deferring)
        replies.clear()
        late = world.submit()
        await until(lambda: late not in world.ids())
        for queue_id in world.ids():
            world.operate(Verb.FLUSH, queue_id)
        await until(lambda: not world.ids())
    told = [record.getMessage().split(": ", 1)[1] for record in caplog.records]
    assert told == ["421 4.3.2 closed", "works again"]


async def test_a_server_that_hangs_up_after_ehlo_is_not_called_in_a_loop(
    still: World,
) -> None:
    ids = [still.submit() for _ in range(5)]
    ehlo = Act(reply=b"250 bye", drop=True)
    async with ScriptedServer(Script(ehlo=ehlo)) as server:
        runner = await still.once(server)
        assert server.connections <= 20
    assert set(runner.fates.values()) == {Fate.LEFT}
    assert all(still.entry(queue_id).tries == 1 for queue_id in ids)


async def test_mail_to_a_dead_host_expires_after_its_lifetime(
    still: World, clock: StillClock, closed_port: int
) -> None:
    queue_id = still.submit()
    clock.offset = 5 * 86400 + 1
    point_at(still, closed_port)
    await still.once()
    assert [line["id"] for line in still.journal("expired")] == [queue_id]
    (notice,) = still.ids()
    assert still.entry(notice).sender == b""
    clock.offset += 3600
    async with ScriptedServer() as server:
        await still.once(server)
        assert b"refused" in server.received[0].data


async def test_a_connection_that_fails_beside_working_ones_defers_nothing(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"concurrency": 10})
    first = iter([None, None])
    script = Script(
        greeting=lambda _: next(first, b"421 4.7.0 too many connections"),
        dot=Act(delay=0.02),
    )
    for _ in range(20):
        world.submit()
    async with ScriptedServer(script) as server:
        await world.once(server)
        assert len(server.received) == 20
    assert world.journal("deferred") == []


# -- operators -----------------------------------------------------------------


async def test_requests_count_between_transactions(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"recipients_per_transaction": 1, "concurrency": 1})
    queue_id = world.submit(*(b"u%d@x.invalid" % n for n in range(5)))
    go_on = asyncio.Event()
    async with ScriptedServer(Script(dot=Act(until=go_on))) as server:
        async with world.running(server):
            await until(lambda: b"DATA" in server.commands)
            assert "no attempt" in world.operate(Verb.DELETE, queue_id, 1)
            assert world.operate(Verb.HOLD, queue_id, 2)
            assert world.operate(Verb.BOUNCE, queue_id, 3)
            go_on.set()
            await until(lambda: world.states(queue_id) == b"DXTBD")
        sent = [a for m in server.received for a, _ in m.recipients]
    assert [a for a in sent if a != ME] == [b"u0@x.invalid", b"u4@x.invalid"]


async def test_a_deleted_message_is_not_tried_any_more(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"recipients_per_transaction": 1, "concurrency": 1})
    queue_id = world.submit(*(b"u%d@x.invalid" % n for n in range(5)))
    go_on = asyncio.Event()
    async with ScriptedServer(Script(dot=Act(until=go_on))) as server:
        async with world.running(server):
            await until(lambda: b"DATA" in server.commands)
            world.operate(Verb.DELETE, queue_id)
            go_on.set()
            await until(lambda: world.states(queue_id) == b"DXXXX")
        assert len(server.received) == 1
    assert world.entry(queue_id).trashed_at


@pytest.mark.parametrize("scope", list(Scope))
async def test_a_pause_ends_the_transactions_and_its_end_wakes_the_mail(
    make_world: Callable[..., World], scope: Scope
) -> None:
    world = make_world(delivery={"recipients_per_transaction": 1, "concurrency": 1})
    name = {
        Scope.SPOOL: "",
        Scope.DIRECTORY: world.spool.directories[0].uuid,
        Scope.DESTINATION: "x.invalid",
    }[scope]
    queue_id = world.submit(*(b"u%d@x.invalid" % n for n in range(4)))
    go_on = asyncio.Event()
    async with (
        ScriptedServer(Script(dot=Act(until=go_on))) as server,
        world.running(server) as runner,
    ):
        await until(lambda: b"DATA" in server.commands)
        world.pause(scope, name)
        go_on.set()
        await until(lambda: runner.courier.counters.get("messages_held_back"))
        assert world.states(queue_id) == b"DTTT"
        assert world.entry(queue_id).recipients()[1].tries == 0
        later = world.submit(b"later@x.invalid")
        await until(
            lambda: (
                runner.courier.counters["messages_held_back"] >= 2
                or world.entry(later).index_time > world.entry(later).birth + 60
            )
        )
        assert len(server.received) == 1
        world.resume(scope, name)
        await until(lambda: not world.ids(), 2.0)
    assert world.journal("deferred") == []


async def test_a_pause_with_an_end_ends_by_itself(world: World) -> None:
    world.pause(Scope.SPOOL, until=world.spool.clock.now() + 2)
    async with ScriptedServer() as server, world.running(server) as runner:
        world.submit()
        await until(lambda: runner.courier.counters.get("messages_held_back"))
        assert not server.connections
        await until(lambda: server.received)


async def test_a_pass_over_paused_mail_leaves_it_and_says_75(world: World) -> None:
    queue_id = world.submit()
    world.pause(Scope.SPOOL)
    async with ScriptedServer() as server:
        runner = await world.once(server)
        assert server.connections == 0
    assert set(runner.fates.values()) == {Fate.HELD_BACK}
    assert world.entry(queue_id).tries == 0


async def test_a_flush_brings_deferred_mail_back_at_once(world: World) -> None:
    script = Script(rcpt=lambda _: next(replies, None))
    replies = iter([b"451 4.7.1 later"])
    async with ScriptedServer(script) as server, world.running(server):
        queue_id = world.submit()
        await until(lambda: world.entry(queue_id).tries)
        await until(lambda: world.entry(queue_id).opened == 0)
        world.operate(Verb.FLUSH, queue_id)
        await until(lambda: server.received)


async def test_a_message_that_another_process_holds_is_tried_again_soon(
    world: World,
) -> None:
    queue_id = world.submit()
    async with ScriptedServer() as server:
        with locked(world.other.directories[0], queue_id):
            task = asyncio.create_task(world.once(server))
            await until(lambda: world.runner and world.runner.desk.lost_claims)
        runner = await task
        assert len(server.received) == 1
    assert set(runner.fates.values()) == {Fate.SETTLED}


# -- disks ---------------------------------------------------------------------


class Disk:
    """A file system whose free space the test says."""

    def __init__(self) -> None:
        self.free = 0

    def statvfs(self, _fd: int) -> SimpleNamespace:
        return SimpleNamespace(
            f_frsize=4096, f_blocks=1 << 24, f_bavail=self.free, f_files=0, f_favail=0
        )


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(OsFs, "statvfs", lambda _self, fd: disk.statvfs(fd))
    return disk


FLOOR = {"min_free_bytes": 512 << 20}


async def test_a_full_disk_holds_mail_back_until_there_is_room(
    make_world: Callable[..., World],
    disk: Disk,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("tuiq.runner.runner.LOW_DISK_LOOK", 0.1)
    disk.free = 1 << 23
    world = make_world(spool=FLOOR)
    queue_id = world.submit()
    disk.free = 1 << 10
    await asyncio.sleep(CHECK_EVERY)  # for so long the last answer holds
    async with ScriptedServer() as server, world.running(server) as runner:
        await until(lambda: runner.courier.counters.get("messages_held_back"))
        assert server.connections == 0
        assert world.states(queue_id) == b"T"
        assert world.entry(queue_id).tries == 0
        with pytest.raises(SpoolUnavailable, match="the floor is"):
            world.submit()
        disk.free = 1 << 23
        await until(lambda: server.received)
    told = [r for r in caplog.records if "nothing is sent" in r.getMessage()]
    assert len(told) == 1
    assert "only 4 MiB free, the floor is 512 MiB" in told[0].getMessage()


async def test_a_full_disk_ends_the_trash_early_oldest_first(
    make_world: Callable[..., World], clock: StillClock, disk: Disk
) -> None:
    disk.free = 1 << 23
    world = make_world(clock=clock, spool=FLOOR)
    old, new, live = (world.submit() for _ in range(3))
    world.operate(Verb.DELETE, old)
    clock.offset = 60
    world.operate(Verb.DELETE, new)
    clock.offset = 120
    disk.free = 1 << 10
    runner = await world.once()
    assert set(runner.fates.values()) == {Fate.HELD_BACK}
    assert world.ids() == {live}
    purged = world.journal("purged")
    assert [line["id"] for line in purged] == [old, new]
    assert purged[0]["who"] == "runner"


# -- damage --------------------------------------------------------------------


def truncate(world: World, queue_id: str) -> None:
    os.truncate(world.control_file(queue_id), 700)


def garble_state(world: World, queue_id: str) -> None:
    world.poke(queue_id, control.slot_at(0), b"z")


def garble_header(world: World, queue_id: str) -> None:
    world.poke(queue_id, 20, b"7")


def unknown_version(world: World, queue_id: str) -> None:
    world.poke(queue_id, 0, b"TUIQQF02")


def shorten_data(world: World, queue_id: str) -> None:
    data = world.control_file(queue_id).with_name("df" + queue_id)
    os.truncate(data, len(DATA) - 1)


def garble_data(world: World, queue_id: str) -> None:
    data = world.control_file(queue_id).with_name("df" + queue_id)
    data.write_bytes(DATA.replace(b"Hello", b"Jello"))


def lose_data(world: World, queue_id: str) -> None:
    world.control_file(queue_id).with_name("df" + queue_id).unlink()


def hard_link(world: World, queue_id: str) -> None:
    path = world.control_file(queue_id)
    os.link(path, world.path / "other-name")


def make_symlink(world: World, queue_id: str) -> None:
    path = world.control_file(queue_id)
    path.rename(world.path / "elsewhere")
    path.symlink_to(world.path / "elsewhere")


def make_fifo(world: World, queue_id: str) -> None:
    path = world.control_file(queue_id)
    path.unlink()
    os.mkfifo(path, 0o600)


def open_to_all(world: World, queue_id: str) -> None:
    world.control_file(queue_id).chmod(0o666)


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        garble_state,
        garble_header,
        unknown_version,
        shorten_data,
        garble_data,
        lose_data,
        hard_link,
        make_symlink,
        make_fifo,
        open_to_all,
    ],
)
async def test_damage_is_told_once_and_the_rest_goes_on(
    world: World,
    damage: Callable[[World, str], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad, good = world.submit(), world.submit()
    damage(world, bad)
    before = sorted(path.name for path in world.path.glob(f"q.*/*{bad}"))
    async with ScriptedServer() as server, world.running(server) as runner:
        await until(lambda: server.received)
        await until(lambda: runner.courier.counters.get("messages_damaged"))
        runner.look_at_everything()
        await until(lambda: runner.courier.counters["messages_damaged"] > 1)
        assert len(server.received) == 1
    assert good not in [line.get("id") for line in world.journal("damaged")]
    assert sorted(path.name for path in world.path.glob(f"q.*/*{bad}")) == before
    (told,) = (r.getMessage() for r in caplog.records if bad in r.getMessage())
    assert str(world.path) in told
    assert len(world.journal("damaged")) == 1


@pytest.mark.parametrize("when", [0.0, 4e9])
async def test_lost_index_times_mean_one_early_look(
    still: World, clock: StillClock, when: float
) -> None:
    script = Script(rcpt=lambda _: b"451 4.7.1 later")
    ids = [still.submit() for _ in range(5)]
    async with ScriptedServer(script) as server:
        await still.once(server)
        connections = server.connections
        nexts = {queue_id: still.entry(queue_id).next_attempt for queue_id in ids}
        clock.offset += 10  # they are not new any more
        for queue_id in ids:
            still.touch(queue_id, when)
        await still.once(server)
        assert server.connections == connections
    for queue_id in ids:
        assert still.entry(queue_id).index_time == nexts[queue_id]
        assert still.entry(queue_id).tries == 1


# -- messages that kill their runner -------------------------------------------


async def test_a_message_whose_runners_died_is_tried_alone_and_reported(
    still: World, clock: StillClock, caplog: pytest.LogCaptureFixture
) -> None:
    poison, good = still.submit(), still.submit()
    still.poke(poison, control.OPENED, b"5")
    still.touch(poison, clock.now() - 5)  # their marks moved it
    at_once: list[int] = []

    async with ScriptedServer() as server:
        still.serve_by(server)
        runner = still.make_runner(once=True)
        put = runner.desk.letter

        def letter(work):  # type: ignore[no-untyped-def]
            if work.queue_id == poison:
                at_once.append(runner.desk.open_messages)
            return put(work)

        runner.desk.letter = letter  # type: ignore[method-assign]
        await runner.run()
        assert len(server.received) == 2
    assert at_once == [1]
    assert good not in still.ids()
    assert "died 5 times" in caplog.text


async def test_a_message_that_died_again_waits_some_minutes_unless_flushed(
    still: World, clock: StillClock
) -> None:
    poison = still.submit()
    now = int(clock.now())
    still.poke(poison, control.OPENED, b"6")
    still.poke(poison, control.LAST, b"%08X" % now)
    async with ScriptedServer() as server:
        await still.once(server)
        assert server.received == []
        assert still.entry(poison).index_time == now + 6 * 60
        still.operate(Verb.FLUSH, poison)
        await still.once(server)
        assert len(server.received) == 1


# -- a fault of this program -----------------------------------------------------


async def test_a_fault_in_a_connection_ends_the_runner_with_that_fault_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a fault")

    loop_complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: loop_complaints.append(context))
    ids = [world.submit() for _ in range(20)]
    async with ScriptedServer() as server:
        world.serve_by(server)
        runner = world.make_runner(once=True)
        monkeypatch.setattr(Trip, "_learn", fail)
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.timeout(20):
                await runner.run()
    assert caught.group_contains(ZeroDivisionError)
    assert loop_complaints == []
    assert all(set(world.states(i)) <= set(b"TDU") for i in world.ids() & set(ids))
