"""T1 over sequences C, D, B and G: everything between a claim and the end."""

from __future__ import annotations

from collections.abc import Sequence as Listed

import pytest

from tests.conftest import Report
from tests.crash import driver
from tests.crash.driver import Runner, Settings, by_name, run_all
from tests.crash.explore import Caps, Ledger, Sequence, explore
from tests.crash.mutants import NoMarkSync, NoQfDirectorySync, caught_by_crashes
from tests.crash.simdisk import SimDisk
from tests.crash.simfs import SimFs
from tests.crash.world import (
    BODY,
    check_crashed,
    check_recovered,
    envelope,
    make_spool,
    open_queue,
    stored,
)
from tuiq.mail.dsn import Kind
from tuiq.mail.outcome import Verdict
from tuiq.spool import bounce, finish, group, passes, syncing
from tuiq.spool.claim import Claim
from tuiq.spool.layout import QueueDirectory, make_id
from tuiq.spool.orphans import discard_orphan, find_orphans
from tuiq.spool.submit import Draft, submit

BIRTH = 1_000_000_000_000_000
ID = make_id(BIRTH, "00000000")
OTHER = make_id(BIRTH, "00000001")
MIXED = Settings(verdicts=by_name)


def queue_mail(
    fs: SimFs, ledger: Ledger, *addresses: bytes, queue_id: str = ID
) -> None:
    if "q.1" not in fs.disk.root.entries:
        make_spool(fs)
    draft = Draft(
        envelope=envelope(*addresses), data=[BODY], birth_us=BIRTH, queue_id=queue_id
    )
    submit(open_queue(fs), draft)
    ledger.note("acknowledged", queue_id, addresses)


def deliver(fs: SimFs, ledger: Ledger, settings: Settings) -> None:
    Runner(fs, ledger, settings).deliver(ID)


def sequence(*addresses: bytes, settings: Settings = MIXED) -> Sequence:
    return Sequence(
        name="deliver " + b" ".join(addresses).decode(),
        setup=lambda fs, ledger: queue_mail(fs, ledger, *addresses),
        action=lambda fs, ledger: deliver(fs, ledger, settings),
        recover=lambda fs, ledger: run_all(fs, ledger, settings),
        crashed=check_crashed,
        recovered=check_over,
    )


def check_over(disk: SimDisk, ledger: Ledger) -> None:
    """Check that recovery brought every message to its end."""
    check_recovered(disk, ledger)
    left = stored(disk)
    assert not left, {queue_id: message.states for queue_id, message in left.items()}


SCENARIOS = {
    "all delivered": (b"ok@x", b"ok2@y", b"ok3@z"),
    "delivered, deferred, in doubt": (b"ok@x", b"later@y", b"doubt@z"),
    "one fails": (b"no@x", b"ok@y"),
    "all fail": (b"no@x", b"no2@y"),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_crash_in_a_pass_loses_or_repeats_mail(name: str, report: Report) -> None:
    counts = explore(sequence(*SCENARIOS[name]), Caps(power=60, nested=8))
    report(f"T1 C-D-B-G, {name}", counts)


def test_in_doubt_hold_keeps_recipients_in_doubt(report: Report) -> None:
    held = Settings(verdicts=by_name, in_doubt="hold")
    doubtful = sequence(b"doubt@x", b"ok@y", settings=held)
    doubtful.recovered = check_recovered
    report("T1 D, in_doubt = hold", explore(doubtful, Caps(power=60, nested=6)))


# -- the group sync -----------------------------------------------------------------


def deliver_in_group(fs: SimFs, ledger: Ledger) -> None:
    """Deliver two messages whose marks and F bytes share one sync."""
    Runner(fs, ledger, MIXED).deliver_together([ID, OTHER])


def two_messages(fs: SimFs, ledger: Ledger) -> None:
    queue_mail(fs, ledger, b"ok@x")
    queue_mail(fs, ledger, b"ok@y", b"later@z", queue_id=OTHER)


def group_sequence() -> Sequence:
    return Sequence(
        name="group",
        setup=two_messages,
        action=deliver_in_group,
        recover=lambda fs, ledger: run_all(fs, ledger, MIXED),
        crashed=check_crashed,
        recovered=check_over,
    )


@pytest.mark.parametrize(("few", "how"), [(0, "syncfs"), (2, "file by file")])
def test_no_crash_around_a_group_sync_loses_mail(
    report: Report, monkeypatch: pytest.MonkeyPatch, few: int, how: str
) -> None:
    monkeypatch.setattr(syncing, "FEW", few)
    text = explore(group_sequence(), Caps(power=80, nested=8))
    report(f"T1 G, group sync, {how}", text)


# -- mutants ------------------------------------------------------------------------


def test_finish_without_its_sync_is_caught(report: Report) -> None:
    broken = sequence(b"ok@x")
    broken.make = NoQfDirectorySync
    caught = caught_by_crashes(broken, "2 LIVE_WITHOUT_BODY")
    report("mutant: unsynced finish", caught)


def test_unlinking_the_data_first_is_caught(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlink_then_mark(claim: Claim) -> None:
        fd = claim.directory.df_fd
        claim.directory.fs.unlink("df" + claim.queue_id, dir_fd=fd)
        mark(claim)

    mark = finish.mark_finished
    monkeypatch.setattr(passes, "mark_finished", unlink_then_mark)
    run = sequence(b"ok@x")
    caught = caught_by_crashes(run, "2 LIVE_WITHOUT_BODY")
    report("mutant: df unlinked first", caught)


def test_a_group_without_its_syncfs_is_caught(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "FEW", 0)
    broken = group_sequence()
    broken.make = NoMarkSync
    caught = caught_by_crashes(broken, "2 LIVE_WITHOUT_BODY")
    report("mutant: group: no syncfs", caught)


def test_unlinking_before_the_group_sync_is_caught(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finished(self: group.SyncGroup, claim: Claim) -> None:
        finish.unlink_control(claim.directory, claim.queue_id)
        finish.unlink_rest(claim.directory, claim.queue_id, has_texts=True)
        claim.close()

    monkeypatch.setattr(group.SyncGroup, "finished", finished)
    caught = caught_by_crashes(group_sequence(), "2 LIVE_WITHOUT_BODY")
    report("mutant: unlink before the group sync", caught)


def test_a_collector_that_syncs_no_names_is_caught(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    def collect(directory: QueueDirectory, *, now: float, age: float) -> None:
        for prefix, queue_id in find_orphans(directory, now=now, age=age):
            discard_orphan(directory, prefix, queue_id)

    monkeypatch.setattr(driver, "collect", collect)
    broken = sequence(b"ok@x")
    caught = caught_by_crashes(broken, "2 LIVE_WITHOUT_BODY", nested=8)
    report("mutant: collect, names not synced", caught)


def fickle(address: bytes, attempt: int) -> Verdict:
    """Refuse ``flaky`` at first and ``turn`` later: another set fails each time."""
    local = address.partition(b"@")[0]
    if local == b"flaky":
        return Verdict.FAILED if attempt == 0 else Verdict.DELIVERED
    if local == b"turn":
        return Verdict.DEFERRED if attempt == 0 else Verdict.FAILED
    return Verdict.DELIVERED


def fickle_sequence() -> Sequence:
    return sequence(b"flaky@x", b"turn@y", settings=Settings(verdicts=fickle))


def test_each_set_of_failures_has_its_own_notice(report: Report) -> None:
    report("T1 B, changing failures", explore(fickle_sequence(), Caps(power=80)))


def test_a_notice_named_by_its_round_is_caught(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_round(claim: Claim, kind: Kind, indexes: Listed[int]) -> str:
        earlier = claim.states.count(b"B")
        return make_id(claim.header.birth_us + 1, f"{earlier:08}")

    monkeypatch.setattr(bounce, "notice_id", by_round)
    caught = caught_by_crashes(fickle_sequence(), "1 LOST")
    report("mutant: DSN id by round", caught)
