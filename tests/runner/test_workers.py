"""``tuiq --run`` with worker processes: what they share, and what they survive."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from tests.runner.crew import RUN, CountingServer, crew, is_alive
from tests.runner.world import DATA, World, locked, until
from tuiq.demo.script import Act, Answer, Peer, Script
from tuiq.errors import MessageBusy, MessageGone
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.runner import service
from tuiq.runner.locks import DirectoryLocks
from tuiq.runner.process import WorkerProcess
from tuiq.runner.pulse import Pulse
from tuiq.runner.runner import Options
from tuiq.runner.shares import Share
from tuiq.spool.answers import Verb
from tuiq.spool.drop import submit_to_drop

if TYPE_CHECKING:
    from collections.abc import Callable

SLOW = Script(verdict=Act(delay=0.03))
LATER = b"451 4.3.2 overloaded, come back later"
SHUT = b"421 4.3.2 closed"


def submit(world: World, count: int) -> list[bytes]:
    """Submit *count* messages to an address each; return the addresses."""
    addresses = [b"u%d@there.invalid" % number for number in range(count)]
    for address in addresses:
        world.submit(address)
    return addresses


# -- sharing ---------------------------------------------------------------------


async def test_workers_share_one_directory_and_send_each_message_once(
    world: World,
) -> None:
    addresses = submit(world, 60)
    async with CountingServer() as server:
        world.serve_by(server)
        async with crew(world) as it:
            await until(lambda: sum(it.counted("delivered").values()) == 60)
            assert all(it.counted("delivered").values()), "one did it all"
            said = await it.stop()
    assert Counter(server.addresses) == Counter(addresses)
    assert not world.ids()
    assert (it.process.returncode, said) == (0, "")


async def test_each_directory_has_one_worker(make_world: Callable[..., World]) -> None:
    world = make_world(queues=3)
    addresses = submit(world, 30)
    async with CountingServer() as server:
        world.serve_by(server)
        async with crew(world) as it:
            served = [status["directories"] for status in it.statuses().values()]
            await until(lambda: len(server.received) == 30)
    assert sorted(itertools.chain(*served)) == ["q.1", "q.2", "q.3"]
    assert all(served)
    assert Counter(server.addresses) == Counter(addresses)


async def test_what_is_dropped_is_taken_in_at_once(
    make_world: Callable[..., World],
) -> None:
    world = make_world(drop=True)
    recipient = Recipient(address=b"a@there.invalid")
    async with CountingServer() as server:
        world.serve_by(server)
        async with crew(world):
            for _ in range(2):
                before = len(server.received)
                envelope = Envelope(sender=b"me@x.invalid", recipients=(recipient,))
                submit_to_drop(world.path, envelope, (DATA,))
                await until(partial(server.has_more_than, before))


# -- deaths ----------------------------------------------------------------------


def stall_first(peer: Peer) -> Answer:
    return Act(reply=b"") if peer.connection == 1 else None


def is_free(world: World, queue_id: str) -> bool:
    """Say whether nobody holds a message, whether or not it is still there."""
    try:
        with locked(world.spool.directories[0], queue_id):
            return True
    except MessageBusy:
        return False
    except MessageGone:
        return True


@pytest.mark.parametrize(
    ("script", "phase", "state", "received"),
    [
        (Script(data=stall_first), "data", b"A", 1),
        (Script(verdict=stall_first), "dot", b"U", 2),
    ],
    ids=["in DATA", "after the dot"],
)
async def test_what_a_killed_worker_had_is_free_at_once_and_delivered_by_the_next(
    world: World, script: Script, phase: str, state: bytes, received: int
) -> None:
    queue_id = world.submit()
    async with CountingServer(script) as server:
        world.serve_by(server)
        async with crew(world) as it:
            killed = await until(lambda: it.holder(queue_id, phase))
            assert world.states(queue_id) == state
            os.kill(killed, signal.SIGKILL)
            await until(lambda: not is_alive(killed))
            # A thread of it may still be in a sync.
            await until(lambda: is_free(world, queue_id))
            await until(lambda: queue_id not in world.ids())
            assert killed not in it.pids().values()
            assert len(it.pids()) == 2
            said = await it.stop()
    assert len(server.received) == received
    assert len(world.journal("possible_duplicate")) == received - 1
    assert "ended with SIGKILL; another one takes its place" in said
    assert it.process.returncode == 0


async def test_workers_of_a_killed_supervisor_drain_beside_a_new_one(
    world: World,
) -> None:
    addresses = submit(world, 120)
    async with CountingServer(SLOW) as server:
        world.serve_by(server)
        async with crew(world) as first:
            await until(lambda: len(server.received) > 10)
            orphans = first.pids().values()
            first.process.kill()
            first.process.wait()
            async with crew(world) as second:
                await until(lambda: not world.ids())
                await until(lambda: not any(map(is_alive, orphans)))
                assert len(second.pids()) == 2
                assert await second.stop() == ""
    assert Counter(server.addresses) == Counter(addresses)
    assert world.journal("possible_duplicate") == []


# -- silence ---------------------------------------------------------------------

HASTY = """
import tuiq.runner.pulse as pulse
pulse.LOOK_EVERY, pulse.REMARKABLE, pulse.PATIENCE = 0.1, 0.5, 4.0
"""


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize(
    ("script", "phase", "received"),
    [
        (Script(data=stall_first), "data", 1),
        (Script(verdict=stall_first), "dot", 2),
    ],
    ids=["in DATA", "after the dot"],
)
async def test_a_stopped_worker_is_killed_and_the_next_delivers_what_it_had(
    world: World, script: Script, phase: str, received: int
) -> None:
    queue_id = world.submit()
    async with CountingServer(script) as server:
        world.serve_by(server)
        world.reconfigure(delivery={"concurrency": 1, "initial_concurrency": 1})
        async with crew(world, prelude=HASTY) as it:
            stopped = await until(lambda: it.holder(queue_id, phase))
            (name,) = (name for name, pid in it.pids().items() if pid == stopped)
            os.kill(stopped, signal.SIGSTOP)

            def notes() -> str:
                return "".join(it.statuses("supervisor")["supervisor"]["notes"])

            await until(lambda: f"{name} has not answered for " in notes())
            await until(lambda: queue_id not in world.ids())
            assert not is_alive(stopped)
            await until(lambda: it.pids().keys() == {"worker-1", "worker-2"})
            await until(lambda: "has not answered" not in notes())
            said = await it.stop()
    assert len(server.received) == received
    assert len(world.journal("possible_duplicate")) == received - 1
    assert f"{name}: killed: it did not answer for 4 s" in said
    assert f"{name} ended with SIGKILL; another one takes its place" in said


@pytest.mark.parametrize(
    ("state", "looks"), [("S", 13), ("T", 13), ("D", 121), ("DSD", 13)]
)
def test_a_worker_that_waits_for_a_disk_has_more_time(
    monkeypatch: pytest.MonkeyPatch, state: str, looks: int
) -> None:
    states = itertools.cycle(state)
    monkeypatch.setattr(WorkerProcess, "waits_for_disk", lambda _: next(states) == "D")
    process, channel = Mock(), Mock()
    worker = WorkerProcess(Share(number=1, directories=()), process, channel)
    free: list[int] = []
    pulse = Pulse({1: worker}, free.append)
    for _ in range(looks - 1):
        pulse.look()
    assert (free, process.kill.called) == ([], False)
    pulse.look()
    pulse.look()
    assert (free, process.kill.call_count) == ([1], 1)
    assert channel.send.call_count == 1, "asked again before it answered"


async def test_no_worker_is_killed_for_the_silence_of_a_stopped_supervisor(
    world: World,
) -> None:
    async with CountingServer() as server:
        world.serve_by(server)
        async with crew(world, prelude=HASTY) as it:
            before = it.pids()
            os.kill(it.process.pid, signal.SIGSTOP)
            await until(lambda: state_of(it.process.pid) == "T")
            await asyncio.sleep(5)  # so long it is stopped: nothing is waited for
            os.kill(it.process.pid, signal.SIGCONT)
            queue_id = world.submit()
            await until(lambda: queue_id not in world.ids())
            assert it.pids() == before
            assert await it.stop() == ""


# -- signals ---------------------------------------------------------------------


@pytest.mark.parametrize("everybody", [False, True], ids=["the group", "everybody"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_all_drain(
    world: World, number: signal.Signals, everybody: bool
) -> None:
    queue_id = world.submit()
    async with CountingServer(Script(data=Act(reply=b""))) as server:
        world.serve_by(server)
        async with crew(world) as it:
            await until(lambda: b"DATA" in server.commands)
            os.killpg(it.process.pid, number)
            if everybody:
                for pid in it.pids().values():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
            assert await it.ended() == ""
    assert it.process.returncode == 0
    assert world.states(queue_id) == b"T"
    assert not list(world.path.glob("run/*.status"))


async def test_a_signal_while_workers_start_ends_them_without_a_word(
    world: World,
) -> None:
    world.configure(runner={"max_workers": 3})
    with world.process(start_new_session=True) as process:
        os.killpg(process.pid, signal.SIGINT)
        await until(lambda: process.poll() is not None)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 0


async def test_hup_reaches_all_workers(world: World) -> None:
    addresses = submit(world, 20)
    async with CountingServer() as server, crew(world) as it:
        world.serve_by(server)
        it.process.send_signal(signal.SIGHUP)
        await until(lambda: len(server.received) == 20)
    assert Counter(server.addresses) == Counter(addresses)


async def test_hup_while_workers_start_reaches_them(world: World) -> None:
    world.configure(runner={"max_workers": 2})
    addresses = submit(world, 10)
    async with CountingServer() as server:
        with world.process() as process:
            world.serve_by(server)
            process.send_signal(signal.SIGHUP)
            await until(lambda: len(server.received) == 10)
            process.terminate()
            await until(lambda: process.poll() is not None)
    assert Counter(server.addresses) == Counter(addresses)


async def test_alrm_reaches_all_workers(world: World) -> None:
    replies = [LATER] * 20
    script = Script(rcpt=lambda _: replies.pop() if replies else None)
    submit(world, 20)
    async with CountingServer(script) as server:
        world.serve_by(server)
        async with crew(world) as it:
            await until(lambda: len(world.journal("deferred")) == 20)
            it.process.send_signal(signal.SIGALRM)
            await until(lambda: not world.ids())
    assert len(server.received) == 20


async def test_a_worker_that_cannot_drain_is_killed(
    make_world: Callable[..., World],
) -> None:
    world = make_world(runner={"drain_timeout": 0.3})
    hurry = "import tuiq.runner.supervisor as s; s.MARGIN = 0.2"
    async with crew(world, prelude=hurry) as it:
        os.kill(it.pids()["worker-1"], signal.SIGSTOP)
        said = await it.stop()
    assert "worker-1: killed: it did not end within" in said
    assert it.process.returncode == 0


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(3)", "worker-1 ended with exit status 3"),
        (
            "import resource, runpy, sys;"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (28, 28));"
            "runpy.run_module('tuiq.runner.worker', run_name='__main__')",
            "worker-1 cannot begin: open files: 28 are allowed",
        ),
    ],
)
async def test_workers_that_cannot_begin_end_the_runner_with_one_sentence(
    world: World, code: str, said: str
) -> None:
    nowhere = {"smarthost": "127.0.0.1:9"}
    world.configure(runner={"max_workers": 2}, delivery=nowhere)
    prelude = (
        "import sys, tuiq.runner.process as p\n"
        f"p._command = lambda fd: [sys.executable, '-c', {code!r}, str(fd)]\n" + RUN
    )
    command = world.command("--run")
    ran = await asyncio.to_thread(
        subprocess.run,
        [command[0], "-c", prelude, *command[3:]],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ran.returncode == 75
    (line,) = ran.stderr.replace("worker-2", "worker-1").splitlines()
    assert said in line


# -- limits ----------------------------------------------------------------------


async def test_the_ceiling_holds_over_all_workers_and_each_gets_its_share(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"concurrency": 2, "initial_concurrency": 2})
    submit(world, 100)
    async with CountingServer(SLOW) as server:
        world.serve_by(server)
        async with crew(world) as it:
            await until(lambda: all(s["connections"] for s in it.statuses().values()))
            assert len(server.received) < 100, "one had to wait for the end"
            await until(lambda: len(server.received) == 100)
    assert server.most == 2


async def test_workers_take_turns_at_the_only_connection(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"concurrency": 1})
    submit(world, 80)
    async with CountingServer(SLOW) as server:
        world.serve_by(server)
        async with crew(world) as it:
            await until(lambda: all(it.counted("delivered").values()))
            assert len(server.received) < 80, "one had to wait for the end"
    assert server.most == 1


async def test_a_rate_holds_over_all_workers(make_world: Callable[..., World]) -> None:
    times: list[float] = []
    script = Script(verdict=lambda _: times.append(time.monotonic()))
    async with CountingServer(script) as server:
        via = f"127.0.0.1:{server.port}"
        route = {"to": "*", "via": via, "rate": "10/s"}
        world = make_world(delivery={"routes": [route]})
        submit(world, 36)
        async with crew(world):
            await until(lambda: len(times) == 36)
    # Ten at once, and one that each worker had been given but had no use for.
    assert times[-1] - times[0] >= (36 - 10 - 3) / 10
    assert times[-1] - times[0] < 10


async def test_a_dead_destination_is_left_alone_by_all_and_probed_by_one(
    make_world: Callable[..., World],
) -> None:
    world = make_world(delivery={"retry_destination": 3, "initial_concurrency": 1})
    replies: list[bytes] = [SHUT] * 9
    script = Script(greeting=lambda _: replies[-1] if replies else None)
    world.submit(b"first@there.invalid")
    async with CountingServer(script) as server:
        world.serve_by(server)
        async with crew(world) as it:
            await until(lambda: world.journal("deferred"))
            assert server.connections == 1
            await until(lambda: it.destination().get("state") == "dead")
            assert "421 4.3.2 closed" in it.destination()["reason"]
            waiting = submit(world, 8)
            await until(lambda: len(world.journal("deferred")) == 1 + len(waiting))
            assert server.connections == 2, "both workers' mail, but not one probe"
            replies.clear()
            world.submit(b"last@there.invalid")
            await until(lambda: b"last@there.invalid" in server.addresses)
            await until(lambda: it.destination()["state"] == "ok")
            for queue_id in world.ids():
                world.operate(Verb.FLUSH, queue_id)
            await until(lambda: not world.ids())
            said = await it.stop()
    assert len(server.received) == 1 + len(waiting) + 1
    told = [line for line in said.splitlines() if f":{server.port}" in line]
    assert len(told) == 2, "told once that it fails, once that it works"


async def test_a_limit_that_grows_can_be_seen(world: World) -> None:
    async with CountingServer(SLOW) as server:
        world.serve_by(server)
        async with crew(world) as it:
            await until(lambda: it.statuses())
            submit(world, 150)
            await until(lambda: len(server.received) == 150)
            ran = await asyncio.to_thread(world.run, "status", "--json")
    runners = json.loads(ran.stdout)["runners"]
    (destination,) = (d for runner in runners for d in runner["destinations"])
    assert 5 < destination["limit"] <= destination["ceiling"] == 20
    assert 5 < server.most <= 20
    assert destination["state"] == "ok"


async def test_a_storm_can_be_seen_in_the_servers_words(world: World) -> None:
    async with CountingServer(Script(mail=LATER)) as server:
        world.serve_by(server)
        submit(world, 120)
        async with crew(world) as it:
            await until(lambda: "one every" in it.destination().get("reason", ""))
            ran = await asyncio.to_thread(world.run, "status", "--json")
            await it.stop()
    runners = json.loads(ran.stdout)["runners"]
    (destination,) = (d for runner in runners for d in runner["destinations"])
    assert (destination["state"], destination["limit"]) == ("slow", 1)
    assert LATER.decode() in destination["reason"]
    assert it.process.returncode == 0


# -- a disk that fails -------------------------------------------------------------

BROKEN = """
import errno, os
from tuiq.spool.fs import OsFs

def breaking(real):
    def sync(self, fd):
        try:
            os.rename({trigger!r}, {trigger!r} + f".{{os.getpid()}}")
        except FileNotFoundError:
            return real(self, fd)
        raise OSError(errno.EIO, "broken")
    return sync

for name in {calls!r}:
    setattr(OsFs, name, breaking(getattr(OsFs, name)))
"""


@pytest.mark.parametrize(
    ("address", "calls"),
    [(b"late@x.invalid", ("fdatasync", "syncfs")), (b"ok@x.invalid", ("fsync",))],
    ids=["of a mark, in a worker", "of a removal, in the supervisor"],
)
async def test_a_failed_sync_in_one_process_blocks_the_directory_in_all(
    world: World, tmp_path: Path, address: bytes, calls: tuple[str, ...]
) -> None:
    trigger = tmp_path / "trigger"
    (tmp_path / "site").mkdir()
    hook = tmp_path / "site" / "sitecustomize.py"
    hook.write_text(BROKEN.format(trigger=str(trigger), calls=calls))
    late = Script(rcpt={b"late@x.invalid": b"451 4.7.1 later"})
    async with CountingServer(late) as server:
        world.serve_by(server)
        path = os.pathsep.join((str(hook.parent), *sys.path))
        async with crew(world, PYTHONPATH=path) as it:
            queue_id = world.submit()
            await until(lambda: queue_id not in world.ids())
            trigger.touch()
            with contextlib.suppress(Exception):
                world.submit(address)  # its sync is the first of all, or nearly so

            def blocked() -> set[str]:
                return {
                    name
                    for pattern in ("worker-*", "supervisor")
                    for name, status in it.statuses(pattern).items()
                    if "a sync failed" in "".join(status["notes"])
                }

            everybody = {"supervisor", "worker-1", "worker-2"}
            await until(lambda: blocked() == everybody)
            other = next(
                pid
                for pid in it.pids().values()
                if f"trigger.{pid}" not in os.listdir(tmp_path)
            )
            os.unlink(world.path / "run" / f"suspect.{world.spool.directories[0].uuid}")
            os.kill(other, signal.SIGKILL)
            await until(lambda: len(it.pids()) == 2 and other not in it.pids().values())
            await until(lambda: blocked() == everybody)
            assert len(server.received) <= 2


# -- one pass ----------------------------------------------------------------------

ALWAYS = "import tuiq.runner.service as s; s.WORTH_WORKERS = 1"


@pytest.mark.parametrize(("due", "workers"), [(2, 1), (3, 4)])
def test_a_pass_has_workers_when_they_are_worth_their_start(
    world: World, monkeypatch: pytest.MonkeyPatch, due: int, workers: int
) -> None:
    monkeypatch.setattr(service, "WORTH_WORKERS", 3)
    world.reconfigure(runner={"max_workers": 4})
    submit(world, due)
    with DirectoryLocks(world.spool) as locks:
        locks.take()
        assert service._workers(world.spool, locks, Options(once=True)) == workers
        assert service._workers(world.spool, locks, Options()) == 4
        assert service._workers(world.spool, locks, Options(verbose=True)) == 1


async def test_one_pass_delivers_by_workers_the_notices_they_make_as_well(
    make_world: Callable[..., World],
) -> None:
    world = make_world(queues=2)
    answer = asyncio.Event()
    script = Script(
        rcpt={b"bad@there.invalid": b"550 5.1.1 no"}, verdict=Act(until=answer)
    )
    addresses = submit(world, 12)
    for _ in range(6):
        world.submit(b"bad@there.invalid")
    async with CountingServer(script) as server:
        world.serve_by(server)
        async with crew(world, "--once", prelude=ALWAYS) as it:
            answer.set()
            await it.ended()
    assert it.process.returncode == 0
    notices = [each for each in server.received if not each.sender]
    assert len(notices) == 6
    assert len(server.received) == len(addresses) + 6
    assert not world.ids()


async def test_one_pass_says_that_something_is_left(world: World) -> None:
    submit(world, 6)
    answer = asyncio.Event()
    script = Script(rcpt={b"u1@there.invalid": LATER}, verdict=Act(until=answer))
    async with CountingServer(script) as server:
        world.serve_by(server)
        async with crew(world, "--once", prelude=ALWAYS) as it:
            answer.set()
            await it.ended()
    assert it.process.returncode == 75
    assert len(world.ids()) == 1
