"""One timer of the loop for many waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.delivery.alarm import Alarm


@dataclass(eq=False)
class Timer:
    when: float
    ring: Callable[[], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


@dataclass
class Loop:
    """A loop whose time is moved by hand."""

    now: float = 100.0
    timers: list[Timer] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, ring: Callable[[], None]) -> Timer:
        self.timers.append(Timer(when, ring))
        return self.timers[-1]

    def go_on(self, seconds: float) -> None:
        end = self.now + seconds
        while (timer := self._next(end)) is not None:
            self.now = max(self.now, timer.when)
            timer.is_cancelled = True  # it fires once
            timer.ring()
        self.now = end

    def _next(self, end: float) -> Timer | None:
        live = [t for t in self.timers if not t.is_cancelled and t.when <= end]
        return min(live, key=lambda timer: timer.when, default=None)


@dataclass
class Bench:
    loop: Loop
    alarm: Alarm
    rung: list[float]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return made(monkeypatch)


def made(monkeypatch: pytest.MonkeyPatch) -> Bench:
    loop, rung = Loop(), list[float]()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    return Bench(loop, Alarm(lambda: rung.append(loop.now)), rung)


def test_it_rings_once_at_its_time(bench: Bench) -> None:
    bench.alarm.set(5)
    bench.loop.go_on(100)
    assert bench.rung == [105]


def test_it_is_silent_once_cleared_or_closed(bench: Bench) -> None:
    for end in (bench.alarm.clear, bench.alarm.close):
        bench.alarm.set(5)
        end()
        bench.loop.go_on(100)
    assert bench.rung == []


def test_an_earlier_time_is_kept_though_a_later_one_was_set(bench: Bench) -> None:
    bench.alarm.set(300)
    bench.alarm.clear()
    bench.alarm.set(5)
    bench.loop.go_on(100)
    assert bench.rung == [105]


def test_a_thousand_short_waits_make_a_timer_or_two(bench: Bench) -> None:
    for _ in range(1000):
        bench.alarm.set(300)
        bench.loop.go_on(0.01)
        bench.alarm.clear()
    assert len(bench.loop.timers) == 1
    bench.loop.go_on(1000)
    assert bench.rung == []
    assert all(timer.is_cancelled for timer in bench.loop.timers), "nothing is left"


Deed = tuple[str, float]
deeds = st.lists(
    st.tuples(st.sampled_from(["set", "clear", "go on"]), st.integers(1, 9)),
    max_size=30,
)


@given(deeds)
def test_it_rings_as_a_timer_made_anew_each_time_would(done: list[Deed]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        bench = made(monkeypatch)
        expected: list[float] = []
        due: float | None = None
        for deed, seconds in [*done, ("go on", 1000)]:
            if deed == "set":
                bench.alarm.set(seconds)
                due = bench.loop.now + seconds
            elif deed == "clear":
                bench.alarm.clear()
                due = None
            else:
                bench.loop.go_on(seconds)
                if due is not None and due <= bench.loop.now:
                    expected.append(due)
                    due = None
        assert bench.rung == expected
