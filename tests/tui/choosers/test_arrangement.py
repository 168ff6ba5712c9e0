"""Columns are arranged without one being lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.tui.choosers.bench import COLUMNS
from tuiq.tui.choices import GridChoice
from tuiq.tui.choosers.arrangement import NARROWEST, WIDEST, Arrangement

IDS = [column.id for column in COLUMNS]
PLACES = st.integers(0, len(COLUMNS) - 1)
STEPS = st.one_of(
    st.tuples(st.just("toggle"), PLACES),
    st.tuples(st.just("move"), PLACES, st.sampled_from([-1, 1, 9, -9])),
    st.tuples(st.just("widen"), PLACES, st.sampled_from([-1, 1, 300, -300])),
    st.tuples(st.just("unwiden"), PLACES),
)
FOREIGN = st.builds(
    GridChoice,
    columns=st.lists(st.sampled_from([*IDS, "gone"]), max_size=8),
    widths=st.dictionaries(st.sampled_from([*IDS, "gone"]), st.integers(0, 300)),
)


@given(FOREIGN, st.lists(STEPS, max_size=12))
def test_no_step_loses_a_column_or_leaves_none(choice: GridChoice, steps: list) -> None:  # type: ignore[type-arg]
    arrangement = Arrangement(COLUMNS, choice)
    for name, *arguments in steps:
        getattr(arrangement, name)(*arguments)
        assert sorted(arrangement.order) == sorted(IDS)
        shown = [
            id for at, id in enumerate(arrangement.order) if arrangement.is_shown(at)
        ]
        assert shown
        assert arrangement.columns in ([], shown)
        assert set(arrangement.widths) <= set(IDS)
        if name == "widen":
            width = arrangement.width(arguments[0])
            assert width is not None
            assert NARROWEST <= width <= WIDEST


@given(FOREIGN, st.lists(STEPS, max_size=6))
def test_what_was_arranged_is_found_again(choice: GridChoice, steps: list) -> None:  # type: ignore[type-arg]
    arrangement = Arrangement(COLUMNS, choice)
    for name, *arguments in steps:
        getattr(arrangement, name)(*arguments)
    kept = GridChoice(columns=arrangement.columns, widths=arrangement.widths)
    again = Arrangement(COLUMNS, kept)
    assert (again.columns, again.widths) == (arrangement.columns, arrangement.widths)


@given(FOREIGN)
def test_reset_is_how_it_comes(choice: GridChoice) -> None:
    arrangement = Arrangement(COLUMNS, choice)
    arrangement.reset()
    assert (arrangement.columns, arrangement.widths) == ([], {})


def test_the_last_column_cannot_be_hidden() -> None:
    arrangement = Arrangement(COLUMNS, GridChoice(columns=["age"]))
    assert arrangement.toggle(0) == "One column must stay."
    assert arrangement.columns == ["age"]
