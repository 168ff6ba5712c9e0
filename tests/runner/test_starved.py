"""Descriptors that run out, and marks that cannot be written, in the middle of work."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.world import World
from tuiq.delivery.smtp import Session
from tuiq.delivery.transport import NoDescriptors
from tuiq.demo.script import Script
from tuiq.demo.server import ScriptedServer
from tuiq.errors import SpoolUnavailable
from tuiq.runner.budget import Budget
from tuiq.runner.work import Fate
from tuiq.spool.fs import OsFs

if TYPE_CHECKING:
    from collections.abc import Callable


def fail_often(
    monkeypatch: pytest.MonkeyPatch, call: str, code: int, *, share: float
) -> list[str]:
    """Let a *share* of the system calls of a kind fail; return what they were for."""
    real, chance = getattr(OsFs, call), random.Random(share)
    failures: list[str] = []

    def sometimes(self: OsFs, *args: Any, **kwargs: Any) -> Any:
        if chance.random() < share:
            failures.append(str(args[0]))
            raise OSError(code, os.strerror(code))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(OsFs, call, sometimes)
    return failures


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuiq.runner.runner.STARVED_WAIT", 0.01)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
async def test_files_that_cannot_be_opened_now_are_opened_later(
    world: World, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    ids = [world.submit(b"u%d@x.invalid" % n) for n in range(30)]
    failures = fail_often(monkeypatch, "open", errno.EMFILE, share=share)
    async with ScriptedServer() as server:
        runner = await world.once(server)
        got = [a for m in server.received for a, _ in m.recipients]
    assert failures
    assert sorted(got) == sorted(b"u%d@x.invalid" % n for n in range(len(ids)))
    assert set(runner.fates.values()) == {Fate.SETTLED}
    assert world.journal("damaged") == []
    assert runner.budget.messages < 100


async def test_connections_that_cannot_be_made_now_are_made_later(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(delivery={"concurrency": 8})
    for _ in range(30):
        world.submit()
    really, count = Session.open, itertools.count(1)

    async def sometimes(*args: Any, **kwargs: Any) -> Session:
        if next(count) % 3:
            raise NoDescriptors("too many open files")
        return await really(*args, **kwargs)

    monkeypatch.setattr(Session, "open", sometimes)
    async with ScriptedServer() as server:
        runner = await world.once(server)
        assert len(server.received) == 30
    assert set(runner.fates.values()) == {Fate.SETTLED}
    assert next(count) < 100, "it was tried in a loop"
    assert world.journal("connection") == []


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
async def test_a_mark_that_cannot_be_written_stops_its_directory_alone(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    world = make_world(queues=2, delivery={"concurrency": 1})
    ids = [world.submit(b"u%d@x.invalid" % n) for n in range(20)]
    bad = world.spool.directories[0]
    theirs = {i for i in ids if world.entry(i).directory == bad.name}
    assert 0 < len(theirs) < 20
    real = OsFs.pwrite

    def pwrite(self: OsFs, fd: int, data: bytes, offset: int) -> int:
        name = os.readlink(f"/proc/self/fd/{fd}")
        if f"/{bad.name}/" in name and data == b"U":
            raise OSError(code, os.strerror(code))
        return real(fd, data, offset)

    monkeypatch.setattr(OsFs, "pwrite", pwrite)
    async with ScriptedServer() as server:
        runner = await world.once(server)
        assert len(server.received) == 20 - len(theirs)
    assert world.ids() == theirs
    assert all(world.states(i) in (b"T", b"A") for i in theirs)
    assert "could not be written" in bad.blocked
    assert set(runner.fates.values()) >= {Fate.SETTLED, Fate.HELD_BACK}


@pytest.mark.parametrize(
    ("addresses", "call", "left"),
    [
        ((b"one@x.invalid",), "fsync", "df"),
        ((b"one@x.invalid", b"late@x.invalid"), "fdatasync", "qf"),
    ],
    ids=["all delivered", "some deferred"],
)
async def test_a_failed_sync_stops_the_directory_until_it_is_written_anew(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    addresses: tuple[bytes, ...],
    call: str,
    left: str,
) -> None:
    world.submit(*addresses)
    late = Script(rcpt={b"late@x.invalid": b"451 4.7.1 later"})
    async with ScriptedServer(late) as server:
        with monkeypatch.context() as broken:
            fail_often(broken, call, errno.EIO, share=1.0)
            await world.once(server)
        assert len(server.received) == 1
        assert world.spool.directories[0].blocked
        assert list(world.path.glob("run/suspect.*"))
        assert list(world.path.glob(f"q.1/{left}*"))
        with pytest.raises(SpoolUnavailable, match="a sync failed"):
            world.submit()
        again = await world.once(server)
        assert len(server.received) == 1
        assert set(again.fates.values()) <= {Fate.HELD_BACK}
        ran = await asyncio.to_thread(world.run, "--run", "--once")
        assert ran.returncode == 0, ran.stderr
        assert len(server.received) == 1
    assert not list(world.path.glob("run/suspect.*"))
    assert bool(list(world.path.glob("q.1/qf*"))) == (left == "qf")


@pytest.mark.parametrize("limit", [48, 64, 256, 1024, 65_536])
def test_a_budget_never_promises_more_than_there_is(limit: int) -> None:
    budget = Budget(limit, reserved=30)
    assert budget.connections + 4 * budget.messages <= limit - 30
    assert budget.messages >= budget.connections >= 1
