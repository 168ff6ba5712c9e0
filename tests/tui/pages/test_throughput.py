"""Plotted points are means of the time that each stands for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tuiq.tui.pages.throughput import scaled


def test_points_are_means() -> None:
    assert scaled([1.0, 3.0, 5.0, 7.0], 4, 2) == [2.0, 6.0]


def test_a_short_time_fills_the_width_by_repeating() -> None:
    assert scaled([1.0, 2.0], 2, 4) == [1.0, 1.0, 2.0, 2.0]


def test_a_time_that_nobody_looked_at_has_no_points() -> None:
    assert scaled([4.0, 6.0], 10, 5) == [5.0]
    assert scaled([], 60, 10) == []
    assert scaled([1.0], 60, 0) == []


def test_long_windows_are_in_steps_of_ten_seconds() -> None:
    assert scaled([float(n) for n in range(360)], 3600, 36)[-1] == 354.5


@given(st.integers(0, 900), st.sampled_from([60, 300, 900]), st.integers(1, 200))
def test_points_lie_between_least_and_greatest(
    count: int, seconds: int, points: int
) -> None:
    values = [float(n % 7) for n in range(min(count, seconds))]
    found = scaled(values, seconds, points)
    assert len(found) <= points
    assert all(min(values) <= value <= max(values) for value in found)
    assert bool(found) == bool(values)
