"""Sequences C, D, B and G under crashes: everything between a claim and the end."""

from __future__ import annotations

from tests.crash.conftest import Report
from tests.crash.driver import Runner, Settings, by_name, run_all
from tests.crash.explore import Caps, Ledger, Sequence, explore
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
from tuiq.spool.layout import make_id
from tuiq.spool.submit import Draft, submit

BIRTH = 1_000_000_000_000_000
ID = make_id(BIRTH, "00000000")
MIXED = Settings(verdicts=by_name)


def queue_mail(fs: SimFs, ledger: Ledger, *addresses: bytes) -> None:
    make_spool(fs)
    draft = Draft(
        envelope=envelope(*addresses), data=[BODY], birth_us=BIRTH, queue_id=ID
    )
    submit(open_queue(fs), draft)
    ledger.note("acknowledged", ID, addresses)


def sequence(*addresses: bytes, settings: Settings = MIXED) -> Sequence:
    return Sequence(
        name="deliver " + b" ".join(addresses).decode(),
        setup=lambda fs, ledger: queue_mail(fs, ledger, *addresses),
        action=lambda fs, ledger: void(Runner(fs, ledger, settings).deliver(ID)),
        recover=lambda fs, ledger: run_all(fs, ledger, settings),
        crashed=check_crashed,
        recovered=check_over,
    )


def void(_: object) -> None:
    """Drop a value."""


def check_over(disk: SimDisk, ledger: Ledger) -> None:
    check_recovered(disk, ledger)
    left = stored(disk)
    assert not left, {queue_id: message.states for queue_id, message in left.items()}


def test_deliver(report: Report) -> None:
    report("D ok", explore(sequence(b"ok@x", b"ok2@y"), Caps(power=300, nested=40)))
    report(
        "D mixed",
        explore(sequence(b"ok@x", b"later@y", b"doubt@z"), Caps(power=300, nested=40)),
    )
    report("B", explore(sequence(b"no@x", b"ok@y"), Caps(power=300, nested=40)))
