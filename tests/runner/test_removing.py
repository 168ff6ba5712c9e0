"""Finished messages unlinked by the supervisor, for the worker that holds the lock."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.runner.world import PATIENCE, World, until
from tests.spool.world import FaultyFs
from tuiq.demo.server import ScriptedServer
from tuiq.errors import MessageBusy, MessageGone
from tuiq.runner import removing
from tuiq.runner.desk import Desk
from tuiq.runner.removing import FarRemover, Remover
from tuiq.runner.wire import Channel, Remove, Removed
from tuiq.spool.claim import lock_message
from tuiq.spool.finish import mark_finished
from tuiq.spool.flags import RState
from tuiq.spool.fs import OsFs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tuiq.spool.claim import Claim


@asynccontextmanager
async def supervised(
    world: World, *, descriptors: int = 20_000
) -> AsyncIterator[tuple[FarRemover, Channel]]:
    """Join a worker's remover to a supervisor's; yield it and the far end."""
    ours, theirs = socket.socketpair()
    near = Channel(*await asyncio.open_unix_connection(sock=ours))
    far = Channel(*await asyncio.open_unix_connection(sock=theirs))
    remover, mine = Remover(world.other, descriptors=descriptors), FarRemover(near)

    async def serve() -> None:
        async with asyncio.TaskGroup() as tasks:
            async for message in far.messages():
                assert isinstance(message, Remove)
                tasks.create_task(remover.serve(far, message))

    async def listen() -> None:
        async for message in near.messages():
            assert isinstance(message, Removed)
            mine.heard(message)
        mine.lost()

    listening = asyncio.create_task(listen())
    serving = asyncio.create_task(serve())
    yield mine, far
    await far.close()
    await near.close()
    await asyncio.wait((listening, serving))
    remover.close()


def finished(world: World) -> Claim:
    claim = lock_message(world.spool.directories[0], world.submit())
    for state in (RState.ATTEMPT, RState.UNKNOWN, RState.DELIVERED):
        claim.mark([0], state)
    mark_finished(claim)
    return claim


def obstruct(path: Path) -> None:
    """Put a directory in the place of a file: it cannot be unlinked."""
    path.unlink()
    path.mkdir()


def files(world: World) -> list[str]:
    """Return the names of all files of messages."""
    return sorted(path.name for path in world.path.glob("q.*/[qdbx]f*"))


@pytest.mark.parametrize("descriptors", [20_000, 0])
@pytest.mark.parametrize("sync", [True, False])
async def test_messages_cease_to_exist_while_the_worker_holds_their_locks(
    world: World, descriptors: int, sync: bool
) -> None:
    async with supervised(world, descriptors=descriptors) as (remover, _):
        claims = [finished(world) for _ in range(3)]
        with pytest.raises(MessageBusy):
            lock_message(world.other.directories[0], claims[0].queue_id)
        removed = await remover(claims, sync=sync)
        assert removed is not None
        assert (removed.failed, removed.problem) == ({}, "")
        assert not [name for name in files(world) if name.startswith("qf")]
        for claim in claims:
            with pytest.raises(MessageGone):
                lock_message(world.other.directories[0], claim.queue_id)
            claim.close()
        await until(lambda: not files(world))


async def test_what_could_not_be_unlinked_is_told_by_its_id_and_keeps_its_data(
    world: World,
) -> None:
    async with supervised(world) as (remover, _):
        fine, stuck = finished(world), finished(world)
        obstruct(world.control_file(stuck.queue_id))
        removed = await remover([fine, stuck], sync=True)
        assert removed is not None
        assert removed.failed == {stuck.queue_id: "Is a directory"}
        await until(lambda: len(files(world)) == 2)
        assert files(world) == [f"df{stuck.queue_id}", f"qf{stuck.queue_id}"]
        fine.close()
        stuck.close()


async def test_data_that_cannot_be_unlinked_is_told_of_and_keeps_nobody(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with supervised(world) as (remover, _):
        claim = finished(world)
        data = next(world.path.glob(f"q.*/df{claim.queue_id}"))
        obstruct(data)
        removed = await remover([claim], sync=True)
        assert removed is not None
        assert not removed.failed
        await until(lambda: f"{data}: cannot be removed" in caplog.text)
        claim.close()


async def test_no_data_goes_when_the_sync_has_failed(world: World) -> None:
    directory = world.other.directories[0]
    faulty = directory.fs = FaultyFs()
    async with supervised(world) as (remover, _):
        claims = [finished(world) for _ in range(2)]
        faulty.broken["fsync"] = lambda _: True
        removed = await remover(claims, sync=True)
        assert removed is not None
        assert removed.problem == "Input/output error"
        for claim in claims:
            claim.close()
    assert files(world) == sorted(f"df{claim.queue_id}" for claim in claims)


async def test_data_waits_for_the_sync_of_the_names(world: World) -> None:
    directory = world.other.directories[0]
    seen: list[list[str]] = []

    class Looking(OsFs):
        def fsync(self, fd: int) -> None:
            seen.append(files(world))
            super().fsync(fd)

    directory.fs = Looking()
    async with supervised(world) as (remover, _):
        claims = [finished(world) for _ in range(3)]
        await remover(claims, sync=True)
        for claim in claims:
            claim.close()
    assert seen == [sorted(f"df{claim.queue_id}" for claim in claims)]
    assert not files(world)


async def test_a_worker_whose_supervisor_is_gone_is_told_to_do_it_itself(
    world: World,
) -> None:
    async with supervised(world) as (remover, far):
        claim = finished(world)
        await far.close()
        assert await remover([claim], sync=True) is None
        await until(lambda: remover._is_lost)
        assert await remover([claim], sync=True) is None
        claim.close()


async def test_marks_do_not_wait_for_a_supervisor_that_does_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removing, "PATIENCE", 0.01)
    ours, theirs = socket.socketpair()
    near = Channel(*await asyncio.open_unix_connection(sock=ours))
    with theirs:
        remover, claim = FarRemover(near), finished(world)
        assert await remover([claim], sync=True) is None
        remover.heard(Removed(number=0, failed={}, problem=""))  # it woke up
        claim.close()
        await near.close()


@pytest.mark.parametrize("durability", ["group", "each", "none"])
async def test_a_runner_without_help_removes_its_messages_itself(
    world: World, durability: str
) -> None:
    world.reconfigure(spool={"durability": durability})
    for _ in range(3):
        world.submit()
    async with ScriptedServer() as server:
        await world.once(server)
    assert not files(world)


@pytest.mark.parametrize("room", [True, False])
async def test_what_a_dead_runner_finished_is_removed_and_told_of(
    world: World, monkeypatch: pytest.MonkeyPatch, room: bool
) -> None:
    claims = [finished(world) for _ in range(5)]
    for claim in claims:
        claim.close()
    if not room:
        monkeypatch.setattr(Desk, "has_room", property(lambda _: False))
    await world.once()
    assert not files(world)
    told = [line["id"] for line in world.journal("finished")]
    assert sorted(told) == sorted(claim.queue_id for claim in claims) * room


async def test_what_was_never_accepted_is_removed_and_not_told_of(
    world: World,
) -> None:
    claim = lock_message(world.spool.directories[0], world.submit())
    mark_finished(claim)
    claim.close()
    await world.once()
    assert not files(world)
    assert world.journal("finished") == []


async def test_a_removal_that_is_not_durable_makes_the_directory_suspect(
    world: World,
) -> None:
    async def remove(claims: Sequence[Claim], *, sync: bool) -> Removed:
        return Removed(number=sync, failed={}, problem="Input/output error")

    world.submit()
    async with ScriptedServer() as server:
        world.serve_by(server)
        runner = world.make_runner(once=True)
        runner.marks.remover = remove
        async with asyncio.timeout(PATIENCE):
            await runner.run()
    assert "Input/output error" in world.spool.directories[0].blocked


async def test_a_fault_while_messages_are_put_away_ends_the_runner(
    world: World,
) -> None:
    async def remove(claims: Sequence[Claim], *, sync: bool) -> Removed:
        raise AttributeError(f"{len(claims)} {sync}")

    queue_id = world.submit()
    async with ScriptedServer() as server:
        world.serve_by(server)
        runner = world.make_runner(once=True)
        runner.marks.remover = remove
        with pytest.raises(BaseExceptionGroup) as caught:
            async with asyncio.timeout(PATIENCE):
                await runner.run()
    assert caught.group_contains(AttributeError, match="1 True")
    assert world.control_file(queue_id).exists()
