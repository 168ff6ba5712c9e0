"""``tuiq status --watch`` fits the terminal and leaves it as it was; or it appends."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tuiq.cli.status_frame import Frame, heading, line, screen
from tuiq.clock import SystemClock
from tuiq.spool.census import Tally
from tuiq.spool.entry import State
from tuiq.spool.fs import OsFs
from tuiq.spool.journal import FILE, Event, Kind
from tuiq.spool.status import (
    Connection,
    DestinationStatus,
    RunnerStatus,
    StatusWriter,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = 1_800_000_000.0
ROOT = Path(__file__).parents[2]
SEQUENCE = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
DEAD = DestinationStatus(
    name="gone.example", limit=0, ceiling=20, waiting=1234, state="dead",
    until=NOW + 60, reason="connection refused \x1b[2J",
)  # fmt: skip


def tally() -> Tally:
    found = Tally(recipients=20_012, size=4096, oldest=NOW - 7500)
    for number, state in enumerate(State):
        found.counts[state] = 100_000 + number
    return found


def frame(**changes: Any) -> Frame:
    destinations = [
        DestinationStatus(name=f"d{n}.example:25", limit=5, ceiling=20, connections=n)
        for n in range(40)
    ]
    values: dict[str, Any] = {
        "now": NOW,
        "spool": "/var/spool/tuiq",
        "rates": {
            "in": 12.3, "delivered": 2931.0, "deferred": 0.0, "failed": 0.2,
            "in_doubt": 0.0,
        },
        "runners": (
            RunnerStatus(
                name="supervisor", fd_used=17, fd_limit=1024, notes=("q.1: suspect",)
            ),
            RunnerStatus(name="worker-1", fd_used=40, fd_limit=1024, idle="no mail"),
        ),
        "destinations": (*destinations, DEAD),
        "free": (17_000_000_000, "q.1"),
        "low": ("q.2",),
        "tallies": {"q.1": tally()},
        "counted": NOW - 12,
    }  # fmt: skip
    return Frame(**{**values, **changes})


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (20, 3), (200, 60)])
def test_a_screen_fits_the_terminal(width: int, height: int) -> None:
    lines = screen(frame(), width, height, colour=False)
    assert len(lines) <= height
    assert all(len(text) <= width for text in lines)
    assert not any("\x1b" in text for text in lines)


def test_the_screen_says_what_is_asked_of_it() -> None:
    text = "\n".join(screen(frame(), 120, 40, colour=False))
    for said in (
        "2,931", "12.3", "counted 12 s ago", "oldest 2 h 05 min", "100,008 due",
        "supervisor, worker-1", "57 descriptors, 1024 allowed to each",
        "15.8G free in q.1", "q.2: low disk", "q.1: suspect", "d39.example:25",
        "more",
    ):  # fmt: skip
        assert said in text, text
    assert "dead until" in text
    assert "connection refused \\x1b[2J" in text


def test_trouble_comes_before_busy_destinations() -> None:
    lines = screen(frame(), 100, 24, colour=False)
    at = next(n for n, text in enumerate(lines) if text.startswith("DESTINATION"))
    assert lines[at + 1].startswith("gone.example")
    assert lines[at + 2].startswith("d39.example:25")


def test_wide_characters_take_two_columns() -> None:
    wide = DestinationStatus(name="例" * 60, connections=1)
    lines = screen(frame(destinations=(wide,)), 30, 40, colour=False)
    (shown,) = [text for text in lines if "例" in text]
    assert len(shown) == 15


def test_nothing_known_is_not_nothing_there() -> None:
    empty = frame(tallies=None, runners=(), destinations=())
    text = "\n".join(screen(empty, 80, 24, colour=False))
    assert "is being counted" in text
    assert "none is running" in text
    assert line(empty).split()[6:9] == ["-", "-", "-"]


def test_a_line_stands_below_its_heading() -> None:
    text = line(frame())
    assert len(text) == len(heading())
    titles = heading().split()
    assert len(text.split()) == len(titles)
    cells = dict(zip(titles, text.split(), strict=True))
    assert (cells["deliv/s"], cells["due"], cells["dead"]) == ("2,931", "100008", "1")
    assert (cells["oldest"], cells["counted"], cells["fds"]) == ("2h05", "12s", "57")


# -- as a process --------------------------------------------------------------


def command(config: Path, *options: str) -> list[str]:
    return [
        sys.executable, "-m", "tuiq", "status", "--config", str(config), "--watch",
        *options,
    ]  # fmt: skip


class Terminal:
    """A terminal of 80 columns and 24 lines with the program on it."""

    def __init__(self, config: Path, *options: str, **environ: str) -> None:
        self.fd, other = pty.openpty()
        self.resize(24, 80)
        self.before = termios.tcgetattr(other)
        self.process = subprocess.Popen(
            command(config, *options),
            stdin=other,
            stdout=other,
            stderr=other,
            cwd=ROOT,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", **environ},
        )
        self.other = other
        self.data = b""

    def resize(self, height: int, width: int) -> None:
        size = struct.pack("HHHH", height, width, 0, 0)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, size)

    def until(self, condition: Callable[[bytes], object]) -> bytes:
        deadline = time.monotonic() + 30
        while not condition(self.data):
            assert time.monotonic() < deadline, self.data
            if select.select([self.fd], [], [], 0.1)[0]:
                self.data += os.read(self.fd, 65536)
        return self.data

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        deadline = time.monotonic() + 30
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            if select.select([self.fd], [], [], 0.1)[0]:
                self.data += os.read(self.fd, 65536)
        while select.select([self.fd], [], [], 0)[0]:  # what it said last
            self.data += os.read(self.fd, 65536)
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.fd)
        os.close(self.other)


@pytest.fixture
def terminal(planted: Any) -> Iterator[Callable[..., Terminal]]:
    made = []

    def make(*options: str, **environ: str) -> Terminal:
        terminal = Terminal(planted.config, *options, **environ)
        made.append(terminal)
        return terminal

    yield make
    for one in made:
        one.close()


def frames(data: bytes) -> list[bytes]:
    return data.split(b"\x1b[H")[1:]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_the_terminal_is_as_before(
    terminal: Callable[..., Terminal], number: int
) -> None:
    shown = terminal("0.2")
    shown.until(lambda data: len(frames(data)) >= 3)
    assert shown.end(number) == 0
    assert termios.tcgetattr(shown.other) == shown.before
    # Neither another screen nor a hidden cursor nor a mode: nothing to restore.
    assert b"\x1b[?" not in shown.data
    assert shown.data.endswith((b"\n\x1b[J\x1b[m", b"\n\x1b[J"))


def test_every_frame_fits_and_is_drawn_in_place(
    terminal: Callable[..., Terminal],
) -> None:
    shown = terminal("0.1")
    data = shown.until(lambda data: len(frames(data)) >= 4)
    assert data.count(b"\x1b[2J") == 1
    for one in frames(data)[:-1]:
        lines = SEQUENCE.sub(b"", one).split(b"\r\r\n")
        assert len(lines) <= 24
        assert all(len(text.decode()) < 80 for text in lines)


def test_no_color_means_none(terminal: Callable[..., Terminal]) -> None:
    shown = terminal("0.1", NO_COLOR="1")
    data = shown.until(lambda data: len(frames(data)) >= 2)
    assert not re.search(rb"\x1b\[[0-9;]*m", data)
    coloured = terminal("0.1", NO_COLOR="")
    data = coloured.until(lambda data: len(frames(data)) >= 2)
    assert b"\x1b[1m" in data


def test_a_new_window_size_is_drawn_at_once(terminal: Callable[..., Terminal]) -> None:
    shown = terminal("3600", NO_COLOR="1")
    shown.until(lambda data: len(frames(data)) == 1)
    shown.resize(5, 30)
    shown.process.send_signal(signal.SIGWINCH)
    data = shown.until(lambda data: frames(data)[1:] and data.endswith(b"\x1b[J"))
    lines = SEQUENCE.sub(b"", frames(data)[1]).split(b"\r\r\n")
    assert len(lines) <= 5
    assert all(len(text) < 30 for text in lines)


def test_a_terminal_without_sequences_gets_lines(
    terminal: Callable[..., Terminal],
) -> None:
    shown = terminal("0.1", TERM="dumb")
    data = shown.until(lambda data: data.count(b"\n") >= 3)
    assert b"\x1b" not in data
    assert data.split()[1] == b"in/s"


@contextmanager
def runner(path: Path, status: RunnerStatus) -> Iterator[None]:
    fd = os.open(path / "run", os.O_RDONLY)
    writer = StatusWriter(OsFs(), fd, status.name, SystemClock())
    writer.write(status)
    try:
        yield
    finally:
        writer.close()
        os.close(fd)


def test_elsewhere_one_line_per_interval_is_appended(planted: Any) -> None:
    planted.plant("fresh")
    planted.plant("def")
    planted.tried("def", tries=1, wait=400, reply=b"451 later")
    workers = [
        RunnerStatus(
            name=f"worker-{number}",
            rates={"delivered": 100.0 * number, "in_doubt": 1.5},
            connections=(Connection(destination="mx:25", phase="dot", since=0.0),),
            fd_used=10,
        )
        for number in (1, 2)
    ]
    queued = Event(kind=Kind.QUEUED, queue_id="A").encode(0.0, 1)
    with runner(planted.path, workers[0]), runner(planted.path, workers[1]):
        process = subprocess.Popen(
            command(planted.config, "0.2"),
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert process.stdout is not None
        titles = process.stdout.readline().split()
        rows = []
        try:
            for _ in range(25):
                rows.append(process.stdout.readline())
                with (planted.path / "journal" / FILE).open("ab") as journal:
                    journal.write(queued * 7)
        finally:
            process.terminate()
            process.communicate()
    assert process.returncode == 0
    heads = [row for row in rows if "in/s" in row]
    assert len(heads) == 1
    cells = [dict(zip(titles, row.split(), strict=True)) for row in rows[:10]]
    last = cells[-1]
    assert (last["deliv/s"], last["doubt/s"]) == ("300", "3.0")
    assert (last["due"], last["deferred"], last["conns"]) == ("1", "1", "2")
    assert last["fds"] == "20"
    assert 0 < float(last["in/s"]) < 70


def test_a_pipe_that_closes_ends_it_quietly(planted: Any) -> None:
    process = subprocess.Popen(
        command(planted.config, "0.1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(timeout=30)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--watch", "soon"], "not a number of seconds"),
        (["--watch", "0"], "not a number of seconds"),
        (["--watch", "nan"], "not a number of seconds"),
        (["--watch", "1", "--json"], "neither --json"),
        (["--watch", "1", "--fail-if-older", "4h"], "neither --json"),
    ],
)
def test_what_cannot_be_watched_is_said(
    planted: Any, tuiq: Callable[..., Any], options: list[str], says: str
) -> None:
    ran = tuiq("status", *options)
    assert ran.status == 64
    assert says in ran.err


def test_counting_takes_a_share_of_a_core(
    planted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuiq.cli import status_watch
    from tuiq.config import load
    from tuiq.spool.spool import Spool

    asked: list[float] = []
    with Spool(load(planted.config)) as spool:
        looker = status_watch.Looker(spool)
        monkeypatch.setattr(looker, "count", asked.append)

        def wait(seconds: float) -> bool:
            time.sleep(seconds)
            return False

        status_watch._pass_time(looker, 0.5, wait)
    assert sum(asked) <= 0.5 * status_watch.SHARE + 1e-9
