"""The parts of a runner on their own: the due list, the marks, the loops."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.spool.layout import QueueDirectory


def directory(name: str) -> QueueDirectory:
    place: Any = SimpleNamespace(name=name)
    return place  # type: ignore[no-any-return]


PLACES = {name: directory(name) for name in ("q.1", "q.2")}

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"),
            st.sampled_from(sorted(PLACES)),
            st.sampled_from("abcd"),
            st.integers(0, 20),
        ),
        st.tuples(st.just("pop"), st.integers(0, 20)),
    ),
    max_size=60,
)


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
                key = found[0].name, found[1]
                assert model.pop(key) == min(ready)
        assert len(due) == len(model)
        assert due.next_time() == min(model.values(), default=None)


@given(st.lists(st.integers(0, 50), min_size=1))
def test_a_due_list_empties_in_order(times: list[int]) -> None:
    due = DueList()
    for number, when in enumerate(times):
        due.add(PLACES["q.1"], f"id{number}", when)
    order = []
    while item := due.pop(100):
        order.append(times[int(item[1][2:])])
    assert order == sorted(times)


def test_a_scan_lists_what_comes_due_and_what_is_absurd(world: World) -> None:
    place = world.spool.directories[0]
    now = world.spool.clock.now()
    times = {"past": 5.0, "soon": now + 50, "later": now + 500, "absurd": now + 4e7}
    ids = {name: world.submit() for name in times}
    for name, when in times.items():
        world.touch(ids[name], when)
    (world.path / "q.1" / "notes.txt").write_text("not mail")
    found = dict(scan(place, now=now, until=now + 100))
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
    scan(world.spool.directories[0], now=4e9, until=4e9)
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
        for call in ("fdatasync", "unlink", "pwrite"):
            real = getattr(OsFs, call)
            monkeypatch.setattr(OsFs, call, self._spy(call, real))

    def _spy(self, call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def spy(fs: OsFs, *args: Any, **kwargs: Any) -> Any:
            if call == "unlink":
                self.made.append(f"unlink {args[0][:2]}")
            elif call == "pwrite" and len(args[1]) == 1:
                self.made.append(f"mark {bytes(args[1]).decode()}")
            elif call == "fdatasync":
                name = os.readlink(f"/proc/self/fd/{args[0]}").rpartition("/")[2]
                self.made.append(f"sync {name[:2]}")
            return real(fs, *args, **kwargs)

        return spy


async def passed(world: World, calls: Calls) -> list[str]:
    world.submit(b"a@x.invalid", b"b@x.invalid")
    calls.made.clear()
    async with ScriptedServer() as server:
        await world.once(server)
    return [call for call in calls.made if call in _TELLING]


_TELLING = {"mark D", "mark F", "sync qf", "unlink df", "unlink qf"}


async def test_group_durability_syncs_between_f_and_the_first_unlink(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await passed(world, Calls(monkeypatch))
    assert made[-4:] == ["mark F", "sync qf", "unlink df", "unlink qf"]


async def test_each_durability_syncs_every_verdict(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(
        spool={"durability": "each"},
        delivery={"recipients_per_transaction": 1, "concurrency": 1},
    )
    made = await passed(world, Calls(monkeypatch))
    assert made[:4] == ["mark D", "sync qf", "mark D", "sync qf"]


async def test_no_durability_unlinks_the_control_file_first(
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
