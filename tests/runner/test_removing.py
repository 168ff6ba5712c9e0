"""Finished messages unlinked by the supervisor, for the worker that holds the lock."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.runner.world import PATIENCE, World, until
from tuiq.demo.server import ScriptedServer
from tuiq.errors import MessageBusy, MessageGone
from tuiq.runner.removing import FarRemover, Remover
from tuiq.runner.wire import Channel, Remove, Removed
from tuiq.spool.claim import lock_message
from tuiq.spool.finish import mark_finished

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

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
    mark_finished(claim)
    claim.sync()
    return claim


@pytest.mark.parametrize("descriptors", [20_000, 0])
async def test_the_files_go_while_the_worker_holds_the_lock(
    world: World, descriptors: int
) -> None:
    async with supervised(world, descriptors=descriptors) as (remover, _):
        claims = [finished(world) for _ in range(3)]
        with pytest.raises(MessageBusy):
            lock_message(world.other.directories[0], claims[0].queue_id)
        assert await remover(claims, synced=True) == {}
        assert not list(world.path.glob("q.*/[qdbx]f*"))
        for claim in claims:
            with pytest.raises(MessageGone):
                lock_message(world.other.directories[0], claim.queue_id)
            claim.close()


async def test_what_could_not_be_unlinked_is_told_by_its_id(world: World) -> None:
    async with supervised(world) as (remover, _):
        fine, stuck = finished(world), finished(world)
        data = next(world.path.glob(f"q.*/df{stuck.queue_id}"))
        data.unlink()
        data.mkdir()
        assert await remover([fine, stuck], synced=True) == {
            stuck.queue_id: "Is a directory"
        }
        assert world.ids() == set()  # F counts as gone
        assert list(world.path.glob("q.*/qf*")) == [world.control_file(stuck.queue_id)]
        fine.close()
        stuck.close()


async def test_a_worker_whose_supervisor_is_gone_is_told_to_do_it_itself(
    world: World,
) -> None:
    async with supervised(world) as (remover, far):
        claim = finished(world)
        await far.close()
        assert await remover([claim], synced=True) is None
        await until(lambda: remover._is_lost)
        assert await remover([claim], synced=True) is None
        claim.close()


async def test_without_a_sync_the_control_file_goes_first(world: World) -> None:
    async with supervised(world) as (remover, _):
        claim = finished(world)
        path = world.control_file(claim.queue_id)
        path.unlink()
        path.mkdir()  # what stands in the way of the first stops the others
        failed = await remover([claim], synced=False)
        assert failed == {claim.queue_id: "Is a directory"}
        assert list(world.path.glob(f"q.*/df{claim.queue_id}"))
        claim.close()


async def test_a_fault_while_messages_are_put_away_ends_the_runner(
    world: World,
) -> None:
    async def remove(claims: Sequence[Claim], *, synced: bool) -> None:
        raise AttributeError(f"{len(claims)} {synced}")

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
