"""Lines that shrink by importance and never exceed their width."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tuiq.tui.bars.parts import (
    Part,
    cut,
    joined,
    part,
    shrunk,
    two_sides,
    width_of,
)
from tuiq.tui.look.roles import Role

D = Role.DIM
spans = st.lists(st.tuples(st.text(max_size=8), st.just(D)), max_size=4).map(tuple)


def test_the_part_with_the_highest_rank_shrinks_first() -> None:
    parts = [
        part(("important", D), ("imp", D), rank=1),
        part(("less important", D), ("less", D), None, rank=2),
    ]
    assert joined(shrunk(parts, 40))[0][0] == "important"
    assert [form[0][0] for form in shrunk(parts, 16)] == ["important", "less"]
    assert shrunk(parts, 11) == [(("important", D),), ()]
    assert shrunk(parts, 5) == [(("imp", D),), ()]


def test_a_part_may_have_several_spans() -> None:
    assert shrunk([part((("q ", D), ("12", D)))], 10) == [(("q ", D), ("12", D))]


@given(spans, st.integers(1, 30))
def test_what_is_cut_fits(line: tuple[tuple[str, Role], ...], width: int) -> None:
    assert width_of(cut(line, width)) <= width


@given(spans, st.integers(0, 40))
def test_the_right_side_is_kept(left: tuple[tuple[str, Role], ...], width: int) -> None:
    right = (("end", D),)
    line = two_sides(left, right, width)
    assert line[-1] == ("end", D)
    if width > 5:
        assert width_of(line) == width


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(0, 60))
def test_shrinking_ends_in_the_shortest_forms(ranks: list[int], width: int) -> None:
    parts = [
        Part(forms=((("x" * 9, D),), (("x", D),), ()), rank=rank) for rank in ranks
    ]
    line = joined(shrunk(parts, width))
    assert sum(cell_len(text) for text, _ in line) <= width
