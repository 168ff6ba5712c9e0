"""Runners without directory locks, operators and kills, all at once."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Report
from tests.endurance.test_concurrent import UNLOCKED
from tests.endurance.test_kill import DELAYS, SETTINGS, Killing
from tests.endurance.world import World, deliveries, kill, serving
from tuiq.spool.answers import Result, Target, Verb

VERBS = (Verb.HOLD, Verb.RELEASE, Verb.FLUSH, Verb.DELETE, Verb.UNDO, Verb.REQUEUE)


def meddle(killing: Killing, answers: Counter[str]) -> None:
    """Do something to a few messages, as operators do."""
    ids = sorted({queue_id for queue_id, _ in killing.expected})
    targets = [Target(queue_id=each) for each in killing.draw.sample(ids, 5)]
    verb = killing.draw.choice(VERBS)
    for answer in killing.spool.operate(verb, targets):
        answers[answer.result.value] += 1


@pytest.mark.parametrize(
    ("kills", "runners"),
    [
        pytest.param(20, 3, marks=pytest.mark.slow),
        pytest.param(500, 8, marks=pytest.mark.soak),
    ],
)
@pytest.mark.timeout(3600)
def test_runners_operators_and_kills_together_lose_nothing(
    world: World, tmp_path: Path, report: Report, kills: int, runners: int
) -> None:
    log = tmp_path / "log"
    answers: Counter[str] = Counter()
    running: list[subprocess.Popen[bytes]] = []
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(serving(log, *DELAYS))
        world.configure(port=port, delivery=SETTINGS)
        spool = stack.enter_context(world.open())
        killing = Killing(world, spool, port, random.Random(kills))
        killing.queue(20, 50)
        while killing.kills < kills:
            running = [each for each in running if each.poll() is None]
            while len(running) < runners:
                running.append(world.start(*UNLOCKED, stderr=subprocess.DEVNULL))
            killing.queue(2, 50)
            meddle(killing, answers)
            time.sleep(killing.draw.uniform(0.05, 0.3))  # the random moment
            kill(running.pop(killing.draw.randrange(len(running))))
            killing.kills += 1
        for each in running:
            assert each.wait(120) in {0, 75}
        ids = [entry.queue_id for entry in spool.entries()]
        for verb in (Verb.UNDO, Verb.RELEASE):
            list(spool.operate(verb, [Target(queue_id=each) for each in ids]))
        killing.settle()
    counts, named = deliveries(log), killing.named()
    lost = killing.expected - set(counts)
    again = counts - Counter(killing.expected)
    report(
        f"{runners} runners without directory locks, operators, kills",
        f"{kills} kills, {len(killing.expected)} recipients, {len(lost)} lost, "
        f"{again.total()} duplicates, {named.total()} named possible duplicates, "
        f"answers to operators: {dict(answers)}",
    )
    assert set(counts) == killing.expected
    assert not again - named, "a duplicate that the journal does not name"
    assert answers[Result.ACTED.value]
