"""Actions on a real spool: what they change, what they write down, taking back."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tuiq.actions import pausing, verbs
from tuiq.actions.actor import Actor
from tuiq.actions.audit import ActionLog, Start
from tuiq.actions.records import Record, list_actions, read_action
from tuiq.actions.selection import Pick, Selection, freeze, pick_all
from tuiq.clock import SystemClock
from tuiq.config import Config, SpoolConfig
from tuiq.errors import UsageError
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool import Spool, control
from tuiq.spool.answers import Answer, Result, Verb
from tuiq.spool.entry import State
from tuiq.spool.finish import claim_message
from tuiq.spool.flags import RState
from tuiq.spool.setup import create_spool

ACTOR = Actor(who="eve", uid=7, remote="192.0.2.1", tty="/dev/pts/3")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    create_spool(tmp_path / "spool", queues=2)
    config = Config(spool=SpoolConfig(queues=str(tmp_path / "spool" / "q.*")))
    with Spool(config) as opened:
        yield opened


def submit(spool: Spool, *addresses: bytes) -> str:
    recipients = tuple(Recipient(address=a) for a in addresses or (b"bob@b.example",))
    envelope = Envelope(sender=b"alice@a.example", recipients=recipients)
    return spool.submit(envelope, [b"Subject: x\r\n\r\nbody\r\n"])


def select(spool: Spool, *picks: tuple[str, tuple[int, ...] | None]) -> Selection:
    found: list[Pick] = [(spool.entry(queue_id), slots) for queue_id, slots in picks]
    return freeze(found, scope=f"{len(picks)} ids")


def do(spool: Spool, verb: Verb, selection: Selection) -> tuple[str, list[Answer]]:
    act = verbs.act(spool, verb, selection, actor=ACTOR, reason="because")
    return act.action, list(act.answers)


def undo(spool: Spool, action: str) -> list[Answer]:
    act = verbs.undo(spool, action, actor=ACTOR)
    assert not isinstance(act, str)
    return list(act.answers)


def results(answers: list[Answer]) -> list[Result]:
    return [answer.result for answer in answers]


def read(spool: Spool, action: str) -> Record:
    return read_action(spool.path / "audit", action)


def test_an_action_is_written_down_before_during_and_after(spool: Spool) -> None:
    queue_id = submit(spool, b"a@x", b"b@y", b"c@z")
    act = verbs.act(
        spool, Verb.DELETE, select(spool, (queue_id, (0, 2))), actor=ACTOR, reason="r"
    )
    path = spool.path / "audit" / f"{act.action}.jsonl"

    before = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in before] == ["started", "target"]
    assert spool.entry(queue_id).states == b"TTT"

    (answer,) = act.answers

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert answer.result is Result.ACTED
    assert spool.entry(queue_id).states == b"XTX"
    assert [line["event"] for line in lines] == [
        "started",
        "target",
        "answer",
        "finished",
    ]
    assert lines[0]["who"] == "eve"
    assert lines[0]["remote"] == "192.0.2.1"
    assert lines[0]["reason"] == "r"
    assert lines[1]["recipients"] == lines[2]["recipients"] == "0,2"
    assert lines[2]["changed"] == "0,2"
    assert lines[3] == {
        "event": "finished",
        "at": lines[3]["at"],
        "complete": True,
        "acted": 1,
        "gone": 0,
        "in_flight": 0,
        "refused": 0,
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_undo_restores_exactly_what_the_delete_changed(spool: Spool) -> None:
    queue_id = submit(spool, b"a@x", b"b@y", b"c@z")
    do(spool, Verb.DELETE, select(spool, (queue_id, (1,))))
    action, _ = do(spool, Verb.DELETE, select(spool, (queue_id, None)))
    assert spool.entry(queue_id).state() is State.TRASHED

    assert results(undo(spool, action)) == [Result.ACTED]

    assert spool.entry(queue_id).states == b"TXT"
    record = read(spool, action)
    assert record.undone_by
    assert read(spool, record.undone_by).start.undoes == action
    with pytest.raises(UsageError, match="taken back by"):
        undo(spool, action)


def test_undo_of_a_delete_spares_what_was_delivered_since(spool: Spool) -> None:
    queue_id = submit(spool, b"a@x", b"b@y")
    selection = select(spool, (queue_id, None))
    claim = claim_message(spool.find(queue_id) or spool.directories[0], queue_id)
    claim.mark([0], RState.ATTEMPT)
    action, answers = do(spool, Verb.DELETE, selection)
    assert results(answers) == [Result.IN_FLIGHT]
    claim.mark([0], RState.UNKNOWN)
    claim.mark([0], RState.DELIVERED)
    claim.close()

    assert results(undo(spool, action)) == [Result.ACTED]

    entry = spool.entry(queue_id)
    assert entry.states == b"DT"
    assert entry.request == b"-"


def test_undo_of_a_hold_leaves_older_holds_alone(spool: Spool) -> None:
    first, second = submit(spool), submit(spool)
    do(spool, Verb.HOLD, select(spool, (first, None)))
    action, _ = do(spool, Verb.HOLD, select(spool, (first, None), (second, None)))

    undo(spool, action)

    assert spool.entry(first).is_held
    assert not spool.entry(second).is_held


def test_undo_of_a_hold_starts_no_attempt(spool: Spool) -> None:
    queue_id = submit(spool, b"a@x", b"b@y")
    soon = int(spool.clock.now()) + 900
    directory = spool.find(queue_id)
    assert directory is not None
    with open(directory.path_of(f"qf{queue_id}"), "r+b") as file:
        file.seek(control.NEXT)
        file.write(b"%08X" % soon)
    for picks in (None, (1,)):
        action, _ = do(spool, Verb.HOLD, select(spool, (queue_id, picks)))

        undo(spool, action)

        entry = spool.entry(queue_id)
        assert not entry.is_held
        assert not entry.flush_pending
        assert (entry.next_attempt, int(entry.index_time)) == (soon, soon)


def test_undo_of_an_undone_hold_holds_again(spool: Spool) -> None:
    queue_id = submit(spool)
    action, _ = do(spool, Verb.HOLD, select(spool, (queue_id, None)))
    undo(spool, action)

    undo(spool, read(spool, action).undone_by)

    assert spool.entry(queue_id).is_held


def test_undo_of_a_release_holds_what_was_held(spool: Spool) -> None:
    whole, single = submit(spool), submit(spool, b"a@x", b"b@y")
    do(spool, Verb.HOLD, select(spool, (whole, None), (single, (1,))))
    action, _ = do(spool, Verb.RELEASE, select(spool, (whole, None), (single, (0, 1))))
    assert not spool.entry(whole).is_held

    undo(spool, action)

    assert spool.entry(whole).hold == b"H"
    assert spool.entry(single).requests == b"-H"


def test_undo_of_delivered_brings_the_recipient_back(spool: Spool) -> None:
    queue_id = submit(spool, b"a@x", b"b@y")
    action, _ = do(spool, Verb.DELIVERED, select(spool, (queue_id, (0,))))
    assert spool.entry(queue_id).states == b"XT"

    undo(spool, action)

    assert spool.entry(queue_id).states == b"TT"


@pytest.mark.parametrize("verb", [Verb.FLUSH, Verb.REQUEUE, Verb.BOUNCE, Verb.UNDO])
def test_what_cannot_be_taken_back_says_why(spool: Spool, verb: Verb) -> None:
    action, _ = do(spool, verb, select(spool, (submit(spool), None)))

    with pytest.raises(UsageError, match=f"{verb} cannot be taken back: "):
        verbs.undo(spool, action, actor=ACTOR)


def test_purge_removes_what_is_in_the_trash(spool: Spool) -> None:
    keep, gone = submit(spool), submit(spool)
    do(spool, Verb.DELETE, select(spool, (gone, None)))

    trash = freeze(pick_all(spool.entries(), verb=Verb.PURGE), scope="ALL")
    _, answers = do(spool, Verb.PURGE, trash)

    assert results(answers) == [Result.ACTED]
    assert [entry.queue_id for entry in spool.entries()] == [keep]


def test_a_frozen_set_does_not_grow_and_notices_what_is_gone(spool: Spool) -> None:
    first, second = submit(spool), submit(spool)
    frozen = freeze(pick_all(spool.entries(), verb=Verb.DELETE), scope="ALL")
    late = submit(spool)
    do(spool, Verb.PURGE, select(spool, (first, None)))

    _, answers = do(spool, Verb.DELETE, frozen)

    found = {answer.target.queue_id: answer.result for answer in answers}
    assert found == {first: Result.GONE, second: Result.ACTED}
    assert spool.entry(late).states == b"T"


def test_ids_that_were_gone_at_once_are_answered_too(spool: Spool) -> None:
    selection = freeze([], scope="1 id", gone=["Z" * 19])
    action, answers = do(spool, Verb.HOLD, selection)

    assert results(answers) == [Result.GONE]
    record = read(spool, action)
    assert record.counts == {"acted": 0, "gone": 1, "in_flight": 0, "refused": 0}
    assert record.complete


def test_stopping_ends_between_messages_and_says_so(spool: Spool) -> None:
    ids = sorted(submit(spool) for _ in range(3))
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 2

    selection = select(spool, *[(queue_id, None) for queue_id in ids])
    act = verbs.act(spool, Verb.HOLD, selection, actor=ACTOR, stop=stop)

    assert [answer.target.queue_id for answer in act.answers] == ids[:2]
    assert [spool.entry(queue_id).is_held for queue_id in ids] == [True, True, False]
    record = read(spool, act.action)
    assert not record.complete
    assert len(record.items) == 3
    assert len(record.answers) == 2

    undo(spool, act.action)
    assert not any(spool.entry(queue_id).is_held for queue_id in ids)


def test_a_log_that_was_cut_short_is_read_as_far_as_it_goes(spool: Spool) -> None:
    ids = [submit(spool) for _ in range(3)]
    selection = select(spool, *[(queue_id, None) for queue_id in ids])
    action, _ = do(spool, Verb.DELETE, selection)
    path = spool.path / "audit" / f"{action}.jsonl"
    data = path.read_bytes()
    whole = read(spool, action)

    for length in range(len(data)):
        path.write_bytes(data[:length])
        listed = list(list_actions(spool.path / "audit"))
        lines = data[:length].count(b"\n")
        assert len(listed) == (lines > 0)
        if lines:
            record = read(spool, action)
            assert record.counts is None
            assert len(record.items) == min(lines - 1, 3)
            assert record.answers == whole.answers[: max(0, lines - 4)]


def test_actions_are_listed_newest_first(spool: Spool) -> None:
    actions = [
        do(spool, verb, select(spool, (submit(spool), None)))[0]
        for verb in (Verb.HOLD, Verb.FLUSH, Verb.DELETE)
    ]

    listed = list(list_actions(spool.path / "audit"))

    assert [record.start.action for record in listed] == actions[::-1]
    assert [record.start.verb for record in listed] == ["delete", "flush", "hold"]
    assert all(record.complete and record.counts for record in listed)


def test_listing_a_long_log_reads_only_its_ends(spool: Spool) -> None:
    selection = freeze([], scope="many", gone=[f"{n:019}" for n in range(2000)])
    action, _ = do(spool, Verb.HOLD, selection)
    size = (spool.path / "audit" / f"{action}.jsonl").stat().st_size
    assert size > 200_000

    began = io_read()
    (record,) = list_actions(spool.path / "audit")
    assert io_read() - began < 100_000

    assert record.counts == {"acted": 0, "gone": 2000, "in_flight": 0, "refused": 0}
    assert record == replace(read(spool, action), answers=())


def io_read() -> int:
    """Return the bytes that this process has read so far."""
    text = Path("/proc/self/io").read_text()
    return int(text.split("rchar: ")[1].split()[0])


@pytest.mark.parametrize("name", ["../x", "20260101-000000-aaaaaa", "", "\x1b"])
def test_an_unknown_action_is_refused(spool: Spool, name: str) -> None:
    with pytest.raises(UsageError, match="no such action") as caught:
        verbs.undo(spool, name, actor=ACTOR)
    assert str(caught.value).isprintable()


def test_a_full_disk_costs_the_ballast_and_not_the_action(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room: list[int] = []
    write = os.write

    def full(fd: int, data: bytes) -> int:
        if not room:
            raise OSError(errno.ENOSPC, "full")
        return write(fd, data)

    def make_room() -> bool:
        room.append(1)
        return True

    monkeypatch.setattr(os, "write", full)
    log = ActionLog(tmp_path / "audit", SystemClock(), make_room=make_room)
    log.start(Start(verb="delete", actor=ACTOR, scope="ALL"))
    log.finish(complete=True)

    assert len(room) == 1
    assert read_action(tmp_path / "audit", log.action).complete


def test_the_end_of_a_hold_does_not_count_what_was_deleted_meanwhile(
    spool: Spool,
) -> None:
    ids = [submit(spool, b"a@x", b"b@y") for _ in range(4)]
    whole = [(queue_id, None) for queue_id in ids[:3]]
    action, _ = do(spool, Verb.HOLD, select(spool, *whole, (ids[3], (0, 1))))
    do(spool, Verb.DELETE, select(spool, (ids[0], None), (ids[3], (0,))))
    do(spool, Verb.PURGE, select(spool, (ids[1], None)))

    answers = {answer.target.queue_id: answer for answer in undo(spool, action)}

    assert [answers[queue_id].result for queue_id in ids] == [
        Result.GONE,
        Result.GONE,
        Result.ACTED,
        Result.ACTED,
    ]
    assert "deleted or settled since" in answers[ids[0]].text
    assert spool.entry(ids[0]).hold == b"H", "left as it is"
    assert spool.entry(ids[2]).hold == b"-"
    assert read(spool, action).undone_by


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "spool"),
        (["spool"], "spool"),
        (["queue", "q.2"], "queue q.2"),
        (["destination", "Example.ORG"], "destination example.org"),
    ],
)
def test_a_pause_is_made_undone_and_made_again(
    spool: Spool, words: list[str], told: str
) -> None:
    where = pausing.place(spool, words)
    assert str(where) == told
    until = int(spool.clock.now()) + 600

    def paused() -> list[tuple[int, str, str]]:
        found = spool.pauses.current().pauses
        return [(pause.until, pause.who, pause.reason) for pause in found]

    action = pausing.pause(spool, where, actor=ACTOR, until=until, reason="storm")
    assert paused() == [(until, "eve", "storm")]

    undone = verbs.undo(spool, action, actor=ACTOR)
    assert paused() == []

    assert isinstance(undone, str)
    verbs.undo(spool, undone, actor=ACTOR)
    assert paused() == [(until, "eve", "storm")]
    starts = [record.start for record in list_actions(spool.path / "audit")]
    assert [start.verb for start in starts] == ["pause", "resume", "pause"]
    assert [start.scope for start in starts] == [told] * 3


def test_a_pause_that_would_be_over_is_not_made_again(spool: Spool) -> None:
    where = pausing.place(spool, [])
    pausing.pause(spool, where, actor=ACTOR, until=int(spool.clock.now()) + 1000)
    action = pausing.resume(spool, where, actor=ACTOR)

    class Later(SystemClock):
        def now(self) -> float:
            return super().now() + 2000

    spool.clock = Later()
    with pytest.raises(UsageError, match="over by now"):
        verbs.undo(spool, action, actor=ACTOR)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["queue"], "say spool"),
        (["queue", "q.22"], "did you mean q.2"),
        (["planet", "x"], "say spool"),
        (["spool", "x"], "say spool"),
    ],
)
def test_a_place_that_is_none_is_refused(
    spool: Spool, words: list[str], hint: str
) -> None:
    with pytest.raises(UsageError, match=hint):
        pausing.place(spool, words)


def test_resuming_what_runs_is_refused(spool: Spool) -> None:
    with pytest.raises(UsageError, match="is not paused"):
        pausing.resume(spool, pausing.place(spool, []), actor=ACTOR)


def test_the_actor_is_who_called_sudo_only_where_root_says_so() -> None:
    environ = {
        "SUDO_USER": "mallory",
        "SSH_CONNECTION": "2001:db8::1 5000 2001:db8::2 22",
    }
    actor = Actor.caller(environ)

    assert actor.remote == "2001:db8::1"
    assert actor.pid == os.getpid()
    assert (actor.who == "mallory") == (os.getuid() == 0)
