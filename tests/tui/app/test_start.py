"""Opening the UI: where it cannot, what it loads, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.tui.terminal.terminal import Terminal
from tests.tui.world import furnish
from tuiq.config import load
from tuiq.errors import UsageError
from tuiq.tui import start
from tuiq.tui.world import Options

if TYPE_CHECKING:
    from collections.abc import Iterator

_CRASH = """
import sys
from tuiq.cli.main import main
from tuiq.tui.app import TuiqApp
def on_paste(self, event): raise KeyError("\\x1b[2Jlost")
TuiqApp.on_paste = on_paste
sys.argv[1:] = sys.argv[2:]
sys.exit(main())
"""

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("term", ["dumb", "", "unknown"])
def test_a_terminal_that_cannot_place_a_cursor_is_refused_with_what_answers(
    monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    why = start.unfit({"TERM": term})
    assert "tuiq status --watch" in why
    assert "tuiq mailq" in why
    assert start.unfit({"TERM": "xterm"}) == ""


def test_without_a_terminal_nothing_is_opened(tmp_path: Path) -> None:
    spool = furnish(tmp_path)
    with pytest.raises(UsageError, match="needs a terminal"):
        start.run(load(str(spool.path / "tuiq.toml")))


def test_textual_is_told_to_be_quiet() -> None:
    environ = {"TERM": "xterm-256color", "TEXTUAL_FPS": "30"}
    start.dress(environ, Options(low_bandwidth=True))
    assert environ["TEXTUAL_ANIMATIONS"] == "none"
    assert environ["TEXTUAL_SMOOTH_SCROLL"] == "0"
    assert environ["TEXTUAL_FPS"] == "30"
    assert environ["TEXTUAL_COLOR_SYSTEM"] == "256"


def test_the_first_paint_waits_for_no_index_and_no_page() -> None:
    program = (
        "import sys; import tuiq.cli.main, tuiq.tui.start, tuiq.tui.app, "
        "tuiq.tui.driver; print(*sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    loaded = set(result.stdout.split())
    late = {
        "numpy", "watchdog", "tuiq.tui.index.messages", "tuiq.tui.index.feed",
        "tuiq.tui.pages.messages", "tuiq.tui.grid.grid", "tuiq.tui.operate.operator",
        "tuiq.tui.live.lookout", "tuiq.tui.dialogs.find", "tuiq.tui.choosers.theme",
    }  # fmt: skip
    assert "textual.app" in loaded
    assert loaded & late == set()


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Return the arguments for a furnished spool."""
    spool = furnish(tmp_path / "spool")
    return ["--config", str(spool.path / "tuiq.toml")]


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }


@pytest.fixture
def terminal(words: list[str], home: dict[str, str]) -> Iterator[Terminal]:
    argv = [sys.executable, "-m", "tuiq", *words]
    with Terminal(argv, env=home) as terminal:
        before = terminal.modes()
        terminal.read_until(lambda t: t.shows("0000000DEF"))
        yield terminal
        assert b"\x1b[?1049l" in terminal.output or terminal._master < 0
        if terminal._master >= 0:
            assert terminal.modes() == before


def test_q_gives_the_terminal_back(terminal: Terminal) -> None:
    terminal.press("q")
    assert terminal.wait() == 0


def test_being_told_to_end_is_no_failure(terminal: Terminal) -> None:
    terminal.signal(signal.SIGTERM)
    assert terminal.wait() == 0


def test_losing_the_terminal_ends_it(terminal: Terminal) -> None:
    terminal.hang_up()
    assert terminal.wait() == 129


def test_nothing_is_sent_while_nothing_happens(terminal: Terminal) -> None:
    terminal.read_quiet(1.5)
    assert terminal.read_for(4.0) < 2000
    terminal.press("q")
    terminal.wait()


def test_a_fault_that_nothing_catches_ends_with_a_sentence(
    words: list[str], home: dict[str, str], tmp_path: Path
) -> None:
    argv = [sys.executable, "-c", _CRASH, "tuiq", *words]
    with Terminal(argv, env=home) as terminal:
        terminal.read_until(lambda t: t.shows("0000000DEF"))
        terminal.press("\x1b[200~x\x1b[201~")
        assert terminal.wait() == 70
        said = terminal.output.rpartition(b"\x1b[?1049l")[2].decode()
    assert "KeyError" in said
    assert "mail is not affected; details are in" in said
    assert "\x1b[2J" not in said
    assert said.count("\n") <= 3
    assert "in on_paste" in (tmp_path / "state" / "tuiq" / "ui.log").read_text()
