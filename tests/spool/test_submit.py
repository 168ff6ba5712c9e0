"""Sequence S: a message is in the queue whole and durable, or not at all."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.spool.world import (
    BODY,
    NOW,
    FaultyFs,
    SetClock,
    envelope,
    names,
    open_files,
    open_world,
    put,
)
from tuiq.errors import InputError, MessageGone, SpoolUnavailable
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool.claim import lock_message
from tuiq.spool.control import Origin
from tuiq.spool.finish import claim_message
from tuiq.spool.intake import MOST_IN_BATCH
from tuiq.spool.layout import id_birth, is_queue_id, make_id
from tuiq.spool.spool import Spool
from tuiq.spool.submit import FEW, Draft, submit, submit_batch, submit_locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

World = tuple[Spool, FaultyFs, SetClock]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path / "spool") as opened:
        yield opened


def test_what_is_submitted_is_what_is_stored(world: World) -> None:
    spool, _, _ = world
    given = Envelope(
        sender=b"",
        recipients=(
            Recipient(address=b"a@b.c", orcpt=b"rfc822;x=y", notify=b"NEVER"),
            Recipient(address="\u00fc@b.c".encode()),
        ),
        ret=b"FULL",
        envid=b"x=+2B",
        body=b"8BITMIME",
        smtputf8=True,
        uid=0,
        via=b"api",
    )
    queue_id = spool.submit(
        given, iter([b"a\r\n", b"", b"b\r\n"]), lambda i: f"R: {i}\r\n".encode()
    )
    entry = spool.entry(queue_id)
    assert is_queue_id(queue_id)
    assert entry.envelope() == given
    assert spool.read_data(entry) == f"R: {queue_id}\r\na\r\nb\r\n".encode()
    assert (entry.states, entry.birth, entry.index_time) == (b"TT", NOW, NOW)
    assert abs(id_birth(queue_id) - NOW) < 1e-6
    claim = lock_message(spool.directories[0], queue_id)
    assert claim.envelope() == given
    claim.close()


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_files_have_the_queues_mode_whatever_the_umask(
    world: World, umask: int
) -> None:
    spool, _, _ = world
    before = os.umask(umask)
    try:
        queue_id = put(spool)
    finally:
        os.umask(before)
    for name in (f"qf{queue_id}", f"df{queue_id}"):
        info = (spool.directories[0].path / name).stat()
        assert oct(info.st_mode & 0o7777) == oct(0o600)


@pytest.mark.parametrize(
    "bad",
    [
        Envelope(sender=b"a@b", recipients=()),
        envelope(b"a@b\r\nRCPT TO:<c@d>"),
        envelope(b"a@b\0x"),
        envelope(b"nobody"),
        envelope(b"a@b", sender=b"x y@z"),
        replace(envelope(), envid=b"a\0b"),
        replace(envelope(), ret=b"ALL"),
        replace(envelope(), body=b"BINARY"),
        Envelope(sender=b"", recipients=(Recipient(address=b"a@b", orcpt=b"x\0y"),)),
    ],
)
def test_an_envelope_that_could_not_be_sent_is_refused(
    world: World, bad: Envelope
) -> None:
    spool, _, _ = world
    with pytest.raises(InputError):
        spool.submit(bad, [BODY])
    assert names(spool.directories[0].path) == []


def test_a_reader_that_gives_up_leaves_nothing(world: World) -> None:
    spool, _, _ = world

    def data() -> Iterator[bytes]:
        yield BODY * 100_000
        raise InputError("no more")

    before = open_files()
    with pytest.raises(InputError, match="no more"):
        spool.submit(envelope(), data())
    assert names(spool.directories[0].path) == []
    assert open_files() == before


def test_a_failure_at_any_call_queues_nothing(world: World) -> None:
    spool, fs, _ = world
    directory = spool.directories[0]
    draft = Draft(envelope=envelope(), data=[BODY], birth_us=1)
    fs.calls.clear()
    submit(directory, draft)
    count = len([c for c, _ in fs.calls if c in {"open", "write", "fsync", "rename"}])
    assert count > 7
    before = open_files()
    for failing in range(count):
        left = iter([True] * failing + [False])
        fs.broken = {
            call: lambda *_, left=left: not next(left, True)
            for call in ("open", "write", "fsync", "rename")
        }
        with pytest.raises(SpoolUnavailable, match="nothing was queued"):
            submit(directory, draft)
        assert next(left, None) is None, "the call was not reached"
        assert len(names(directory.path)) == 2, f"call {failing} left a file"
        assert open_files() == before


def test_what_cannot_be_taken_back_says_that_it_is_finished(world: World) -> None:
    spool, fs, _ = world
    directory = spool.directories[0]
    renamed: list[str] = []

    def note(_old: str, new: str) -> bool:
        renamed.append(new)
        return False

    fs.broken["rename"] = note
    fs.broken["fsync"] = lambda _: bool(renamed)
    fs.broken["unlink"] = lambda _: True
    with pytest.raises(SpoolUnavailable, match="nothing was queued"):
        put(spool)
    assert list(spool.entries()) == []
    fs.broken = {}
    with pytest.raises(MessageGone):
        claim_message(directory, renamed[0][2:])
    assert names(directory.path) == []


def test_a_short_write_is_continued(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, fs, _ = world
    monkeypatch.setattr(fs, "write", lambda fd, data: os.write(fd, bytes(data)[:7]))
    queue_id = put(spool)
    monkeypatch.undo()
    assert spool.read_data(spool.entry(queue_id)) == BODY
    lock_message(spool.directories[0], queue_id).close()


def test_a_fixed_id_that_is_taken_changes_nothing(world: World) -> None:
    spool, _, _ = world
    directory = spool.directories[0]
    queue_id = put(spool)
    before = {p.name: p.read_bytes() for p in directory.path.iterdir() if p.is_file()}
    draft = Draft(
        envelope=envelope(),
        data=[BODY],
        birth_us=1,
        queue_id=queue_id,
        origin=Origin.DSN,
    )
    with pytest.raises(FileExistsError):
        submit(directory, draft)
    after = {p.name: p.read_bytes() for p in directory.path.iterdir() if p.is_file()}
    assert after == before


def test_a_fixed_id_with_only_a_tf_left_is_not_overwritten(world: World) -> None:
    spool, _, _ = world
    directory = spool.directories[0]
    queue_id = make_id(1)
    (directory.path / f"tf{queue_id}").write_bytes(b"somebody's")
    draft = Draft(envelope=envelope(), data=[BODY], birth_us=1, queue_id=queue_id)
    with pytest.raises(FileExistsError):
        submit(directory, draft)
    assert names(directory.path) == [f"tf{queue_id}"]


def test_the_lock_is_kept_until_the_caller_lets_go(world: World) -> None:
    spool, fs, _ = world
    directory = spool.directories[0]
    draft = Draft(envelope=envelope(), data=[BODY], birth_us=1)
    queue_id, fd = submit_locked(directory, draft)
    with pytest.raises(Exception, match="locked by another process"):
        lock_message(directory, queue_id)
    fs.close(fd)
    lock_message(directory, queue_id).close()


def test_ids_sort_by_time_and_never_repeat() -> None:
    ids = [make_id(us) for us in range(0, 10**15, 10**12) for _ in range(3)]
    assert [i[:11] for i in ids] == sorted(i[:11] for i in ids)
    assert len(set(ids)) == len(ids)


def test_twenty_thousand_recipients_are_two_files_and_four_syncs(world: World) -> None:
    spool, fs, _ = world
    many = [b"user%d@example.net" % i for i in range(20_000)]
    fs.calls.clear()
    queue_id = put(spool, *many)
    assert [call for call, _ in fs.calls if "sync" in call] == ["fsync"] * 4
    entry = spool.entry(queue_id)
    assert [r.address for r in entry.envelope().recipients] == many
    assert len(names(spool.directories[0].path)) == 2


def test_a_full_disk_is_said_and_leaves_nothing(world: World) -> None:
    spool, fs, _ = world
    fs.error = errno.ENOSPC
    fs.broken["write"] = lambda *_: True
    with pytest.raises(SpoolUnavailable, match=r"no space left on device"):
        put(spool)
    assert names(spool.directories[0].path) == []


def a_batch(count: int) -> list[tuple[Envelope, list[bytes]]]:
    return [
        (envelope(b"to%d@example.net" % number), [b"%d: " % number, BODY])
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "syncs"),
    [
        (1, ["fsync"] * 4),
        (FEW, ["fsync"] * (2 * FEW + 2)),
        (FEW + 1, ["syncfs", "fsync"]),
        (MOST_IN_BATCH, ["syncfs", "fsync"]),
    ],
)
def test_a_batch_shares_its_syncs(world: World, count: int, syncs: list[str]) -> None:
    spool, fs, _ = world
    before = open_files()
    fs.calls.clear()
    messages = a_batch(count)
    ids = spool.submit_batch(messages)
    assert [call for call, _ in fs.calls if "sync" in call] == syncs
    assert open_files() == before + 1  # the journal stays open
    assert len(set(ids)) == count
    for queue_id, (given, data) in zip(ids, messages, strict=True):
        entry = spool.entry(queue_id)
        assert entry.envelope() == given
        assert spool.read_data(entry) == b"".join(data)
    lines = (spool.path / "journal" / "delivery.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids


def test_a_batch_gives_each_message_its_own_trace(world: World) -> None:
    spool, _, _ = world
    ids = spool.submit_batch(a_batch(2), lambda queue_id: queue_id.encode() + b"\r\n")
    for queue_id in ids:
        data = spool.read_data(spool.entry(queue_id))
        assert data.startswith(queue_id.encode() + b"\r\n")


def test_one_bad_envelope_refuses_the_batch(world: World) -> None:
    spool, _, _ = world
    bad = (Envelope(sender=b"", recipients=()), [BODY])
    with pytest.raises(InputError):
        spool.submit_batch([*a_batch(2), bad])
    with pytest.raises(InputError, match=r"251 are more than 250"):
        spool.submit_batch(a_batch(MOST_IN_BATCH + 1))
    assert spool.submit_batch([]) == []
    assert names(spool.directories[0].path) == []


@pytest.mark.parametrize("count", [3, FEW + 1])
def test_a_failure_at_any_call_queues_nothing_of_a_batch(
    world: World, count: int
) -> None:
    spool, fs, _ = world
    directory = spool.directories[0]
    drafts = [
        Draft(envelope=each, data=data, birth_us=1) for each, data in a_batch(count)
    ]
    failing = ("open", "write", "fsync", "syncfs", "rename")
    fs.calls.clear()
    stored = set(submit_batch(directory, drafts))
    calls = len([call for call, _ in fs.calls if call in failing])
    before = open_files()
    for number in range(calls):
        left = iter([True] * number + [False])
        fs.broken = {
            call: lambda *_, left=left: not next(left, True) for call in failing
        }
        with pytest.raises(SpoolUnavailable, match="nothing was queued"):
            submit_batch(directory, drafts)
        assert next(left, None) is None, "the call was not reached"
        assert {name[2:] for name in names(directory.path)} == stored
        assert open_files() == before


def test_data_on_another_disk_than_its_control_files_is_synced_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, fs, _ = world
    devices = iter([1, 2])
    monkeypatch.setattr(fs, "fstat", lambda _fd: SimpleNamespace(st_dev=next(devices)))
    directory = spool.directories[0]
    drafts = [
        Draft(envelope=each, data=data, birth_us=1) for each, data in a_batch(FEW + 1)
    ]
    fs.calls.clear()
    submit_batch(directory, drafts)
    synced = [args[0] for call, args in fs.calls if call == "syncfs"]
    assert synced == [directory.df_fd, directory.qf_fd]
