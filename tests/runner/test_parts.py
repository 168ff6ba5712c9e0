"""The parts of a runner on their own: the due list, the marks, the loops."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections import Counter
from itertools import chain
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runner.world import World, until
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.runner.due import DueList, index_time, scan
from tuiq.runner.runner import Options, Runner
from tuiq.runner.threads import in_thread
from tuiq.spool.fs import OsFs
from tuiq.spool.layout import make_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tuiq.spool.layout import QueueDirectory


def directory(name: str) -> QueueDirectory:
    place: Any = SimpleNamespace(name=name)
    return place  # type: ignore[no-any-return]


PLACES = {name: directory(name) for name in ("q.1", "q.2")}

# Born at second 0, so that what is due then was never tried.
IDS = [make_id(0, suffix * 8) for suffix in "ABCD"]
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"),
            st.sampled_from(sorted(PLACES)),
            st.sampled_from(IDS),
            st.integers(0, 20),
        ),
        st.tuples(st.just("pop"), st.integers(0, 20)),
    ),
    max_size=60,
)


def is_due_first(when: float, model: Iterable[float]) -> bool:
    """Say whether nothing of the same kind has been due longer."""
    return when == min(other for other in model if (other < 1) == (when < 1))


@given(steps)
def test_a_due_list_gives_each_message_once_at_its_earliest(
    steps: list[tuple[Any, ...]],
) -> None:
    due, model = DueList(), dict[tuple[str, str], float]()
    for step in steps:
        if step[0] == "add":
            _, name, queue_id, when = step
            due.add(PLACES[name], queue_id, when)
            model[name, queue_id] = min(when, model.get((name, queue_id), when))
        else:
            found = due.pop(step[1])
            ready = [when for when in model.values() if when <= step[1]]
            assert (found is None) == (not ready)
            if found is not None:
                when = model[found[0].name, found[1]]
                assert is_due_first(when, model.values())
                del model[found[0].name, found[1]]
        assert len(due) == len(model)
        assert due.next_time() == min(model.values(), default=None)


def drained(due: DueList) -> list[str]:
    """Return the ids of all that is due, in the order in which it is taken."""
    return [item[1] for item in iter(lambda: due.pop(4e9), None)]


@given(st.lists(st.integers(2, 50), min_size=1), st.sampled_from((1, 7, 100)))
def test_a_due_list_empties_in_order(times: list[int], loose: int) -> None:
    due = DueList(loose=loose)
    ids = {make_id(0): when for when in times}
    for queue_id, when in ids.items():
        due.add(PLACES["q.1"], queue_id, when)
    assert [ids[queue_id] for queue_id in drained(due)] == sorted(times)


def test_new_mail_and_retries_take_turns_however_many_there_are() -> None:
    due, place = DueList(), PLACES["q.1"]
    old = [make_id(number) for number in range(9000)]
    due.add_scanned(place, [(queue_id, 500.0) for queue_id in old])
    new = [make_id((1000 + number) * 1_000_000) for number in range(5)]
    for number, queue_id in enumerate(new):
        due.add(place, queue_id, 1000.0 + number)
    first = drained(due)[:10]
    assert [queue_id in new for queue_id in first] == [True, False] * 5
    assert [queue_id for queue_id in first if queue_id in new] == new


def test_retries_come_up_in_a_stream_of_new_mail() -> None:
    due, place = DueList(), PLACES["q.1"]
    late = make_id(0)
    due.add(place, late, 500.0)
    taken = []
    for second in range(1000, 1004):
        for number in range(3):
            due.add(place, make_id(second * 1_000_000 + number), float(second))
        taken.append(due.pop(2000.0))
    assert (place, late) in taken[:2]


def test_a_scan_replaces_what_the_last_one_found() -> None:
    due, place = DueList(), PLACES["q.1"]
    ids = [make_id(number) for number in range(100)]
    for _ in range(3):
        due.begin_scan(place)
        due.add_scanned(place, [(queue_id, 500.0) for queue_id in ids])
        due.pop(4e9)
    assert len(due) == 99
    assert sorted(drained(due)) == sorted(ids)[1:]


def test_a_due_list_takes_little_memory_for_what_waits() -> None:
    due, place = DueList(), PLACES["q.1"]
    tracemalloc.start()
    try:
        for first in range(0, 50_000, 2000):
            block = range(first, first + 2000)
            due.add_scanned(place, ((make_id(number), 500.0) for number in block))
        for number in range(50_000):
            due.add(place, make_id(number), 500.0)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(due) == 100_000
    assert held < 4_000_000


def test_a_scan_lists_what_comes_due_and_what_is_absurd(world: World) -> None:
    place = world.spool.directories[0]
    now = world.spool.clock.now()
    times = {"past": 5.0, "soon": now + 50, "later": now + 500, "absurd": now + 4e7}
    ids = {name: world.submit() for name in times}
    for name, when in times.items():
        world.touch(ids[name], when)
    (world.path / "q.1" / "notes.txt").write_text("not mail")
    found = dict(chain.from_iterable(scan(place, now=now, until=now + 100)))
    assert found == {
        ids["past"]: 5.0,
        ids["soon"]: pytest.approx(now + 50),
        ids["absurd"]: now,
    }
    assert index_time(place, "1" * 19) is None


def test_a_scan_opens_no_message(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.submit()
    opened: list[object] = []
    monkeypatch.setattr(OsFs, "open", lambda *args, **_: opened.append(args))
    assert list(scan(world.spool.directories[0], now=4e9, until=4e9))
    assert opened == []


async def test_a_thread_is_waited_for_when_its_task_is_cancelled() -> None:
    order: list[str] = []
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(go_on.set)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), loop).result()
        order.append("thread")

    task = asyncio.create_task(in_thread(work))
    await go_on.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert order == ["thread"]


# -- durability ----------------------------------------------------------------


class Calls:
    """The order of syncs, unlinks and marks of delivered recipients."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[str] = []
        for call in ("fdatasync", "fsync", "unlink", "pwrite"):
            real = getattr(OsFs(), call)
            monkeypatch.setattr(OsFs, call, self._spy(call, real))

    def _spy(self, call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def spy(_fs: OsFs, *args: Any, **kwargs: Any) -> Any:
            if call == "unlink":
                self.made.append(f"unlink {args[0][:2]}")
            elif call == "pwrite" and len(args[1]) == 1:
                self.made.append(f"mark {bytes(args[1]).decode()}")
            elif call in {"fdatasync", "fsync"}:
                name = os.readlink(f"/proc/self/fd/{args[0]}").rpartition("/")[2]
                self.made.append(f"sync {name[:2]}")
            return real(*args, **kwargs)

        return spy


async def passed(world: World, calls: Calls) -> list[str]:
    world.submit(b"a@x.invalid", b"b@x.invalid")
    calls.made.clear()
    async with ScriptedServer() as server:
        await world.once(server)
    return [call for call in calls.made if call in _TELLING]


_TELLING = {"mark D", "mark F", "sync qf", "sync q.", "unlink df", "unlink qf"}


_END = ["mark F", "unlink qf", "sync q.", "unlink df"]


async def test_group_durability_syncs_the_name_before_the_data_goes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await passed(world, Calls(monkeypatch))
    assert made == ["mark D", "mark D", *_END]


async def test_each_durability_syncs_every_verdict(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(
        spool={"durability": "each"},
        delivery={"recipients_per_transaction": 1, "concurrency": 1},
    )
    made = await passed(world, Calls(monkeypatch))
    assert made == ["mark D", "sync qf", "mark D", "sync qf", *_END]


async def test_no_durability_keeps_the_order_and_syncs_nothing(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(spool={"durability": "none"})
    made = await passed(world, Calls(monkeypatch))
    assert made == ["mark D", "mark D", "mark F", "unlink qf", "unlink df"]


async def test_in_doubt_hold_syncs_before_the_dot(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(spool={"in_doubt": "hold"})
    world.submit()
    calls = Calls(monkeypatch)
    seen: list[str] = []

    def dot(_: object) -> None:
        seen.extend(calls.made)

    async with ScriptedServer(Script(dot=dot)) as server:
        await world.once(server)
    assert seen[-2:] == ["mark U", "sync qf"]


async def test_nothing_per_recipient_is_a_sync(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(delivery={"concurrency": 1})
    world.submit(*(b"u%d@x.invalid" % number for number in range(1000)))
    calls = Calls(monkeypatch)
    async with ScriptedServer() as server:
        await world.once(server)
    counts = Counter(calls.made)
    assert counts["mark D"] == 1000
    assert counts["sync qf"] < 100


# -- both event loops ----------------------------------------------------------


@pytest.mark.parametrize("module", ["asyncio", "uvloop"])
def test_both_loops_deliver_defer_bounce_and_drain(
    make_world: Callable[..., World], module: str
) -> None:
    factory = pytest.importorskip(module).new_event_loop
    world = make_world(queues=2, delivery={"idle_timeout": 0.1})
    refused = {b"no@x.invalid": b"550 5.1.1 no", b"late@x.invalid": b"451 4.7.1 later"}

    async def live() -> None:
        script = Script(rcpt=refused, dot=Act(delay=0.01))
        async with ScriptedServer(script) as server:
            world.serve_by(server)
            runner = Runner(
                world.spool, list(world.spool.directories), Options(once=False)
            )
            task = asyncio.create_task(runner.run())
            await until(lambda: runner.intake.next_scan)
            for _ in range(20):
                world.submit(b"yes@x.invalid", b"no@x.invalid", b"late@x.invalid")
            await until(lambda: len(server.received) == 40)  # 20 of them notices
            await until(lambda: not runner.courier.watchers)
            await runner.stop()
            await task

    with asyncio.Runner(loop_factory=factory) as loop:
        loop.run(live())
    assert {world.states(queue_id) for queue_id in world.ids()} == {b"DBT"}
    assert len(world.ids()) == 20
