"""Numbers stay short and never say something that is not so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.tui.look.signs import drawn
from tuiq.tui.pages.figures import compact, gauge, percent, rate


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (4100, "4.1k"),
        (24_432, "24k"),
        (99_999, "100k"),
        (417_000, "417k"),
        (999_600, "1.0M"),
        (460_812_000, "461M"),
    ],
)
def test_counts_are_short(number: int, shown: str) -> None:
    assert compact(number) == shown


@given(st.integers(0, 10**11))
def test_no_count_is_longer_than_its_column(number: int) -> None:
    assert len(compact(number)) <= 4


def test_something_is_never_shown_as_nothing() -> None:
    assert rate(0.01) == "<0.1"
    assert rate(0.0) == "0"
    assert rate(2931.4) == "2,931"
    assert percent(0.004) == "<1 %"
    assert percent(0.996) == ">99 %"
    assert percent(1.0) == "100 %"


@given(st.floats(-1, 2), st.integers(1, 20))
def test_a_bar_has_its_width_and_can_be_drawn_in_ascii(
    share: float, width: int
) -> None:
    bar = gauge(share, width)
    assert len(bar) == width
    assert drawn(bar, ascii=True).isascii()
