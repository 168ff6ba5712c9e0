"""The rings of rates: what was added comes back, whatever the pace of the looks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.tui.live.history import COARSE, FINE, STEP, History


def test_one_value_per_second_oldest_first() -> None:
    history = History()
    for second in range(10):
        history.add(100 + second, {"in": float(second)})
    assert list(history.read("in", 4)) == [6, 7, 8, 9]
    assert list(history.read("in", 60)) == list(range(10))


def test_seconds_without_a_look_get_the_mean_of_what_was_counted() -> None:
    history = History()
    history.add(100, {"in": 1.0})
    history.add(104, {"in": 5.0})
    assert list(history.read("in", 10)) == [1, 5, 5, 5, 5]


def test_two_looks_in_one_second_are_one_value() -> None:
    history = History()
    history.add(100.0, {"in": 0.0})
    history.add(101.0, {"in": 2.0})
    history.add(101.9, {"in": 4.0})
    history.add(102.9, {"in": 8.0})
    assert list(history.read("in", 10)) == [0, 3, 8]


def test_longer_windows_are_means_of_ten_seconds() -> None:
    history = History()
    for second in range(2000):
        history.add(second, {"in": float(second // STEP)})
    values = list(history.read("in", 1000))
    assert values == list(range(100, 200))


def test_rings_keep_their_length_for_ever() -> None:
    history = History()
    history.add(0, {"in": 1.0})
    history.add(STEP * COARSE * 3, {"in": 2.0})
    assert len(history.read("in", 10**6)) == COARSE
    assert set(history.read("in", 10**6)) == {2.0}
    assert len(history.read("in", FINE)) == FINE


def test_what_nobody_told_is_nothing() -> None:
    history = History()
    assert list(history.read("in", 60)) == []
    history.add(0, {"in": 1.0})
    assert list(history.read("destination:x:in", 60)) == []


def test_a_passing_name_is_forgotten_when_it_was_silent_for_long() -> None:
    history = History()
    history.add(0, {}, {"destination:x:out": 3.0})
    history.add(1, {})
    assert list(history.read("destination:x:out", 10)) == [3, 0]
    history.add(FINE + 2, {})
    assert list(history.read("destination:x:out", 10)) == []


@given(st.lists(st.floats(0, 30), min_size=1, max_size=40))
def test_no_window_is_longer_than_the_time_that_was_looked_at(
    steps: list[float],
) -> None:
    history, now = History(), 1000.0
    for step in steps:
        now += step
        history.add(now, {"in": 1.0})
    known = int(now) - int(1000.0 + steps[0]) + 1
    assert len(history.read("in", 900)) == min(known, 900)
    assert all(value == pytest.approx(1.0) for value in history.read("in", 900))


def filled(seconds: int) -> History:
    history = History()
    for second in range(1000, 1000 + seconds):
        history.add(second, {"in": float(second % 7)})
    return history


def test_points_are_means() -> None:
    history = History()
    for second, value in enumerate((1.0, 3.0, 5.0, 7.0), 1000):
        history.add(second, {"in": value})
    assert history.points("in", 4, 2) == [2.0, 6.0]


def test_a_short_time_fills_the_width_by_repeating() -> None:
    history = filled(2)
    one, other = history.read("in", 2)
    assert history.points("in", 2, 5) == [one, one, other, other]


def test_points_move_as_they_are_and_only_the_last_one_changes() -> None:
    history = filled(600)
    before = history.points("in", 300, 50)
    changed = 0
    for second in range(1600, 1612):
        history.add(second, {"in": 100.0})
        after = history.points("in", 300, 50)
        kept = [value for value in before if value in after]
        changed = max(changed, len(before) - len(kept))
        before = after
    assert changed <= 2  # the last one, and the first that has left


def test_a_time_that_nobody_looked_at_has_no_points() -> None:
    history = filled(4)
    assert len(history.points("in", 10, 5)) == 2
    assert history.points("out", 60, 10) == []
    assert history.points("in", 60, 0) == []


@given(st.integers(1, 1200), st.sampled_from([60, 300, 900, 3600]), st.integers(1, 200))
def test_there_are_never_more_points_than_asked_for(
    looked: int, seconds: int, count: int
) -> None:
    history = filled(looked)
    values = history.read("in", seconds)
    points = history.points("in", seconds, count)
    assert len(points) <= count
    assert bool(points) == bool(values)
    assert all(min(values) <= point <= max(values) for point in points)
