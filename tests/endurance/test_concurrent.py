"""Several runners on one spool: each recipient once, whatever keeps them apart."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import Report
from tests.endurance.world import (
    PYTHON,
    TUIQ,
    Pair,
    World,
    deliveries,
    serving,
    submit,
    wait_for,
)
from tuiq.spool.claim import lock_message
from tuiq.spool.journal import Kind

SHIPPED = (*TUIQ, "--run", "--once")
UNLOCKED = (
    *PYTHON,
    "-c",
    "import sys, tuiq.config; from tuiq.runner.service import run;"
    "sys.exit(run(tuiq.config.load(), once=True, directory_locks=False))",
)
"""A runner that ignores the directories' locks: flock on the messages must do."""
NO_LOCKS = (
    *PYTHON,
    "-c",
    "from tuiq.spool.fs import OsFs; OsFs.flock = lambda self, fd: None;"
    f"{UNLOCKED[-1]}",
)
"""The same without any lock: what the count has to notice."""
DELAYS = ("--delay", "data=0-0.01", "--delay", "dot=0-0.02")
SETTINGS = "recipients_per_transaction = 10\nconcurrency = 3"
MESSAGES = 120
RECIPIENTS = 25


def queue_mail(world: World) -> set[Pair]:
    """Submit the mail; return who is to get what."""
    addresses = [f"r{n}@d{n % 7}.example" for n in range(RECIPIENTS)]
    with world.open() as spool:
        ids = [submit(spool, addresses) for _ in range(MESSAGES)]
    return {(queue_id, address) for queue_id in ids for address in addresses}


def run_until_empty(world: World, command: tuple[str, ...], runners: int) -> int:
    """Keep *runners* going until nothing is queued; return how many were started."""
    started = 0
    running: list[subprocess.Popen[bytes]] = []
    end = time.monotonic() + 90
    while any(world.path.glob("q.*/qf*")):
        assert time.monotonic() < end, "the queue does not get empty"
        while len(running) < runners:
            running.append(world.start(*command, stderr=subprocess.DEVNULL))
            started += 1
        time.sleep(0.01)
        running = [each for each in running if each.poll() is None]
    for each in running:
        assert each.wait(60) in {0, 75}
    return started


def claims_lost(world: World) -> int:
    """Add up what the runners said at their ends about busy locks."""
    found = [
        re.search(r"\bclaims_lost (\d+)", record.text)
        for record in world.journal(Kind.RUNNER)
    ]
    return sum(int(match[1]) for match in found if match)


@pytest.mark.slow
@pytest.mark.parametrize("runners", [2, 4])
@pytest.mark.parametrize("locks", ["as shipped", "directory locks off"])
def test_concurrent_runners_deliver_everything_once(
    world: World, tmp_path: Path, report: Report, runners: int, locks: str
) -> None:
    log = tmp_path / "log"
    with serving(log, *DELAYS) as port:
        world.configure(port=port, delivery=SETTINGS)
        expected = queue_mail(world)
        began = time.monotonic()
        command = SHIPPED if locks == "as shipped" else UNLOCKED
        started = run_until_empty(world, command, runners)
        seconds = time.monotonic() - began
    counts = deliveries(log)
    lost, twice = expected - set(counts), [p for p in counts if counts[p] > 1]
    busy = claims_lost(world)
    report(
        f"{runners} runners, {locks}",
        f"{MESSAGES} messages, {len(expected)} recipients, {started} runs, "
        f"{len(lost)} lost, {len(twice)} duplicates, {busy} claims lost to a busy "
        f"lock, {seconds:.1f} s",
    )
    assert set(counts) == expected
    assert not twice
    if locks != "as shipped":
        assert busy, "the runners never met: this shows nothing"


def test_runners_without_any_lock_are_caught_by_the_same_count(
    world: World, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with serving(log, *DELAYS) as port:
        world.configure(port=port, delivery=SETTINGS)
        queue_mail(world)
        running = [world.start(*NO_LOCKS, stderr=subprocess.DEVNULL) for _ in range(2)]
        for each in running:
            each.wait(60)
    assert any(count > 1 for count in deliveries(log).values())


def test_a_message_that_somebody_holds_is_not_tried_in_a_loop(
    world: World, tmp_path: Path
) -> None:
    """Closing a file whose lock was lost is an event too: it must not wake a try."""

    def lost() -> int:
        status = world.path / "run" / "supervisor.status"
        if not status.exists():
            return 0
        counters: dict[str, int] = json.loads(status.read_text())["counters"]
        return counters["claims_lost"]

    log = tmp_path / "log"
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(serving(log))
        world.configure(port=port)
        spool = stack.enter_context(world.open())
        queue_id = submit(spool, ["a@d.example"])
        directory = spool.find(queue_id)
        assert directory is not None
        held = lock_message(directory, queue_id)
        runner = world.start(*TUIQ, "--run", stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: lost() >= 3, "the tries at once, after 0.1 and 1.1 s")
            tries = lost()
            held.close()
            runner.send_signal(signal.SIGALRM)
            wait_for(lambda: deliveries(log), "delivery after all")
        finally:
            runner.terminate()
            runner.wait(30)
    assert tries <= 4
