"""Windows that adapt and paces that are kept: pure, by a clock of numbers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.config.routes import Rate
from tuiq.mail.reply import Reply
from tuiq.runner.limits import FIRST_GAP, MAX_GAP, Pace, Window, means_overload

# -- windows -------------------------------------------------------------------


def grow(window: Window, answers: int) -> None:
    for _ in range(answers):
        window.settled(1, is_full=True)


def test_a_full_window_grows_by_one_for_each_round_of_good_answers() -> None:
    window = Window(5, 20)
    grow(window, 4)
    assert window.size == 5
    grow(window, 2)
    assert window.size == 6


def test_a_window_reaches_its_ceiling_and_stays_there() -> None:
    window = Window(5, 20)
    grow(window, 200)
    assert window.size == 20
    grow(window, 200)
    assert window.size == 20


def test_a_window_that_is_not_used_up_does_not_grow() -> None:
    window = Window(5, 20)
    for _ in range(1000):
        window.settled(1, is_full=False)
    assert window.size == 5


def test_a_start_beyond_the_ceiling_is_the_ceiling() -> None:
    assert Window(5, 2).size == 2


def test_some_answers_that_put_off_leave_a_window_as_it_is() -> None:
    window = Window(5, 20)
    for _ in range(200):
        window.settled(1, is_full=False)
        window.put_off(1)
    assert (window.size, window.gap, window.is_storm) == (5, 0, False)


def test_a_storm_closes_a_window_and_then_spaces_transactions() -> None:
    window = Window(20, 20)
    sizes, gaps = [], []
    for _ in range(400):
        window.put_off(1)
        sizes.append(window.size)
        gaps.append(window.gap)
    assert sizes == sorted(sizes, reverse=True)
    assert gaps == sorted(gaps)
    assert gaps[sizes.index(1) - 1] == 0, "spaced before the window was closed"
    assert FIRST_GAP in gaps
    assert (window.size, window.gap) == (1, MAX_GAP)


def test_good_answers_end_a_storm_and_its_gap_and_open_the_window() -> None:
    window = Window(5, 20)
    window.put_off(400)
    assert window.is_storm
    while window.is_storm:
        assert window.size == 1
        window.settled(1, is_full=True)
    grow(window, 300)
    assert (window.size, window.gap) == (20, 0)


def test_answers_that_were_gathered_count_as_one_by_one() -> None:
    one, many = Window(5, 20), Window(5, 20)
    for _ in range(7):
        one.put_off(1)
    many.put_off(7)
    assert one.share_put_off == pytest.approx(many.share_put_off)


def test_any_number_of_answers_may_be_gathered() -> None:
    window = Window(5, 20)
    window.put_off(5000)
    window.settled(5000, is_full=True)
    assert (window.gap, window.is_storm) == (0, False)


def test_a_connection_that_is_not_to_be_had_caps_the_window() -> None:
    window = Window(5, 20)
    window.turned_down(connections=3)
    assert window.size == 3
    window.turned_down(connections=8)
    assert window.size == 3


def test_sessions_that_were_served_weigh_as_much_as_one_good_answer() -> None:
    window = Window(5, 20)
    grow(window, 6)
    before = window.size
    window.sent_away()
    grow(window, 1)
    assert window.size == before


def test_no_treatment_takes_the_last_connection_away() -> None:
    window = Window(5, 20)
    for _ in range(100):
        window.sent_away()
        window.turned_down(connections=0)
        window.put_off(10)
        assert window.size == 1


def test_a_restart_forgets_everything() -> None:
    window = Window(5, 20)
    window.put_off(400)
    window.restart()
    assert (window.size, window.gap, window.is_storm) == (5, 0, False)


def test_new_settings_keep_what_was_learned_within_their_limits() -> None:
    window = Window(5, 20)
    grow(window, 200)
    window.resize(5, 10)
    assert window.size == 10
    window.resize(5, 40)
    assert window.size == 10


# -- paces ---------------------------------------------------------------------


def begun(pace: Pace, *, seconds: float, step: float) -> list[float]:
    """Begin whenever it may be, looking every *step*; return when."""
    times = []
    for tick in range(1, int(seconds / step) + 1):
        now = 1000.0 + tick * step
        while now >= pace.next_time:
            pace.spend(now)
            times.append(now)
    return times


def test_without_rate_and_gap_there_is_nothing_to_wait_for() -> None:
    pace = Pace(None)
    pace.spend(1000.0)
    assert (pace.is_limited, pace.next_time) == (False, 0)


@given(count=st.integers(1, 20), seconds=st.integers(1, 20), step=st.floats(0.05, 3.0))
def test_a_rate_holds_over_any_time(count: int, seconds: int, step: float) -> None:
    times = begun(Pace(Rate(count=count, seconds=seconds)), seconds=10, step=step)
    burst = max(1.0, count / seconds)
    for first in range(0, len(times), 7):
        for last in range(first, len(times)):
            took = times[last] - times[first]
            assert last - first + 1 <= burst + 1 + took * count / seconds


def test_a_rate_is_used_up_in_the_long_run() -> None:
    times = begun(Pace(Rate(count=10, seconds=1)), seconds=60, step=0.5)
    assert 590 <= len(times) <= 620


def test_a_rare_one_has_no_burst() -> None:
    times = begun(Pace(Rate(count=6, seconds=3600)), seconds=3600, step=1.0)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert min(gaps) >= 600


def test_a_gap_leaves_no_room_for_bursts() -> None:
    pace = Pace(Rate(count=100, seconds=1))
    pace.gap = 2.0
    times = begun(pace, seconds=20, step=0.5)
    assert [b - a for a, b in itertools.pairwise(times)] == [2.0] * 9


def test_a_pace_is_even_when_the_next_one_would_not_have_to_wait() -> None:
    pace = Pace(Rate(count=1, seconds=60))
    assert pace.is_even(1000.0)
    pace.spend(1000.0)
    assert not pace.is_even(1059.0)
    assert pace.is_even(1060.0)


@pytest.mark.parametrize(
    ("reply", "overload"),
    [
        (Reply(code=421, enhanced=b"4.2.1"), True),
        (Reply(code=451, enhanced=b"4.3.2"), True),
        (Reply(code=451, enhanced=b"4.7.0"), True),
        (Reply(code=450, enhanced=b"4.7.28"), True),
        (Reply(code=451, enhanced=b"4.7.500"), True),
        (Reply(code=451), True),
        (Reply(code=451, enhanced=b"4.7.1"), False),
        (Reply(code=452, enhanced=b"4.2.2"), False),
        (Reply(code=450, enhanced=b"4.1.8"), False),
    ],
)
def test_only_refusals_about_the_server_mean_overload(
    reply: Reply, overload: bool
) -> None:
    assert means_overload(reply) is overload
