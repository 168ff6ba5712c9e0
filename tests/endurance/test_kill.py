"""Kill test: whoever dies at any moment, nothing is lost, every repeat is named."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import Report
from tests.endurance.world import (
    PYTHON,
    TUIQ,
    Pair,
    World,
    connected,
    deliveries,
    kill,
    serving,
    submit,
    wait_for,
)
from tuiq.spool.flags import RState
from tuiq.spool.journal import Kind
from tuiq.spool.spool import Spool

DELAYS = (
    *("--delay", "data=0-0.01"),
    *("--delay", "dot=0.005-0.04"),
    *("--delay", "verdict=0-0.03"),
)
"""Before the 354; after the dot, before the mail is taken; before the 250."""
SETTINGS = "recipients_per_transaction = 10\nconcurrency = 4"


@dataclass
class Killing:
    """A spool whose runners are killed, and what was seen while they were."""

    world: World
    spool: Spool
    port: int
    draw: random.Random
    command: tuple[str, ...] = (*TUIQ, "--run")
    expected: set[Pair] = field(default_factory=set)
    doubts: Counter[Pair] = field(default_factory=Counter)
    """Recipients in U at a kill, each doubt counted once however long it lasted."""
    kills: int = 0

    def queue(self, messages: int, most: int) -> None:
        """Submit *messages* of 20 to *most* recipients."""
        for _ in range(messages):
            count = self.draw.randint(20, most)
            addresses = [f"r{n}@d{n % 7}.example" for n in range(count)]
            queue_id = submit(self.spool, addresses)
            self.expected.update((queue_id, address) for address in addresses)

    def kill_once(self) -> None:
        """Let a runner live for a moment after its first connection."""
        runner = self.world.start(*self.command, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: connected(self.port), "the runner's first connection")
            time.sleep(self.draw.uniform(0.0, 0.12))  # this is the random moment
            assert runner.poll() is None, "the runner ended by itself"
        finally:
            kill(runner)
        self.kills += 1
        self._note_doubts()

    def _note_doubts(self) -> None:
        named = self.named()
        for pair in self.in_doubt():
            self.doubts[pair] = max(self.doubts[pair], named[pair] + 1)

    def in_doubt(self) -> set[Pair]:
        """Return who is in U now, read without a lock."""
        return {
            (entry.queue_id, view.address.decode())
            for entry in self.spool.entries()
            if RState.UNKNOWN.value in entry.states
            for view in entry.recipients()
            if view.state == RState.UNKNOWN
        }

    def named(self) -> Counter[Pair]:
        """Count how often the journal called each recipient a possible duplicate."""
        return Counter(
            (record.queue_id, address)
            for record in self.world.journal(Kind.POSSIBLE_DUPLICATE)
            for _, address in record.recipients
        )

    def flush(self) -> None:
        """Make all mail due, also what its runners kept dying over."""
        done = self.world.tuiq("flush", "ALL", "--yes")
        assert done.returncode in {0, 75}, done.stderr

    def settle(self) -> None:
        """Run without kills until nothing is left."""
        self.flush()
        done = self.world.tuiq("--run", "--once")
        assert done.returncode == 0, done.stderr[-2000:]
        assert list(self.spool.entries()) == []


@pytest.mark.parametrize(
    ("kills", "messages", "most"),
    [
        pytest.param(100, 60, 50, marks=pytest.mark.slow),
        pytest.param(1000, 200, 400, marks=pytest.mark.soak),
    ],
)
@pytest.mark.timeout(3600)
def test_kills_lose_nothing_and_each_duplicate_was_named(
    world: World, tmp_path: Path, report: Report, kills: int, messages: int, most: int
) -> None:
    log = tmp_path / "log"
    began = time.monotonic()
    with serving(log, *DELAYS) as port:
        world.configure(port=port, delivery=SETTINGS)
        with world.open() as spool:
            killing = Killing(world, spool, port, random.Random(kills))
            killing.queue(messages, most)
            while killing.kills < kills:
                killing.kill_once()
                killing.queue(1, most)
                if killing.kills % 20 == 0:
                    killing.flush()
            killing.settle()
    counts, named = deliveries(log), killing.named()
    lost = killing.expected - set(counts)
    again = counts - Counter(killing.expected)
    seconds = time.monotonic() - began
    report(
        "kill test",
        f"{killing.kills} kills, {messages + kills} messages, "
        f"{len(killing.expected)} recipients, {len(lost)} lost, "
        f"{again.total()} duplicates, {killing.doubts.total()} in doubt at the kills, "
        f"{named.total()} named possible duplicates, {seconds:.0f} s",
    )
    assert set(counts) <= killing.expected
    assert not lost
    assert again.total() <= killing.doubts.total()
    assert not again - named, "a duplicate that the journal does not name"
    assert killing.doubts == named, "named without a doubt, or a doubt not named"
    assert killing.doubts, "no kill hit a transaction after its dot"


FORGETFUL = (
    "import sys; from tuiq.cli.main import main; from tuiq.spool import flags, passes;"
    "flags.LEGAL_RECIPIENT[b'A'] += b'D'; passes.Pass.dot = lambda *_: None;"
    "sys.argv[1:] = ['--run']; main()"
)
"""A runner that lets the final dot leave without writing it down first."""


@pytest.mark.slow
def test_the_count_catches_a_runner_that_does_not_note_the_dot(
    world: World, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with serving(log, *DELAYS) as port:
        world.configure(port=port, delivery=SETTINGS)
        with world.open() as spool:
            killing = Killing(
                world, spool, port, random.Random(1), (*PYTHON, "-c", FORGETFUL)
            )
            killing.queue(10, 50)
            for _ in range(5):
                killing.kill_once()
            killing.settle()
    again = deliveries(log) - Counter(killing.expected)
    assert again - killing.named()
