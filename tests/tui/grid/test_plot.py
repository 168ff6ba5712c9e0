"""Plots: what is seen is right, what is said beside them too, and little is sent."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from tests.tui.grid.sample import PALETTE, PLAIN
from tuiq.tui.look.plot import Plot, Value, ceiling, condensed, figure, sparkline
from tuiq.tui.look.signs import drawn


def plot(values: Sequence[Value], *, ascii: bool = False) -> Plot:
    palette = PLAIN if ascii else PALETTE
    return Plot(
        "In", "msg/s", lambda n: values[-n:], palette=lambda: palette,
        window=lambda: "5 min",
    )  # fmt: skip


def text(values: Sequence[Value], width: int, height: int, **how: bool) -> list[str]:
    lines = plot(values, **how).lines(width, height)
    return ["".join(part for part, _ in line) for line in lines]


def test_an_area_with_its_axes_and_its_figures_in_words() -> None:
    assert text([0, 25, 50, 75, 100], 32, 6) == [
        "In  100 msg/s  max 100  min 0",
        "   100┤                        █",
        "      │                       ██",
        "    50┤                      ███",
        "      │                     ████",
        "     0└╌ 5 min ago ╌╌╌╌╌╌╌╌ now ",
    ]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0, 1, 2, 4, 7], "  ▁▂▃▅█"),
        ([0, 0], "     ▁▁"),
        ([], "       "),
        ([5, None, 5], "    █ █"),
        ([math.nan, 3], "      █"),
        ([0.001, 1000], "     ▂█"),
    ],
)
def test_sparklines(values: Sequence[Value], shown: str) -> None:
    assert sparkline(values, 7) == shown


def test_sparklines_in_ascii_rise_too() -> None:
    assert drawn(sparkline(range(8), 8), ascii=True) == "_.:-=+*#"


@given(st.lists(st.none() | st.floats(0, 1e9), max_size=90), st.integers(1, 40))
def test_sparklines_take_their_width(values: list[Value], width: int) -> None:
    assert len(sparkline(values, width)) == width


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.integers(1, 60))
def test_condensing_keeps_the_mean_and_the_latest(
    values: list[float], width: int
) -> None:
    points = condensed(values, width)
    assert len(points) == min(len(values), width)
    known = [point for point in points if point is not None]
    assert min(values) - 1e-6 <= min(known)
    assert max(known) <= max(values) + 1e-6


@given(st.floats(0.001, 1e12))
def test_the_scale_ends_at_the_next_1_2_or_5(value: float) -> None:
    top = ceiling(value)
    assert top >= value * 0.999
    assert top <= max(value * 2.51, 1)
    assert f"{top:.0e}"[0] in "125"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"), (0.01, "<0.1"), (0.4, "0.4"), (1, "1"), (118.4, "118"),
        (2931, "2,931"), (99_999, "99,999"), (250_000, "250k"), (1.2e6, "1.2M"),
    ],
)  # fmt: skip
def test_figures_take_six_cells_at_most(value: float, shown: str) -> None:
    assert figure(value) == shown
    assert len(shown) <= 6


@pytest.mark.parametrize("size", [(60, 8), (40, 5), (24, 4), (20, 3), (8, 3), (3, 1)])
@pytest.mark.parametrize("ascii", [False, True])
def test_every_size_is_kept(size: tuple[int, int], ascii: bool) -> None:
    lines = text([1.0, None, 300.0] * 30, *size, ascii=ascii)
    assert len(lines) == size[1]
    assert all(len(line) <= size[0] for line in lines[1:])
    if ascii:
        assert "".join(lines).isascii()


def test_missing_values_are_gaps_in_the_zero_line_too() -> None:
    lines = text([2, None, 0, 2], 40, 5)
    assert lines[1].endswith("█  █")
    assert lines[-1].startswith("     0└╌ 5 min ago ")
    short = text([2, None, 0, 2], 16, 5)
    assert short[-1] == "     0└╌╌╌╌╌─╌──"


class Standing(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.values: list[Value] = [1.0] * 80
        self.plot = Plot(
            "In", "msg/s", lambda n: self.values[-n:], palette=lambda: PALETTE
        )

    def compose(self) -> ComposeResult:
        yield self.plot


async def test_an_update_sends_only_lines_that_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = Standing()
    async with app.run_test(size=(50, 8)) as pilot:
        await pilot.pause()
        assert "In  1 msg/s" in app.plot.render_line(0).text
        sent: list[int] = []
        monkeypatch.setattr(
            app.plot, "refresh", lambda *regions: sent.extend(r.y for r in regions)
        )
        app.plot.update()
        assert sent == []
        app.values[-1] = 0.9
        app.plot.update()
        assert sent == [0, 1]
