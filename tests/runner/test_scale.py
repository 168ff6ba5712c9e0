"""Many messages: what a scan finds is sent before it ends, and nothing is starved."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from tests.runner.world import StillClock, World, until
from tuiq.demo.server import ScriptedServer
from tuiq.runner import due, intake
from tuiq.runner import keeper as keeper_module
from tuiq.runner.keeper import Keeper
from tuiq.spool.fs import OsFs
from tuiq.spool.pause import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


class Gate:
    """Lets a scan get past its first block when it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.event = threading.Event()
        real = OsFs.names

        def names(fs: OsFs, dir_fd: int) -> Iterator[str]:
            files = (name for name in real(fs, dir_fd) if name[:2] == "qf")
            for number, name in enumerate(files):
                if number == 3:
                    assert self.event.wait(20)
                yield name

        monkeypatch.setattr(OsFs, "names", names)
        monkeypatch.setattr(due, "SCANNED", 3)
        monkeypatch.setattr(intake, "PROMPT", 0.0)


async def test_mail_is_sent_while_the_scan_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(10):
        world.submit()
    gate = Gate(monkeypatch)
    async with ScriptedServer() as server, world.running(server):
        await until(lambda: len(server.received) == 3)
        gate.event.set()
        await until(lambda: len(server.received) == 10)


async def test_a_runner_stops_in_the_midst_of_a_scan(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(10):
        world.submit()
    gate = Gate(monkeypatch)
    async with ScriptedServer() as server:
        async with world.running(server) as runner:
            await until(lambda: len(server.received) == 3)
            gate.event.set()
            await runner.stop()
        assert len(server.received) < 10


async def test_one_pass_ends_after_its_scan(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(10):
        world.submit()
    monkeypatch.setattr(due, "SCANNED", 3)
    async with ScriptedServer() as server:
        await world.once(server)
        assert len(server.received) == 10


async def test_what_a_pause_held_back_is_sent_at_its_end_however_much_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "PARKED_KEPT", 3)
    ids = [world.submit() for _ in range(10)]
    world.pause(Scope.SPOOL)
    async with ScriptedServer() as server, world.running(server):
        now = world.spool.clock.now()
        await until(lambda: all(world.entry(i).index_time > now + 600 for i in ids))
        world.resume(Scope.SPOOL)
        await until(lambda: len(server.received) == 10)


def test_orphans_of_a_large_directory_are_found_a_part_at_a_time(
    still: World, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, age = still, still.spool.config.spool.orphan_age
    place = world.spool.directories[0]
    for last in "0123456789":
        file = place.path / f"df{'0' * 18}{last}"
        file.write_bytes(b"x")
        os.utime(file, (1, 1))
    keeper = Keeper(world.spool, [place])
    monkeypatch.setattr(keeper_module, "COLLECTED", 10)
    left = []
    for clock.offset in (0, age - 1, age):
        keeper.collect()
        left.append(len(list(place.path.glob("df*"))))
    assert left == [5, 5, 0]
