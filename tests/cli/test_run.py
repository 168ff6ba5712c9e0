"""``tuiq --run`` on the command line: statuses, sentences, and what it loads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.runner.world import World, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A spool, its configuration file, and no smarthost."""
    world = World(tmp_path / "spool")
    yield world
    world.close()


@pytest.fixture
def server(tmp_path: Path, world: World) -> Iterator[Path]:
    """The log of a server in another process, which is the smarthost."""
    log = tmp_path / "server.jsonl"
    refused = ("--rcpt", "no@x.invalid=550 5.1.1 no such user")
    later = ("--rcpt", "late@x.invalid=451 4.7.1 come back")
    process = subprocess.Popen(
        [sys.executable, "-m", "tuiq.demo.server", "--log", str(log), *refused, *later],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    world.reconfigure(delivery={"smarthost": f"127.0.0.1:{port}"})
    yield log
    process.kill()
    process.wait()
    process.stdout.close()


def submit(world: World, *addresses: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tuiq", "sendmail", "-f", "me@here.invalid", *addresses],
        input="Subject: s\n\nx\n",
        env=os.environ | {"TUIQ_CONFIG": str(world.file)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_one_pass_delivers_what_the_sendmail_command_took(
    world: World, server: Path
) -> None:
    submit(world, "you@x.invalid")
    ran = world.run("--run", "--once")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert '"you@x.invalid"' in server.read_text()
    assert world.ids() == set()


def test_one_pass_that_leaves_something_says_75(world: World, server: Path) -> None:
    submit(world, "you@x.invalid", "late@x.invalid")
    assert world.run("--run", "--once").returncode == 75
    assert world.run("--run", "--once").returncode == 0, "nothing is due any more"


def test_one_pass_returns_a_failure_to_its_sender(world: World, server: Path) -> None:
    submit(world, "no@x.invalid")
    assert world.run("--run", "--once").returncode == 0
    assert '"me@here.invalid"' in server.read_text()
    assert world.ids() == set()


def test_verbose_shows_the_dialogue_on_stderr(world: World, server: Path) -> None:
    submit(world, "you@x.invalid")
    ran = world.run("--run", "--once", "-v")
    assert ran.returncode == 0
    assert ran.stdout == ""
    lines = ran.stderr.splitlines()
    assert ">>> RCPT TO:<you@x.invalid>" in lines
    assert lines.index(">>> DATA") < lines.index("<<< 354 Go ahead")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_daemon_with_0(
    world: World, server: Path, number: signal.Signals
) -> None:
    with world.process() as process:
        process.send_signal(number)
        wait_for(lambda: process.poll() is not None)
    assert process.returncode == 0


def test_a_wrong_configuration_is_a_sentence_and_78(world: World) -> None:
    world.configure(delivery={"concurrency": 0})
    ran = world.run("--run", "--once")
    assert ran.returncode == 78
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"tuiq: {world.file}: delivery.concurrency: ")


def test_a_queue_that_others_may_write_to_is_refused(world: World) -> None:
    (world.path / "q.1").chmod(0o777)
    ran = world.run("--run", "--once")
    assert ran.returncode == 78
    (line,) = ran.stderr.splitlines()
    assert str(world.path / "q.1") in line


def test_a_runner_loads_no_terminal_interface(world: World, server: Path) -> None:
    submit(world, "you@x.invalid")
    code = (
        "import sys; from tuiq.cli.main import dispatch; "
        f"status = dispatch(['--run', '--once', '--config', {str(world.file)!r}]); "
        "print(status, sorted(m for m in sys.modules if m.startswith('textual')))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert ran.stdout.strip() == "0 []"
