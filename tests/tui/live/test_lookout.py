"""The lookout tells what is so, and says when it cannot."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import NOW, PlantedSpool
from tests.spool.test_holders import holding
from tests.spool.world import SetClock
from tuiq.config import load
from tuiq.spool.journal import Event, Kind
from tuiq.spool.spool import Spool
from tuiq.spool.status import Connection, RunnerStatus, StatusWriter
from tuiq.spool.suspect import mark_suspect
from tuiq.tui.live import locks as locks_module
from tuiq.tui.live.lookout import Lookout
from tuiq.tui.live.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Scene:
    """A spool, its clock, and a lookout that looks when it is told to."""

    def __init__(self, planted: PlantedSpool, spool: Spool, clock: SetClock) -> None:
        self.planted, self.spool, self.clock = planted, spool, clock
        self.lookout = Lookout(spool)

    def look(self, seconds: float = 1.0) -> None:
        self.clock.time += seconds
        self.lookout.look()

    @contextmanager
    def runner(self, name: str, **facts: object) -> Iterator[StatusWriter]:
        writer = StatusWriter(self.spool.fs, self.spool.run_fd, name, self.clock)
        status = RunnerStatus(name=name, started=float(NOW), **facts)  # type: ignore[arg-type]
        writer.write(status)
        yield writer
        writer.close()

    def journal(self, *events: Event) -> None:
        self.spool.journal.append(events)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    planted = PlantedSpool(tmp_path / "spool")
    clock = SetClock(float(NOW))
    with Spool(load(str(planted.config)), clock=clock) as spool:
        scene = Scene(planted, spool, clock)
        yield scene
        scene.lookout.stop()


def queued(directory: str = "q.1") -> Event:
    return Event(kind=Kind.QUEUED, queue_id="A", directory=directory, text="1 x")


def finished(directory: str = "q.1") -> Event:
    return Event(kind=Kind.FINISHED, queue_id="A", directory=directory)


def test_the_first_sight_is_empty_and_nobody_waits_for_more(scene: Scene) -> None:
    assert scene.lookout.sight.at == 0.0
    assert list(scene.lookout.history("in", 60)) == []


def test_what_comes_in_and_leaves_is_counted_by_directory(scene: Scene) -> None:
    scene.look()
    evil = Event(kind=Kind.DEFERRED, queue_id="A", text='"event":"queued"')
    scene.journal(queued(), queued(), queued("q.2"), finished("q.2"), evil)
    scene.look()
    assert list(scene.lookout.history("in", 1)) == [3]
    assert list(scene.lookout.history("out", 1)) == [1]
    assert list(scene.lookout.history("queue:q.1:in", 1)) == [2]
    assert list(scene.lookout.history("queue:q.2:out", 1)) == [1]
    assert list(scene.lookout.history("queue:q.4:in", 2)) == [0, 0]


def test_present_rates_are_means_over_some_seconds(scene: Scene) -> None:
    scene.look()
    for _ in range(4):
        scene.look()
    scene.journal(*[queued()] * 10)
    scene.look()
    sight = scene.lookout.sight
    assert sight.rates["in"] == pytest.approx(10 / 5, rel=0.01)
    assert sight.directories["q.1"].rate_in == pytest.approx(2.0, rel=0.01)


def test_a_clock_that_is_set_spoils_no_rate(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = [5000.0]
    monkeypatch.setattr(scene.clock, "boottime", lambda: boot[0])
    scene.lookout = Lookout(scene.spool)
    scene.lookout.look()
    for jump in (1.0, -86400.0, 86400.0 * 365):
        boot[0] += 1.0
        scene.journal(queued(), queued())
        scene.look(jump)
        assert list(scene.lookout.history("in", 1)) == [2]
    assert len(scene.lookout.history("in", 900)) == 4


def test_outcomes_are_the_runners_word(scene: Scene) -> None:
    with (
        scene.runner("worker-1", rates={"delivered": 5.0, "failed": 1.0}),
        scene.runner("worker-2", rates={"delivered": 2.5}),
    ):
        scene.look()
        assert scene.lookout.sight.rates["delivered"] == 7.5
        assert scene.lookout.sight.rates["failed"] == 1.0
    scene.look()
    assert scene.lookout.sight.rates["delivered"] == 0.0


def test_a_runner_that_was_stopped_delivers_nothing(scene: Scene) -> None:
    with scene.runner("worker-1", rates={"delivered": 5.0}) as writer:
        for _ in range(14):
            scene.look()
        assert scene.lookout.sight.rates["delivered"] == 5.0
        scene.look(3.0)
        assert scene.lookout.sight.rates["delivered"] == 0.0
        writer.write(RunnerStatus(name="worker-1", rates={"delivered": 4.0}))
        scene.look()
        assert scene.lookout.sight.rates["delivered"] == 4.0


def test_a_destination_is_known_by_its_relay_or_by_its_route(scene: Scene) -> None:
    scene.look()
    scene.journal(
        Event(
            kind=Kind.DELIVERED,
            queue_id="A",
            relay="mx.example.net:25",
            code=250,
            text='ok "recipients":[[1,"x@evil.example"]]',
            recipients=[(1, b"a@b.example"), (2, b'"],["@b.example')],
        ),
        Event(
            kind=Kind.DELIVERED,
            queue_id="B",
            relay="10.0.0.1:25",
            recipients=[(1, b"a@b.example")],
        ),
        Event(kind=Kind.DEFERRED, queue_id="C", recipients=[(1, b"a@b.example")]),
    )
    scene.look()
    assert list(scene.lookout.history("destination:mx.example.net:25:out", 1)) == [3]
    assert list(scene.lookout.history("destination:10.0.0.1:25:out", 1)) == []


def test_who_serves_a_directory_is_told(scene: Scene) -> None:
    with (
        scene.runner("supervisor", directories=("q.1", "q.2", "q.3")),
        scene.runner("worker-1", directories=("q.1",)),
        scene.runner("worker-2", directories=("q.1", "q.2")),
    ):
        scene.look()
        facts = scene.lookout.sight.directories
        pid = os.getpid()
        assert facts["q.1"].runner == f"worker-1, worker-2 (pids {pid}, {pid})"
        assert facts["q.2"].runner == f"worker-2 (pid {pid})"
        assert facts["q.3"].runner == f"supervisor (pid {pid})"
        assert facts["q.4"].runner == ""


def test_where_a_directory_really_is_and_what_is_wrong_there(scene: Scene) -> None:
    path = scene.planted.path
    (path / "q.2").rename(path / "disk2")
    (path / "q.2").symlink_to(path / "disk2")
    shutil.rmtree(path / "q.3")
    mark_suspect(scene.spool.run_fd, scene.spool.directory("q.1"), "EIO")
    (path / "q.4").rename(path / "old")
    (path / "q.4").mkdir()
    scene.look()
    facts = scene.lookout.sight.directories
    assert facts["q.2"].real == str(path / "disk2")
    assert facts["q.2"].error == ""
    assert "is gone" in facts["q.3"].error
    assert "sync failed" in facts["q.1"].suspect
    assert "another directory" in facts["q.4"].error
    assert facts["q.2"].total_bytes >= facts["q.2"].free_bytes > 0
    assert scene.lookout.sight.error == ""


def test_a_look_that_fails_keeps_the_last_good_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scene.runner("worker-1"):
        scene.look()
        good = scene.lookout.sight
        real = os.open

        def full(path: object, flags: int, *more: object, **kw: object) -> int:
            if str(path).endswith("run"):
                raise OSError(errno.EMFILE, "Too many open files", str(path))
            return real(path, flags, *more, **kw)  # type: ignore[arg-type]

        with monkeypatch.context() as patched:
            patched.setattr(os, "open", full)
            scene.look()
        bad = scene.lookout.sight
        assert "Too many open files" in bad.error
        assert (bad.at, bad.around) == (good.at, good.around)
        scene.look()
        assert scene.lookout.sight.error == ""
        assert scene.lookout.sight.at > good.at


def test_a_fault_in_a_look_ends_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.look()
    with monkeypatch.context() as patched:
        patched.setattr(scene.lookout, "_measure", lambda *_: 1 / 0)
        scene.look()
    assert "ZeroDivisionError" in scene.lookout.sight.error
    scene.look()
    assert scene.lookout.sight.error == ""


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e300", "1" + "0" * 400])
def test_numbers_that_make_no_sense_are_not_believed(scene: Scene, number: str) -> None:
    with scene.runner("worker-1") as writer:
        del writer
        status = scene.planted.path / "run" / "worker-1.status"
        told = json.loads(status.read_text())
        del told["started"], told["pid"]
        text = json.dumps(told)[:-1] + (
            f',"started":{number},"fd_used":{number},"rates":{{"delivered":{number}}},'
            f'"destinations":[{{"name":"x","until":{number},"limit":{number}}}]}}'
        )
        status.write_text(text)
        scene.look()
        sight = scene.lookout.sight
        assert sight.error == ""
        assert sight.rates["delivered"] == 0.0
        assert sight.around.runners[0].started == 0.0
        assert (sight.destinations[0].until, sight.destinations[0].limit) == (0.0, 0)


def test_looking_leaves_no_descriptor_open(scene: Scene) -> None:
    scene.planted.plant("fresh")
    with scene.runner("worker-1"), holding(scene.planted.control_file("fresh")):
        scene.look()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            scene.look()
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_lock_of_another_process_is_found(scene: Scene) -> None:
    queue_id = scene.planted.plant("fresh")
    with holding(scene.planted.control_file("fresh")) as process:
        scene.look()
        lock = scene.lookout.sight.around.locks.messages[queue_id]
        assert (lock.holder.pid, lock.place) == (process.pid, "q.1")
    scene.look()
    assert scene.lookout.sight.around.locks.messages == {}


def test_a_lock_that_a_runner_tells_of_needs_no_listing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_id = scene.planted.plant("fresh")
    told = Connection(
        destination="x", phase="data", since=NOW, message=queue_id, directory="q.1"
    )

    def never(*_: object) -> None:
        raise AssertionError("listed")

    monkeypatch.setattr(locks_module._Names, "_list", never)
    with (
        scene.runner("worker-1", connections=(told,)),
        holding(scene.planted.control_file("fresh")),
    ):
        # One look: others on this machine take and leave locks all the time.
        held = scene.lookout._reader.pids([scene.spool.directories[0].qf_fd])[0]
        scene.lookout._locks._names[0]._strangers = frozenset(held)
        found = scene.lookout._locks._names[0].find(held, [queue_id])
        assert list(found.values()) == ["qf" + queue_id]


def test_large_directories_are_listed_rarely(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [scene.planted.plant(name) for name in ("aaa", "bbb")]
    moment = [100.0]
    listed: list[float] = []
    real = locks_module._Names._list

    def slow(self: locks_module._Names, pids: dict[int, int]) -> None:
        real(self, pids)
        if self.directory.name == "q.1":
            listed.append(moment[0])
        self._listable = moment[0] + locks_module.PATIENCE

    monkeypatch.setattr(locks_module._Names, "_list", slow)
    monkeypatch.setattr("tuiq.tui.live.locks.monotonic", lambda: moment[0])
    with holding(scene.planted.control_file("aaa")):
        scene.look()
        assert set(scene.lookout.sight.around.locks.messages) == {names[0]}
        with holding(scene.planted.control_file("bbb")):
            scene.look()
            assert set(scene.lookout.sight.around.locks.messages) == {names[0]}
            moment[0] += locks_module.PATIENCE
            scene.look()
            assert set(scene.lookout.sight.around.locks.messages) == set(names)
            scene.look()
    assert listed == [100.0, 100.0 + locks_module.PATIENCE]


def test_runners_that_come_and_go_are_noted(scene: Scene) -> None:
    with scene.runner("worker-1"):
        scene.look()
        with scene.runner("worker-2") as writer:
            scene.look()
            writer.write(RunnerStatus(name="worker-2", started=NOW, phase="draining"))
            scene.look()
        scene.look()
    said = [(run.runner.split()[0], run.what) for run in scene.lookout.runs]
    assert said == [
        ("worker-1", "was running already"),
        ("worker-2", "started"),
        ("worker-2", "draining"),
        ("worker-2", "ended"),
    ]


def test_a_runner_that_leaves_its_status_behind_has_died() -> None:
    runs = Runs()
    told = RunnerStatus(name="worker-1", started=NOW, alive=True)
    runs.look([told], NOW)
    runs.look([replace(told, alive=False)], NOW + 1)
    runs.look([], NOW + 2)
    assert [run.what for run in runs.turns] == ["was running already", "died"]


def test_the_thread_looks_by_itself_and_ends(scene: Scene) -> None:
    scene.lookout = Lookout(scene.spool, interval=0.01)
    scene.lookout.start()
    deadline = time.monotonic() + 10
    first = scene.lookout.sight
    while scene.lookout.sight is first and time.monotonic() < deadline:
        time.sleep(0.005)
    assert scene.lookout.sight is not first
    scene.lookout.stop()
    assert not any(thread.name == "lookout" for thread in threading.enumerate())
