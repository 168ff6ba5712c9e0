"""20,000 recipients through every sequence: what it costs, and that it is right."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Report
from tests.endurance.world import (
    PYTHON,
    TUIQ,
    World,
    deliveries,
    make_world,
    serving,
    submit,
    wait_for,
)
from tuiq.config import load
from tuiq.demo.server import read_log
from tuiq.spool import control
from tuiq.spool.claim import lock_message
from tuiq.spool.entry import QueueEntry, State
from tuiq.spool.journal import Kind
from tuiq.spool.spool import open_spool

RECIPIENTS = 20_000
LATER, NOBODY = 3_000, 500
BATCH = 50
CONNECTIONS = 4
SYNCS = ("fsync", "fdatasync", "syncfs")
SETTINGS = f"recipients_per_transaction = {BATCH}\nconcurrency = {CONNECTIONS}"
SCRIPT = (
    "Script(rcpt=lambda address: b'451 4.2.1 later' if address.startswith(b'later')"
    " else b'550 5.1.1 nobody' if address.startswith(b'nobody') else None)"
)
DAY = 86_400
PER_TRANSACTION = 4
"""Syncs and thread hops that a transaction may cost; it costs less than two."""
PER_COMMAND = 60
"""Syncs and thread hops that a run or an operator's verb may cost by itself."""

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took."""

    status: int
    counts: Counter[str]
    seconds: float

    @property
    def waits(self) -> int:
        """Everything that must not happen per recipient."""
        return self.counts["hop"] + sum(self.counts[name] for name in SYNCS)


@dataclass(frozen=True, slots=True)
class Meter:
    """Runs commands, reports what they cost, and holds them to it."""

    world: World
    report: Report

    def tuiq(self, what: str, *words: str, transactions: int = 0) -> Cost:
        out = self.world.path.parent / "counts"
        done = self.world.run(
            *PYTHON, "-m", "tests.endurance.counted", str(out), *words
        )
        assert done.returncode in {0, 75}, done.stderr[-2000:]
        said = json.loads(out.read_text())
        cost = Cost(done.returncode, Counter(said["counts"]), said["seconds"])
        self.report(
            f"20,000 recipients, {what}",
            f"{cost.seconds:.2f} s, {transactions} transactions, "
            + ", ".join(f"{n} {name}" for name, n in sorted(cost.counts.items())),
        )
        assert cost.waits <= PER_TRANSACTION * transactions + PER_COMMAND, what
        return cost


@pytest.fixture
def meter(tmp_path: Path, report: Report) -> Meter:
    return Meter(make_world(tmp_path / "spool", queues=1), report)


def people() -> list[str]:
    """Return the recipients, the difficult ones anywhere among them."""
    names = [f"later{n}" for n in range(LATER)] + [f"nobody{n}" for n in range(NOBODY)]
    names += [f"r{n}" for n in range(RECIPIENTS - len(names))]
    random.Random(1).shuffle(names)
    return [f"{name}@d{n % 50}.example" for n, name in enumerate(names)]


def only_entry(world: World) -> QueueEntry:
    with open_spool(load(world.config_file)) as spool:
        (entry,) = spool.entries()
        return entry


def told(world: World, kind: Kind) -> Counter[str]:
    """Count recipients by what the journal says about them."""
    return Counter(to for r in world.journal(kind) for _, to in r.recipients)


def let_it_age(world: World, queue_id: str) -> None:
    """Let the message's lifetime have begun six days ago."""
    with open_spool(load(world.config_file)) as spool:
        claim = lock_message(spool.directories[0], queue_id)
        claim.put_number(control.BASE, 8, int(spool.clock.now()) - 6 * DAY)
        claim.close()


def test_delivery_expiry_and_bounces_cost_nothing_per_recipient(
    meter: Meter, tmp_path: Path
) -> None:
    world, log, everybody = meter.world, tmp_path / "log", people()
    difficult = ("later", "nobody")
    with serving(log, script=SCRIPT) as port:
        world.configure(port=port, delivery=SETTINGS)
        with world.open() as spool:
            queue_id = submit(spool, everybody)

        batches = RECIPIENTS // BATCH
        first = meter.tuiq("deliver", "--run", "--once", transactions=batches)
        states = Counter(only_entry(world).states.decode())
        let_it_age(world, queue_id)
        meter.tuiq("flush", "flush", queue_id)
        batches = LATER // BATCH
        last = meter.tuiq("expire 3,000", "--run", "--once", transactions=batches)

    assert (first.status, last.status) == (75, 0)
    assert states == {"D": RECIPIENTS - LATER - NOBODY, "T": LATER, "B": NOBODY}
    got = deliveries(log)
    notices = {pair: n for pair, n in got.items() if pair[1] == "news@list.example"}
    assert sum(notices.values()) == 2
    wanted = {(queue_id, to) for to in everybody if not to.startswith(difficult)}
    assert Counter({p: n for p, n in got.items() if p not in notices}) == Counter(
        wanted
    )
    later = {to for to in everybody if to.startswith("later")}
    assert told(world, Kind.EXPIRED) == Counter(later)
    bounced = {to for to in everybody if to.startswith(difficult)}
    assert told(world, Kind.BOUNCED) == Counter(bounced)
    assert not list(world.path.glob("q.*/[qtdxb]f*"))


def test_delete_during_delivery_undo_and_requeue_cost_nothing_per_recipient(
    meter: Meter, tmp_path: Path
) -> None:
    world, log = meter.world, tmp_path / "log"
    everybody = [f"r{n}@d{n % 50}.example" for n in range(RECIPIENTS)]
    with serving(log, "--delay", "data=0.01") as port:
        world.configure(port=port, delivery=SETTINGS)
        with world.open() as spool:
            queue_id = submit(spool, everybody)
        runner = world.start(*TUIQ, "--run", stderr=subprocess.PIPE)
        try:
            wait_for(lambda: log.exists() and len(read_log(log)) > 20, "deliveries")
            meter.tuiq("delete while it is delivered", "delete", queue_id)
            at_delete = deliveries(log).total()
            wait_for(lambda: only_entry(world).state() is State.TRASHED, "the trash")
        finally:
            runner.send_signal(signal.SIGTERM)
            _, said = runner.communicate(timeout=30)
        assert runner.returncode == 0, said
        deleted = only_entry(world).states
        after = deliveries(log).total()
        meter.tuiq("undo", "undo", queue_id)
        restored = only_entry(world).states
        meter.tuiq("requeue", "requeue", queue_id)
        batches = -(-restored.count(b"T") // BATCH)
        meter.tuiq("deliver the rest", "--run", "--once", transactions=batches)

    assert 0 < at_delete < RECIPIENTS
    assert after - at_delete <= CONNECTIONS * BATCH, "attempts after the delete"
    assert set(deleted) == set(b"DX")
    assert restored == deleted.replace(b"X", b"T")
    assert deliveries(log) == Counter((queue_id, to) for to in everybody)
    assert not list(world.path.glob("q.*/[qtdxb]f*"))


def test_operators_verbs_cost_nothing_per_recipient(
    meter: Meter, tmp_path: Path
) -> None:
    world, log, everybody = meter.world, tmp_path / "log", people()
    with serving(log) as port:
        world.configure(port=port, delivery=SETTINGS)
        with world.open() as spool:
            queue_id = submit(spool, everybody)
        for word in ("hold", "release", "delete", "purge"):
            meter.tuiq(word, word, queue_id)
        assert not list(world.path.glob("q.*/[qtdxb]f*"))
        with world.open() as spool:
            queue_id = submit(spool, everybody)
        meter.tuiq("bounce", "bounce", queue_id)
        meter.tuiq("deliver the notice", "--run", "--once", transactions=1)
    assert told(world, Kind.BOUNCED) == Counter(everybody)
    assert {to for _, to in deliveries(log)} == {"news@list.example"}
    assert not list(world.path.glob("q.*/[qtdxb]f*"))
