"""A frame with fewer bytes draws the same."""

from __future__ import annotations

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.style import Style

from tuiq.tui.thrift import Thrift

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


SIZE = (40, 6)
starts = st.integers(1, 12)
parts = st.tuples(st.integers(1, SIZE[1]), starts, runs)
frames = st.lists(parts, min_size=1, max_size=8)


class Screen:
    """A terminal, as pyte has it."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(*SIZE)
        self.stream = pyte.Stream(self.screen)
        self.screen.reset_mode(pyte.modes.DECAWM)

    def draw(self, frame: str) -> Screen:
        self.stream.feed(frame.replace("\n", "\r\n"))  # as the kernel does
        return self

    def cells(self) -> list[list[pyte.screens.Char]]:
        buffer = self.screen.buffer
        return [[buffer[y][x] for x in range(SIZE[0])] for y in range(SIZE[1])]


def written(
    parts: list[tuple[int, int, list[tuple[Style | None, str]]]], system: ColorSystem
) -> str:
    """Return a frame as Textual writes it."""
    frame = ""
    for y, x, line in sorted(parts, key=lambda part: part[0]):
        texts = [
            style.render(text, color_system=system) if style else text
            for style, text in line
        ]
        frame += f"\x1b[{y};{x}H" + "".join(texts) + "\n" * (y < SIZE[1])
    return frame + "\x1b[1;1H"


@given(st.lists(frames, min_size=1, max_size=5), systems)
def test_thrifty_frames_draw_the_same(
    several: list[list[tuple[int, int, list[tuple[Style | None, str]]]]],
    system: ColorSystem,
) -> None:
    whole, less, thrift = Screen(), Screen(), Thrift()
    for parts in several:
        frame = written(parts, system)
        whole.draw(frame)
        less.draw(thrift.frame(frame))
        assert less.cells() == whole.cells()
        assert thrift.frame(frame) == "" or overlapping(parts)
        whole.draw(frame)
    assert less.draw("x").cells() == whole.draw("x").cells(), "no style is left"


def overlapping(parts: list[tuple[int, int, list[tuple[Style | None, str]]]]) -> bool:
    """Return whether two parts are on one line."""
    return len({y for y, _, _ in parts}) < len(parts)


def test_only_what_differs_is_said() -> None:
    frame = (
        "\x1b[1;1H\x1b[31;44mred\x1b[0m\x1b[1;31;44mbold\x1b[0m\x1b[32;44mgreen\x1b[0m"
    )
    assert Thrift().frame(frame) == (
        "\x1b[1;1H\x1b[31;44mred\x1b[1mbold\x1b[22;32mgreen\x1b[0m\x1b[1;1H"
    )


def test_lines_of_the_same_style_say_it_once() -> None:
    line = "\x1b[38;2;1;2;3mtext\x1b[0m"
    frame = f"\x1b[1;1H{line}\n\x1b[2;1H{line}\x1b[5;5H"
    assert Thrift().frame(frame) == (
        "\x1b[1;1H\x1b[38;2;1;2;3mtext\x1b[2;1Htext\x1b[0m\x1b[5;5H"
    )


def test_only_cells_that_differ_are_sent() -> None:
    thrift = Thrift()
    thrift.frame("\x1b[3;1H\x1b[31ma row of 12 seconds, and its text\x1b[0m\x1b[1;1H")
    again = "\x1b[3;1H\x1b[31ma row of 13 seconds, and its next\x1b[0m\x1b[1;1H"
    assert thrift.frame(again) == ("\x1b[3;11H\x1b[31m3\x1b[3;30Hn\x1b[0m\x1b[1;1H")
    assert thrift.frame(again) == ""
    thrift.forget()
    assert "a row of 13" in thrift.frame(again)


def test_a_line_with_characters_of_doubtful_width_is_sent_whole() -> None:
    thrift = Thrift()
    thrift.frame("\x1b[1;1H漢字 a\x1b[1;1H")
    assert thrift.frame("\x1b[1;1H漢字 b\x1b[1;1H") == "\x1b[1;1H漢字 b\x1b[1;1H"
    assert thrift.frame("\x1b[1;1H漢字 b\x1b[1;1H") == ""


def test_styles_that_are_not_known_are_kept_whole() -> None:
    frame = "\x1b[1;1H\x1b[4:3;31mcurly\x1b[0m\x1b[31mred\x1b[0m"
    assert Thrift().frame(frame) == (
        "\x1b[1;1H\x1b[4:3;31mcurly\x1b[0;31mred\x1b[0m\x1b[1;1H"
    )


def test_what_is_no_frame_is_sent_as_it_is_and_everything_after_it_anew() -> None:
    thrift = Thrift()
    frame = "\x1b[1;1Habc\x1b[1;1H"
    thrift.frame(frame)
    for strange in (
        "\x1b[1;1Ha\x1b]8;;http://x\x1b\\b",
        "\x1b[2J",
        "abc",
        "\x1b[1;1H\x07",
    ):
        assert thrift.frame(strange) == strange
        assert thrift.frame(frame) == frame
