"""T1 and T2 over sequence I: mail handed in through drop/ arrives once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from tests.conftest import Report
from tests.crash import explore as exploration
from tests.crash.driver import Runner, Settings, run_all
from tests.crash.explore import Caps, Ledger, Violation, explore
from tests.crash.mutants import (
    NoDataSync,
    NoMarkSync,
    NoQfDirectorySync,
    caught_by_crashes,
    caught_by_schedules,
)
from tests.crash.races import attached
from tests.crash.schedule import Bounds, Race, search
from tests.crash.simdisk import SimDisk
from tests.crash.simfs import Call, CrashNow, SimFs
from tests.crash.world import (
    BODY,
    check_bodies,
    check_tidy,
    envelope,
    make_spool,
    stored,
)
from tuiq.spool import taking
from tuiq.spool.drop import forget_source, write_drop_file
from tuiq.spool.ingest import Ingester
from tuiq.spool.submit import Draft, submit_batch_locked

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
        self, directory: QueueDirectory, accepted: Iterable[tuple[str, Envelope]]
    ) -> None:
        for queue_id, _ in accepted:
            self.ledger.note("queued", queue_id)


def hand_in(fs: SimFs, ledger: Ledger, number: int = 0) -> None:
    """Leave a message, under the same name in each run."""
    ledger.note("handing in")
    with patch("posix.urandom", lambda size: bytes([number]) * size):
        write_drop_file(fs, fs.opendir("drop"), envelope(ADDRESS), [BODY])
    ledger.note("handed in")


def hand_in_two(fs: SimFs, ledger: Ledger) -> None:
    for number in range(2):
        hand_in(fs, ledger, number)


def hand_in_unsynced(fs: SimFs, ledger: Ledger) -> None:
    """Leave two messages whose submitters die before they sync the new names."""
    for number in range(2):
        submitter = SimFs(fs.disk, f"submitter {number}")
        submitter.gates.append(_die_once_renamed)
        with contextlib.suppress(CrashNow):
            hand_in(submitter, ledger, number)


def _die_once_renamed(call: Call) -> None:
    name = call.file() if call.op == "fsync" else ""
    if name and name not in call.process.disk.lookup("drop").entries:
        call.process.kill()


def ingest(fs: SimFs, ledger: Ledger) -> None:
    Ingester(SimHost(fs, ledger)).ingest()


def deliver_all(fs: SimFs, ledger: Ledger) -> None:
    runner = DropRunner(fs, ledger, SETTINGS)
    for queue_id in runner.directory.ids():
        runner.deliver(queue_id)


def take_in_and_deliver(fs: SimFs, ledger: Ledger) -> None:
    ingest(fs, ledger)
    deliver_all(fs, ledger)


def hand_in_and_ingest(fs: SimFs, ledger: Ledger) -> None:
    hand_in_unsynced(fs, ledger)
    ingest(fs, ledger)


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
    ids = {str(queue_id) for queue_id, _ in ledger.all("delivered")}
    if len(ids) > ledger.count("handing in"):
        raise Violation("3 TWO_LIVE", f"delivered as {sorted(ids)}")
    for queue_id in ids:
        taken, allowed = deliveries(ledger, queue_id)
        if taken > allowed:
            text = f"{queue_id}: delivered {taken} times, {allowed} allowed"
            raise Violation("3 TWO_LIVE", text)


def deliveries(ledger: Ledger, queue_id: str) -> tuple[int, int]:
    """Return how often a message was delivered, and how often it may have been."""
    taken, allowed, firm = 0, 1, False
    for event in ledger.events:
        if event == ("delivered", queue_id, 0):
            taken, firm = taken + 1, False
        allowed += event == ("possible duplicate", queue_id, 0)
        allowed += event == ("power loss",) and taken > 0 and not firm
        firm |= event == ("synced", queue_id) and taken > 0
    return taken, allowed


def check_arrived(disk: SimDisk, ledger: Ledger) -> None:
    """1: and in the end it was delivered, and nothing is left of it."""
    check_once(disk, ledger)
    check_tidy(disk)
    arrived = len(set(ledger.all("delivered")))
    if arrived < ledger.count("handed in"):
        raise Violation("1 LOST", f"drop/: {sorted(disk.lookup('drop').entries)}")
    left = [name for name in disk.lookup("drop").entries if name.startswith("m.")]
    if left or stored(disk):
        raise Violation("16 ORPHAN", f"{left} {list(stored(disk))}")


def setup(fs: SimFs, ledger: Ledger, *, before: exploration.Body | None) -> None:
    make_spool(fs)
    fs.disk.fsync_keeps_names = True
    fs.disk.tick_ns = 1_000_000
    if before is not None:
        before(fs, ledger)


def sequence(
    action: exploration.Body, *, before: exploration.Body | None = hand_in
) -> exploration.Sequence:
    return exploration.Sequence(
        name="drop",
        setup=partial(setup, before=before),
        action=action,
        recover=recover,
        crashed=check_once,
        recovered=check_arrived,
    )


def batch(action: exploration.Body = ingest) -> exploration.Sequence:
    """Return a sequence in which two files come in together."""
    made = sequence(action, before=hand_in_two)
    made.name = "drop, a batch"
    return made


@pytest.mark.parametrize(
    ("name", "action", "before"),
    [
        ("hand in", hand_in, None),
        ("ingest", ingest, hand_in),
        ("ingest and deliver", take_in_and_deliver, hand_in),
    ],
)
def test_dropped_mail_arrives_once_whatever_crashes(
    name: str,
    action: exploration.Body,
    before: exploration.Body | None,
    report: Report,
) -> None:
    counts = explore(sequence(action, before=before), Caps(power=60, nested=12))
    report(f"T1 I, {name}", counts)


@pytest.mark.parametrize(
    ("action", "before", "few"),
    [
        pytest.param(ingest, hand_in_two, 2, id="ingest, file by file"),
        pytest.param(take_in_and_deliver, hand_in_two, 1, id="and deliver, syncfs"),
        pytest.param(hand_in_and_ingest, None, 2, id="unsynced, file by file"),
        pytest.param(hand_in_and_ingest, None, 1, id="unsynced, syncfs"),
    ],
)
def test_a_batch_of_dropped_mail_arrives_once_whatever_crashes(
    action: exploration.Body,
    before: exploration.Body | None,
    few: int,
    report: Report,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tuiq.spool.submit.FEW", few)
    counts = explore(sequence(action, before=before), Caps(power=40, nested=3))
    report(f"T1 I, batch, {request.node.callspec.id}", counts)


def test_the_explorers_batch_is_one() -> None:
    """The tests of batches would prove nothing if the files came in one by one."""
    disk, ledger = batch().start()
    fs = SimFs(disk, "ingester")
    renamed_at: list[int] = []
    synced_at: list[int] = []

    def watch(call: Call) -> None:
        if call.op == "rename":
            renamed_at.append(fs.calls)
        if call.op == "fsync" and call.file() == "qf":
            synced_at.append(fs.calls)

    fs.gates.append(watch)
    ingest(fs, ledger)
    assert len(renamed_at) == 2
    assert synced_at == [renamed_at[1] + 1]


# -- T2 -------------------------------------------------------------------------------


def drop_race(prepared: exploration.Sequence | None = None) -> Race:
    base, before = (prepared or sequence(ingest)).start()
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


@pytest.mark.parametrize("kills", [0, 1])
def test_ingester_of_a_batch_and_claimer_deliver_once(
    kills: int, report: Report
) -> None:
    race = drop_race(batch())
    name = "T2 ingester of a batch, claimer" + (", one killed" if kills else "")
    report(name, search(race, Bounds(kills=kills, preemptions=2)))


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

    monkeypatch.setattr(f"{__name__}.forget_source", lambda *_: None)
    monkeypatch.setattr(taking, "submit_batch_locked", submit_unlocked)
    caught = caught_by_schedules(drop_race(), "3 TWO_LIVE", Bounds(kills=1))
    report("mutant: drop file unlinked after the lock is free", caught)


def test_a_batch_unlinked_after_its_locks_are_free_is_caught(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.forget_source", lambda *_: None)
    monkeypatch.setattr(taking, "submit_batch_locked", submit_unlocked)
    bounds = Bounds(kills=1, preemptions=2)
    caught = caught_by_schedules(drop_race(batch()), "3 TWO_LIVE", bounds)
    report("mutant: batch unlinked after its locks are free", caught)


def submit_unlocked(
    directory: QueueDirectory, drafts: Iterable[Draft]
) -> list[tuple[str, int]]:
    """Do as ``submit_batch_locked``, without the locks."""
    stored = []
    for queue_id, locked in submit_batch_locked(directory, drafts):
        fd = directory.fs.open("qf" + queue_id, os.O_RDWR, dir_fd=directory.qf_fd)
        directory.fs.close(locked)
        stored.append((queue_id, fd))
    return stored


class NoSourceSync(SimFs):
    """fsync of a drop file does nothing once it has its name."""

    def fsync(self, fd: int) -> None:
        """See ``Fs``."""
        if not self.name_of(fd).startswith("m."):
            super().fsync(fd)


class NoDropDirectorySync(SimFs):
    """fsync of the drop directory does nothing."""

    def fsync(self, fd: int) -> None:
        """See ``Fs``."""
        if self.name_of(fd) != "drop":
            super().fsync(fd)


@pytest.mark.parametrize(
    ("mutant", "name", "action", "before", "invariant"),
    [
        (
            NoSourceSync,
            "no fsync of the drop files",
            hand_in_and_ingest,
            None,
            "3 TWO_LIVE",
        ),
        (
            NoDropDirectorySync,
            "no fsync of drop/",
            take_in_and_deliver,
            hand_in_two,
            "3 TWO_LIVE",
        ),
        (
            NoQfDirectorySync,
            "no fsync of the qf directory",
            ingest,
            hand_in_two,
            "1 LOST",
        ),
        (NoDataSync, "no df fsync", ingest, hand_in_two, "2 LIVE_WITHOUT_BODY"),
    ],
)
def test_a_batch_taken_in_without_a_sync_is_caught(
    mutant: type[SimFs],
    name: str,
    action: exploration.Body,
    before: exploration.Body | None,
    invariant: str,
    report: Report,
) -> None:
    broken = sequence(action, before=before)
    broken.make = mutant
    report(f"mutant: ingest of a batch: {name}", caught_by_crashes(broken, invariant))


def test_a_batch_taken_in_without_syncfs_is_caught(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuiq.spool.submit.FEW", 1)
    broken = batch()
    broken.make = NoMarkSync
    caught = caught_by_crashes(broken, "2 LIVE_WITHOUT_BODY")
    report("mutant: ingest of a batch: no syncfs", caught)
