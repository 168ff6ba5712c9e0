"""T1 and T2 over sequence I: mail handed in through drop/ arrives once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Report
from tests.crash import explore as exploration
from tests.crash.driver import Runner, Settings, run_all
from tests.crash.explore import Caps, Ledger, Violation, explore
from tests.crash.mutants import caught_by_crashes, caught_by_schedules
from tests.crash.races import attached
from tests.crash.schedule import Bounds, Race, search
from tests.crash.simdisk import SimDisk
from tests.crash.simfs import SimFs
from tests.crash.world import (
    BODY,
    check_bodies,
    check_tidy,
    envelope,
    make_spool,
    stored,
)
from tuiq.spool import ingest as ingest_module
from tuiq.spool.drop import forget_source, write_drop_file
from tuiq.spool.ingest import Ingester
from tuiq.spool.submit import Draft, submit_locked

if TYPE_CHECKING:
    from tuiq.clock import Clock
    from tuiq.config import Config
    from tuiq.mail.envelope import Envelope
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.site import Site

ADDRESS = b"someone@example.net"
SETTINGS = Settings()


class DropRunner(Runner):
    """A runner that knows the drop directory."""

    def __init__(self, fs: SimFs, ledger: Ledger, settings: Settings) -> None:
        super().__init__(fs, ledger, settings)
        drop_fd = fs.opendir("drop")
        self.idle_fds = len(fs.table)
        self.site = replace(
            self.site, forget_source=lambda claim: forget_source(claim, drop_fd)
        )


class SimHost:
    """What the ingester needs of a spool."""

    def __init__(self, fs: SimFs, ledger: Ledger) -> None:
        self.runner = DropRunner(fs, ledger, SETTINGS)
        self.fs = fs
        self.ledger = ledger
        self.path = Path("/sim")
        self.site: Site = self.runner.site
        self.config: Config = self.site.config
        self.clock: Clock = self.site.clock
        self.directories: Sequence[QueueDirectory] = [self.runner.directory]
        self._drop_fd = fs.opendir("drop")

    def drop_fd(self) -> int:
        return self._drop_fd

    def choose(self) -> QueueDirectory:
        return self.runner.directory

    def note_queued(
        self, directory: QueueDirectory, queue_id: str, envelope: Envelope
    ) -> None:
        self.ledger.note("queued", queue_id)


def hand_in(fs: SimFs, ledger: Ledger) -> None:
    write_drop_file(fs, fs.opendir("drop"), envelope(ADDRESS), [BODY])
    ledger.note("handed in")


def ingest(fs: SimFs, ledger: Ledger) -> None:
    Ingester(SimHost(fs, ledger)).ingest()


def deliver_all(fs: SimFs, ledger: Ledger) -> None:
    runner = DropRunner(fs, ledger, SETTINGS)
    for queue_id in runner.directory.ids():
        runner.deliver(queue_id)


def take_in_and_deliver(fs: SimFs, ledger: Ledger) -> None:
    ingest(fs, ledger)
    deliver_all(fs, ledger)


def recover(fs: SimFs, ledger: Ledger) -> None:
    # Claimers first: they meet the drop files that a dead ingester left.
    deliver_all(fs, ledger)
    for _ in range(2):
        take_in_and_deliver(fs, ledger)
        fs.disk.now_ns += 3600 * 10**9
    run_all(fs, ledger, SETTINGS, rounds=1)


def check_once(disk: SimDisk, ledger: Ledger) -> None:
    """1, 3: what was handed in exists once: as a drop file, queued or delivered."""
    check_bodies(disk)
    taken, allowed, firm = 0, 1, False
    for event in ledger.events:
        if event[0] == "delivered":
            taken, firm = taken + 1, False
        allowed += event[0] == "possible duplicate"
        allowed += event == ("power loss",) and taken > 0 and not firm
        firm |= event[0] == "synced" and taken > 0
    if taken > allowed:
        raise Violation("3 TWO_LIVE", f"delivered {taken} times, {allowed} allowed")


def check_arrived(disk: SimDisk, ledger: Ledger) -> None:
    """1: and in the end it was delivered, and nothing is left of it."""
    check_once(disk, ledger)
    check_tidy(disk)
    arrived = any(event[0] == "delivered" for event in ledger.events)
    if ledger.count("handed in") and not arrived:
        raise Violation("1 LOST", f"drop/: {sorted(disk.lookup('drop').entries)}")
    left = [name for name in disk.lookup("drop").entries if name.startswith("m.")]
    if left or stored(disk):
        raise Violation("16 ORPHAN", f"{left} {list(stored(disk))}")


def setup(fs: SimFs, ledger: Ledger, *, handed_in: bool) -> None:
    make_spool(fs)
    fs.disk.fsync_keeps_names = True
    fs.disk.tick_ns = 1_000_000
    if handed_in:
        hand_in(fs, ledger)


def sequence(
    action: exploration.Body, *, handed_in: bool = True
) -> exploration.Sequence:
    return exploration.Sequence(
        name="drop",
        setup=partial(setup, handed_in=handed_in),
        action=action,
        recover=recover,
        crashed=check_once,
        recovered=check_arrived,
    )


@pytest.fixture(autouse=True)
def same_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give drop files the same name in each run."""
    monkeypatch.setattr(secrets, "token_hex", lambda n: "0" * (2 * n))


@pytest.mark.parametrize(
    ("name", "action", "handed_in"),
    [
        ("hand in", hand_in, False),
        ("ingest", ingest, True),
        ("ingest and deliver", take_in_and_deliver, True),
    ],
)
def test_dropped_mail_arrives_once_whatever_crashes(
    name: str, action: exploration.Body, handed_in: bool, report: Report
) -> None:
    counts = explore(sequence(action, handed_in=handed_in), Caps(power=60, nested=12))
    report(f"T1 I, {name}", counts)


# -- T2 -------------------------------------------------------------------------------


def drop_race() -> Race:
    base, before = sequence(ingest).start()
    base.tick_ns = 0

    def check(disk: SimDisk, ledger: Ledger) -> None:
        fs = SimFs(disk, "later")
        recover(fs, ledger)
        fs.kill()
        check_arrived(disk, ledger)

    return Race(
        name="ingester, claimer",
        start=lambda: (base.killed(), before.copy()),
        actors={"ingester": ingest, "claimer": deliver_all},
        check=check,
        private=attached,
    )


@pytest.mark.parametrize("kills", [0, 1])
def test_ingester_and_claimer_deliver_once(kills: int, report: Report) -> None:
    race = drop_race()
    name = f"T2 {race.name}" + (", one killed" if kills else "")
    report(name, search(race, Bounds(kills=kills)))


def test_two_ingesters_queue_once(report: Report) -> None:
    race = drop_race()
    race.actors = {"a": ingest, "b": ingest}
    report("T2 2 ingesters", search(race, Bounds(kills=1)))


# -- mutants --------------------------------------------------------------------------


def test_a_claim_that_leaves_the_drop_file_is_caught(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.forget_source", lambda *_: None)
    caught = caught_by_crashes(sequence(ingest), "3 TWO_LIVE")
    report("mutant: claim leaves the drop file", caught)


def test_a_drop_file_unlinked_after_the_lock_is_free_is_caught(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim's own look for the drop file is switched off: it would make up for
    the missing lock."""

    def submit_unlocked(directory: QueueDirectory, draft: Draft) -> tuple[str, int]:
        queue_id, locked = submit_locked(directory, draft)
        fd = directory.fs.open("qf" + queue_id, os.O_RDWR, dir_fd=directory.qf_fd)
        directory.fs.close(locked)
        return queue_id, fd

    monkeypatch.setattr(f"{__name__}.forget_source", lambda *_: None)
    monkeypatch.setattr(ingest_module, "submit_locked", submit_unlocked)
    race = drop_race()
    caught = caught_by_schedules(race, "3 TWO_LIVE", Bounds(kills=1))
    report("mutant: drop file unlinked after the lock is free", caught)
