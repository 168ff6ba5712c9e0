"""What a runner does seldom so that each message costs less."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.runner.world import World, until
from tuiq.demo.server import ScriptedServer
from tuiq.runner import intake, marks
from tuiq.runner.threads import in_thread
from tuiq.runner.work import Work
from tuiq.spool.fs import OsFs

# -- the kernel's table of descriptors ---------------------------------------------


def table_of(limit: int) -> int:
    """Return how many descriptors a new process has room for after ``raise_limit``."""
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({limit},) * 2)\n"
        "from tuiq.runner.budget import raise_limit; raise_limit()\n"
        "status = open('/proc/self/status').read()\n"
        "print(status.partition('FDSize:')[2].split()[0])"
    )
    done = subprocess.run(
        (sys.executable, "-c", code), capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_a_runner_has_its_descriptor_table_before_it_needs_it() -> None:
    assert table_of(8192) >= 4096


def test_a_low_limit_is_no_obstacle_to_the_table() -> None:
    assert table_of(64) < 4096


# -- syncs -------------------------------------------------------------------------


class Syncs:
    """Counts what makes marks durable."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        for call in ("fdatasync", "fsync", "syncfs"):
            monkeypatch.setattr(OsFs, call, self._counted(getattr(OsFs, call)))

    def _counted(self, real: Callable[..., None]) -> Callable[..., None]:
        def counted(*args: Any) -> None:
            self.count += 1
            real(*args)

        return counted


async def test_the_last_message_waits_for_no_company(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "GATHER", 3600.0)
    world.submit()
    async with ScriptedServer() as server, world.running(server):
        await until(lambda: not world.ids())


async def test_mail_that_comes_one_by_one_does_not_cost_a_sync_each(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(delivery={"concurrency": 1})
    monkeypatch.setattr(marks, "GATHER", 0.5)
    async with ScriptedServer() as server, world.running(server):
        await until(lambda: not world.ids())
        ids = [world.submit() for _ in range(30)]
        syncs = Syncs(monkeypatch)
        began = time.monotonic()
        await until(lambda: not world.ids())
        took = time.monotonic() - began
    assert len(server.received) == len(ids)
    assert 1 <= syncs.count <= took / 0.5 + 4


@pytest.mark.parametrize(("messages", "recipients"), [(4, 1), (1, 4)])
async def test_the_last_messages_are_company_enough_for_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch, messages: int, recipients: int
) -> None:
    monkeypatch.setattr(marks, "GATHER", 3600.0)
    monkeypatch.setattr(marks, "COMPANY", 3)
    people = [b"r%d@there.invalid" % number for number in range(recipients)]
    async with ScriptedServer() as server, world.running(server):
        world.submit()  # waits for nothing: no sync was begun yet
        await until(lambda: not world.ids())
        for _ in range(messages):
            world.submit(*people)
        await until(lambda: not world.ids())


# -- scans -------------------------------------------------------------------------


@pytest.mark.parametrize(("prompt", "in_threads"), [(3600.0, 1), (0.0, 6)])
async def test_a_scan_is_a_threads_work_only_on_a_slow_disk(
    world: World, monkeypatch: pytest.MonkeyPatch, prompt: float, in_threads: int
) -> None:
    for _ in range(10):
        world.submit()
    parts = 0

    async def counted(function: Callable[..., Any], *args: object) -> Any:
        nonlocal parts
        parts += function is next
        return await in_thread(function, *args)

    monkeypatch.setattr(intake, "in_thread", counted)
    monkeypatch.setattr(intake, "PROMPT", prompt)
    monkeypatch.setattr("tuiq.runner.due.SCANNED", 4)
    names = len(list(world.spool.fs.names(world.spool.directories[0].qf_fd)))
    assert 20 <= names <= 24, "qf and df of ten, and what belongs to the directory"
    async with ScriptedServer() as server:
        await world.once(server)
    assert len(server.received) == 10
    assert in_threads <= parts <= 3 * in_threads


# -- one message at several destinations -------------------------------------------


async def test_shares_of_one_message_open_it_one_after_the_other(world: World) -> None:
    work = Work(world.spool.directories[0], world.submit())
    order: list[str] = []

    async def share(name: str) -> None:
        if work.is_busy:
            await work.rest()
        work.is_busy = True
        order.append(f"{name} in")
        await asyncio.sleep(0)
        order.append(f"{name} out")
        work.leave()

    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(share(name))
    pairs = zip(order[::2], order[1::2], strict=True)
    assert all(first[0] == second[0] for first, second in pairs)
    assert sorted(order) == sorted(f"{n} {w}" for n in "abc" for w in ("in", "out"))
    assert not work.is_busy


async def test_a_share_that_gives_up_waiting_stops_nobody(world: World) -> None:
    work = Work(world.spool.directories[0], world.submit())
    work.is_busy = True
    waiting = [asyncio.create_task(work.rest()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    work.leave()
    await waiting[1]
