"""``tuiq demo`` as people run it: what it says, how it ends, what it leaves."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuiq.spool.disk import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
MARK = "TUIQ_TEST_MARK"


class Place:
    """Where a demo runs, and the means to find what is left of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mark = uuid.uuid4().hex
        (path / "tuiq.toml").write_text("not = [toml\n")
        self.environ = {
            **os.environ,
            MARK: self.mark,
            "TMPDIR": str(path),
            "PYTHONPATH": str(ROOT),
            "PYTHONSAFEPATH": "1",
            "TUIQ_CONFIG": "/nowhere/tuiq.toml",
        }

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            [sys.executable, "-m", "tuiq", "demo", *arguments],
            cwd=self.path,
            env=self.environ,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options},
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        with self.start(*arguments) as demo:
            said, _ = demo.communicate()
        return demo.returncode, said

    def processes(self, having: str = "") -> list[int]:
        """Return the processes of this demo whose command line has *having*."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                environ = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes()
                if f"{MARK}={self.mark}".encode() in environ:
                    found += [int(entry.name)] if having.encode() in command else []
        return found

    def process(self, having: str) -> int:
        """Return the one process with *having*, as soon as there is one.

        For a moment, a child has the command line of its parent.
        """
        while len(found := self.processes(having)) != 1:
            time.sleep(0.01)
        return found[0]

    def left(self) -> list[str]:
        """Return the files that are there now and were not before."""
        names = [path.name for path in self.path.iterdir()]
        return [name for name in names if name not in ("tuiq.toml", "no-config-home")]

    def becomes_clean(self) -> bool:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if not self.left() and not self.processes():
                return True
            time.sleep(0.05)
        return False


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        reason = refusal(tmp_path, fd)
    finally:
        os.close(fd)
    if reason:
        pytest.skip(reason)
    place = Place(tmp_path)
    yield place
    for pid in place.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_for(demo: subprocess.Popen[str], *texts: str) -> None:
    """Read what *demo* says until all *texts* are among it."""
    assert demo.stdout is not None
    missing, said = set(texts), ""
    while missing:
        line = demo.stdout.readline()
        assert line, f"it ended without {missing}: {said}"
        said += line
        missing = {text for text in missing if text not in line}


@pytest.mark.slow
def test_a_demo_settles_everything_that_can_be_and_proves_it(place: Place) -> None:
    status, said = place.run()

    assert status == 0, said
    for fact in (
        "one newsletter to 20,000 readers queued",
        "greylisted by postbox.example (451 4.7.1)",
        "postbox.example knows us now: accepted on the second try",
        "mailbox full (452 4.2.2)",
        "No such user here: failed, its sender is told",
        "recipient bounced",
        "flaky.example hung up after the dot: 40 recipients in doubt",
        "sent again, each named as a possible duplicate",
        "museum.example hangs before the dot: given up",
        "the server takes 40 recipients at a time, not 50",
        "a sender is told about a delay",
        "All that was due is settled",
        "80  were in doubt",
        "whatever is called delivered arrived",
        "40 arrived twice, every one of them named",
        "gone again",
    ):
        assert fact in said
    assert "fault" not in said
    assert place.left() == []
    assert place.processes() == []


def test_a_short_demo_ends_in_time_and_leaves_nothing(place: Place) -> None:
    status, said = place.run("--seconds", "3")

    assert status == 0, said
    assert "Ended with" in said
    assert "whatever is called delivered arrived" in said
    assert place.left() == []
    assert place.processes() == []


def test_hostile_text_reaches_stdout_as_escapes_only(place: Place) -> None:
    _, said = place.run("--seconds", "2")

    assert r"\x1b]0;owned\x07Invoice \u202efdp.exe\x1b[2J" in said
    assert re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", said) == []


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_signal_ends_a_demo_and_leaves_nothing(
    place: Place, number: signal.Signals, status: int
) -> None:
    with place.start("--seconds", "60") as demo:
        wait_for(demo, "newsletter")
        demo.send_signal(number)
        said, _ = demo.communicate()

    assert demo.returncode == status
    assert "Ended with" in said
    assert place.left() == []
    assert place.processes() == []


def test_ctrl_c_at_once_leaves_nothing(place: Place) -> None:
    with place.start("--seconds", "60") as demo:
        wait_for(demo, "tuiq demo:")
        demo.send_signal(signal.SIGINT)
        demo.communicate()

    assert demo.returncode in (0, 130)
    assert place.becomes_clean()


def test_a_killed_demo_is_cleaned_up_after(place: Place) -> None:
    with place.start("--seconds", "60") as demo:
        wait_for(demo, "newsletter")
        assert len(place.left()) == 1
        while len(place.processes()) < 3:  # itself, its guard and the runner
            time.sleep(0.01)
        demo.kill()

    assert place.becomes_clean()


def test_a_killed_guard_takes_the_runner_along(place: Place) -> None:
    with place.start("--seconds", "60") as demo:
        wait_for(demo, "newsletter")
        guard = place.process("tuiq.demo.guard")
        os.kill(guard, signal.SIGKILL)
        demo.communicate()

    assert demo.returncode == 75
    assert place.becomes_clean()


def test_a_runner_that_dies_is_told_about(place: Place) -> None:
    with place.start("--seconds", "60") as demo:
        wait_for(demo, "newsletter")
        runner = place.process("--run")
        os.kill(runner, signal.SIGKILL)
        said, _ = demo.communicate()

    assert demo.returncode == 75
    assert "the runner ended by itself" in said
    assert place.becomes_clean()


def test_a_closed_pipe_ends_a_demo_and_leaves_nothing(place: Place) -> None:
    with place.start("--seconds", "60") as demo:
        wait_for(demo, "newsletter")
        assert demo.stdout is not None
        demo.stdout.close()
        demo.wait()

    assert place.becomes_clean()


def test_a_kept_spool_can_be_looked_at_afterwards(place: Place) -> None:
    config = place.path / "mine" / "tuiq.toml"
    with place.start("--seconds", "60", "--keep", "mine") as demo:
        wait_for(demo, "greylisted by", "held by an operator", "in the trash")
        journal = place.path / "mine" / "journal" / "delivery.jsonl"
        while "cfo@startup.example" not in journal.read_text():
            time.sleep(0.01)
        demo.send_signal(signal.SIGINT)
        said, _ = demo.communicate()

    assert demo.returncode == 0
    assert f"export TUIQ_CONFIG={config}" in said
    assert place.left() == ["mine"]
    assert place.processes() == []
    views = [
        line.split()[1:] for line in said.splitlines() if re.match("  tuiq ", line)
    ]
    assert {words[0] for words in views} >= {"mailq", "why", "show", "undo", "release"}
    for words in views:
        ran = subprocess.run(
            [sys.executable, "-m", "tuiq", words[0], "--config", config, *words[1:]],
            env=place.environ,
            capture_output=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, b""), words


def test_a_demo_keeps_nothing_where_something_is(place: Place) -> None:
    (place.path / "mine").mkdir()
    (place.path / "mine" / "thesis.txt").write_text("precious")

    status, said = place.run("--keep", "mine")

    assert status == 64
    assert "mine: is not empty" in said
    assert [p.name for p in (place.path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", ["0", "soon", "-3"])
def test_a_wrong_duration_is_refused(place: Place, text: str) -> None:
    status, said = place.run(f"--seconds={text}")

    assert status == 64
    assert said.startswith("tuiq: --seconds")


def test_a_terminal_gets_one_region_that_fits_it(place: Place) -> None:
    ours, theirs = pty.openpty()
    place.environ["TERM"] = "xterm"
    try:
        size = struct.pack("HHHH", 20, 60, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        demo = place.start("--seconds", "2", stdout=theirs, stderr=theirs)
    finally:
        os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # EIO: the last one has closed it
        while chunk := os.read(ours, 65536):
            said += chunk
    os.close(ours)

    assert demo.wait() == 0
    region, _, _ = said.decode().partition("Ended with")
    assert "\x1b[19A" in region, "redrawn in place"
    assert set(re.findall("\x1b\\[[0-9;]*([A-Za-z])", region)) <= set("AJKm")
    for line in region.split("\n"):
        assert len(re.sub("\x1b\\[[0-9;]*[A-Za-z]|\r", "", line)) < 60
    assert place.left() == []
