from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuiq.errors import SpoolUnavailable
from tuiq.spool import watch as module
from tuiq.spool.watch import Dirty, SpoolWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE = 20.0


@dataclass
class Bench:
    """A watch over real directories, and its wake-ups as an event to wait for."""

    root: Path
    fds: dict[str, int] = field(default_factory=dict)
    woken: threading.Event = field(default_factory=threading.Event)
    wakes: int = 0
    departures: bool = False

    def __post_init__(self) -> None:
        self.watch = SpoolWatch(self.wake, departures=self.departures)

    def wake(self) -> None:
        self.wakes += 1
        self.woken.set()

    def add(self, name: str) -> Path:
        path = self.root / name
        path.mkdir()
        self.fds[name] = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        assert self.watch.add(name, self.fds[name]) is None
        return path

    def until(self, wanted: Callable[[Dirty], bool]) -> Dirty:
        """Drain at each wake-up until everything together is *wanted*."""
        total = Dirty()
        while not wanted(total):
            assert self.woken.wait(DEADLINE), f"no wake-up; so far {total}"
            self.woken.clear()
            news = self.watch.drain()
            names = {
                key: total.names.get(key, frozenset())
                | news.names.get(key, frozenset())
                for key in total.names.keys() | news.names.keys()
            }
            total = Dirty(
                names=names,
                rescan=total.rescan | news.rescan,
                lost=total.lost | news.lost,
            )
        return total


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.watch.close()
    for fd in bench.fds.values():
        os.close(fd)


def test_renames_and_closed_writes_are_told_by_directory(bench: Bench) -> None:
    qf, drop = bench.add("q.1"), bench.add("drop")
    (qf / "tf1").write_bytes(b"x")
    (qf / "tf1").rename(qf / "qf1")
    (drop / "new").write_bytes(b"x")
    dirty = bench.until(lambda d: "qf1" in d.names.get("q.1", ()) and "drop" in d.names)
    assert dirty.names == {"q.1": {"tf1", "qf1"}, "drop": {"new"}}
    assert not dirty.rescan
    assert not dirty.lost


def test_an_in_place_change_by_another_process_is_told(bench: Bench) -> None:
    qf = bench.add("q.1")
    (qf / "qf1").write_bytes(b"----")
    bench.until(lambda d: "q.1" in d.names)
    code = "import os,sys; f=os.open(sys.argv[1],os.O_RDWR); os.pwrite(f,b'H',1)"
    subprocess.run([sys.executable, "-c", code, str(qf / "qf1")], check=True)
    assert bench.until(lambda d: "q.1" in d.names).names == {"q.1": {"qf1"}}


def test_reading_wakes_nobody(bench: Bench) -> None:
    qf = bench.add("q.1")
    (qf / "qf1").write_bytes(b"x")
    bench.until(lambda d: "q.1" in d.names)
    (qf / "qf1").read_bytes()
    os.listdir(qf)
    (qf / "mark").write_bytes(b"x")
    assert bench.until(lambda d: "q.1" in d.names).names == {"q.1": {"mark"}}


def test_wake_ups_coalesce_until_the_drain(bench: Bench) -> None:
    qf = bench.add("q.1")
    for number in range(200):
        (qf / f"qf{number}").write_bytes(b"x")
    assert bench.woken.wait(DEADLINE)
    # Every event came before the end of the watch, which is told last.
    lost = threading.Event()
    bench.watch.vanished = lambda name: lost.set()  # type: ignore[method-assign]
    qf.rename(qf.with_name("elsewhere"))
    assert lost.wait(DEADLINE)
    assert bench.wakes == 1
    assert len(bench.watch.drain().names["q.1"]) == 200
    assert not bench.watch.drain()


def test_more_names_than_are_kept_become_a_rescan(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NAMES_PER_DIRECTORY", 10)
    first, second = bench.add("q.1"), bench.add("q.2")
    for number in range(11):
        (first / f"qf{number}").write_bytes(b"x")
        (second / "qf0").write_bytes(b"x")
    (second / "last").write_bytes(b"x")
    dirty = Dirty()
    while "last" not in dirty.names.get("q.2", ()):  # peek: a drain would start anew
        assert bench.woken.wait(DEADLINE)
        with bench.watch._lock:
            names = {k: frozenset(v) for k, v in bench.watch._names.items()}
        dirty = Dirty(names=names)
    assert bench.watch.drain() == Dirty(
        names={"q.2": frozenset({"qf0", "last"})}, rescan=frozenset({"q.1"})
    )


def test_an_overflow_of_the_kernels_queue_asks_for_rescans(bench: Bench) -> None:
    """The kernel keeps max_queued_events; a stalled reader loses the rest."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 50_000:
        pytest.skip("max_queued_events is too large here to overflow it in a test")
    qf = bench.add("q.1")
    stall, stalled = threading.Event(), threading.Event()
    original = bench.watch.changed

    def slow(name: str, file: str) -> None:
        stalled.set()
        assert stall.wait(DEADLINE)
        original(name, file)

    bench.watch.changed = slow  # type: ignore[method-assign]
    paths = [str(qf / "a"), str(qf / "b")]  # two names: equal neighbours coalesce
    for number in range(limit + 20_000):
        os.close(os.open(paths[number % 2], os.O_WRONLY | os.O_CREAT))
    assert stalled.is_set()
    stall.set()
    assert bench.until(lambda d: bool(d.rescan)).rescan == {"q.1"}


def test_a_renamed_directory_is_told_as_lost(bench: Bench) -> None:
    qf = bench.add("q.1")
    qf.rename(qf.with_name("q.old"))
    assert bench.until(lambda d: bool(d.lost)).lost == {"q.1"}


def test_a_deleted_directory_is_told_as_lost(bench: Bench) -> None:
    qf = bench.add("q.1")
    qf.rmdir()
    os.close(bench.fds.pop("q.1"))  # the kernel tells when nobody holds it open
    assert bench.until(lambda d: bool(d.lost)).lost == {"q.1"}


def test_nobody_is_woken_after_close(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    qf = bench.add("q.1")
    bench.watch.close()
    (qf / "qf1").write_bytes(b"x")
    bench.watch.changed("q.1", "qf1")
    assert bench.wakes == 0
    os.close(bench.fds["q.1"])


def test_closing_ends_the_thread_and_its_descriptors(tmp_path: Path) -> None:
    threads, fds = threading.active_count(), len(os.listdir("/proc/self/fd"))
    SpoolWatch(lambda: None).close()
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == fds


def test_a_remote_directory_is_polled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "filesystem_type", lambda fd: "nfs4")
    answer = bench.watch.add("q.1", 0)
    assert answer == "q.1: is on nfs4, which tells of no remote writers; polling"


@pytest.mark.parametrize("number", [28, 13])
def test_a_refused_watch_is_told_with_the_remedy(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> int:
        if number == 13:
            return -1
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(bench.watch._source._thread, "add_callback", refuse)  # type: ignore[attr-defined]
    fd = os.open(bench.root, os.O_RDONLY)
    answer = bench.watch.add("q.1", fd) or ""
    os.close(fd)
    assert os.strerror(number) in answer
    assert "max_user_watches" in answer


def test_the_end_of_a_finished_message_wakes_nobody(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    qf = bench.add("q.1")
    with (qf / "qf1").open("wb") as finished:
        (qf / "qf1").unlink()
        finished.write(b"F")
    (qf / "qf2").write_bytes(b"x")
    dirty = bench.until(lambda d: "qf2" in d.names.get("q.1", frozenset()))
    assert dirty.names["q.1"] == {"qf2"}
    bench.watch.close()
    os.close(bench.fds["q.1"])


def test_departures_are_told_to_those_who_ask(tmp_path: Path) -> None:
    bench = Bench(tmp_path, departures=True)
    qf = bench.add("q.1")
    (qf / "qf1").write_bytes(b"x")
    (qf / "qf2").write_bytes(b"x")
    bench.until(lambda d: d.names.get("q.1", frozenset()) == {"qf1", "qf2"})
    (qf / "qf1").unlink()
    bench.until(lambda d: d.names.get("q.1", frozenset()) == {"qf1"})
    (qf / "qf2").rename(tmp_path / "elsewhere")
    bench.until(lambda d: d.names.get("q.1", frozenset()) == {"qf2"})
    bench.watch.close()
    os.close(bench.fds["q.1"])


def test_departures_wake_nobody_who_did_not_ask(bench: Bench) -> None:
    qf = bench.add("q.1")
    (qf / "qf1").write_bytes(b"x")
    bench.until(lambda d: "q.1" in d.names)
    (qf / "qf1").unlink()
    (qf / "mark").write_bytes(b"x")
    assert bench.until(lambda d: "q.1" in d.names).names == {"q.1": {"mark"}}


def test_the_fallback_tells_of_departures_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_make_source", module._ObserverSource)
    bench = Bench(tmp_path, departures=True)
    qf = bench.add("q.1")
    (qf / "qf1").write_bytes(b"x")
    bench.until(lambda d: "qf1" in d.names.get("q.1", frozenset()))
    (qf / "qf1").unlink()
    bench.until(lambda d: "qf1" in d.names.get("q.1", frozenset()))
    bench.watch.close()
    os.close(bench.fds["q.1"])


def test_watchdogs_documented_observer_serves_as_the_fallback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_make_source", module._ObserverSource)
    bench = Bench(tmp_path)
    qf = bench.add("q.1")
    (qf / "tf1").write_bytes(b"x")
    (qf / "tf1").rename(qf / "qf1")
    (qf / "qf2").write_bytes(b"x")
    dirty = bench.until(lambda d: {"qf1", "qf2"} <= d.names.get("q.1", frozenset()))
    assert not dirty.lost
    bench.watch.close()
    os.close(bench.fds["q.1"])


def test_the_fallback_tells_of_a_deleted_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_make_source", module._ObserverSource)
    bench = Bench(tmp_path)
    qf = bench.add("q.1")
    qf.rmdir()
    os.close(bench.fds["q.1"])
    assert bench.until(lambda d: bool(d.lost)).lost == {"q.1"}
    bench.watch.close()


def test_a_machine_without_inotify_instances_is_told_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: object) -> None:
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr(module, "_InotifySource", refuse)
    with pytest.raises(SpoolUnavailable, match="max_user_instances"):
        SpoolWatch(lambda: None)
