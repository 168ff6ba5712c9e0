"""One pass over a message: what each verdict leaves behind, and when it is next."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.spool.world import (
    FaultyFs,
    SetClock,
    end_pass,
    envelope,
    names,
    open_files,
    open_world,
    outcome,
    put,
    tamper,
    transact,
)
from tuiq.errors import (
    MessageDamaged,
    MessageGone,
    SpoolUnavailable,
    SpoolUnsafe,
)
from tuiq.mail.envelope import Recipient
from tuiq.mail.outcome import Verdict
from tuiq.mail.reply import Reply
from tuiq.spool import control
from tuiq.spool.answers import Target, Verb
from tuiq.spool.finish import claim_message
from tuiq.spool.flags import MState
from tuiq.spool.group import SyncGroup
from tuiq.spool.passes import End, Pass, Start
from tuiq.spool.pause import Scope
from tuiq.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.spool.entry import QueueEntry

World = tuple[Spool, FaultyFs, SetClock]
THREE = (b"a@b.c", b"b@b.c", b"c@b.c")
D, L, F, U, N = (
    Verdict.DELIVERED,
    Verdict.DEFERRED,
    Verdict.FAILED,
    Verdict.IN_DOUBT,
    Verdict.UNTRIED,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path / "spool") as opened:
        spool, _, _ = opened
        spool.site = replace(spool.site, jitter=lambda: 0.0)
        yield opened


def begin(spool: Spool, queue_id: str) -> tuple[Pass, Start]:
    visit = Pass(claim_message(spool.directories[0], queue_id), spool.site)
    return visit, visit.start()


def ready(spool: Spool, queue_id: str) -> Pass:
    visit, start = begin(spool, queue_id)
    assert start is Start.READY
    return visit


def run(spool: Spool, queue_id: str, *verdicts: Verdict) -> End:
    """Do one whole pass in one transaction."""
    visit = ready(spool, queue_id)
    transact(visit, verdicts)
    return end_pass(visit)


def notices(spool: Spool) -> list[QueueEntry]:
    return [entry for entry in spool.entries() if entry.origin == b"dsn"]


def test_all_delivered_leaves_no_file(world: World) -> None:
    spool, fs, _ = world
    queue_id = put(spool, *THREE)
    before = open_files()
    fs.calls.clear()
    assert run(spool, queue_id, D, D, D) is End.FINISHED
    order = [c if c != "unlink" else a[0][:2] for c, a in fs.calls]
    assert order.index("fdatasync") < order.index("df") < order.index("qf")
    assert names(spool.directories[0].path) == []
    assert open_files() == before


def test_deferrals_of_one_pass_share_one_time_on_the_curve(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool, *THREE)
    clock.time += 100
    assert run(spool, queue_id, L, D, L) is End.WAITING
    entry = spool.entry(queue_id)
    wanted = int(clock.time + 400 + 40 * 10)
    assert (entry.states, entry.tries) == (b"TDT", 1)
    slots = entry.recipients()
    assert [s.next_attempt for s in slots] == [wanted, 0, wanted]
    assert [s.code for s in slots] == [b"451", b"250", b"451"]
    assert (entry.next_attempt, entry.index_time) == (wanted, wanted)
    assert entry.last_reply.strip() == b"451 4.7.1 later"
    clock.time = wanted - 1
    assert begin(spool, queue_id)[1] is Start.IDLE
    clock.time = wanted
    visit = ready(spool, queue_id)
    assert visit.due == [0, 2]
    visit.abandon()


def test_a_failure_is_reported_to_the_sender_once_and_is_then_over(
    world: World,
) -> None:
    spool, _, _ = world
    queue_id = put(spool, *THREE)
    visit = ready(spool, queue_id)
    transact(visit, [F, D, L])
    assert spool.entry(queue_id).states == b"UDT", "F before its reason is durable"
    visit.commit_failures()
    assert spool.entry(queue_id).states == b"FDT"
    end_pass(visit)
    assert spool.entry(queue_id).states == b"BDT"
    (notice,) = notices(spool)
    assert notice.sender == b""
    assert notice.envelope().recipients[0].address == b"from@example.com"
    text = spool.read_data(notice)
    assert b"a@b.c" in text
    assert b"550 5.1.1" in text
    assert b"c@b.c" not in text


def test_a_notice_that_fails_makes_no_notice(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool, sender=b"")
    assert run(spool, queue_id, F) is End.WAITING
    entry = spool.entry(queue_id)
    assert entry.states == b"F"
    assert notices(spool) == []
    assert entry.index_time > clock.time + 86400, "nobody can be told: it is kept"


def test_a_notice_that_cannot_be_stored_is_made_later(world: World) -> None:
    spool, fs, clock = world
    queue_id = put(spool)
    visit = ready(spool, queue_id)
    transact(visit, [F])
    visit.commit_failures()
    fs.broken["rename"] = lambda *_: True
    assert end_pass(visit) is End.WAITING
    entry = spool.entry(queue_id)
    assert (entry.states, entry.index_time) == (b"F", clock.time + 300)
    fs.broken = {}
    clock.time += 300
    visit, start = begin(spool, queue_id)
    assert start is Start.FINISHED
    visit.abandon()
    assert len(notices(spool)) == 1


def test_never_and_success_only_recipients_are_not_reported(world: World) -> None:
    spool, _, _ = world
    quiet = tuple(
        Recipient(address=a, notify=n)
        for a, n in ((b"a@b.c", b"NEVER"), (b"b@b.c", b"SUCCESS"))
    )
    queue_id = spool.submit(replace(envelope(), recipients=quiet), [b"x\r\n"])
    assert run(spool, queue_id, F, F) is End.FINISHED
    assert notices(spool) == []


def test_in_doubt_is_retried_and_named_first(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool)
    run(spool, queue_id, U)
    entry = spool.entry(queue_id)
    assert entry.states == b"U"
    assert clock.time < entry.index_time < clock.time + 1000
    clock.time = entry.index_time
    seen: list[bytes] = []
    recorder = spool.site.recorder
    sync = recorder.sync

    def look() -> None:
        seen.append(spool.entry(queue_id).states)
        sync()

    recorder.sync = look  # type: ignore[method-assign]
    visit = ready(spool, queue_id)
    assert (seen, visit.claim.states) == ([b"U"], b"T")
    visit.abandon()
    journal = (spool.path / "journal" / "delivery.jsonl").read_text()
    assert "possible_duplicate" in journal


def test_in_doubt_waits_for_a_person_where_that_is_set(tmp_path: Path) -> None:
    with open_world(tmp_path / "spool", in_doubt="hold") as (spool, _, clock):
        queue_id = put(spool, *THREE)
        run(spool, queue_id, U, D, D)
        assert spool.entry(queue_id).index_time > clock.time + 86400
        clock.time += 10 * 86400
        assert begin(spool, queue_id)[1] is Start.IDLE
        assert spool.entry(queue_id).states == b"UDD", "in doubt never expires"


def test_what_was_cut_off_before_the_dot_costs_no_try(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool, *THREE)
    visit = ready(spool, queue_id)
    batch = visit.begin(visit.due)
    visit.settle([outcome(index, N) for index, _ in batch])
    end_pass(visit)
    entry = spool.entry(queue_id)
    assert (entry.states, entry.tries) == (b"TTT", 0)
    assert entry.index_time <= clock.time


def test_an_unreachable_destination_touches_no_slot(world: World) -> None:
    spool, fs, clock = world
    queue_id = put(spool, *THREE)
    visit = ready(spool, queue_id)
    fs.calls.clear()
    visit.defer_all(visit.due, Reply(code=421, text=b"connection refused"))
    end_pass(visit)
    offsets = [a[2] for c, a in fs.calls if c == "pwrite"]
    assert all(offset < control.SLOTS for offset in offsets)
    entry = spool.entry(queue_id)
    assert entry.next_attempt == entry.index_time == clock.time + 400
    assert entry.tries == 1
    assert begin(spool, queue_id)[1] is Start.IDLE


def test_nothing_expires_without_a_try_after_its_time(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool, *THREE)
    (_,) = spool.operate(Verb.HOLD, [Target(queue_id=queue_id, recipients=(2,))])
    clock.time += spool.config.retry.lifetime + 1
    visit = ready(spool, queue_id)
    assert visit.due == [0, 1]
    transact(visit, [L, L])
    end_pass(visit)
    assert spool.entry(queue_id).states == b"BBT", "held mail never expires"
    (notice,) = notices(spool)
    assert b"gave up" in spool.read_data(notice)


def test_a_clock_that_jumped_expires_nothing(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool)
    clock.time += spool.config.retry.lifetime + 1
    visit = ready(spool, queue_id)
    visit.expire_allowed = False
    transact(visit, [L])
    end_pass(visit)
    assert spool.entry(queue_id).states == b"T"


def test_the_sender_is_told_of_a_delay_once(world: World) -> None:
    spool, _, clock = world
    retry = replace(spool.config.retry, delay_notice=3600.0)
    spool.reconfigure(replace(spool.config, retry=retry))
    queue_id = put(spool, *THREE)
    for hours in range(4):
        clock.time += 3600 * hours
        run(spool, queue_id, L, L, L)
        assert len(notices(spool)) == min(hours, 1)
    assert spool.entry(queue_id).warned


@pytest.mark.parametrize("spoil", ["gone", "shorter", "changed"])
def test_without_its_whole_data_a_message_is_never_sent(
    world: World, spoil: str
) -> None:
    spool, _, _ = world
    queue_id = put(spool)
    data = spool.directories[0].path / f"df{queue_id}"
    content = data.read_bytes()
    if spoil == "gone":
        data.unlink()
    else:
        data.write_bytes(content[:-1] if spoil == "shorter" else content[::-1])
    before = open_files()
    visit = Pass(claim_message(spool.directories[0], queue_id), spool.site)
    with pytest.raises(MessageDamaged, match=f"df{queue_id}"):
        visit.start()
    visit.abandon()
    assert open_files() == before
    assert spool.entry(queue_id).mstate == b"C"
    with pytest.raises(MessageDamaged, match="found damaged"):
        claim_message(spool.directories[0], queue_id)


@pytest.mark.parametrize("trick", ["writable", "linked", "symlink", "fifo"])
def test_data_that_others_could_change_is_never_sent(world: World, trick: str) -> None:
    spool, _, _ = world
    queue_id = put(spool)
    tamper(spool.directories[0].path / f"df{queue_id}", trick)
    visit = Pass(claim_message(spool.directories[0], queue_id), spool.site)

    with pytest.raises(SpoolUnsafe, match=f"df{queue_id}: .*; "):
        visit.start()

    visit.abandon()
    assert spool.entry(queue_id).mstate == b"Q"


def test_a_pass_that_sends_nothing_reads_no_data(world: World) -> None:
    spool, _, _ = world
    queue_id = put(spool)
    data = spool.directories[0].path / f"df{queue_id}"
    data.write_bytes(data.read_bytes()[::-1])
    visit = Pass(claim_message(spool.directories[0], queue_id), spool.site)

    assert visit.start(sending=False) is Start.READY

    visit.abandon()
    assert spool.entry(queue_id).mstate == b"Q"


def test_a_pass_that_dies_counts_until_it_is_left_alone(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool)
    for deaths in range(5):
        visit = ready(spool, queue_id)
        assert visit.deaths == deaths
        visit.begin(visit.due)
        visit.abandon()
        assert spool.entry(queue_id).states == b"A"
    clock.time += 1
    assert begin(spool, queue_id)[1] is Start.IDLE
    wait = spool.entry(queue_id).index_time
    assert clock.time < wait <= clock.time + 300
    clock.time = wait
    visit = ready(spool, queue_id)
    transact(visit, [L])
    end_pass(visit)
    assert spool.entry(queue_id).opened == 0


def test_a_flush_during_a_pass_is_not_lost(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool, *THREE)
    visit = ready(spool, queue_id)
    transact(visit, [L, L, L])
    list(spool.operate(Verb.FLUSH, [Target(queue_id=queue_id)]))
    end_pass(visit)
    assert spool.entry(queue_id).flush_pending
    assert spool.entry(queue_id).index_time <= clock.time
    visit = ready(spool, queue_id)
    assert visit.due == [0, 1, 2]
    transact(visit, [L, L, L])
    end_pass(visit)
    assert not spool.entry(queue_id).flush_pending
    assert spool.entry(queue_id).index_time > clock.time


def test_a_request_between_the_last_look_and_the_release_is_seen(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool, *THREE)
    visit = ready(spool, queue_id)
    transact(visit, [L, L, L])
    assert visit.end() is End.WAITING
    list(spool.operate(Verb.DELETE, [Target(queue_id=queue_id)]))
    visit.release()
    assert spool.entry(queue_id).index_time <= clock.time
    assert begin(spool, queue_id)[1] is Start.IDLE
    assert spool.entry(queue_id).states == b"XXX"


def test_lost_soft_fields_change_only_the_time(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool, *THREE)
    run(spool, queue_id, L, L, D)
    file = spool.directories[0].path / f"qf{queue_id}"
    with file.open("r+b") as opened:
        for offset, length in ((control.NEXT, 20), (control.REPLY, 320)):
            opened.seek(offset)
            opened.write(b"\xff" * length)
        opened.seek(control.slot_at(0) + control.S_TRIES)
        opened.write(b"\xff" * 22)
    os.utime(file, (0, 0))
    assert spool.entry(queue_id).damage == ""
    clock.time += 1
    visit = ready(spool, queue_id)
    assert visit.due == [0]
    visit.abandon()


def test_a_journal_that_fails_leaves_doubt_as_it_is(world: World) -> None:
    spool, _, clock = world
    queue_id = put(spool)
    run(spool, queue_id, U)
    clock.time = spool.entry(queue_id).index_time

    def refuse() -> None:
        raise SpoolUnavailable("journal: full; make room")

    spool.site.recorder.sync = refuse  # type: ignore[method-assign]
    before = open_files()
    visit = Pass(claim_message(spool.directories[0], queue_id), spool.site)
    with pytest.raises(SpoolUnavailable):
        visit.start()
    visit.abandon()
    assert spool.entry(queue_id).states == b"U"
    assert open_files() == before


def finished(group: SyncGroup, visit: Pass) -> None:
    """Deliver a message and hand it to *group*."""
    transact(visit, [D])
    group.marked(visit.claim, 1)
    assert visit.end() is End.FINISHED
    group.finished(visit.claim)


def test_a_message_that_finishes_during_a_sync_waits_for_the_next(world: World) -> None:
    spool, _, _ = world
    group = SyncGroup()
    first, second = put(spool), put(spool)
    finished(group, ready(spool, first))
    batch = group.take()
    finished(group, ready(spool, second))  # younger than what is to be synced
    assert group.marks == 2
    assert list(batch.retiring()) == [None]
    batch.sync()
    assert batch.complete() == []
    group.done(batch)
    assert names(spool.directories[0].path) == [f"df{second}", f"qf{second}"]
    with pytest.raises(MessageGone):
        spool.entry(first)
    assert group.marks == 1


def test_what_is_delivered_is_removed_with_a_sync_of_the_names_alone(
    world: World,
) -> None:
    spool, fs, _ = world
    group = SyncGroup()
    ids = sorted(put(spool) for _ in range(20))
    for queue_id in ids:
        finished(group, ready(spool, queue_id))
    batch = group.take()
    assert len(list(batch.retiring())) == 20
    assert names(spool.directories[0].path) == [f"df{queue_id}" for queue_id in ids]
    fs.calls.clear()
    batch.sync()
    assert [call for call, _ in fs.calls] == ["fsync"]
    assert batch.complete() == []
    assert names(spool.directories[0].path) == []


def test_what_cannot_be_unlinked_has_its_end_synced(world: World) -> None:
    spool, fs, _ = world
    group = SyncGroup()
    queue_id = put(spool)
    finished(group, ready(spool, queue_id))
    batch = group.take()
    fs.broken["unlink"] = lambda *_: True
    (failure,) = batch.retiring()
    assert failure is not None
    fs.calls.clear()
    batch.sync()
    assert [call for call, _ in fs.calls] == ["fdatasync"]
    assert batch.complete() == []
    assert names(spool.directories[0].path) == [f"df{queue_id}", f"qf{queue_id}"]
    fs.broken.clear()
    with pytest.raises(MessageGone):
        claim_message(spool.directories[0], queue_id)
    assert names(spool.directories[0].path) == []


def test_an_id_that_may_come_again_is_kept_until_nothing_else_is_left(
    world: World,
) -> None:
    spool, fs, _ = world
    claim = claim_message(spool.directories[0], put(spool))
    claim.set_message(MState.FINISHED)  # nobody was tried: it might be stored anew
    group = SyncGroup()
    group.finished(claim)
    batch = group.take()
    assert (batch.removable, list(batch.finished)) == ([], [claim])
    fs.calls.clear()
    assert list(batch.retiring()) == []
    assert batch.needs_sync(marks=False), "whatever the setting says"
    batch.sync(marks=False)
    assert batch.complete() == []
    order = [c if c != "unlink" else a[0][:2] for c, a in fs.calls]
    assert order == ["fdatasync", "df", "xf", "bf", "qf"]


def test_a_failed_sync_of_the_names_unlinks_no_data(world: World) -> None:
    spool, fs, _ = world
    group = SyncGroup()
    queue_id = put(spool)
    finished(group, ready(spool, queue_id))
    batch = group.take()
    list(batch.retiring())
    fs.broken["fsync"] = lambda _: True
    with pytest.raises(OSError, match="Input/output"):
        batch.sync()
    batch.give_up("it failed")
    assert names(spool.directories[0].path) == [f"df{queue_id}"]
    assert spool.directories[0].blocked == "it failed"


def begun(spool: Spool, queue_id: str) -> tuple[object, ...]:
    """Return what the start of a pass came to, and what it left in the file."""
    visit, start = begin(spool, queue_id)
    claim = visit.claim
    due, texts, deaths = list(visit.due), claim.has_texts, visit.deaths
    visit.abandon()
    path = spool.directories[0].path_of("qf" + queue_id)
    content = Path(path).read_bytes()[control.SECTOR : control.SLOTS + control.S_HEAP]
    return start, due, texts, deaths, visit.paused, content


@pytest.mark.parametrize("is_paused", [False, True])
def test_mail_that_nobody_touched_begins_as_the_long_way_would(
    world: World, monkeypatch: pytest.MonkeyPatch, *, is_paused: bool
) -> None:
    spool, _, _ = world
    short, long = put(spool, b"a@b.c"), put(spool, b"a@b.c")
    if is_paused:
        spool.pauses.pause(Scope.SPOOL, who="me")
    found = begun(spool, short)
    assert found[0] is (Start.IDLE if is_paused else Start.READY)
    monkeypatch.setattr(control, "is_fresh", lambda *_: False)
    assert begun(spool, long) == found


def test_mail_is_not_untouched_whatever_byte_of_its_state_differs() -> None:
    one = control.encode(
        control.Message(
            queue_id="0" * 19,
            birth_us=1,
            envelope=envelope(b"a@b.c"),
            data_length=1,
            data_crc=1,
        )
    )
    assert control.is_fresh(1, one)
    assert not control.is_fresh(2, one)
    for offset in range(control.SECTOR, control.SLOTS + control.S_HEAP):
        touched = bytearray(one)
        touched[offset] ^= 1
        assert not control.is_fresh(1, touched)
