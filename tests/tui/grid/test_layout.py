"""Columns in any width: nothing beyond it, nothing left that flexible ones want."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.tui.grid.sample import COLUMNS
from tuiq.tui.choices import GridChoice
from tuiq.tui.grid.layout import MARGIN, Layout, arrange, chosen
from tuiq.tui.grid.model import Column

SHOWN = chosen(COLUMNS, GridChoice())


def used(layout: Layout) -> int:
    widths = [placed.width for placed in layout.drawn]
    return MARGIN + sum(widths) + layout.gap * (len(widths) - 1)


@st.composite
def columns(draw: st.DrawFn) -> list[Column]:
    count = draw(st.integers(1, 9))
    return [
        Column(
            id=f"c{n}",
            title=f"C{n}",
            width=draw(st.integers(1, 30)),
            flex=draw(st.integers(0, 3)),
            priority=draw(st.integers(0, 5)),
        )
        for n in range(count)
    ]


@example([Column(id=id, title=id, width=1) for id in ("c0", "c1")], MARGIN + 3, 1)
@given(columns(), st.integers(MARGIN + 1, 300), st.integers(0, 8))
def test_columns_fill_the_width_and_the_focused_one_is_drawn(
    given: list[Column], width: int, focus: int
) -> None:
    focused = f"c{min(focus, len(given) - 1)}"
    layout = arrange(given, width, focused)
    assert used(layout) <= width
    assert focused in layout.ids
    assert {c.id for c in given if c.priority == 0} <= set(layout.shown)
    if any(placed.column.flex for placed in layout.drawn) and len(layout.drawn) == len(
        layout.shown
    ):
        assert used(layout) == width
    assert all(placed.width >= 1 for placed in layout.drawn)


@given(columns(), st.integers(20, 200))
def test_who_leaves_has_no_lower_priority_than_who_stays(
    given: list[Column], width: int
) -> None:
    layout = arrange(given, width, "")
    left = [c.priority for c in given if c.id not in layout.shown]
    stays = [c.priority for c in given if c.id in layout.shown and c.priority]
    assert not left or not stays or min(left) >= max(stays)


def test_the_spare_width_is_shared_by_flex() -> None:
    layout = arrange(SHOWN, 160, "id")
    width = {placed.column.id: placed.width for placed in layout.drawn}
    grown = {c.id: width[c.id] - c.width for c in SHOWN}
    assert grown["sender"] == pytest.approx(2 * grown["reply"], abs=2)
    assert not grown["state"]


def test_wide_grids_stand_apart_narrow_ones_close() -> None:
    assert arrange(SHOWN, 200, "id").gap == 2
    assert arrange(SHOWN, 70, "id").gap == 1


def test_columns_that_never_leave_scroll_until_the_focused_one_is_seen() -> None:
    fixed = [Column(id=f"c{n}", title="", width=10) for n in range(8)]
    assert arrange(fixed, 40, "c0").ids == ["c0", "c1", "c2", "c3"]
    assert arrange(fixed, 40, "c5").ids == ["c3", "c4", "c5", "c6"]
    assert arrange(fixed, 40, "c5").shown == tuple(f"c{n}" for n in range(8))
    assert arrange(fixed, 8, "c2").ids == ["c2"]


def test_a_choice_of_columns_that_are_no_more_is_no_choice() -> None:
    assert chosen(COLUMNS, GridChoice(columns=["old"])) == SHOWN
    assert [c.id for c in chosen(COLUMNS, GridChoice(columns=["route", "old"]))] == [
        "route"
    ]
