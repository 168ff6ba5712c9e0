"""T1 over sequence X: an operator's word holds through every crash."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import pytest

from tests.conftest import Report
from tests.crash.driver import Settings, act, by_name, run_all
from tests.crash.explore import Body, Caps, Check, Ledger, Sequence, Violation, explore
from tests.crash.mutants import NoMarkSync, caught_by_crashes
from tests.crash.simdisk import SimDisk
from tests.crash.simfs import SimFs
from tests.crash.test_deliver import ID, queue_mail
from tests.crash.world import (
    attempts_after,
    check_crashed,
    check_recovered,
    open_queue,
    stored,
)
from tuiq.spool.answers import Target, Verb
from tuiq.spool.finish import claim_message

MIXED = Settings(verdicts=by_name)


def verb(verb: Verb, recipients: tuple[int, ...] | None = None) -> Body:
    """Return a body that performs *verb*."""
    target = Target(queue_id=ID, recipients=recipients)

    def run(fs: SimFs, ledger: Ledger) -> None:
        act(fs, ledger, MIXED, verb, target)

    return run


def busy(body: Body) -> Body:
    """Return *body*, done while another process holds the message."""

    def run(fs: SimFs, ledger: Ledger) -> None:
        holder = SimFs(fs.disk, "holder")
        claim_message(open_queue(holder), ID)
        try:
            body(fs, ledger)
        finally:
            holder.kill()

    return run


def answered(ledger: Ledger, verb: Verb) -> bool:
    """Say whether *verb* was reported as done."""
    return ("answered", verb.value, "acted") in ledger.events


def no_attempt_after(word: Verb, invariant: str, disk: SimDisk, ledger: Ledger) -> None:
    """8, 9: what was acknowledged as deleted or held is not attempted."""
    check_recovered(disk, ledger)
    early = attempts_after(ledger, ("answered", word.value, "acted"))
    if early:
        raise Violation(invariant, f"{early}")


def delivered_after(word: Verb, disk: SimDisk, ledger: Ledger) -> None:
    """10, 25: what was acknowledged as released or restored is delivered."""
    check_recovered(disk, ledger)
    if answered(ledger, word) and not ledger.count("delivered", ID, 0):
        raise Violation("10 REQUEST_LOST", word.value)


def gone_after(word: Verb, disk: SimDisk, ledger: Ledger) -> None:
    """10: what was acknowledged as purged does not come back."""
    check_recovered(disk, ledger)
    if answered(ledger, word) and ID in stored(disk):
        raise Violation("10 REQUEST_LOST", word.value)


def bounced_after(word: Verb, disk: SimDisk, ledger: Ledger) -> None:
    """10: what was acknowledged as bounced is reported and not attempted."""
    no_attempt_after(word, "8 ATTEMPT_AFTER_CANCEL", disk, ledger)
    if answered(ledger, word) and not ledger.all("notice"):
        raise Violation("7 UNREPORTED", word.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A verb, what was done before it, and what must hold afterwards."""

    action: Body
    check: Check
    before: list[Body] = field(default_factory=list)


DELETED = functools.partial(no_attempt_after, Verb.DELETE, "8 ATTEMPT_AFTER_CANCEL")
HELD = functools.partial(no_attempt_after, Verb.HOLD, "9 ATTEMPT_WHILE_HELD")
BOUNCED = functools.partial(bounced_after, Verb.BOUNCE)
PURGED = functools.partial(gone_after, Verb.PURGE)


def restored(disk: SimDisk, ledger: Ledger) -> None:
    """25: undo brings back what delete changed; the delete before it is over."""
    delivered_after(Verb.UNDO, disk, ledger)


CASES = {
    "delete": Case(action=verb(Verb.DELETE), check=DELETED),
    "delete, busy": Case(action=busy(verb(Verb.DELETE)), check=DELETED),
    "hold": Case(action=verb(Verb.HOLD), check=HELD),
    "hold, busy": Case(action=busy(verb(Verb.HOLD)), check=HELD),
    "bounce": Case(action=verb(Verb.BOUNCE), check=BOUNCED),
    "bounce, busy": Case(action=busy(verb(Verb.BOUNCE)), check=BOUNCED),
    "purge": Case(action=verb(Verb.PURGE), check=PURGED),
    "purge, busy": Case(action=busy(verb(Verb.PURGE)), check=PURGED),
    "release": Case(
        action=verb(Verb.RELEASE),
        check=functools.partial(delivered_after, Verb.RELEASE),
        before=[verb(Verb.HOLD)],
    ),
    "unhold": Case(
        action=verb(Verb.UNHOLD),
        check=functools.partial(delivered_after, Verb.UNHOLD),
        before=[verb(Verb.HOLD)],
    ),
    "undo": Case(action=verb(Verb.UNDO), check=restored, before=[verb(Verb.DELETE)]),
    "purge from the trash": Case(
        action=verb(Verb.PURGE), check=PURGED, before=[verb(Verb.DELETE)]
    ),
    "requeue from the trash": Case(
        action=verb(Verb.REQUEUE), check=check_recovered, before=[verb(Verb.DELETE)]
    ),
    "requeue": Case(
        action=verb(Verb.REQUEUE),
        check=functools.partial(delivered_after, Verb.REQUEUE),
    ),
    "flush": Case(
        action=verb(Verb.FLUSH),
        check=functools.partial(delivered_after, Verb.FLUSH),
    ),
    "mark delivered": Case(action=verb(Verb.DELIVERED), check=check_recovered),
}


def sequence(case: Case) -> Sequence:
    def setup(fs: SimFs, ledger: Ledger) -> None:
        queue_mail(fs, ledger, b"ok@x", b"later@y")
        for body in case.before:
            body(fs, ledger)

    return Sequence(
        name="operate",
        setup=setup,
        action=case.action,
        recover=lambda fs, ledger: run_all(fs, ledger, MIXED),
        crashed=check_crashed,
        recovered=case.check,
    )


@pytest.mark.parametrize("name", CASES)
def test_an_acknowledged_verb_survives_every_crash(name: str, report: Report) -> None:
    counts = explore(sequence(CASES[name]), Caps(power=60, nested=4))
    report(f"T1 X, {name}", counts)


@pytest.mark.parametrize(
    ("name", "invariant"),
    [
        ("delete", "8 ATTEMPT_AFTER_CANCEL"),
        ("delete, busy", "8 ATTEMPT_AFTER_CANCEL"),
        ("hold, busy", "9 ATTEMPT_WHILE_HELD"),
    ],
)
def test_an_answer_before_the_sync_is_caught(
    name: str, invariant: str, report: Report
) -> None:
    broken = sequence(CASES[name])
    broken.make = NoMarkSync
    caught = caught_by_crashes(broken, invariant)
    report(f"mutant: {name} answered before its sync", caught)
