"""T2: the garbage collector against submitters."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Report
from tests.crash.driver import Runner, Settings
from tests.crash.explore import Body, Ledger, crash_at
from tests.crash.mutants import caught_by_schedules
from tests.crash.schedule import Race, search
from tests.crash.simdisk import SimDisk
from tests.crash.simfs import Call, CrashNow, SimFs
from tests.crash.test_deliver import BIRTH, ID
from tests.crash.world import (
    BODY,
    check_crashed,
    envelope,
    make_spool,
    open_queue,
)
from tuiq.spool import group, orphans
from tuiq.spool.control import Origin
from tuiq.spool.finish import claim_message
from tuiq.spool.flags import RState
from tuiq.spool.orphans import collect, discard_orphan
from tuiq.spool.submit import Draft, submit


def notice() -> Draft:
    return Draft(
        envelope=envelope(b"ok@x"),
        data=[BODY],
        birth_us=BIRTH,
        queue_id=ID,
        origin=Origin.DSN,
    )


def submitter(fs: SimFs, ledger: Ledger) -> None:
    """Submit as bounces do: under a fixed id, after sweeping what a crash left."""
    directory = open_queue(fs)
    draft = notice()
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


def race_of(
    start: Callable[[], tuple[SimDisk, Ledger]], name: str = "", **other: Body
) -> Race:
    """Let the submitter meet the *other* one."""
    return Race(
        name=name,
        start=start,
        actors={"submitter": submitter, **other},
        check=check_crashed,
        private=before_its_lock,
    )


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

    start = fresh if name == "a new message" else leftovers
    race = race_of(start, f"collector, submitter of {name}", gc=collector)
    report(f"T2 {race.name}", search(race))


def test_a_collector_that_trusts_a_name_is_caught(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "_is_named", lambda *_: True)
    race = race_of(leftovers, gc=collector)
    caught = caught_by_schedules(race, "2 LIVE_WITHOUT_BODY")
    report("mutant: collector does not compare inodes", caught)


def delivered() -> tuple[SimDisk, Ledger]:
    """Return a spool with a notice that is delivered, and whose runner died then."""
    disk, ledger = SimDisk(), Ledger()
    fs = SimFs(disk, "setup")
    make_spool(fs)
    directory = open_queue(fs)
    submit(directory, notice())
    ledger.note("acknowledged", ID, (b"ok@x",))
    claim = claim_message(directory, ID)
    for state in (RState.ATTEMPT, RState.UNKNOWN, RState.DELIVERED):
        claim.mark([0], state)
    ledger.note("delivered", ID, 0)
    fs.kill()
    disk.settle()
    return disk, ledger


def finisher(fs: SimFs, ledger: Ledger) -> None:
    """Remove what is over as the next runner does."""
    Runner(fs, ledger, Settings()).deliver(ID)


def test_a_notice_that_is_made_again_keeps_its_data_while_the_old_one_goes(
    report: Report,
) -> None:
    name = "finisher, submitter of the same id"
    race = race_of(delivered, name, finisher=finisher)
    report(f"T2 {race.name}", search(race))


def test_the_short_way_for_an_id_that_comes_again_is_caught(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "is_unique", lambda _claim: True)
    race = race_of(delivered, finisher=finisher)
    caught = caught_by_schedules(race, "2 LIVE_WITHOUT_BODY")
    report("mutant: short way for every id", caught)
