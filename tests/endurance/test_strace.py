"""What really reaches the kernel: order of syncs, kills and errors at every call."""

from __future__ import annotations

import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Report
from tests.endurance.tracing import Call, require_strace, strace
from tests.endurance.world import (
    SENDMAIL,
    TUIQ,
    World,
    deliveries,
    make_world,
    serving,
    submit,
)
from tuiq.spool.journal import Kind
from tuiq.spool.orphans import collect

SYNCS = ("fdatasync", "fsync", "syncfs")
MARKS = (*SYNCS, "pwrite64", "unlinkat")
CALLS = (*MARKS, "openat", "write", "renameat", "fchmod", "flock", "utimensat", "close")
MAIL = b"To: a@x.example, b@y.example\nSubject: x\n\n" + b"line\n" * 200
SUBMIT = (*SENDMAIL, "-t", "-i")
RUN = (*TUIQ, "--run", "--once")
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
PEOPLE = [f"r{n}@d{n}.example" for n in range(3)]


@pytest.fixture(autouse=True)
def traceable() -> None:
    require_strace()


@pytest.fixture
def one_queue(tmp_path: Path) -> World:
    """A spool whose choice of a directory takes no luck."""
    return make_world(tmp_path / "spool", queues=1)


# -- the order of syncs --------------------------------------------------------


def unsynced_removals(calls: list[Call]) -> tuple[int, list[str]]:
    """Return how many messages were removed, and of which the data went too early.

    Too early: before a sync that began after the control file was gone.
    """
    unlinked: dict[str, dict[str, Call]] = {"qf": {}, "df": {}}
    for call in calls:
        found = re.search('"([qd]f)(.*)"', call.arguments)
        if call.name == "unlinkat" and call.ok and found:
            unlinked[found[1]][found[2]] = call
    early = [
        queue_id
        for queue_id, removal in unlinked["df"].items()
        if not any(
            call.name in SYNCS
            and call.ok
            and covers(call, unlinked["qf"][queue_id])
            and unlinked["qf"][queue_id].ended < call.began
            and call.ended < removal.began
            for call in calls
        )
    ]
    return len(unlinked["df"]), early


def covers(sync: Call, unlink: Call) -> bool:
    """Say whether a sync makes an unlink durable: that of its directory, or of all."""
    return sync.name == "syncfs" or path_of(sync) == path_of(unlink)


def path_of(call: Call) -> str:
    """Return the path behind the call's first descriptor."""
    found = re.match(r"\d+<(.*?)>", call.arguments)
    return found[1] if found else ""


def trace_a_run(world: World, log: Path, *, durability: str) -> list[Call]:
    with serving(log) as port:
        world.configure(port=port, rest=f'durability = "{durability}"')
        with world.open() as spool:
            for _ in range(50):
                submit(spool, PEOPLE)
        status, calls = strace(world, MARKS, *RUN)
    assert status == 0
    return calls


def test_the_control_file_is_gone_for_good_before_the_data_file_goes(
    world: World, tmp_path: Path, report: Report
) -> None:
    calls = trace_a_run(world, tmp_path / "log", durability="group")
    removed, early = unsynced_removals(calls)
    syncs = Counter(call.name for call in calls if call.name in SYNCS)
    report("strace, group sync", f"{removed} messages removed, {dict(syncs)}")
    assert removed == 50
    assert early == []


def test_the_check_of_that_order_catches_durability_none(
    world: World, tmp_path: Path
) -> None:
    calls = trace_a_run(world, tmp_path / "log", durability="none")
    removed, early = unsynced_removals(calls)
    assert len(early) == removed == 50


# -- kills and errors at every call of a submission ------------------------------


def points(world: World, *command: str, given: bytes = b"") -> list[tuple[Call, int]]:
    """Return the calls on the spool, each with its ordinal among those of its name."""
    _, calls = strace(world, CALLS, *command, given=given)
    counts: Counter[str] = Counter()
    found = []
    for call in calls:
        counts[call.name] += 1
        if f"{world.path}/" in call.arguments:
            found.append((call, counts[call.name]))
    return found


def clear(world: World) -> None:
    for path in world.path.glob("q.*/[qtdxb]f*"):
        path.unlink()


def live_copies(world: World) -> int:
    """Collect garbage as if it were old, check what is left, and count it."""
    with world.open() as spool:
        for directory in spool.directories:
            now = spool.clock.now() + 10 * spool.config.spool.orphan_age
            collect(directory, now=now, age=spool.config.spool.orphan_age)
        entries = list(spool.entries())
        for entry in entries:
            assert len(spool.read_data(entry)) == entry.size
            assert not entry.damage
    ids = {entry.queue_id for entry in entries}
    files = {path.name for path in world.path.glob("q.*/[qtdxb]f*")}
    left = {name for name in files if name[2:] not in ids or name[0] == "t"}
    assert not left, "something is left that belongs to no message"
    return len(entries)


def test_a_submission_killed_at_any_call_leaves_one_message_or_none(
    one_queue: World, report: Report
) -> None:
    world = one_queue
    world.configure(port=1)
    assert world.run(*SUBMIT, given=MAIL).returncode == 0  # compiles what it imports
    clear(world)
    every = points(world, *SUBMIT, given=MAIL)
    assert live_copies(world) == 1
    left: Counter[int] = Counter()
    beyond: list[str] = []
    for call, ordinal in every:
        clear(world)
        inject = f"{call.name}:signal=KILL:when={ordinal}"
        status, _ = strace(world, [call.name], *SUBMIT, inject=inject, given=MAIL)
        copies = live_copies(world)
        if status == 0:  # a slow run looked at a file once more than this one
            beyond.append(inject)
            assert copies == 1
            continue
        left[copies] += 1
        assert status in KILLED, f"{inject}: not killed"
        assert copies <= 1
    report(
        "submission killed at each call on the spool",
        f"{left.total()} kills, {left[0]} left nothing, {left[1]} a whole message",
    )
    assert len(beyond) <= 2, beyond
    assert left[0] > 10
    assert left[1] > 0


FAILING = {
    "fsync": "EIO",
    "write": "ENOSPC",
    "openat": "ENOSPC",
    "renameat": "EIO",
    "fchmod": "EIO",
    "utimensat": "EIO",
}


def failing_points(world: World) -> list[tuple[Call, int]]:
    """Return the calls of a submission that a failing disk could refuse."""
    clear(world)
    return [
        (call, ordinal)
        for call, ordinal in points(world, *SUBMIT, given=MAIL)
        if call.name in FAILING
        and (
            call.name != "openat" or '"df' in call.arguments or '"tf' in call.arguments
        )
        and "/journal/" not in call.arguments
    ]


def fail_at(world: World, point: tuple[Call, int]) -> tuple[int, str]:
    """Submit with an error at one call; return the status, and what was injected."""
    call, ordinal = point
    clear(world)
    inject = f"{call.name}:error={FAILING[call.name]}:when={ordinal}"
    status, _ = strace(world, [call.name], *SUBMIT, inject=inject, given=MAIL)
    return status, inject


def test_a_submission_whose_disk_fails_answers_75_and_leaves_nothing(
    one_queue: World, report: Report
) -> None:
    world = one_queue
    world.configure(port=1)
    assert world.run(*SUBMIT, given=MAIL).returncode == 0
    clear(world)
    every = failing_points(world)
    for place in range(len(every)):
        status, inject = fail_at(world, every[place])
        if status != 75:  # an interpreter may open one file more or less: count anew
            every = failing_points(world)
            status, inject = fail_at(world, every[place])
        assert status == 75, inject
        assert not list(world.path.glob("q.*/[qtdxb]f*")), inject
    names = Counter(call.name for call, _ in every)
    report("submission with an error at each call", f"all answer 75: {dict(names)}")
    assert set(names) == set(FAILING)


# -- the same for a runner -------------------------------------------------------


def disturb(world: World, log: Path, injections: list[str]) -> Counter[str]:
    """Run once with each injection, then undisturbed; return what that came to."""
    counts: Counter[str] = Counter()
    with serving(log, "--rcpt", f"{PEOPLE[2]}=550 5.1.1 nobody") as port:
        world.configure(port=port, delivery="recipients_per_transaction = 2")
        expected = set()
        for inject in injections:
            with world.open() as spool:
                ids = [submit(spool, PEOPLE) for _ in range(2)]
            expected |= {(queue_id, to) for queue_id in ids for to in PEOPLE[:2]}
            name = inject.partition(":")[0]
            status, _ = strace(world, [name], *RUN, inject=inject)
            counts["disturbed"] += status != 0
            settle(world)
    got = deliveries(log)
    ours = Counter({pair: n for pair, n in got.items() if pair[1] in PEOPLE})
    named = Counter(
        (record.queue_id, to)
        for record in world.journal(Kind.POSSIBLE_DUPLICATE)
        for _, to in record.recipients
    )
    again = ours - Counter(expected)
    assert set(ours) == expected, "lost, or sent to somebody who was refused"
    assert not again - named, "a duplicate that the journal does not name"
    bounced = Counter(r.queue_id for r in world.journal(Kind.BOUNCED))
    assert set(bounced) >= {queue_id for queue_id, _ in expected}
    return counts + Counter(duplicates=again.total(), named=named.total())


def settle(world: World) -> None:
    """Run without disturbance until nothing is queued."""
    for _ in range(3):
        world.tuiq("flush", "ALL", "--yes")
        done = world.tuiq("--run", "--once")
        if done.returncode == 0 and live_copies(world) == 0:
            return
    raise AssertionError("the queue does not get empty")


def runner_points(world: World, log: Path) -> list[tuple[Call, int]]:
    with serving(log, "--rcpt", f"{PEOPLE[2]}=550 5.1.1 nobody") as port:
        world.configure(port=port, delivery="recipients_per_transaction = 2")
        with world.open() as spool:
            for _ in range(2):
                submit(spool, PEOPLE)
        return points(world, *RUN)


@pytest.mark.parametrize(
    "step",
    [pytest.param(16, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.soak)],
)
@pytest.mark.timeout(1800)
def test_a_runner_killed_at_any_call_loses_nothing(
    one_queue: World, tmp_path: Path, report: Report, step: int
) -> None:
    every = runner_points(one_queue, tmp_path / "first")[::step]
    kills = [f"{call.name}:signal=KILL:when={ordinal}" for call, ordinal in every]
    counts = disturb(one_queue, tmp_path / "log", kills)
    report(
        f"runner killed at every {step}. call on the spool",
        f"{len(kills)} {dict(counts)}",
    )
    assert counts["disturbed"] > len(kills) // 2


@pytest.mark.parametrize(
    "step",
    [pytest.param(12, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.soak)],
)
@pytest.mark.timeout(1800)
def test_a_runner_whose_disk_fails_loses_nothing(
    one_queue: World, tmp_path: Path, report: Report, step: int
) -> None:
    errors = {"pwrite64": "ENOSPC", **FAILING, "fdatasync": "EIO", "unlinkat": "EIO"}
    every = [
        (call, ordinal)
        for call, ordinal in runner_points(one_queue, tmp_path / "first")
        if call.name in errors and "/q.1" in call.arguments
    ][::step]
    failures = [f"{c.name}:error={errors[c.name]}:when={n}" for c, n in every]
    failures += ["fdatasync:error=EIO:when=1", "pwrite64:error=ENOSPC:when=1+"]
    counts = disturb(one_queue, tmp_path / "log", failures)
    report(
        f"runner with an error at every {step}. call", f"{len(failures)} {dict(counts)}"
    )
    assert counts["disturbed"] > 0
