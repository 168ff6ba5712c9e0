"""What really reaches the terminal: its own colours, as many as it has, or none."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest

from tests.tui.terminal.terminal import Terminal

ATTRIBUTES = {"0", "1", "2", "4", "7", "9"}
OWN = {"39", "49"}
SIXTEEN = {
    str(base + n) for base in (30, 40, 90, 100) for n in range(8)
}  # fmt: skip


def drawn(*arguments: str, **env: str) -> tuple[set[str], Terminal]:
    """Return every SGR parameter that was sent, and the terminal as it looks."""
    argv = [sys.executable, "-m", "tests.tui.look.wearer", *arguments]
    with Terminal(argv, size=(90, 40), env={"COLORTERM": "", **env}) as terminal:
        terminal.read_until(lambda t: t.shows("Esc leave") and t.shows("a toast"))
        terminal.read_quiet(0.3)
        found = set()
        for codes in re.findall(rb"\x1b\[([0-9;]*)m", bytes(terminal.output)):
            found |= set(parameters(codes.decode().split(";")))
        return found, terminal


def parameters(codes: list[str]) -> Iterator[str]:
    """Yield single parameters; of extended colours only which kind they are."""
    rest = iter(codes)
    for code in rest:
        if code in ("38", "48"):
            kind = next(rest)
            for _ in range(1 if kind == "5" else 3):
                next(rest)
            yield f"{code};{kind}"
        else:
            yield code or "0"


@pytest.mark.parametrize("term", ["xterm-256color", "linux"])
def test_no_color_means_none_whatever_was_chosen(term: str) -> None:
    sent, _ = drawn("tuiq-dark", TERM=term, NO_COLOR="1", COLORTERM="truecolor")
    assert sent <= ATTRIBUTES | OWN
    assert {"1", "7"} <= sent  # the cursor and what is strong are still seen


@pytest.mark.parametrize(
    ("env", "theme"),
    [({"NO_COLOR": "1"}, ""), ({"COLORTERM": "truecolor"}, "mono"), ({}, "ansi16")],
)
def test_the_line_under_the_cursor_stands_out(env: dict[str, str], theme: str) -> None:
    _, terminal = drawn(theme, **env)
    at = next(y for y, line in enumerate(terminal.lines) if "number 0" in line)
    x = terminal.lines[at].index("number 0")
    lit, dark = (terminal.screen.buffer[y][x] for y in (at, at + 1))
    assert (lit.reverse, lit.bg) != (dark.reverse, dark.bg)
    assert lit.reverse or theme == "ansi16"


def test_a_terminal_without_colours_gets_none() -> None:
    sent, _ = drawn(TERM="vt220")
    assert sent <= ATTRIBUTES | OWN


def test_a_theme_asked_for_by_name_outweighs_no_color() -> None:
    sent, _ = drawn("", "tuiq-dark", NO_COLOR="1", COLORTERM="truecolor")
    assert {"38;2", "48;2"} <= sent


@pytest.mark.parametrize("term", ["xterm", "linux", "screen"])
def test_sixteen_colours_are_the_terminals_own(term: str) -> None:
    sent, _ = drawn("tuiq-dark", TERM=term)
    assert sent <= ATTRIBUTES | OWN | SIXTEEN
    assert sent & SIXTEEN


def test_256_colours_are_sent_as_such() -> None:
    sent, _ = drawn("tuiq-light", TERM="screen-256color")
    assert sent <= ATTRIBUTES | {"38;5", "48;5"}


def test_all_colours_are_sent_where_there_are_all() -> None:
    sent, _ = drawn(TERM="xterm-256color", COLORTERM="truecolor")
    assert sent <= ATTRIBUTES | {"38;2", "48;2"}


def test_the_terminals_own_colours_may_be_chosen_on_any_terminal() -> None:
    sent, _ = drawn("ansi16", TERM="xterm-256color", COLORTERM="truecolor")
    assert sent <= ATTRIBUTES | OWN | SIXTEEN


def test_the_linux_console_gets_ascii_frames() -> None:
    _, terminal = drawn(TERM="linux")
    assert terminal.text.isascii()
    assert "+- A question ---" in terminal.text
    assert all(byte < 128 for byte in terminal.output)


def test_a_dialog_has_round_corners_elsewhere() -> None:
    _, terminal = drawn(TERM="xterm-256color")
    assert "╭─ A question ─" in terminal.text
