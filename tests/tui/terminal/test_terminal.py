"""A grid on a real terminal: what it sends, and what becomes of it when that fails."""

from __future__ import annotations

import ctypes
import inspect
import re
import signal
import sys
import unicodedata
from pathlib import Path

import pytest
from textual import constants
from textual._xterm_parser import XTermParser
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver

from tests.conftest import Report
from tests.runner.world import wait_for
from tests.tui.terminal.terminal import Terminal

STAND = (sys.executable, "-m", "tests.tui.terminal.stand")
PAGE_DOWN = "\x1b[6~"

# What may come between texts: cursor, colours, modes, the mouse pointer's shape.
_OURS = re.compile(
    rb"\x1b\[\d+;\d+H|\x1b\[[\d;]*m|\x1b\[[?<>][\d;]*[a-z]|\x1b\[\?[\d;]*\$p"
    rb"|\x1b\]22;[a-z]+\x07|\r\n"
)


def stand(*words: str, size: tuple[int, int] = (120, 36), **env: str) -> Terminal:
    return Terminal((*STAND, *words), size=size, env=env)


def is_up(terminal: Terminal) -> bool:
    return terminal.shows("k0003")


def settled(terminal: Terminal) -> Terminal:
    terminal.read_until(lambda t: all(t.lines)).read_quiet()
    return terminal


def first_words(terminal: Terminal) -> list[str]:
    """Return the first word of each line of the screen."""
    return [line.partition(" ")[0] for line in map(str.strip, terminal.lines)]


def let_beat(path: Path, times: int) -> None:
    """Wait until the program's loop ran so many times more."""
    start = path.stat().st_size
    wait_for(lambda: path.stat().st_size >= start + times)


def test_an_idle_grid_sends_nothing() -> None:
    with stand() as terminal:
        settled(terminal)
        assert terminal.read_for(1.5) == 0


def test_a_tick_with_eight_changed_rows_sends_less_than_4_kib(report: Report) -> None:
    with stand("--tick", "0.25") as terminal:
        terminal.read_until(lambda t: t.shows("2s"))
        before = int(re.findall(r"(\d+)s", terminal.lines[1])[0])
        sent = terminal.sent
        terminal.read_until(lambda t: t.shows(f" {before + 8}s"))
        ticks = int(re.findall(r"(\d+)s", terminal.lines[1])[0]) - before
        each = (terminal.sent - sent) / ticks
    report("bytes a tick with 8 changed rows", round(each))
    assert 0 < each <= 4096


def test_moving_the_cursor_sends_two_rows_and_a_page_sends_each_row_once(
    report: Report,
) -> None:
    with stand("--rows", "500") as terminal:
        settled(terminal)
        step = terminal.reaction("j")
        page = terminal.reaction(PAGE_DOWN)
    report("bytes of a step, of a page", (step, page))
    assert step < 1000
    assert page < 36 * 300


def test_what_textual_draws_again_without_need_is_not_sent() -> None:
    with stand() as terminal:
        settled(terminal)
        # The focus goes: Textual draws the whole grid.
        assert terminal.reaction("f") < 600


def test_redraw_sends_everything() -> None:
    with stand() as terminal:
        settled(terminal)
        terminal.screen.reset()
        terminal.press("\x0c")
        terminal.read_until(lambda t: t.shows("k0034"))
        assert len(list(filter(None, terminal.lines))) == 36


def test_a_terminal_that_nobody_reads_does_not_stop_the_loop(tmp_path: Path) -> None:
    path = tmp_path / "beats"
    words = ("--tick", "0.01", "--beats", str(path))
    with stand(*words, size=(250, 60)) as terminal:
        terminal.read_until(lambda t: t.shows("5s"))
        let_beat(path, 100)  # nothing is read meanwhile
        terminal.press("\x1b[H")  # Home
        terminal.read_until(lambda t: "k0000" in t.lines[1])
        terminal.read_until(lambda t: all(" of k" in line for line in t.lines[1:]))


def test_frames_that_were_dropped_are_made_up_for_by_a_whole_one(
    tmp_path: Path, report: Report
) -> None:
    path, pages, height = tmp_path / "beats", 50, 60
    words = ("--rows", "4000", "--beats", str(path))
    with stand(*words, size=(250, height)) as terminal:
        settled(terminal)
        page = terminal.reaction(PAGE_DOWN)
        before = terminal.sent
        for _ in range(pages):  # far more than the kernel and the outlet hold
            terminal.press(PAGE_DOWN)
            let_beat(path, 2)
        first = (pages + 1) * (height - 1)
        rows = [f"k{n:04}" for n in range(first, first + height - 1)]
        terminal.read_until(lambda t: first_words(t)[1:] == rows)
        sent = terminal.sent - before
        report("bytes of 50 pages at a stalled terminal, of all", (sent, pages * page))
        assert sent < pages * page / 2


def test_a_hang_up_ends_the_program() -> None:
    with stand("--tick", "0.05") as terminal:
        terminal.read_until(lambda t: t.shows("2s"))
        terminal.hang_up()
        assert terminal.wait() == 128 + signal.SIGHUP


def test_a_hang_up_that_sends_no_signal_is_noticed_too() -> None:
    # The shell leads the session and gets the SIGHUP; the program only the end of file.
    words = ("sh", "-c", 'trap "" HUP; "$@"; exit $?', "sh", *STAND)
    with Terminal(words) as terminal:
        terminal.read_until(is_up)
        terminal.hang_up()
        assert terminal.wait() == 128 + signal.SIGHUP


def test_a_stalled_terminal_keeps_nobody_from_leaving(tmp_path: Path) -> None:
    path = tmp_path / "beats"
    with stand("--tick", "0.01", "--beats", str(path)) as terminal:
        terminal.read_until(lambda t: t.shows("2s"))
        let_beat(path, 30)
        terminal.signal(signal.SIGTERM)
        wait_for(lambda: terminal.state() in "ZX")


def test_sigterm_gives_the_terminal_back_as_it_was() -> None:
    with stand() as terminal:
        before = terminal.modes()
        settled(terminal)
        assert terminal.modes() != before
        terminal.signal(signal.SIGTERM)
        assert terminal.wait() == 128 + signal.SIGTERM
        terminal.read_quiet(0.1)
        assert terminal.modes() == before
        end = bytes(terminal.output[-200:])
        assert end.endswith(b"\x1b[<u\x1b[?1049l\x1b[?25h")


def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_brings_a_whole_screen() -> None:
    # A shell with job control runs the program, then reads a line and resumes it.
    script = '"$@"; echo asleep; read line; fg; exit $?'
    with Terminal(("bash", "-mc", script, "sh", *STAND)) as terminal:
        settled(terminal)
        (pid,) = terminal.children()
        terminal.press("jj\x1a")
        terminal.read_until(lambda t: b"asleep" in t.output)
        assert terminal.state(pid) == "T"
        assert b"\x1b[?1049l" in terminal.output
        mark = terminal.sent
        terminal.press("\n")
        terminal.read_until(lambda t: b"k0034" in t.output[mark:])
        terminal.read_quiet()
        assert b"\x1b[?1049h" in terminal.output[mark:]
        assert "k0000" in terminal.lines[1]
        assert terminal.reaction("j") < 1000
        terminal.press("q")
        assert terminal.wait() == 0


def test_ctrl_z_does_nothing_where_no_shell_could_wake_the_program() -> None:
    with stand() as terminal:
        settled(terminal)
        terminal.reaction("\x1aj")
        assert terminal.state() != "T"


def test_a_stop_from_outside_ends_with_a_whole_screen() -> None:
    with stand() as terminal:
        settled(terminal)
        terminal.signal(signal.SIGSTOP)
        terminal.read_until(lambda t: t.state() == "T")
        mark = terminal.sent
        terminal.signal(signal.SIGCONT)
        terminal.read_until(lambda t: b"k0030" in t.output[mark:])


def test_a_signal_that_another_thread_takes_wakes_the_loop_as_well() -> None:
    # The kernel hands a signal to any thread while the first one is being stopped.
    with stand() as terminal:
        settled(terminal)
        threads = [tid for tid in terminal.threads() if tid != terminal.pid]
        assert threads
        for tid in threads:
            terminal.output.clear()
            assert not ctypes.CDLL(None).tgkill(terminal.pid, tid, signal.SIGCONT)
            terminal.read_until(lambda t: b"k0030" in t.output).read_quiet()


def test_a_storm_of_resizes_ends_in_the_right_screen() -> None:
    with stand("--rows", "300") as terminal:
        settled(terminal)
        for n in range(40):
            terminal.resize((60 + n, 10 + n % 20))
            terminal.read_for(0.01)
        terminal.resize((90, 24))
        rows = ["ID", *(f"k{n:04}" for n in range(23))]
        terminal.read_until(lambda t: first_words(t) == rows)
        assert max(map(len, terminal.lines)) <= 90


def test_the_size_is_that_of_the_terminal_whatever_the_environment_says() -> None:
    with stand(COLUMNS="50", LINES="5") as terminal:
        settled(terminal)
        assert "k0034" in terminal.lines[35]


@pytest.mark.parametrize("term", ["xterm-256color", "linux"])
def test_nothing_that_mail_says_reaches_the_terminal_raw(term: str) -> None:
    with stand("--hostile", TERM=term) as terminal:
        terminal.read_until(lambda t: t.shows("\\x1b]0;owned"))
        terminal.press(PAGE_DOWN * 2 + "G" + "\x1b[C" * 8)
        terminal.read_quiet()
        terminal.press("q")
        terminal.wait()
        rest = _OURS.sub(b"", bytes(terminal.output)).decode()
    bad = {
        f"U+{ord(char):04X}"
        for char in rest
        if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    }
    assert not bad
    assert "\\u202e" in rest


def test_wide_and_combining_text_keeps_the_columns_on_the_terminal() -> None:
    with stand("--hostile", size=(118, 30)) as terminal:
        terminal.read_until(lambda t: t.shows("漢"))
        terminal.read_quiet()
        screen = terminal.screen
        head = "".join(screen.buffer[0][x].data for x in range(118))
        start = head.index("SENDER")
        rows = [[screen.buffer[y][x].data for x in range(118)] for y in range(1, 30)]
    assert {row[start - 1] for row in rows} == {" "}
    assert all(row[start] != " " for row in rows)


def test_a_console_gets_no_sequences_that_it_would_print() -> None:
    with stand(TERM="linux") as terminal:
        settled(terminal)
        terminal.press("q")
        terminal.wait()
        for strange in (b"\x1b[>", b"\x1b[<", b"$p", b"\x1b]", b"?2004"):
            assert strange not in terminal.output


def test_the_mouse_moves_the_cursor_without_telling_of_each_movement() -> None:
    with stand("--mouse") as terminal:
        settled(terminal)
        assert b"\x1b[?1000h" in terminal.output
        assert b"\x1b[?1003h" not in terminal.output
        mark = terminal.sent
        terminal.press("\x1b[<0;10;5M\x1b[<0;10;5m")  # the row on line 5 is k0003
        terminal.read_until(lambda t: b"k0003" in t.output[mark:])
        terminal.press("\x1b[<65;10;5M")
        terminal.read_until(lambda t: "k0003" in t.lines[1])


def test_keys_that_are_no_utf_8_do_no_harm() -> None:
    with stand() as terminal:
        settled(terminal)
        terminal.reaction(b"\xfc\xe4j")
        terminal.press("q")
        assert terminal.wait() == 0


def test_the_private_parts_of_textual_that_the_driver_stands_on_are_there() -> None:
    parts = vars(LinuxDriver)
    for name in (
        "_get_terminal_size", "_sigtstp_application", "_sigcont_application",
        "_enable_mouse_support", "_disable_mouse_support", "run_input_thread",
    ):  # fmt: skip
        assert callable(parts[name]), name
    source = inspect.getsource(LinuxDriver)
    for name in (
        "self._file =",
        "self.exit_event",
        "self.fileno =",
        "self._mouse",
        "self._must_signal_resume",
    ):
        assert name in source, name
    assert "self._loop" in inspect.getsource(Driver)
    assert isinstance(constants.ESCAPE_DELAY, float)
    assert {"feed", "tick"} <= {name for name in dir(XTermParser)}
