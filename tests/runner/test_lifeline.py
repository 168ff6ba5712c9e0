"""``--run --while-fd``: a runner that does not outlive whoever started it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.runner.world import World, until, wait_for
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.runner.lifeline import LET_GO

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator


@contextmanager
def on_a_line(world: World) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a runner on a pipe; yield it and the end that keeps it alive."""
    reading, writing = os.pipe()
    line = ("--while-fd", str(reading))
    try:
        with world.process(*line, pass_fds=(reading,)) as process:
            yield process, writing
    finally:
        os.close(reading)


async def test_it_drains_when_the_other_end_is_gone(world: World) -> None:
    with on_a_line(world) as (process, line):
        assert process.poll() is None
        os.close(line)
        assert process.wait(20) == 0
    told = [event["text"] for event in world.journal("runner")]
    assert any("drains" in text for text in told)


async def test_draining_waits_for_the_answer_to_a_dot(world: World) -> None:
    queue_id = world.submit()
    async with ScriptedServer(Script(verdict=Act(delay=0.5))) as server:
        world.serve_by(server)
        with on_a_line(world) as (process, line):
            await until(lambda: server.received)
            os.close(line)
            await until(lambda: process.poll() is not None)
    assert process.returncode == 0
    assert queue_id not in world.ids()


async def test_let_go_it_lives_on(world: World) -> None:
    with on_a_line(world) as (process, line):
        os.write(line, LET_GO)
        os.close(line)
        world.configure(delivery={"smarthost": "mx.invalid:25"})
        with pytest.raises(AssertionError, match="never"):
            wait_for(lambda: process.poll() is not None, 0.7)
        process.terminate()
        assert process.wait(20) == 0


async def test_a_worker_does_not_hold_the_line(world: World) -> None:
    world.configure(runner={"max_workers": 2})
    with on_a_line(world) as (process, line):
        wait_for(lambda: len(list(world.path.glob("run/worker-*.status"))) == 2)
        os.close(line)
        assert process.wait(20) == 0


def test_what_is_no_pipe_is_refused(world: World) -> None:
    ran = world.run("--run", "--while-fd", "99")
    assert ran.returncode == 64
    assert "no pipe is open there" in ran.stderr
