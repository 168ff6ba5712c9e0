"""``tuiq --run`` as a process: signals, locks, limits, and what it costs at rest."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.runner.world import World, until
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.spool.answers import Verb

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator, Callable

STALL_AFTER_DOT = Script(dot=Act(reply=b""))


def limited(command: list[str], descriptors: int) -> list[str]:
    return ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *command]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def ended(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a process; return what it said."""
    await until(lambda: process.poll() is not None)
    assert process.stderr is not None
    return process.stderr.read()


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


# -- signals -------------------------------------------------------------------


async def test_term_before_the_dot_gives_the_recipients_back_at_once(
    world: World,
) -> None:
    queue_id = world.submit()
    async with ScriptedServer(Script(data=Act(reply=b""))) as server:
        world.serve_by(server)
        with world.process() as process:
            await until(lambda: b"DATA" in server.commands)
            process.terminate()
            said = await ended(process)
    assert process.returncode == 0, said
    entry = world.entry(queue_id)
    assert entry.states == b"T"
    assert entry.tries == 0
    assert entry.opened == 0
    assert entry.index_time <= time.time()


async def test_term_after_the_dot_waits_for_the_answer(world: World) -> None:
    queue_id = world.submit()
    answer = asyncio.Event()
    async with ScriptedServer(Script(verdict=Act(until=answer))) as server:
        world.serve_by(server)
        with world.process() as process:
            await until(lambda: server.received)
            process.terminate()
            await until(lambda: world.status()["phase"] == "draining")
            answer.set()
            said = await ended(process)
    assert process.returncode == 0, said
    assert queue_id not in world.ids()


async def test_term_gives_up_on_a_silent_server_and_names_the_message(
    make_world: Callable[..., World],
) -> None:
    world = make_world(runner={"drain_timeout": 1})
    queue_id = world.submit()
    async with ScriptedServer(STALL_AFTER_DOT) as server:
        world.serve_by(server)
        with world.process() as process:
            await until(lambda: world.entry(queue_id).states == b"U")
            process.terminate()
            said = await ended(process)
    assert process.returncode == 0, said
    assert world.states(queue_id) == b"U"
    (line,) = (line for line in said.splitlines() if "no answer" in line)
    assert queue_id in line


async def test_term_ends_a_runner_that_is_idle(
    world: World, server: ScriptedServer
) -> None:
    world.serve_by(server)
    with world.process() as process:
        process.terminate()
        await ended(process)
    assert process.returncode == 0


async def test_hup_takes_over_good_settings_and_refuses_wrong_ones(
    world: World, server: ScriptedServer
) -> None:
    with world.process() as process:
        queue_id = world.submit()
        world.configure(delivery={"smarthost": "not a host:port"})
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        refused = ""
        while "not reloaded" not in refused:
            refused = await asyncio.to_thread(process.stderr.readline)
            assert refused
        world.serve_by(server)
        process.send_signal(signal.SIGHUP)
        await until(lambda: queue_id not in world.ids())
        process.terminate()
        said = await ended(process)
    assert "not reloaded" not in said
    assert "delivery.smarthost" in refused
    assert str(world.file) in refused


@pytest.mark.parametrize("workers", [1, 2])
async def test_hup_reaches_the_journal_and_names_what_waits_for_a_restart(
    world: World, server: ScriptedServer, workers: int
) -> None:
    rotated = world.path / "journal" / "delivery.jsonl.1"
    world.serve_by(server)
    world.configure(runner={"max_workers": workers})

    def rotates() -> bool:
        world.submit()
        return rotated.exists()

    with world.process() as process:
        world.configure(journal={"max_bytes": 4096}, runner={"max_workers": 3})
        process.send_signal(signal.SIGHUP)
        await until(rotates)
        process.terminate()
        said = await ended(process)
    assert said.count("runner.max_workers: counts when the runner starts anew") == 1


async def test_alrm_tries_everything_now(world: World) -> None:
    replies: list[bytes] = [b"451 4.7.1 later"] * 3
    script = Script(rcpt=lambda _: replies.pop() if replies else None)
    async with ScriptedServer(script) as server:
        world.serve_by(server)
        ids = [world.submit() for _ in range(3)]
        with world.process() as process:
            await until(lambda: len(world.journal("deferred")) == 3)
            process.send_signal(signal.SIGALRM)
            await until(lambda: not world.ids())
            assert len(server.received) == len(ids)


# -- who runs ------------------------------------------------------------------


async def test_a_second_runner_names_the_first(world: World) -> None:
    with world.process() as process:
        ran = await asyncio.to_thread(world.run, "--run")
        assert ran.returncode == 75
        assert f"pid {process.pid}" in ran.stderr
        once = await asyncio.to_thread(world.run, "--run", "--once")
        assert once.returncode == 75
        assert f"drained by pid {process.pid}" in once.stderr


async def test_locks_die_with_a_killed_runner(
    world: World, server: ScriptedServer
) -> None:
    world.serve_by(server)
    with world.process() as process:
        process.kill()
        await ended(process)
    queue_id = world.submit()
    ran = await asyncio.to_thread(world.run, "--run", "--once")
    assert ran.returncode == 0, ran.stderr
    assert queue_id not in world.ids()


async def test_passes_leave_nothing_in_run_but_their_totals(
    world: World, server: ScriptedServer
) -> None:
    world.serve_by(server)
    for _ in range(2):
        world.submit()
        ran = await asyncio.to_thread(world.run, "--run", "--once")
        assert ran.returncode == 0, ran.stderr
    left = sorted(path.name for path in (world.path / "run").iterdir())
    assert left == [".totals", "totals.json"]


async def test_a_daemon_serves_what_a_pass_drained_when_it_began(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.submit()
    answer = asyncio.Event()
    async with ScriptedServer(Script(verdict=Act(until=answer))) as server:
        world.serve_by(server)
        with world.process("--once") as once:
            await until(lambda: server.received)
            with world.process() as daemon:
                await until(lambda: len(list(world.path.glob("run/*.status"))) == 2)
                answer.set()
                assert "drained by" not in await ended(once)
                world.submit()
                await until(lambda: len(server.received) == 2)
                daemon.terminate()
                said = await ended(daemon)
    assert f"drained by pid {once.pid} (tuiq --run --once)" in said


async def test_the_runner_tells_the_journal_about_itself(
    world: World, server: ScriptedServer
) -> None:
    world.serve_by(server)
    with world.process() as process:
        process.terminate()
        await ended(process)
    told = [line["text"] for line in world.journal("runner")]
    assert [text.split(":")[0] for text in told] == [
        "tuiq --run started",
        "tuiq --run drains",
        "tuiq --run ended",
    ]


# -- limits --------------------------------------------------------------------


async def test_few_descriptors_slow_mail_down_and_lose_none(
    make_world: Callable[..., World], server: ScriptedServer
) -> None:
    world = make_world(delivery={"concurrency": 50})
    ids = [world.submit() for _ in range(500)]
    world.serve_by(server)
    process = await asyncio.create_subprocess_exec(
        *limited(world.command("--run", "--once"), 48), stderr=-1
    )
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, said.decode()
    assert world.ids() == set()
    assert len(server.received) == len(ids)
    assert len({m.data for m in server.received}) <= len(ids)
    assert said.decode().count("out of file descriptors") < 5


async def test_too_few_descriptors_for_one_message_are_refused(world: World) -> None:
    world.submit()
    process = await asyncio.create_subprocess_exec(
        *limited(world.command("--run", "--once"), 24), stderr=-1
    )
    _, said = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 75
    assert "open files: 24 are allowed" in said.decode()
    assert "ulimit -n" in said.decode()


async def test_the_budget_stands_in_the_status(
    world: World, server: ScriptedServer
) -> None:
    world.serve_by(server)
    with world.process():
        status = await until(world.status)
    assert status["fd_used"] < status["fd_limit"]
    counters = status["counters"]
    assert 0 < counters["connections_limit"] <= counters["messages_limit"]
    assert (
        counters["connections_limit"] + 4 * counters["messages_limit"]
        < status["fd_limit"]
    )


async def test_a_runner_at_rest_costs_next_to_nothing(
    world: World, server: ScriptedServer
) -> None:
    world.serve_by(server)
    with world.process() as process:
        await until(lambda: world.status().get("idle"))
        await asyncio.sleep(1)
        before, began = cpu_seconds(process.pid), time.monotonic()
        await asyncio.sleep(5)
        used, passed = cpu_seconds(process.pid) - before, time.monotonic() - began
    assert used / passed < 0.01, f"{used:.2f} s in {passed:.1f} s"


async def test_a_runner_with_all_connections_busy_does_not_spin(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"concurrency": 2})
    for _ in range(20):
        world.submit()
    async with ScriptedServer(STALL_AFTER_DOT) as server:
        world.serve_by(server)
        with world.process() as process:
            await until(lambda: server.commands.count(b"DATA") == 2)
            await asyncio.sleep(0.5)
            before = cpu_seconds(process.pid)
            await asyncio.sleep(2)
            used = cpu_seconds(process.pid) - before
    assert used < 0.1, f"{used:.2f} s in 2 s"


async def test_a_killed_runner_loses_and_repeats_nothing_unsent(
    world: World,
) -> None:
    ids = {world.submit(b"u%d@x.invalid" % n) for n in range(40)}
    async with ScriptedServer(Script(dot=Act(delay=0.05))) as server:
        world.serve_by(server)
        with world.process() as process:
            await until(lambda: len(server.received) >= 5)
            process.kill()
            await ended(process)
        doubt = sum(world.states(i) == b"U" for i in world.ids())
        ran = await asyncio.to_thread(world.run, "--run", "--once")
        assert ran.returncode == 0, ran.stderr
        got = Counter(a for m in server.received for a, _ in m.recipients)
    assert len(got) == len(ids)
    assert sum(got.values()) - len(ids) <= doubt
    assert len(world.journal("possible_duplicate")) == doubt


# -- statements ----------------------------------------------------------------


async def test_a_pass_without_a_smarthost_says_what_to_set(world: World) -> None:
    world.submit()
    ran = await asyncio.to_thread(world.run, "--run", "--once")
    assert ran.returncode == 75
    assert ran.stderr.count("smarthost") == 1
    assert "[delivery]" in ran.stderr


async def test_a_pass_over_an_empty_or_waiting_queue_is_done(
    world: World, server: ScriptedServer
) -> None:
    world.serve_by(server)
    ran = await asyncio.to_thread(world.run, "--run", "--once")
    assert (ran.returncode, ran.stderr) == (0, "")
    queue_id = world.submit()
    world.operate(Verb.HOLD, queue_id)
    ran = await asyncio.to_thread(world.run, "--run", "--once")
    assert ran.returncode == 0
    assert world.states(queue_id) == b"T"


async def test_hostile_replies_reach_no_terminal(world: World) -> None:
    world.submit()
    evil = b"451 4.7.1 \x1b]0;owned\x07 \xe2\x80\xae later"
    async with ScriptedServer(Script(greeting=evil)) as server:
        world.serve_by(server)
        for option in ((), ("-v",)):
            for queue_id in world.ids():
                world.operate(Verb.FLUSH, queue_id)
            ran = await asyncio.to_thread(world.run, "--run", "--once", *option)
            assert ran.returncode == 75
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", ran.stderr)
            assert "owned" in ran.stderr
