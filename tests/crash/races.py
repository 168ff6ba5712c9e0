"""The actors of the races, and what must hold when they are through."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tests.crash.driver import Runner, Settings, act, by_name, drain
from tests.crash.explore import Body, Ledger, Violation
from tests.crash.schedule import Race
from tests.crash.simdisk import SimDisk
from tests.crash.simfs import Call, SimFs
from tests.crash.test_deliver import ID, queue_mail
from tests.crash.world import (
    attempts_after,
    check_recovered,
    stored,
)
from tuiq.spool.answers import Target, Verb

R = TypeVar("R")
MIXED = Settings(verdicts=by_name)
CANCEL_BROKEN = "8 ATTEMPT_AFTER_CANCEL"
HOLD_BROKEN = "9 ATTEMPT_WHILE_HELD"
LOST = "10 REQUEST_LOST"


def prepared(
    *addresses: bytes, before: Body | None = None
) -> Callable[[], tuple[SimDisk, Ledger]]:
    """Return a maker of a spool with one message, *before* done to it."""
    disk, ledger = SimDisk(), Ledger()
    fs = SimFs(disk, "setup")
    queue_mail(fs, ledger, *addresses)
    if before is not None:
        before(fs, ledger)
    fs.kill()
    disk.settle()
    return lambda: (disk.killed(), ledger.copy())


def attached(call: Call) -> bool:
    """Say whether a call is about a file that only the lock holder touches as long
    as nobody collects garbage.  A rename gives a file its public name."""
    return call.op != "rename" and call.file()[:3] in {"df0", "tf0", "bf0", "xf0"}


def runner(settings: Settings = MIXED) -> Body:
    def run(fs: SimFs, ledger: Ledger) -> None:
        Runner(fs, ledger, settings).deliver(ID)

    return run


def operator(verb: Verb, recipients: tuple[int, ...] | None = None) -> Body:
    def run(fs: SimFs, ledger: Ledger) -> None:
        act(fs, ledger, MIXED, verb, Target(queue_id=ID, recipients=recipients))

    return run


def check_drained(disk: SimDisk, ledger: Ledger) -> None:
    drain(disk, ledger, MIXED)
    check_recovered(disk, ledger)


def was_answered(ledger: Ledger, *verbs: str) -> bool:
    """Say whether one of *verbs* was answered; a killed operator got no answer."""
    return any(verb in verbs for verb, _ in ledger.all("answered"))


def refuse_attempts(ledger: Ledger, verb: str, invariant: str) -> None:
    """8, 9: after an acknowledged delete or hold no attempt starts."""
    only = range(1, 2) if ledger.count("one") else range(2)
    early = [
        at
        for at in attempts_after(ledger, ("answered", verb, "acted"))
        if at[1] in only
    ]
    if early:
        raise Violation(invariant, f"{early}")


def refuse_todo(disk: SimDisk, ledger: Ledger, verb: str) -> None:
    """10: what was asked to end is not to be sent any more."""
    only = slice(1, 2) if ledger.count("one") else slice(None)
    for message in stored(disk).values():
        if was_answered(ledger, verb) and b"T" in message.states[only]:
            raise Violation(LOST, f"{message.states!r}")


def check_cancelled(disk: SimDisk, ledger: Ledger) -> None:
    refuse_attempts(ledger, "delete", CANCEL_BROKEN)
    check_drained(disk, ledger)
    refuse_attempts(ledger, "delete", CANCEL_BROKEN)
    refuse_todo(disk, ledger, "delete")


def check_held(disk: SimDisk, ledger: Ledger) -> None:
    check_drained(disk, ledger)
    refuse_attempts(ledger, "hold", HOLD_BROKEN)


def check_tried(disk: SimDisk, ledger: Ledger) -> None:
    """10: a flush or a release is followed by an attempt."""
    check_drained(disk, ledger)
    for message in stored(disk).values():
        for verb in ("flush", "release", "unhold"):
            tried = attempts_after(ledger, ("asked", verb))
            for index, state in enumerate(message.states):
                asked = ("answered", verb, "acted") in ledger.events
                if state == ord("T") and asked and (ID, index) not in tried:
                    raise Violation(LOST, f"{verb} of recipient {index}")


def check_gone(disk: SimDisk, ledger: Ledger) -> None:
    check_drained(disk, ledger)
    if was_answered(ledger, "purge") and stored(disk):
        raise Violation(LOST, f"{stored(disk)}")


def check_bounced(disk: SimDisk, ledger: Ledger) -> None:
    check_drained(disk, ledger)
    refuse_todo(disk, ledger, "bounce")


def one(fs: SimFs, ledger: Ledger) -> None:
    """Say that the verb is about the second recipient only."""
    ledger.note("one")


def hold(fs: SimFs, ledger: Ledger) -> None:
    act(fs, ledger, MIXED, Verb.HOLD, Target(queue_id=ID))
    ledger.events.clear()
    ledger.note("acknowledged", ID, addresses_for("release"))


VERBS = {
    "hold": (operator(Verb.HOLD), None, check_held),
    "hold one": (operator(Verb.HOLD, (1,)), one, check_held),
    "delete": (operator(Verb.DELETE), None, check_cancelled),
    "delete one": (operator(Verb.DELETE, (1,)), one, check_cancelled),
    "flush": (operator(Verb.FLUSH), None, check_tried),
    "release": (operator(Verb.RELEASE), hold, check_tried),
    "unhold": (operator(Verb.UNHOLD), hold, check_tried),
    "purge": (operator(Verb.PURGE), None, check_gone),
    "bounce": (operator(Verb.BOUNCE), None, check_bounced),
    "requeue": (operator(Verb.REQUEUE), None, check_drained),
    "delivered": (operator(Verb.DELIVERED), None, check_drained),
}


def addresses_for(verb: str) -> tuple[bytes, ...]:
    """Return two recipients where one is singled out, else one that is deferred."""
    return (b"ok@x", b"later@y") if "one" in verb else (b"later@y",)


def verb_race(verb: str) -> Race:
    body, before, check = VERBS[verb]
    return Race(
        name=f"runner, {verb}",
        start=prepared(*addresses_for(verb), before=before),
        actors={"runner": runner(), "operator": body},
        check=check,
        private=attached,
    )
