"""A frame with fewer bytes draws the same."""

from __future__ import annotations

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.style import Style

from tuiq.tui.thrift import thrifty

colours = st.sampled_from(
    [None, "default", "red", "bright_blue", "color(123)", "#102030", "#a0b0c0"]
)
switches = st.sampled_from([None, True])
styles = st.builds(
    Style,
    color=colours,
    bgcolor=colours,
    bold=switches,
    dim=switches,
    italic=switches,
    underline=switches,
    reverse=switches,
    strike=switches,
)
texts = st.text("ab ●漢", min_size=1, max_size=8)
systems = st.sampled_from(
    [ColorSystem.STANDARD, ColorSystem.EIGHT_BIT, ColorSystem.TRUECOLOR]
)
runs = st.lists(st.tuples(st.none() | styles, texts), max_size=6)


def drawn(frame: str) -> pyte.Screen:
    """Return the screen with a frame on it."""
    screen = pyte.Screen(60, 8)
    pyte.Stream(screen).feed(frame)
    return screen


@given(st.lists(runs, min_size=1, max_size=6), systems)
def test_a_thrifty_frame_draws_the_same(
    lines: list[list[tuple[Style | None, str]]], system: ColorSystem
) -> None:
    frame = "\x1b[?2026h"
    for y, line in enumerate(lines, 1):
        frame += f"\x1b[{y};1H"
        for style, text in line:
            frame += style.render(text, color_system=system) if style else text
        frame += "\r\n"
    frame += "\x1b[1;1H"
    less = thrifty(frame)
    assert drawn(less).buffer == drawn(frame).buffer
    assert len(less) <= len(frame)
    assert drawn(less + "x").buffer == drawn(frame + "x").buffer, "no style is left"


def test_only_what_differs_is_said() -> None:
    frame = "\x1b[31;44mred\x1b[0m\x1b[1;31;44mbold\x1b[0m\x1b[32;44mgreen\x1b[0m"
    assert thrifty(frame) == "\x1b[31;44mred\x1b[1mbold\x1b[22;32mgreen\x1b[0m"


def test_lines_of_the_same_style_say_it_once() -> None:
    line = "\x1b[38;2;1;2;3mtext\x1b[0m\r\n"
    frame = f"\x1b[1;1H{line}\x1b[2;1H{line}\x1b[1;1H"
    assert thrifty(frame) == (
        "\x1b[1;1H\x1b[38;2;1;2;3mtext\x1b[2;1Htext\x1b[1;1H\x1b[0m"
    )


def test_styles_that_are_not_known_are_kept_whole() -> None:
    frame = "\x1b[4:3;31mcurly\x1b[0m\x1b[31mred\x1b[0m"
    assert thrifty(frame) == "\x1b[4:3;31mcurly\x1b[0;31mred\x1b[0m"
