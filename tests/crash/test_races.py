"""T2: several processes on one spool, in every order of their system calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import pytest

from tests.crash.conftest import Report
from tests.crash.driver import Runner, Settings, act, by_name, drain
from tests.crash.explore import Body, Ledger, Violation, crash_at
from tests.crash.mutants import caught_by_schedules
from tests.crash.schedule import Bounds, Race, search
from tests.crash.simdisk import SimDisk
from tests.crash.simfs import Call, CrashNow, SimFs
from tests.crash.test_deliver import BIRTH, ID, queue_mail
from tests.crash.world import (
    BODY,
    attempts_after,
    check_crashed,
    check_recovered,
    envelope,
    make_spool,
    open_queue,
    stored,
)
from tuiq.mail.envelope import Recipient
from tuiq.spool import orphans
from tuiq.spool.claim import Claim
from tuiq.spool.flags import RReq, RState
from tuiq.spool.operate import Target, Verb
from tuiq.spool.orphans import collect, discard_orphan
from tuiq.spool.passes import End, Pass
from tuiq.spool.requests import wishes
from tuiq.spool.submit import Draft, submit

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


def test_two_runners_never_send_twice(report: Report) -> None:
    race = Race(
        name="2 runners",
        start=prepared(b"ok@x", b"later@y", b"no@z"),
        actors={"a": runner(), "b": runner()},
        check=check_drained,
        private=attached,
    )
    report("T2 2 runners", search(race))


def test_a_killed_runner_leaves_only_known_duplicates(report: Report) -> None:
    race = Race(
        name="2 runners, one killed",
        start=prepared(b"ok@x", b"later@y"),
        actors={"a": runner(), "b": runner()},
        check=check_drained,
    )
    report("T2 2 runners, one killed", search(race, Bounds(kills=1)))


def check_cancelled(disk: SimDisk, ledger: Ledger) -> None:
    """8, 10: an acknowledged delete starts no attempt, and none is lost."""
    early = attempts_after(ledger, ("answered", "delete", "acted"))
    if early:
        raise Violation(CANCEL_BROKEN, f"{early}")
    check_drained(disk, ledger)
    for message in stored(disk).values():
        if b"T" in message.states:
            raise Violation(LOST, f"{message.states!r}")


def check_held(disk: SimDisk, ledger: Ledger) -> None:
    """9: after a hold was acknowledged nothing is attempted."""
    check_drained(disk, ledger)
    early = attempts_after(ledger, ("answered", "hold", "acted"))
    if early:
        raise Violation(HOLD_BROKEN, f"{early}")


def check_tried(disk: SimDisk, ledger: Ledger) -> None:
    """10: a flush or a release is followed by an attempt."""
    check_drained(disk, ledger)
    for message in stored(disk).values():
        for verb in ("flush", "release"):
            tried = attempts_after(ledger, ("asked", verb))
            for index, state in enumerate(message.states):
                asked = ("answered", verb, "acted") in ledger.events
                if state == ord("T") and asked and (ID, index) not in tried:
                    raise Violation(LOST, f"{verb} of recipient {index}")


def check_gone(disk: SimDisk, ledger: Ledger) -> None:
    check_drained(disk, ledger)
    left = stored(disk)
    if left:
        raise Violation(LOST, f"{left}")


def check_bounced(disk: SimDisk, ledger: Ledger) -> None:
    check_drained(disk, ledger)
    for message in stored(disk).values():
        if b"T" in message.states:
            raise Violation(LOST, f"{message.states!r}")


def hold(fs: SimFs, ledger: Ledger) -> None:
    act(fs, ledger, MIXED, Verb.HOLD, Target(queue_id=ID))
    ledger.events.clear()
    ledger.note("acknowledged", ID, addresses_for("release"))


VERBS = {
    "hold": (operator(Verb.HOLD), None, check_held),
    "hold one": (operator(Verb.HOLD, (1,)), None, check_drained),
    "delete": (operator(Verb.DELETE), None, check_cancelled),
    "delete one": (operator(Verb.DELETE, (1,)), None, check_drained),
    "flush": (operator(Verb.FLUSH), None, check_tried),
    "release": (operator(Verb.RELEASE), hold, check_tried),
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


@pytest.mark.parametrize("verb", VERBS)
def test_runner_and_operator(verb: str, report: Report) -> None:
    race = verb_race(verb)
    report(f"T2 {race.name}", search(race))


# -- the garbage collector ------------------------------------------------------------


def submitter(fs: SimFs, ledger: Ledger) -> None:
    """Submit as bounces do: under a fixed id, after sweeping what a crash left."""
    directory = open_queue(fs)
    draft = Draft(envelope=envelope(b"ok@x"), data=[BODY], birth_us=BIRTH, queue_id=ID)
    for _ in range(2):
        try:
            submit(directory, draft)
        except FileExistsError:
            for prefix in ("tf", "df"):
                discard_orphan(directory, prefix, ID)
        else:
            ledger.note("acknowledged", ID, (b"ok@x",))
            return


def collector(fs: SimFs, ledger: Ledger) -> None:
    """Collect with no age floor: nothing but the locks protects the submitter."""
    collect(open_queue(fs), now=fs.disk.now_ns / 1e9, age=0.0)


def before_its_lock(call: Call) -> bool:
    """Say whether a submitter created a file and has not locked it yet: that gap
    is what the collector's age floor is for."""
    mine = call.process.name == "submitter" and call.file()[:3] in {"df0", "tf0"}
    return mine and call.op in {"fchmod", "flock"}


def leftovers() -> tuple[SimDisk, Ledger]:
    """Return a spool in which a submitter died after its tf."""
    disk, ledger = SimDisk(), Ledger()
    fs = SimFs(disk, "setup")
    make_spool(fs)
    dead = SimFs(disk, "dead")
    dead.gates.append(crash_at(dead, 12))
    with pytest.raises(CrashNow):
        submitter(dead, ledger)
    fs.kill()
    return disk, ledger


@pytest.mark.parametrize("name", ["a new message", "leftovers of the same id"])
def test_the_collector_never_takes_a_message_apart(name: str, report: Report) -> None:
    def fresh() -> tuple[SimDisk, Ledger]:
        disk, ledger = SimDisk(), Ledger()
        make_spool(SimFs(disk, "setup"))
        return disk, ledger

    race = Race(
        name=f"collector, submitter of {name}",
        start=fresh if name == "a new message" else leftovers,
        actors={"submitter": submitter, "gc": collector},
        check=check_crashed,
        private=before_its_lock,
    )
    report(f"T2 {race.name}", search(race))


def test_a_collector_that_trusts_a_name_is_caught(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "_is_named", lambda *_: True)
    race = Race(
        name="",
        start=leftovers,
        actors={"submitter": submitter, "gc": collector},
        check=check_crashed,
        private=before_its_lock,
    )
    caught = caught_by_schedules(race, "2 LIVE_WITHOUT_BODY")
    report("mutant: collector does not compare inodes", caught)


# -- mutants ------------------------------------------------------------------------


def check_then_attempt(
    self: Pass, indexes: Sequence[int]
) -> list[tuple[int, Recipient]]:
    """``Pass.begin`` that reads requests and pauses first and writes A after."""
    claim = self.claim
    batch = [i for i in indexes if claim.states[i] == RState.TODO[0]]
    claim.reread()
    cancelled = wishes(claim, batch).cancel
    claim.mark(cancelled, RState.CANCELLED)
    kept = [
        i
        for i in batch
        if i not in cancelled
        and claim.hold == b"-"
        and claim.requests[i] != RReq.HOLD[0]
    ]
    claim.mark(kept, RState.ATTEMPT)
    return list(zip(kept, claim.recipients(kept), strict=True))


class Blind:
    """A claim that does not read the operators' bytes again."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim

    def __getattr__(self, name: str) -> object:
        return getattr(self._claim, name)

    def reread(self, first: int = 0, last: int | None = None) -> None:
        """Read nothing."""


def blindly(visit: Pass, method: Callable[[Pass], R]) -> R:
    """Call *method* while the claim of *visit* cannot see new requests."""
    claim = visit.claim
    visit.claim = cast("Claim", Blind(claim))
    try:
        return method(visit)
    finally:
        visit.claim = claim


END, RELEASE = Pass.end, Pass.release


def apply_then_reread(self: Pass) -> End:
    """``Pass.end`` that applies the requests it knows and reads new ones after."""
    end = blindly(self, END)
    self.claim.reread()
    return end


def release_without_a_look(self: Pass) -> None:
    """``Pass.release`` that does not look at the operators' bytes again."""
    blindly(self, RELEASE)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A faulty method of ``Pass`` and what must catch it."""

    name: str
    method: str
    broken: Callable[..., object]
    verb: str
    invariant: str


MUTANTS = [
    Mutant("check-then-A", "begin", check_then_attempt, "delete", CANCEL_BROKEN),
    Mutant("check-then-A", "begin", check_then_attempt, "hold", HOLD_BROKEN),
    Mutant("request applied before re-read", "end", apply_then_reread, "delete", LOST),
    Mutant("no look at release", "release", release_without_a_look, "flush", LOST),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.name}, {m.verb}")
def test_faulty_passes_are_caught(
    mutant: Mutant, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    race = verb_race(mutant.verb)
    monkeypatch.setattr(Pass, mutant.method, mutant.broken)
    caught = caught_by_schedules(race, mutant.invariant)
    report(f"mutant: {mutant.name} ({mutant.verb})", caught)
