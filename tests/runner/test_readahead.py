"""What is not in memory is asked for before it is claimed; what is costs a look."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.runner.world import World
from tuiq.demo.server import ScriptedServer
from tuiq.runner import desk as desk_module
from tuiq.runner import feeder as feeder_module
from tuiq.runner.readahead import LEAD, SAMPLE, ReadAhead
from tuiq.runner.work import Work
from tuiq.spool.finish import claim_message
from tuiq.spool.fs import OsFs
from tuiq.spool.reading import read_entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.spool.claim import Claim
    from tuiq.spool.entry import QueueEntry
    from tuiq.spool.layout import QueueDirectory


class Watched:
    """Notes what is asked for and looked at, and claims, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_cached: Callable[[str], bool] = lambda _name: False
        self.asked: list[str] = []
        self.looked: list[str] = []
        self.claimed: list[tuple[str, bool]] = []
        """(queue id, whether both its files had been asked for)."""
        monkeypatch.setattr(OsFs, "begin_reading", self._begin_reading)
        monkeypatch.setattr(OsFs, "is_cached", self._is_cached)
        self._claim = claim_message
        monkeypatch.setattr(desk_module, "claim_message", self._claiming)

    def _begin_reading(self, fd: int, size: int) -> None:
        assert size > 0
        self.asked.append(name_of(fd))

    def _is_cached(self, fd: int) -> bool:
        self.looked.append(name_of(fd))
        return self.is_cached(self.looked[-1])

    def _claiming(
        self, directory: QueueDirectory, queue_id: str, **options: Callable[..., None]
    ) -> Claim:
        is_asked = {f"df{queue_id}", f"qf{queue_id}"} <= set(self.asked)
        self.claimed.append((queue_id, is_asked))
        return self._claim(directory, queue_id, **options)


def name_of(fd: int) -> str:
    return Path(os.readlink(f"/proc/self/fd/{fd}")).name


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


async def drained(world: World) -> None:
    async with ScriptedServer() as server:
        world.serve_by(server)
        await world.once()


async def test_what_is_on_the_disk_is_asked_for_before_it_is_claimed(
    world: World, watched: Watched
) -> None:
    sent = {world.submit() for _ in range(40)}
    await drained(world)
    assert {queue_id for queue_id, _ in watched.claimed} == sent
    # The first claim is the one that begins to ask.
    assert [is_asked for _, is_asked in watched.claimed].count(False) <= 2


async def test_what_goes_to_several_destinations_is_asked_for_as_well(
    world: World, watched: Watched
) -> None:
    for number in range(20):
        world.submit(b"x@%d.invalid" % number)
    async with ScriptedServer() as server:
        hop = f"127.0.0.1:{server.port}"
        world.reconfigure(
            delivery={
                "smarthost": hop,
                "routes": [{"to": "7.invalid", "via": f"localhost:{server.port}"}],
            }
        )
        await world.once()
    assert [is_asked for _, is_asked in watched.claimed].count(False) <= 4
    assert len(watched.claimed) == 20


async def test_what_is_in_memory_is_looked_at_now_and_then_and_not_asked_for(
    world: World, watched: Watched
) -> None:
    watched.is_cached = lambda _name: True
    for _ in range(40):
        world.submit()
    await drained(world)
    assert watched.asked == []
    assert len(watched.looked) == -(-40 // SAMPLE)
    assert all(name.startswith("df") for name in watched.looked)


def expecting(world: World, count: int) -> tuple[ReadAhead, list[Work]]:
    """Return a reader that expects *count* messages, and these."""
    ahead = ReadAhead()
    directory = world.spool.directories[0]
    works = [Work(directory, world.submit()) for _ in range(count)]
    for work in works:
        ahead.expect(work)
    return ahead, works


def test_reading_gets_ahead_of_claims_and_stays_there(
    world: World, watched: Watched
) -> None:
    ahead, works = expecting(world, 2 * LEAD + 20)
    for claims in range(1, len(works) + 1):
        ahead.claiming()
        asked = min(2 * claims, claims + LEAD, len(works))
        wanted = [f"df{work.queue_id}" for work in works[:asked]]
        assert [name for name in watched.asked if name[:2] == "df"] == wanted


def test_asking_ends_with_the_first_look_at_something_in_memory(
    world: World, watched: Watched
) -> None:
    ahead, works = expecting(world, 3 * SAMPLE)
    warm = {f"df{work.queue_id}" for work in works[SAMPLE:]}
    watched.is_cached = lambda name: name in warm
    for _ in works:
        ahead.claiming()
    assert len(watched.asked) == 2 * SAMPLE
    assert not warm.intersection(watched.asked)


def test_control_files_that_are_read_at_once_are_asked_for_if_the_first_is_cold(
    world: World, watched: Watched
) -> None:
    ahead, works = expecting(world, 5)
    names = [f"qf{work.queue_id}" for work in works]
    watched.is_cached = lambda _name: True
    ahead.ask_for_controls(works)
    assert (watched.looked, watched.asked) == (names[:1], [])
    watched.is_cached = lambda _name: False
    ahead.ask_for_controls(works)
    assert (watched.looked, watched.asked) == (names[:1] * 2, names)


async def test_control_files_are_asked_for_before_a_route_is_sought(
    world: World, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, bool]] = []
    real = read_entry

    def reading(directory: QueueDirectory, queue_id: str) -> QueueEntry | None:
        read.append((queue_id, f"qf{queue_id}" in watched.asked))
        return real(directory, queue_id)

    monkeypatch.setattr(feeder_module, "read_entry", reading)
    for number in range(50):
        world.submit(b"x@%d.invalid" % number)
    async with ScriptedServer() as server:
        hop = f"127.0.0.1:{server.port}"
        route = {"to": "7.invalid", "via": f"localhost:{server.port}"}
        world.reconfigure(delivery={"smarthost": hop, "routes": [route]})
        await world.once()
    assert len(read) >= 50
    assert all(is_asked for _, is_asked in read)


def test_a_message_that_is_gone_or_no_file_is_passed_over(
    world: World, watched: Watched
) -> None:
    ahead, works = expecting(world, 4)
    directory = works[0].directory
    for work in works[1:3]:
        Path(directory.path_of("df" + work.queue_id)).unlink()
    Path(directory.path_of("df" + works[2].queue_id)).symlink_to("/dev/zero")
    for _ in works:
        ahead.claiming()
    asked = {works[0].queue_id, works[3].queue_id}
    assert {name[2:] for name in watched.asked} == asked


def test_expectations_that_never_come_true_do_not_pile_up(world: World) -> None:
    ahead = ReadAhead()
    directory = world.spool.directories[0]
    for number in range(30_000):
        ahead.expect(Work(directory, f"{number:019d}"))
    assert len(ahead) <= 20_000


def test_a_file_is_cached_once_it_was_read_and_not_after_it_was_evicted(
    tmp_path: Path,
) -> None:
    fs = OsFs()
    path = tmp_path / "file"
    path.write_bytes(b"x" * 5000)
    fd = os.open(path, os.O_RDONLY)
    try:
        assert fs.is_cached(fd)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        if fs.is_cached(fd):
            pytest.skip("a file system in memory has nothing to evict to")
        fs.begin_reading(fd, 4096)
        assert len(os.pread(fd, 5000, 0)) == 5000
        assert fs.is_cached(fd)
    finally:
        os.close(fd)


def test_a_file_system_that_cannot_tell_is_taken_for_one_in_memory() -> None:
    reading, writing = os.pipe()
    try:
        assert OsFs().is_cached(reading)
    finally:
        os.close(reading)
        os.close(writing)
