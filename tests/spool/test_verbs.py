"""Sequence X: what an operator is told is what happens."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from tests.spool.world import (
    FaultyFs,
    SetClock,
    open_files,
    open_world,
    outcome,
    put,
    states,
    transact,
)
from tuiq.errors import MessageGone, SpoolUnavailable
from tuiq.mail.outcome import Verdict
from tuiq.spool import control
from tuiq.spool.answers import Answer, Result, Target, Verb
from tuiq.spool.claim import lock_message
from tuiq.spool.finish import claim_message
from tuiq.spool.passes import Pass, Start
from tuiq.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

World = tuple[Spool, FaultyFs, SetClock]
THREE = (b"a@b.c", b"b@b.c", b"c@b.c")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path / "spool") as opened:
        yield opened


def do(spool: Spool, verb: Verb, queue_id: str, *recipients: int) -> Answer:
    """Do a verb to a message, or to some of its recipients."""
    target = Target(queue_id=queue_id, recipients=recipients or None)
    (answer,) = spool.operate(verb, [target])
    return answer


def begin(spool: Spool, queue_id: str) -> Pass:
    """Claim a message as a runner does."""
    visit = Pass(claim_message(spool.directories[0], queue_id), spool.site)
    visit.start()
    return visit


def plant(spool: Spool, queue_id: str, wanted: bytes) -> None:
    """Set the recipients' states."""
    with (spool.directories[0].path / f"qf{queue_id}").open("r+b") as file:
        for index, state in enumerate(wanted):
            file.seek(control.slot_at(index))
            file.write(bytes((state,)))


def test_delete_undo_restores_exactly_what_was_deleted(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool, *THREE)
    plant(spool, queue_id, b"TDT")
    answer = do(spool, Verb.DELETE, queue_id)
    assert (answer.result, answer.changed) == (Result.ACTED, (0, 2))
    entry = spool.entry(queue_id)
    assert (entry.states, entry.trashed_at) == (b"XDX", int(clock.time))
    assert entry.index_time == entry.trashed_at + spool.config.spool.trash_keep
    clock.time += 3600
    answer = do(spool, Verb.UNDO, queue_id)
    assert (answer.result, answer.changed) == (Result.ACTED, (0, 2))
    entry = spool.entry(queue_id)
    assert (entry.states, entry.trashed_at, entry.request) == (b"TDT", 0, b"-")
    assert entry.index_time <= clock.time


def test_trash_is_finished_when_its_time_is_over(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool)
    do(spool, Verb.DELETE, queue_id)
    clock.time += spool.config.spool.trash_keep - 1
    visit = Pass(claim_message(spool.directories[0], queue_id), spool.site)
    assert visit.start() is Start.IDLE
    clock.time += 1
    visit = Pass(claim_message(spool.directories[0], queue_id), spool.site)
    assert visit.start() is Start.FINISHED
    visit.abandon()


def test_two_recipients_of_one_message_are_two_answers(world: World) -> None:
    spool, _, _ = world
    queue_id = put(spool, *THREE)
    for verb, after in ((Verb.DELETE, b"XTX"), (Verb.UNDO, b"TTT")):
        targets = [Target(queue_id=queue_id, recipients=(i,)) for i in (0, 2)]
        answers = list(spool.operate(verb, targets))
        assert [(a.result, a.changed) for a in answers] == [
            (Result.ACTED, (0,)),
            (Result.ACTED, (2,)),
        ]
        assert states(spool, queue_id) == after


def test_nothing_is_locked_while_answers_are_read_or_abandoned(world: World) -> None:
    spool, _, _ = world
    targets = [Target(queue_id=put(spool)) for _ in range(30)]
    before = open_files()
    answers = spool.operate(Verb.HOLD, iter(targets))
    next(answers)
    assert open_files() == before
    for target in targets:
        lock_message(spool.directories[0], target.queue_id).close()
    del answers
    gc.collect()
    assert open_files() == before


def test_many_messages_share_one_sync_and_few_have_their_own(world: World) -> None:
    spool, fs, _ = world
    targets = [Target(queue_id=put(spool)) for _ in range(60)]
    fs.calls.clear()
    list(spool.operate(Verb.HOLD, targets))
    assert [call for call, _ in fs.calls if "sync" in call] == ["syncfs"]
    fs.calls.clear()
    list(spool.operate(Verb.RELEASE, targets[:3]))
    assert [call for call, _ in fs.calls if "sync" in call] == ["fdatasync"] * 3


def test_many_undone_messages_share_two_syncs_and_lose_their_requests_first(
    world: World,
) -> None:
    spool, fs, _ = world
    ids = [put(spool) for _ in range(20)]
    list(spool.operate(Verb.DELETE, [Target(queue_id=i) for i in ids]))
    fs.calls.clear()
    answers = list(spool.operate(Verb.UNDO, [Target(queue_id=i) for i in ids]))
    assert {answer.result for answer in answers} == {Result.ACTED}
    assert all(answer.changed == (0,) for answer in answers)
    syncs = [at for at, (call, _) in enumerate(fs.calls) if "sync" in call]
    assert [fs.calls[at][0] for at in syncs] == ["syncfs", "syncfs"]
    written = [
        (at, args[1], args[2])
        for at, (call, args) in enumerate(fs.calls)
        if call == "pwrite"
    ]
    cleared = [at for at, _, offset in written if offset == control.MREQ]
    restored = [at for at, data, offset in written if (data, offset) == (b"T", 1024)]
    assert len(cleared) == len(restored) == 20
    assert max(cleared) < syncs[0] < min(restored) < max(restored) < syncs[1]


def test_an_undo_whose_first_sync_fails_restores_nothing(world: World) -> None:
    spool, fs, _ = world
    ids = [put(spool) for _ in range(20)]
    list(spool.operate(Verb.DELETE, [Target(queue_id=i) for i in ids]))
    fs.broken["syncfs"] = lambda *_: True
    answers = list(spool.operate(Verb.UNDO, [Target(queue_id=i) for i in ids]))
    fs.broken.clear()
    assert {answer.result for answer in answers} == {Result.REFUSED}
    assert {bytes(states(spool, i)) for i in ids} == {b"X"}


@pytest.mark.parametrize(
    ("verb", "result", "text"),
    [
        (Verb.HOLD, Result.IN_FLIGHT, "held if it defers"),
        (Verb.DELETE, Result.IN_FLIGHT, "cancelled if it defers"),
        (Verb.BOUNCE, Result.IN_FLIGHT, "bounced if it defers"),
        (Verb.PURGE, Result.IN_FLIGHT, "removed if it defers"),
        (Verb.FLUSH, Result.ACTED, "tried again after this attempt"),
        (Verb.UNDO, Result.IN_FLIGHT, "try again"),
        (Verb.REQUEUE, Result.IN_FLIGHT, "try again"),
        (Verb.DELIVERED, Result.IN_FLIGHT, "try again"),
    ],
)
def test_a_message_in_flight_answers_what_will_happen(
    world: World, verb: Verb, result: Result, text: str
) -> None:
    spool, _, _ = world
    queue_id = put(spool)
    visit = begin(spool, queue_id)
    visit.begin(visit.due)
    answer = do(spool, verb, queue_id)
    assert answer.result is result
    assert text in answer.text
    visit.abandon()


@pytest.mark.parametrize(
    ("verb", "after"),
    [
        (Verb.DELETE, b"X"),
        (Verb.BOUNCE, b"B"),
        (Verb.HOLD, b"T"),
    ],
)
def test_a_request_during_an_attempt_that_defers_is_applied(
    world: World, verb: Verb, after: bytes
) -> None:
    spool, _, _ = world
    queue_id = put(spool)
    visit = begin(spool, queue_id)
    visit.begin(visit.due)
    do(spool, verb, queue_id)
    visit.settle([outcome(0, Verdict.DEFERRED)])
    visit.end()
    visit.abandon()
    try:
        entry = spool.entry(queue_id)
    except MessageGone:
        assert after == b"B"  # reported, so over
    else:
        assert entry.states == after
        assert (entry.hold == b"H") is (verb is Verb.HOLD)


def test_an_acknowledged_cancel_before_an_attempt_starts_none(world: World) -> None:
    spool, _, _ = world
    queue_id = put(spool, *THREE)
    visit = begin(spool, queue_id)
    answer = do(spool, Verb.DELETE, queue_id, 1)
    assert (answer.result, answer.text) == (Result.ACTED, "no attempt will start")
    assert [index for index, _ in visit.begin(visit.due)] == [0, 2]
    assert states(spool, queue_id) == b"AXA"
    visit.abandon()


def test_a_cancel_that_lost_to_the_delivery_says_so(world: World) -> None:
    spool, _, _ = world
    queue_id = put(spool, *THREE)
    visit = begin(spool, queue_id)
    transact(visit, [Verdict.DELIVERED] * 3)
    answer = do(spool, Verb.DELETE, queue_id)
    assert (answer.result, answer.text) == (
        Result.REFUSED,
        "too late: already settled",
    )
    assert states(spool, queue_id) == b"DDD"
    visit.abandon()


def test_hold_keeps_mail_and_release_makes_it_due(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool, *THREE)
    do(spool, Verb.HOLD, queue_id)
    do(spool, Verb.HOLD, queue_id, 1)
    clock.time += 10
    visit = Pass(claim_message(spool.directories[0], queue_id), spool.site)
    assert visit.start() is Start.IDLE
    assert spool.entry(queue_id).index_time > clock.time + 86400
    assert do(spool, Verb.RELEASE, queue_id).result is Result.ACTED
    assert spool.entry(queue_id).index_time <= clock.time
    visit = begin(spool, queue_id)
    assert visit.due == [0, 1, 2]
    visit.abandon()
    assert do(spool, Verb.RELEASE, queue_id).result is Result.REFUSED


def defer(spool: Spool, queue_id: str) -> None:
    """Try a message in vain."""
    visit = begin(spool, queue_id)
    transact(visit, [Verdict.DEFERRED] * len(visit.due))
    visit.end()
    visit.release()


@pytest.mark.parametrize("which", [(), (0, 2)])
def test_a_hold_that_is_taken_back_leaves_the_next_try_where_it_was(
    world: World, which: tuple[int, ...]
) -> None:
    spool, _, clock = world
    queue_id = put(spool, *THREE)
    defer(spool, queue_id)
    before = spool.entry(queue_id)
    assert before.next_attempt > clock.time
    do(spool, Verb.HOLD, queue_id, *which)
    assert do(spool, Verb.UNHOLD, queue_id, *which).result is Result.ACTED
    assert spool.entry(queue_id) == before
    assert spool.entry(queue_id).index_time == before.index_time
    visit = Pass(claim_message(spool.directories[0], queue_id), spool.site)
    assert visit.start() is Start.IDLE
    assert do(spool, Verb.UNHOLD, queue_id).text == "not held"
    clock.time = before.index_time
    visit = begin(spool, queue_id)
    assert visit.due == [0, 1, 2]
    visit.abandon()


def test_a_hold_that_is_taken_back_during_an_attempt_asks_for_no_other(
    world: World,
) -> None:
    spool, _, clock = world
    queue_id = put(spool)
    do(spool, Verb.HOLD, queue_id)
    do(spool, Verb.RELEASE, queue_id)
    visit = begin(spool, queue_id)
    do(spool, Verb.HOLD, queue_id)
    answer = do(spool, Verb.UNHOLD, queue_id)
    assert (answer.result, answer.text) == (
        Result.ACTED,
        "in flight now; no longer held",
    )
    transact(visit, [Verdict.DEFERRED])
    visit.end()
    visit.release()
    entry = spool.entry(queue_id)
    assert not entry.flush_pending
    assert entry.next_attempt > clock.time


def test_a_flush_from_before_a_hold_outlives_the_hold(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool)
    defer(spool, queue_id)
    for verb in (Verb.FLUSH, Verb.HOLD, Verb.UNHOLD):
        do(spool, verb, queue_id)
    assert spool.entry(queue_id).index_time <= clock.time


def test_undo_of_delivered_leaves_the_next_try_where_it_was(world: World) -> None:
    spool, _, _ = world
    queue_id = put(spool, *THREE)
    defer(spool, queue_id)
    before = [view.next_attempt for view in spool.entry(queue_id).recipients()]
    do(spool, Verb.DELIVERED, queue_id, 1)
    do(spool, Verb.UNDO, queue_id, 1)
    after = [view.next_attempt for view in spool.entry(queue_id).recipients()]
    assert after == before
    assert min(after) > 0


def test_requeue_starts_over_and_says_what_was_bounced(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool, *THREE)
    plant(spool, queue_id, b"TFB")
    clock.time += 1000
    answer = do(spool, Verb.REQUEUE, queue_id)
    assert "1 already bounced stay so" in answer.text
    entry = spool.entry(queue_id)
    assert (entry.states, entry.base, entry.tries) == (b"TTB", int(clock.time), 0)


def test_a_requeue_that_the_journal_cannot_name_changes_nothing(world: World) -> None:
    spool, fs, _ = world
    queue_id = put(spool, *THREE)
    plant(spool, queue_id, b"UFT")
    before = open_files()
    spool.site.recorder.sync = refuse  # type: ignore[method-assign]
    answer = do(spool, Verb.REQUEUE, queue_id)
    assert answer.result is Result.REFUSED
    assert "not safe" in answer.text
    assert states(spool, queue_id) == b"UFT"
    assert open_files() == before
    assert fs.calls


def refuse() -> None:
    raise SpoolUnavailable("journal: its last events are not safe; make room")


def test_delivered_by_word_is_kept_as_such(world: World) -> None:
    spool, _, _ = world
    queue_id = put(spool, *THREE)
    plant(spool, queue_id, b"UTD")
    assert do(spool, Verb.DELIVERED, queue_id, 0).changed == (0,)
    entry = spool.entry(queue_id)
    assert entry.states == b"XTD"
    assert entry.recipients()[0].code == b"250"


def test_purge_removes_files_and_a_damaged_message_too(world: World) -> None:
    spool, _, _ = world
    directory = spool.directories[0]
    good, bad = put(spool), put(spool)
    with (directory.path / f"qf{bad}").open("r+b") as file:
        file.seek(control.slot_at(0))
        file.write(b"?")
    assert do(spool, Verb.DELETE, bad).result is Result.REFUSED
    for queue_id in (good, bad):
        answer = do(spool, Verb.PURGE, queue_id)
        assert answer.result is Result.ACTED, answer.text
        with pytest.raises(MessageGone):
            spool.entry(queue_id)
        for prefix in ("qf", "df"):
            assert not (directory.path / f"{prefix}{queue_id}").exists()


@pytest.mark.parametrize("verb", list(Verb))
def test_an_unknown_id_or_recipient_is_gone_and_touches_nothing(
    world: World, verb: Verb
) -> None:
    spool, _, _ = world
    queue_id = put(spool)
    before = open_files()
    assert do(spool, verb, "0" * 19).result is Result.GONE
    answer = do(spool, verb, queue_id, 7)
    assert answer.result in {Result.GONE, Result.REFUSED}
    stale = Target(queue_id=queue_id, birth=1.0)
    assert [a.result for a in spool.operate(verb, [stale])] == [Result.GONE]
    entry = spool.entry(queue_id)
    assert (entry.states, entry.requests, entry.request, entry.hold) == (
        b"T",
        b"-",
        b"-",
        b"-",
    )
    assert open_files() == before


@pytest.mark.parametrize("verb", list(Verb))
@pytest.mark.parametrize("state", list("TUDFBX"))
def test_no_verb_breaks_a_legal_message(world: World, verb: Verb, state: str) -> None:
    spool, _, _ = world
    queue_id = put(spool, *THREE)
    plant(spool, queue_id, state.encode() * 2 + b"T")
    before = open_files()
    for target in (
        Target(queue_id=queue_id, recipients=(0,)),
        Target(queue_id=queue_id),
    ):
        (answer,) = spool.operate(verb, [target])
        assert answer.text
        assert "cannot change" not in answer.text
    assert open_files() <= before + 1  # the journal
    try:
        entry = spool.entry(queue_id)
    except MessageGone:
        return
    assert entry.damage == ""
    assert entry.mstate == b"Q"
    if state in "DB":
        assert entry.states[:2] == state.encode() * 2
