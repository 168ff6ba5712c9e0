"""How many colours, and which signs, is decided from the environment alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tuiq.tui.look.colours import MILLIONS, Colours, decide, prepare


@pytest.mark.parametrize(
    ("environ", "depth"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, MILLIONS),
        ({"TERM": "tmux", "COLORTERM": "24bit"}, MILLIONS),
        ({"TERM": "xterm-kitty"}, MILLIONS),
        ({"TERM": "xterm-direct"}, MILLIONS),
        ({"TERM": "tmux-256color"}, 256),
        ({"TERM": "xterm", "COLORTERM": "yes"}, 16),
        ({"TERM": "screen"}, 16),
        ({"TERM": "linux"}, 16),
        ({"TERM": "vt100"}, 0),
        ({}, 16),
        ({"TERM": "linux", "TEXTUAL_COLOR_SYSTEM": "256"}, 256),
        ({"TERM": "xterm-256color", "TEXTUAL_COLOR_SYSTEM": "standard"}, 16),
        ({"TERM": "xterm-256color", "TEXTUAL_COLOR_SYSTEM": "auto"}, 256),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, 0),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, 256),
    ],
)
def test_the_terminal_says_how_many(environ: dict[str, str], depth: int) -> None:
    assert decide(environ, encoding="UTF-8").depth == depth


def test_a_theme_on_the_command_line_outweighs_no_color() -> None:
    environ = {"TERM": "xterm-256color", "NO_COLOR": "1"}
    assert decide(environ, theme="postcard").depth == 256
    assert decide({**environ, "TERM": "vt100"}, theme="postcard").depth == 0


def test_a_slow_line_gets_no_more_than_256() -> None:
    assert decide({"COLORTERM": "truecolor"}, low_bandwidth=True).depth == 256
    assert decide({"TERM": "linux"}, low_bandwidth=True).depth == 16


@pytest.mark.parametrize(
    ("term", "encoding", "asked", "ascii"),
    [
        ("xterm", "UTF-8", False, False),
        ("xterm", "utf8", False, False),
        ("xterm", "UTF-8", True, True),
        ("xterm", "ISO-8859-1", False, True),
        ("xterm", "ANSI_X3.4-1968", False, True),
        ("linux", "UTF-8", False, True),
        ("vt220", "UTF-8", False, True),
    ],
)
def test_ascii_is_for_who_asks_and_for_who_has_nothing_else(
    term: str, encoding: str, asked: bool, ascii: bool
) -> None:
    assert decide({"TERM": term}, ascii=asked, encoding=encoding).ascii is ascii


@pytest.mark.parametrize(
    ("depth", "system", "none"),
    [(0, "standard", True), (16, "standard", False), (256, "256", False),
     (MILLIONS, "truecolor", False)],
)  # fmt: skip
def test_textual_is_told_in_its_words(depth: int, system: str, none: bool) -> None:
    environ = {"NO_COLOR": "1"}
    prepare(environ, Colours(depth=depth))
    assert environ["TEXTUAL_COLOR_SYSTEM"] == system
    assert ("NO_COLOR" in environ) is none
    assert Colours(depth=depth).ansi_color is (True if depth <= 16 else None)


def test_deciding_loads_neither_textual_nor_rich() -> None:
    program = (
        "import sys, tuiq.tui.look.colours; "
        "print({'textual', 'rich'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "set()"
