"""Sequence G under crashes."""

from __future__ import annotations

import contextlib

from tests.crash.conftest import Report
from tests.crash.explore import Caps, Ledger, Sequence, explore
from tests.crash.mutants import NoMarkSync, expect_caught
from tests.crash.simfs import SimFs
from tests.crash.world import (
    BODY,
    check_crashed,
    envelope,
    make_spool,
    open_queue,
)
from tuiq.errors import MessageBusy, MessageGone
from tuiq.spool.finish import claim_message, finish_now
from tuiq.spool.flags import RState
from tuiq.spool.layout import make_id
from tuiq.spool.submit import Draft, submit

BIRTH = 1_000_000_000_000_000
ID = make_id(BIRTH, "00000000")


def one_delivered(fs: SimFs, ledger: Ledger) -> None:
    make_spool(fs)
    queue = open_queue(fs)
    draft = Draft(
        envelope=envelope(b"a@x", b"b@y"), data=[BODY], birth_us=BIRTH, queue_id=ID
    )
    submit(queue, draft)
    ledger.note("acknowledged", ID, (b"a@x", b"b@y"))


def deliver_and_finish(fs: SimFs, ledger: Ledger) -> None:
    with contextlib.suppress(MessageBusy, MessageGone):
        claim = claim_message(open_queue(fs), ID)
        claim.mark([0, 1], RState.ATTEMPT)
        for index in (0, 1):
            ledger.note("dot", ID, index)
        claim.mark([0, 1], RState.UNKNOWN)
        for index in (0, 1):
            ledger.note("delivered", ID, index)
        claim.mark([0, 1], RState.DELIVERED)
        finish_now(claim)


def look(fs: SimFs, ledger: Ledger) -> None:
    with contextlib.suppress(MessageBusy, MessageGone):
        claim_message(open_queue(fs), ID).close()


def sequence() -> Sequence:
    return Sequence(
        name="finish",
        setup=one_delivered,
        action=deliver_and_finish,
        recover=look,
        crashed=check_crashed,
        recovered=check_crashed,
    )


def test_finish(report: Report) -> None:
    report("G finish", explore(sequence(), Caps(power=500, nested=1000)))


def test_unsynced(report: Report) -> None:
    broken = sequence()
    broken.make = NoMarkSync
    report(
        "mutant: unsynced finish",
        expect_caught(lambda: explore(broken), "2 LIVE_WITHOUT_BODY"),
    )
