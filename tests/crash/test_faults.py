"""T4: every system call of the sequences fails once; nothing is lost or repeated."""

from __future__ import annotations

import errno
from dataclasses import dataclass

import pytest

from tests.conftest import Report
from tests.crash.explore import Ledger, Sequence, Violation
from tests.crash.simdisk import SimDisk
from tests.crash.simfs import Call, SimFs
from tests.crash.test_deliver import group_sequence
from tests.crash.test_deliver import sequence as delivery
from tests.crash.test_drop import batch as drop_batch
from tests.crash.test_drop import ingest
from tests.crash.test_drop import sequence as dropping
from tests.crash.test_operate import CASES
from tests.crash.test_operate import sequence as operating
from tests.crash.test_submit import batch
from tests.crash.test_submit import sequence as submission
from tests.crash.world import check_crashed, stored
from tuiq.errors import TuiqError

SYNCS = {"fsync", "fdatasync", "syncfs"}
WRITES = {"write", "pwrite", "truncate", "futimens"}
NAMES = {"rename", "unlink"}


def errors_of(event: Call) -> tuple[int, ...]:
    """Return the errors that a call may end with on a failing or full system."""
    if event.op == "open":
        creating = (errno.ENOSPC, errno.EIO)
        return (errno.EMFILE, *creating) if event.args[1] & 0o100 else (errno.EMFILE,)
    if event.op in WRITES or event.op == "rename":
        return (errno.ENOSPC, errno.EIO)
    if event.op in SYNCS | {"unlink", "pread", "read"}:
        return (errno.EIO,)
    return ()


@dataclass(slots=True)
class Fault:
    """A gate that lets call *number* fail, with the error number *kind* it knows."""

    number: int
    kind: int
    hit: str = ""
    """The call that failed."""
    more: bool = False
    """Whether that call has further kinds of errors to try."""
    calls: int = 0

    def __call__(self, event: Call) -> None:
        self.calls += 1
        if self.calls - 1 != self.number:
            return
        errors = errors_of(event)
        self.more = self.kind + 1 < len(errors)
        if self.kind < len(errors):
            self.hit = f"{errno.errorcode[errors[self.kind]]} from {event}"
            if event.op in SYNCS:
                event.process.table[event.args[0]].inode.fail_sync()
            raise OSError(errors[self.kind], "injected")


@dataclass(slots=True)
class Faults:
    """How many faults were tried."""

    faults: int = 0
    states: int = 0

    def __str__(self) -> str:
        return f"{self.faults} faults, {self.states} crash states after them"


def inject(sequence: Sequence, *, power: int) -> Faults:
    """Let each call fail once, with each of its errors, then recover."""
    tried = Faults()
    base, before = sequence.start()
    fault = Fault(0, 0)
    while True:
        disk, ledger = base.killed(), before.copy()
        process = SimFs(disk, sequence.name)
        process.gates.append(fault)
        try:
            sequence.action(process, ledger)
        except (TuiqError, OSError) as error:
            ledger.note("refused", str(error))
        process.kill()
        if fault.calls <= fault.number:
            return tried
        if fault.hit:
            tried.faults += 1
            tried.states += _recover(sequence, disk, ledger, fault.hit, power)
        if fault.more:
            fault = Fault(fault.number, fault.kind + 1)
        else:
            fault = Fault(fault.number + 1, 0)


def _recover(
    sequence: Sequence, disk: SimDisk, ledger: Ledger, hit: str, power: int
) -> int:
    dark = ledger.copy()
    dark.note("power loss")
    states = [(disk.killed(), ledger)]
    states += [(state, dark) for state in disk.crash_states(cap=power)]
    for state, outside in states:
        try:
            sequence.crashed(state, outside)
            after, seen = state.killed(), outside.copy()
            after.now_ns += sequence.clock_step_ns
            process = SimFs(after, "recovery")
            sequence.recover(process, seen)
            process.kill()
            sequence.recovered(after, seen)
        except Exception as error:
            error.add_note(f"{sequence.name}: {hit}")
            raise
    return len(states)


def never_delivered_when_refused(disk: SimDisk, ledger: Ledger) -> None:
    """1: what was refused is not queued: its sender tries again."""
    check_crashed(disk, ledger)
    if ledger.all("refused") and any(m.mstate == b"Q" for m in stored(disk).values()):
        raise Violation("1 REFUSED_BUT_QUEUED", str(ledger.all("refused")))


def test_a_refused_submission_is_not_queued(report: Report) -> None:
    submitting = submission()
    submitting.recovered = never_delivered_when_refused
    report("T4 S submit", inject(submitting, power=60))


@pytest.mark.parametrize(("few", "how"), [(1, "syncfs"), (2, "file by file")])
def test_a_refused_batch_is_not_queued_at_all(
    few: int, how: str, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuiq.spool.submit.FEW", few)
    submitting = batch()
    submitting.recovered = never_delivered_when_refused
    report(f"T4 S batch, {how}", inject(submitting, power=60))


def test_a_failing_disk_loses_and_repeats_nothing(report: Report) -> None:
    report("T4 D-B-G", inject(delivery(b"ok@x", b"later@y", b"no@z"), power=20))


def test_a_failing_group_sync_loses_nothing(report: Report) -> None:
    report("T4 G, group sync", inject(group_sequence(), power=20))


@pytest.mark.parametrize("name", ["delete", "delete, busy", "hold", "undo", "purge"])
def test_a_verb_on_a_failing_disk_is_done_or_refused(name: str, report: Report) -> None:
    report(f"T4 X, {name}", inject(operating(CASES[name]), power=20))


def test_dropped_mail_survives_a_failing_disk(report: Report) -> None:
    report("T4 I, ingest", inject(dropping(ingest), power=20))


@pytest.mark.parametrize(("few", "how"), [(1, "syncfs"), (2, "file by file")])
def test_a_batch_of_dropped_mail_survives_a_failing_disk(
    few: int, how: str, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuiq.spool.submit.FEW", few)
    report(f"T4 I, batch, {how}", inject(drop_batch(), power=12))
