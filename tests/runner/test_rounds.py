"""Limited runs: at most so many messages, and in the end all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runner.world import World
from tuiq.demo.script import Script
from tuiq.demo.server import ScriptedServer
from tuiq.runner.rounds import PLACE, Choice, Place, Rounds, take_turns
from tuiq.runner.runner import Options, Runner

if TYPE_CHECKING:
    from collections.abc import Callable

queues = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]),
    st.sets(st.text("0123456789", min_size=2, max_size=2), max_size=12),
    min_size=1,
)


def choose(
    queue: dict[str, set[str]], place: Place, limit: int
) -> list[tuple[str, str]]:
    choices = {name: Choice(place.after.get(name, ""), limit) for name in queue}
    for name, ids in queue.items():
        choices[name].see(ids)
    return take_turns(choices, place, limit)


@given(queues, st.integers(1, 9))
def test_repeated_runs_go_round_all_messages(
    queue: dict[str, set[str]], limit: int
) -> None:
    everything = {(name, each) for name, ids in queue.items() for each in ids}
    place, seen = Place(), set[tuple[str, str]]()
    for _ in range(len(queue) * max(map(len, queue.values())) // limit + 1):
        taken = choose(queue, place, limit)
        assert len(taken) == min(limit, len(everything))
        assert len(set(taken)) == len(taken)
        seen |= set(taken)
    assert seen == everything


@given(queues, st.integers(1, 9))
def test_directories_take_turns(queue: dict[str, set[str]], limit: int) -> None:
    counts = Counter(name for name, _ in choose(queue, Place(), limit))
    fullest = max(counts.values(), default=0)
    for name, ids in queue.items():
        assert counts[name] >= min(len(ids), fullest - 1)


def test_the_next_run_begins_behind_the_last_directory() -> None:
    queue = {name: {"1", "2", "3"} for name in "abc"}
    place = Place()
    assert choose(queue, place, 2) == [("a", "1"), ("b", "1")]
    assert choose(queue, place, 2) == [("c", "1"), ("a", "2")]
    place = Place.decode(place.encode())
    assert choose(queue, place, 3) == [("b", "2"), ("c", "2"), ("a", "3")]
    assert choose(queue, place, 3) == [("b", "3"), ("c", "3"), ("a", "1")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\xff",
        b"[]",
        b"{}",
        b'{"directory": 1, "after": 2}',
        b'"x"',
        b"{" * 9999,
    ],
)
def test_a_damaged_place_means_begin_anywhere(data: bytes) -> None:
    assert choose({"a": {"1"}}, Place.decode(data), 1) == [("a", "1")]


def test_a_place_that_cannot_be_read_means_begin_anywhere(world: World) -> None:
    (world.path / "run" / PLACE).mkdir()
    rounds = Rounds(world.spool.fs, world.spool.run_fd, 1)
    choice = rounds.choice("a")
    choice.see(["1", "2"])
    assert rounds.take({"a": choice}) == [("a", "1")]


async def limited(world: World, server: ScriptedServer, limit: int) -> bool:
    """Run once for *limit* messages; say whether nothing was left."""
    world.serve_by(server)
    options = Options(once=True, max_messages=limit)
    async with asyncio.timeout(20):
        return await Runner(world.spool, list(world.spool.directories), options).run()


async def test_a_limited_run_takes_no_more_and_says_that_some_are_left(
    make_world: Callable[..., World],
) -> None:
    world = make_world(queues=3)
    for _ in range(10):
        world.submit()
    async with ScriptedServer() as server:
        left = []
        for expected in (4, 8, 10):
            left.append(await limited(world, server, 4))
            assert len(server.received) == expected
    assert left == [False, False, True]


async def test_limited_runs_get_past_messages_that_cannot_be_settled(
    make_world: Callable[..., World],
) -> None:
    world = make_world(queues=2)
    for queue_id in [world.submit() for _ in range(4)]:
        world.poke(queue_id, 0, b"DAMAGED!")
    fine = [world.submit() for _ in range(4)]
    async with ScriptedServer() as server:
        for _ in range(2 * 8):  # enough, however they fell into two directories
            await limited(world, server, 1)
        assert len(server.received) == len(fine)


async def test_a_notice_counts_among_the_messages(world: World) -> None:
    world.submit(b"no@x.invalid")
    refuse = Script(rcpt={b"no@x.invalid": b"550 5.1.1 no"})
    async with ScriptedServer(refuse) as server:
        assert not await limited(world, server, 1)
        assert len(server.received) == 0
        assert await limited(world, server, 1)
        assert len(server.received) == 1


async def test_what_had_no_turn_is_not_taken_for_a_notice(world: World) -> None:
    for address in (b"no@x.invalid", b"no@x.invalid", b"yes@x.invalid"):
        world.submit(address)
    refuse = Script(rcpt={b"no@x.invalid": b"550 5.1.1 no"})
    async with ScriptedServer(refuse) as server:
        await limited(world, server, 2)  # two notices are queued now
        await limited(world, server, 2)
        assert len(server.received) == 2
        assert await limited(world, server, 2)
        assert len(server.received) == 3


async def test_the_command_ends_with_75_while_something_is_left(
    make_world: Callable[..., World],
) -> None:
    world = make_world(queues=2)
    for _ in range(3):
        world.submit()
    async with ScriptedServer() as server:
        world.serve_by(server)
        run = ("--run", "--once", "--max-messages", "2")
        first = await asyncio.to_thread(world.run, *run)
        assert (first.returncode, len(server.received)) == (75, 2), first.stderr
        second = await asyncio.to_thread(world.run, *run)
        assert (second.returncode, len(server.received)) == (0, 3), second.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--run", "--max-messages", "2"),
        ("--max-messages", "2"),
        ("--run", "--once", "--max-messages", "0"),
        ("--run", "--once", "--max-messages", "some"),
    ],
)
def test_a_limit_that_makes_no_sense_is_a_usage_error(
    world: World, arguments: tuple[str, ...]
) -> None:
    ran = world.run(*arguments)
    assert ran.returncode == 64
    assert "--max-messages" in ran.stderr
