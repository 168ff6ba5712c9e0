"""Sequence S under crashes."""

from __future__ import annotations

import pytest

from tests.conftest import Report
from tests.crash.explore import Caps, Ledger, Sequence, explore
from tests.crash.mutants import (
    NoDataSync,
    NoDfDirectorySync,
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
from tuiq.spool.submit import Draft, submit

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
