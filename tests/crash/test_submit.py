"""Sequence S under crashes."""

from __future__ import annotations

import pytest

from tests.conftest import Report
from tests.crash.explore import Caps, Ledger, Sequence, explore
from tests.crash.mutants import (
    NoDataSync,
    NoDfDirectorySync,
    NoMarkSync,
    NoQfDirectorySync,
    caught_by_crashes,
)
from tests.crash.simfs import SimFs
from tests.crash.world import (
    BODY,
    check_crashed,
    envelope,
    make_spool,
    open_queue,
)
from tuiq.spool.layout import make_id
from tuiq.spool.submit import Draft, submit, submit_batch

BIRTH = 1_000_000_000_000_000


def submit_one(fs: SimFs, ledger: Ledger) -> None:
    queue_id = submit(
        open_queue(fs),
        Draft(
            envelope=envelope(b"a@x", b"b@y"),
            data=[BODY],
            birth_us=BIRTH,
            queue_id=make_id(BIRTH, "00000000"),
        ),
    )
    ledger.note("acknowledged", queue_id, (b"a@x", b"b@y"))


def sequence() -> Sequence:
    return Sequence(
        name="submit",
        setup=lambda fs, _: make_spool(fs),
        action=submit_one,
        recover=lambda fs, _: None,
        crashed=check_crashed,
        recovered=check_crashed,
    )


def submit_two(fs: SimFs, ledger: Ledger) -> None:
    drafts = [
        Draft(
            envelope=envelope(address),
            data=[BODY],
            birth_us=BIRTH,
            queue_id=make_id(BIRTH, suffix),
        )
        for address, suffix in ((b"a@x", "00000000"), (b"b@y", "00000001"))
    ]
    ids = submit_batch(open_queue(fs), drafts)
    ledger.note("acknowledged", ids[0], (b"a@x",))
    ledger.note("acknowledged", ids[1], (b"b@y",))


def batch() -> Sequence:
    made = sequence()
    made.name, made.action = "submit a batch", submit_two
    return made


@pytest.mark.parametrize(("few", "how"), [(1, "syncfs"), (2, "file by file")])
def test_a_batch_acknowledges_only_what_no_crash_loses(
    few: int, how: str, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuiq.spool.submit.FEW", few)
    report(f"T1 S, batch, {how}", explore(batch(), Caps(power=2000)))


@pytest.mark.parametrize(
    ("mutant", "name", "invariant"),
    [
        (NoQfDirectorySync, "batch: no fsync of the qf directory", "1 LOST"),
        (
            NoDfDirectorySync,
            "batch: no fsync of the df directory",
            "2 LIVE_WITHOUT_BODY",
        ),
        (NoDataSync, "batch: no df fsync", "2 LIVE_WITHOUT_BODY"),
    ],
)
def test_a_batch_without_a_sync_is_caught(
    mutant: type[SimFs], name: str, invariant: str, report: Report
) -> None:
    broken = batch()
    broken.make = mutant
    report(f"mutant: {name}", caught_by_crashes(broken, invariant))


def test_a_batch_without_syncfs_is_caught(
    monkeypatch: pytest.MonkeyPatch, report: Report
) -> None:
    monkeypatch.setattr("tuiq.spool.submit.FEW", 1)
    broken = batch()
    broken.make = NoMarkSync
    text = caught_by_crashes(broken, "2 LIVE_WITHOUT_BODY")
    report("mutant: batch: no syncfs", text)


def test_submit_acknowledges_only_what_no_crash_loses(report: Report) -> None:
    report("T1 S, submit", explore(sequence(), Caps(power=2000)))


@pytest.mark.parametrize(
    ("mutant", "name", "invariant"),
    [
        (NoQfDirectorySync, "no fsync of the qf directory", "1 LOST"),
        (NoDfDirectorySync, "no fsync of the df directory", "2 LIVE_WITHOUT_BODY"),
        (NoDataSync, "no df fsync", "2 LIVE_WITHOUT_BODY"),
    ],
)
def test_submit_without_a_sync_is_caught(
    mutant: type[SimFs], name: str, invariant: str, report: Report
) -> None:
    broken = sequence()
    broken.make = mutant
    report(f"mutant: {name}", caught_by_crashes(broken, invariant))
