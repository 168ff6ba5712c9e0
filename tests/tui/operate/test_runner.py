"""The runner that the UI starts: what it serves, and whom it does not outlive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.runner.world import World, wait_for
from tuiq.config import load
from tuiq.errors import SpoolUnavailable
from tuiq.tui.operate.runner import LINES, RunnerControl

if TYPE_CHECKING:
    from collections.abc import Iterator

UI = """
import sys, time
from tuiq.config import load
from tuiq.tui.operate.runner import RunnerControl
control = RunnerControl(load(sys.argv[1]))
control.start()
if "leave" in sys.argv:
    control.leave_running()
print(control.pid, flush=True)
time.sleep(60)
"""
"""A UI that does nothing but hold its runner."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "spool")
    world.configure(delivery={"smarthost": "127.0.0.1:9"})
    yield world
    world.close()


@contextmanager
def controlled(world: World) -> Iterator[RunnerControl]:
    control = RunnerControl(load(world.file))
    try:
        yield control
    finally:
        control.kill()
        control.close()
        wait_for(lambda: control.pid is None)


def is_alive(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except FileNotFoundError:
        return False


@contextmanager
def ui(world: World, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a UI in a process of its own; yield it and its runner's pid."""
    command = [sys.executable, "-c", UI, str(world.file), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    try:
        wait_for(lambda: serves(world))
        yield process, pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not is_alive(pid))


def serves(world: World) -> bool:
    return bool(list(world.path.glob("run/*.status")))


def test_it_starts_runs_and_drains(world: World) -> None:
    with controlled(world) as control:
        assert (control.pid, control.word) == (None, "")
        control.start()
        assert control.pid is not None
        assert os.getpgid(control.pid) == control.pid, "a group of its own"
        wait_for(lambda: control.word == "running")
        control.drain()
        assert control.word == "draining"
        wait_for(lambda: control.pid is None)
        wait_for(lambda: control.word == "")


def test_it_refuses_beside_another_runner(world: World) -> None:
    with world.process() as other, controlled(world) as control:
        with pytest.raises(SpoolUnavailable, match=f"pid {other.pid} runs already"):
            control.start()
        assert control.pid is None


def test_it_refuses_twice(world: World) -> None:
    with controlled(world) as control:
        control.start()
        with pytest.raises(SpoolUnavailable, match="already"):
            control.start()


def test_how_it_died_is_told(world: World) -> None:
    with controlled(world) as control:
        world.file.write_text("[spool]\nqueues = 5\n")
        control.start()
        wait_for(lambda: control.word.startswith("ended with exit status 78"))
        assert "spool.queues" in control.word
        assert control.log


def test_a_kill_takes_the_workers_along(world: World) -> None:
    world.configure(runner={"max_workers": 2})
    with controlled(world) as control:
        control.start()
        wait_for(lambda: len(list(world.path.glob("run/worker-*.status"))) == 2)
        pids = [
            int(pid)
            for pid in Path(f"/proc/{control.pid}/task/{control.pid}/children")
            .read_text()
            .split()
        ]
        assert len(pids) == 2
        control.kill()
        wait_for(lambda: control.word == "ended with SIGKILL")
        wait_for(lambda: not any(map(is_alive, pids)))


def test_its_log_is_bounded_and_clean(world: World) -> None:
    with controlled(world) as control:
        reading, writing = os.pipe()
        os.write(writing, b"evil \x1b[2J\n" * (LINES + 10))
        os.close(writing)
        control._read(reading)
        assert len(control.log) == LINES
        assert set(control.log) == {"evil \\x1b[2J"}


def test_it_drains_when_the_ui_is_killed(world: World) -> None:
    with ui(world) as (process, pid):
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_for(lambda: not is_alive(pid))
    told = [event["text"] for event in world.journal("runner")]
    assert any("drains" in text for text in told)
    assert not serves(world), "it ended in order"


def test_left_running_it_outlives_the_ui(world: World) -> None:
    with ui(world, "leave") as (process, pid):
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.5)  # it would have been drained by then, as above
        assert is_alive(pid)
        told = [event["text"] for event in world.journal("runner")]
        assert not any("drains" in text for text in told)


def test_closing_drains_it_and_leaving_does_not(world: World) -> None:
    with controlled(world) as control:
        control.start()
        wait_for(lambda: control.word == "running")
        control.leave_running()
        assert control.is_left
        control.close()
        time.sleep(0.3)
        assert control.word == "running"
    with controlled(world) as control:
        control.start()
        wait_for(lambda: control.word == "running")
        control.close()
        wait_for(lambda: control.pid is None)
