"""Kill test with workers: any of supervisor and workers dies, at any moment."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import Report
from tests.endurance.test_kill import DELAYS, SETTINGS, Killing
from tests.endurance.world import (
    connected,
    deliveries,
    kill,
    make_world,
    serving,
    wait_for,
)

WORKER = b"tuiq.runner.worker"


@dataclass
class CrewKilling(Killing):
    """A spool with a supervisor that is replaced, and workers that it replaces."""

    supervisor: subprocess.Popen[bytes] | None = None
    victims: Counter[str] = field(default_factory=Counter)

    def workers(self) -> list[int]:
        """Return the living workers, those of dead supervisors as well."""
        pids = []
        for path in self.world.path.glob("run/worker-*.status"):
            with contextlib.suppress(OSError):
                pid = json.loads(path.read_text())["pid"]
                if WORKER in Path(f"/proc/{pid}/cmdline").read_bytes():
                    pids.append(pid)
        return pids

    def start(self) -> None:
        """See that there is a supervisor."""
        if self.supervisor is None:
            self.supervisor = self.world.start(*self.command, stderr=subprocess.DEVNULL)
        assert self.supervisor.poll() is None, "the supervisor ended by itself"

    def kill_once(self) -> None:
        """Let all live for a moment, then kill one of them."""
        self.start()
        wait_for(lambda: connected(self.port) and self.workers(), "a connection")
        time.sleep(self.draw.uniform(0.0, 0.15))  # this is the random moment
        victim = self.draw.choice([0, *self.workers()])
        if victim:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        else:
            assert self.supervisor is not None
            kill(self.supervisor)
            self.supervisor = None
        self.victims["workers" if victim else "supervisors"] += 1
        self.kills += 1

    def stop(self) -> None:
        """Let whoever is left drain."""
        if self.supervisor is not None:
            self.supervisor.terminate()
            assert self.supervisor.wait(60) == 0
        wait_for(lambda: not self.workers(), "the end of all workers")

    def close(self) -> None:
        """Leave no process behind."""
        if self.supervisor is not None and self.supervisor.poll() is None:
            kill(self.supervisor)
        for pid in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("kills", "messages", "most"),
    [
        pytest.param(25, 40, 50, marks=pytest.mark.slow),
        pytest.param(500, 60, 50, marks=pytest.mark.soak),
    ],
)
@pytest.mark.timeout(3600)
def test_kills_in_a_crew_lose_nothing_and_each_duplicate_was_named(
    tmp_path: Path, report: Report, kills: int, messages: int, most: int
) -> None:
    world = make_world(tmp_path / "spool", queues=1)
    log = tmp_path / "log"
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(serving(log, *DELAYS))
        world.configure(port=port, delivery=SETTINGS, workers=2)
        spool = stack.enter_context(world.open())
        killing = CrewKilling(world, spool, port, random.Random(kills))
        stack.callback(killing.close)
        killing.queue(messages, most)
        while killing.kills < kills:
            killing.kill_once()
            killing.queue(1, most)
            if killing.kills % 20 == 0:
                killing.flush()
        killing.stop()
        killing.settle()
    counts, named = deliveries(log), killing.named()
    lost = killing.expected - set(counts)
    again = counts - Counter(killing.expected)
    seconds = time.monotonic() - began
    report(
        "kill test, supervisor and two workers on one directory",
        f"kills of {dict(killing.victims)}, {messages + kills} messages, "
        f"{len(killing.expected)} recipients, {len(lost)} lost, "
        f"{again.total()} duplicates, {named.total()} named possible duplicates, "
        f"{seconds:.0f} s",
    )
    assert set(counts) <= killing.expected
    assert not lost
    assert not again - named, "a duplicate that the journal does not name"
    assert named, "no kill hit a transaction after its dot"
    assert len(killing.victims) == 2
