"""Sequence I: mail of other users comes in through drop/, once, and safely."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import resource
import shutil
import socket
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spool.world import (
    BODY,
    FaultyFs,
    as_user,
    envelope,
    make_config,
    names,
    needs_open_python,
    open_files,
    open_world,
    transact,
)
from tuiq.cli import sendmail
from tuiq.clock import SystemClock
from tuiq.errors import InputError, MessageGone, NotQueueUser, SpoolUnavailable
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.mail.outcome import Verdict
from tuiq.spool import control, dropfile, handoff
from tuiq.spool.answers import Result, Target, Verb
from tuiq.spool.check import check_spool
from tuiq.spool.drop import DropSubmitter, Source, forget_source, submit_to_drop
from tuiq.spool.finish import claim_message
from tuiq.spool.fs import OsFs
from tuiq.spool.ingest import (
    BATCH_BYTES,
    Ingested,
    Ingester,
    batches,
)
from tuiq.spool.intake import Intake, open_submission
from tuiq.spool.passes import Pass, Start
from tuiq.spool.setup import Owner, create_spool
from tuiq.spool.spool import Spool, open_spool
from tuiq.spool.submit import FEW
from tuiq.spool.taking import Taker, Taking, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

QUEUE_USER, SUBMITTER, OTHER = 64001, 64002, 64003
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be others")
World = tuple[Spool, FaultyFs, "Ingester"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def world(path: Path) -> Iterator[World]:
    with open_world(path, drop=True, queues=2) as (spool, fs, clock):
        clock.time = path.stat().st_mtime + 1
        yield spool, fs, Ingester(spool)


def drop(path: Path, *addresses: bytes, body: bytes = BODY) -> Path:
    """Hand in a message; return its file."""
    return path / "drop" / submit_to_drop(path, envelope(*addresses), [body])


def written(path: Path, content: bytes, name: str = "m." + "0" * 32) -> Path:
    """Put a file of any content into drop/."""
    file = path / "drop" / name
    file.write_bytes(content)
    return file


def whole(
    envelope: Envelope | None = None, body: bytes = BODY, tmp: Path | None = None
) -> bytes:
    """Return the content of a drop file, without the submitter's own checks."""
    wanted = envelope or Envelope(
        sender=b"a@b.c", recipients=(Recipient(address=b"to@example.net"),)
    )
    with tempfile.TemporaryFile() as file:
        dropfile.write(OsFs(), file.fileno(), wanted, [body])
        file.seek(0)
        return file.read()


def read_all(fd: int, size: int) -> bytes:
    """Read a whole drop file as the ingester does; return its data."""
    limits = make_config(Path("/x")).submission
    parts = dropfile.read(OsFs(), fd, size, limits)
    return b"".join(dropfile.read_data(OsFs(), fd, parts))


def await_later_ctime(file: Path) -> None:
    """Wait until a file made now would be younger than *file*."""
    probe = file.parent.parent / "probe"
    while not probe.exists() or probe.stat().st_ctime_ns <= file.stat().st_ctime_ns:
        probe.touch()


def entries(spool: Spool) -> list[str]:
    return [entry.queue_id for entry in spool.entries()]


def journal(spool: Spool) -> str:
    return (spool.path / "journal" / "delivery.jsonl").read_text()


def test_a_dropped_message_is_queued_as_it_was_with_the_kernels_uid(
    path: Path, world: World
) -> None:
    spool, _, ingester = world
    given_ = Envelope(
        sender=b"a@b.c",
        recipients=(
            Recipient(address="\u00fc@x.y".encode(), orcpt=b"utf-8;x", notify=b"NEVER"),
            Recipient(address=b"z@x.y", notify=b"SUCCESS,DELAY"),
        ),
        ret=b"HDRS",
        envid=b"a+2Bb",
        body=b"8BITMIME",
        smtputf8=True,
        uid=4,
        via=b"forged",
    )
    submit_to_drop(path, given_, [BODY[:5], BODY[5:]])
    done = ingester.ingest()
    ((queue_id, directory),) = done.queued
    entry = spool.entry(queue_id)
    assert (entry.directory, done.problem, done.rejected) == (directory, "", [])
    assert entry.envelope() == replace(given_, uid=os.geteuid(), via=b"drop")
    data = spool.read_data(entry)
    head = f"Received: by mx.example.net (tuiq) id {queue_id} (uid {os.geteuid()});"
    assert data.startswith(head.encode())
    assert data.endswith(b"+0000\r\n" + BODY) or data.endswith(BODY)
    assert names(path / "drop") == []


def test_without_the_setting_no_received_line_is_added(path: Path) -> None:
    with open_world(path, drop=True) as (spool, _, _):
        submission = replace(spool.config.submission, received_header=False)
        spool.config = replace(spool.config, submission=submission)
        drop(path)
        Ingester(spool).ingest()
        (entry,) = spool.entries()
        assert spool.read_data(entry) == BODY


def test_files_come_in_oldest_first(path: Path, world: World) -> None:
    spool, _, ingester = world
    for number in range(5):
        await_later_ctime(drop(path, b"to%d@example.net" % number))
    ids = [queue_id for queue_id, _ in ingester.ingest().queued]
    assert ids == sorted(ids)
    first = [spool.entry(i).envelope().recipients[0].address for i in ids]
    assert first == [b"to%d@example.net" % number for number in range(5)]


def test_a_stop_leaves_the_rest_for_the_next_time(path: Path, world: World) -> None:
    _, _, ingester = world
    drop(path)
    drop(path)
    answers = iter([False, True])
    assert len(ingester.ingest(lambda: next(answers)).queued) == 1
    assert len(ingester.ingest().queued) == 1


def test_a_second_ingester_leaves_the_work_to_the_first(
    path: Path, world: World
) -> None:
    spool, _, ingester = world
    drop(path)
    fd = os.open(path / "drop" / ".lock", os.O_RDWR)
    try:
        OsFs().flock(fd)
        assert ingester.ingest() == Ingested()
        assert entries(spool) == []
    finally:
        os.close(fd)
    assert len(ingester.ingest().queued) == 1


def test_without_a_drop_directory_nothing_is_done(tmp_path: Path) -> None:
    with open_world(tmp_path / "spool") as (spool, _, _):
        assert Ingester(spool).ingest() == Ingested()
        create_spool(tmp_path / "spool", drop=True)
        drop(tmp_path / "spool")
        assert len(Ingester(spool).ingest().queued) == 1


def test_no_drop_directory_names_the_command_that_makes_it(tmp_path: Path) -> None:
    create_spool(tmp_path / "spool")
    with pytest.raises(SpoolUnavailable, match=f"tuiq init --drop {tmp_path}/spool"):
        submit_to_drop(tmp_path / "spool", envelope(), [BODY])


def bad_contents() -> dict[str, tuple[bytes, str]]:
    good = whole()
    flipped = bytearray(good)
    flipped[-35] ^= 1

    def to(address: bytes, **more: bool) -> bytes:
        recipient = Recipient(address=address)
        return whole(Envelope(sender=b"", recipients=(recipient,), **more))  # type: ignore[arg-type]

    nul = good[: handoff.HEAD] + good[handoff.HEAD :].replace(b"to@e", b"to\0@")
    many = tuple(Recipient(address=b"u%d@x.y" % i) for i in range(11))
    return {
        "empty": (b"", "cut short"),
        "cut short": (good[:-1], "cut short"),
        "cut in the data": (good[:-40], "cut short"),
        "another format": (b"X" + good[1:], "first line"),
        "bad checksum": (bytes(flipped), "checksum"),
        "longer than it says": (good + b"more", "cut short"),
        "an envelope too long": (
            good.replace(good[9:17], b"7FFFFFFF", 1),
            "envelope cannot",
        ),
        "nul in an address": (nul, "envelope is not whole|cut short"),
        "line feed in an address": (to(b"a@b\nRCPT TO:<x@y>"), "control"),
        "carriage return in an address": (to(b"a\r@b"), "control"),
        "space in an address": (to(b"a b@c"), "local@domain"),
        "angle bracket in an address": (to(b"a@b> SIZE=1"), "local@domain"),
        "no domain": (to(b"root"), "plain form"),
        "an endless address": (to(b"a" * 2000 + b"@b"), "longer"),
        "8-bit address without smtputf8": (to("\u00fc@b".encode()), "SMTPUTF8"),
        "no UTF-8 address": (to(b"\xff@b", smtputf8=True), "UTF-8"),
        "no recipients": (
            whole(Envelope(sender=b"a@b", recipients=())),
            "envelope is not whole",
        ),
        "too many recipients": (
            whole(Envelope(sender=b"", recipients=many)),
            "11 recipients",
        ),
        "envid with a space": (
            whole(replace(envelope(), envid=b"a b")),
            "envid",
        ),
        "forged notify": (
            whole(
                replace(
                    envelope(), recipients=(Recipient(address=b"a@b", notify=b"X Y"),)
                )
            ),
            "notify",
        ),
        "forged ret": (whole(replace(envelope(), ret=b"ALL")), "ret"),
        "bare line feed": (whole(body=b"a\nb\r\n"), "CR or an LF"),
        "bare carriage return": (whole(body=b"a\rb\r\n"), "CR or an LF"),
        "carriage return at the end": (whole(body=b"a\r\n\r"), "end in CRLF"),
        "no line end": (whole(body=b"a"), "end in CRLF"),
        "no data": (whole(body=b""), "end in CRLF"),
        "nul in the data": (whole(body=b"a\0b\r\n"), "NUL"),
        "too large": (whole(body=b"x" * 70_000 + b"\r\n"), "max_message_bytes"),
    }


BAD = bad_contents()


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_goes_to_reject_with_its_reason(
    what: str, path: Path, world: World
) -> None:
    spool, _, ingester = world
    limits = replace(
        spool.config.submission, max_recipients=10, max_message_bytes=65_536
    )
    spool.config = replace(spool.config, submission=limits)
    content, reason = BAD[what]
    file = written(path, content)
    drop(path)
    spool.drop_fd()  # stays open
    before = open_files()
    done = ingester.ingest()
    assert open_files() <= before + 1  # the journal
    assert done.rejected == [file.name]
    assert len(done.queued) == 1, "the good one behind it was not taken"
    assert done.problem == ""
    rejected, why = names(path / "reject")
    assert (path / "reject" / rejected).read_bytes() == content
    assert why == f"{rejected}.reason"
    text = (path / "reject" / why).read_text()
    assert re.search(reason, text), text
    assert file.name in journal(spool)
    assert names(path / "drop") == []
    for directory in spool.directories:
        left = names(directory.path)
        assert len([n for n in left if n.startswith("df")]) == len(
            [n for n in left if n.startswith("qf")]
        )


@given(cut=st.integers(0, len(whole()) - 1))
def test_no_shorter_file_is_taken_for_a_whole_one(cut: int) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(whole()[:cut])
        file.flush()
        assert not dropfile.has_end(OsFs(), file.fileno(), cut)


@given(
    at=st.integers(0, len(whole()) - 1),
    byte=st.integers(0, 255),
)
def test_no_changed_byte_goes_unnoticed(at: int, byte: int) -> None:
    content = bytearray(whole())
    if content[at] == byte:
        return
    content[at] = byte
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        with pytest.raises(InputError):
            read_all(file.fileno(), len(content))


@given(
    st.lists(
        st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b".", b"\0"]), max_size=12
    ).map(b"".join)
)
def test_only_wire_form_is_read_whatever_the_block_size(body: bytes) -> None:
    inner = body.replace(b"\r\n", b"")
    good = body.endswith(b"\r\n") and not set(inner) & set(b"\r\n\0")
    content = whole(body=body)
    with tempfile.TemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(dropfile, "_BLOCK", 3)
        file.write(content)
        file.flush()
        if good:
            assert read_all(file.fileno(), len(content)) == body
        else:
            with pytest.raises(InputError):
                read_all(file.fileno(), len(content))


def plant_symlink(file: Path) -> None:
    file.symlink_to("/etc/hostname")


def plant_hard_link(file: Path) -> None:
    outside = file.parent.parent / "outside"
    outside.write_bytes(whole())
    os.link(outside, file)


def plant_fifo(file: Path) -> None:
    os.mkfifo(file)


def plant_directory(file: Path) -> None:
    file.mkdir()


def plant_socket(file: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        here = Path.cwd()
        os.chdir(file.parent)  # the path of a socket is short
        try:
            listener.bind(file.name)
        finally:
            os.chdir(here)


def plant_foreign_name(file: Path) -> None:
    file.with_name("m.\x1b[31m").write_bytes(whole())


@pytest.mark.parametrize(
    "plant",
    [
        plant_symlink,
        plant_hard_link,
        plant_fifo,
        plant_directory,
        plant_socket,
        plant_foreign_name,
    ],
)
def test_what_is_no_mail_is_left_and_told_once(
    plant: Callable[[Path], None], path: Path, world: World
) -> None:
    spool, _, ingester = world
    plant(path / "drop" / ("m." + "0" * 32))
    left = names(path / "drop")
    drop(path)
    assert len(ingester.ingest().queued) == 1
    assert ingester.ingest() == Ingested()
    assert names(path / "drop") == left
    told = [line for line in journal(spool).splitlines() if '"damaged"' in line]
    assert len(told) == 1
    assert "see tuiq check" in told[0]
    assert "\x1b" not in told[0]


def test_a_planted_lock_stops_nothing_but_ingesting(path: Path, world: World) -> None:
    _, _, ingester = world
    (path / "drop" / ".lock").unlink()
    os.mkfifo(path / "drop" / ".lock")
    drop(path)
    done = ingester.ingest()
    assert not done.queued
    assert ".lock" in done.problem


# -- crashes -------------------------------------------------------------------


def crash_after_commit(path: Path, spool: Spool, fs: FaultyFs) -> tuple[Path, str]:
    """Leave a drop file and its message, as an ingester killed in between does."""
    file = drop(path)
    fs.broken["unlink"] = lambda name: name == file.name
    done = Ingester(spool).ingest()
    fs.broken.clear()
    assert file.exists()
    assert done.problem
    ((queue_id, _),) = done.queued
    return file, queue_id


def test_a_file_whose_message_exists_is_only_removed(path: Path, world: World) -> None:
    spool, fs, ingester = world
    file, queue_id = crash_after_commit(path, spool, fs)
    fs.calls.clear()
    assert ingester.ingest() == Ingested()
    assert not file.exists()
    assert entries(spool) == [queue_id]
    syncs = [call for call, _ in fs.calls if call in {"fsync", "unlink"}]
    assert syncs == ["fsync", "unlink", "fsync"], "the message's name was not synced"


def test_a_claim_removes_the_file_durably_before_anything_is_sent(
    path: Path, world: World
) -> None:
    spool, fs, ingester = world
    file, queue_id = crash_after_commit(path, spool, fs)
    directory = spool.find(queue_id)
    assert directory is not None
    visit = Pass(claim_message(directory, queue_id), spool.site)
    fs.calls.clear()
    assert visit.start() is Start.READY
    assert not file.exists()
    done = [call for call, _ in fs.calls if call in {"fsync", "unlink", "pwrite"}]
    assert done[:3] == ["fsync", "unlink", "fsync"]
    transact(visit, [Verdict.DELIVERED])
    visit.end()
    visit.abandon()
    assert ingester.ingest() == Ingested()


def test_a_delete_removes_the_file_too(path: Path, world: World) -> None:
    spool, fs, ingester = world
    file, queue_id = crash_after_commit(path, spool, fs)
    (answer,) = spool.operate(Verb.PURGE, [Target(queue_id=queue_id)])
    assert answer.result is Result.ACTED
    with pytest.raises(MessageGone):
        spool.entry(queue_id)
    assert not file.exists()
    assert ingester.ingest() == Ingested()


def test_an_unlink_that_was_not_synced_is_synced_by_the_claim(
    path: Path, world: World
) -> None:
    spool, fs, _ = world
    file, queue_id = crash_after_commit(path, spool, fs)
    file.unlink()
    directory = spool.find(queue_id)
    assert directory is not None
    claim = claim_message(directory, queue_id)
    fs.calls.clear()
    forget_source(claim, spool.drop_fd())
    assert fs.calls == [("fsync", (spool.drop_fd(),))]
    claim.put_number(control.TRIES, 4, 1)
    fs.calls.clear()
    forget_source(claim, spool.drop_fd())
    assert fs.calls == [], "each later claim would sync again"
    claim.close()


def test_a_claim_leaves_a_newer_file_of_the_same_name_alone(
    path: Path, world: World
) -> None:
    spool, fs, ingester = world
    file, queue_id = crash_after_commit(path, spool, fs)
    file.unlink()
    file.write_bytes(whole())
    directory = spool.find(queue_id)
    assert directory is not None
    claim = claim_message(directory, queue_id)
    forget_source(claim, spool.drop_fd())
    claim.close()
    assert file.exists()
    assert len(ingester.ingest().queued) == 1


def test_a_message_finished_during_the_copy_does_not_come_back(
    path: Path, world: World
) -> None:
    spool, _, ingester = world
    file = drop(path)

    def stolen(*_args: object) -> bool:
        file.unlink(missing_ok=True)
        return False

    spool_fs = spool.fs
    assert isinstance(spool_fs, FaultyFs)
    spool_fs.broken["write"] = stolen
    assert ingester.ingest() == Ingested()
    assert entries(spool) == []
    assert all(names(directory.path) == [] for directory in spool.directories)


def test_the_files_name_is_durable_before_its_message_is(
    path: Path, world: World
) -> None:
    _, fs, ingester = world
    drop(path)
    fs.calls.clear()
    ingester.ingest()
    synced = [args[0] for call, args in fs.calls if call == "fsync"]
    at = next(i for i, (call, _) in enumerate(fs.calls) if call == "rename")
    before = [args[0] for call, args in fs.calls[:at] if call == "fsync"]
    assert ingester._drop_fd in before
    assert ingester._drop_fd in synced[len(before) :]


def test_a_submission_that_failed_at_its_commit_is_not_taken_for_the_message(
    path: Path, world: World
) -> None:
    spool, fs, ingester = world
    file = drop(path)
    renamed: list[str] = []

    def note(old: str, new: str) -> bool:
        renamed.append(new)
        return False

    fs.broken["rename"] = note
    fs.broken["fsync"] = lambda _fd: bool(renamed)
    fs.broken["unlink"] = lambda _name: True
    assert ingester.ingest().problem
    fs.broken.clear()
    assert renamed
    assert file.exists()
    ((queue_id, _),) = ingester.ingest().queued
    assert renamed == [f"qf{queue_id}"]
    assert spool.entry(queue_id).states == b"T"
    assert entries(spool) == [queue_id]
    assert not file.exists()


def test_what_a_killed_ingester_left_half_written_is_written_anew(
    path: Path, world: World
) -> None:
    spool, _, ingester = world
    file = drop(path)
    queue_id = Source.of(file.name, file.stat()).queue_id
    for directory in spool.directories:
        (directory.path / f"df{queue_id}").write_bytes(b"half")
        (directory.path / f"tf{queue_id}").write_bytes(b"half")
    assert [found for found, _ in ingester.ingest().queued] == [queue_id]
    assert spool.entry(queue_id).states == b"T"


def test_a_full_queue_leaves_the_files_where_they_are(path: Path, world: World) -> None:
    spool, fs, ingester = world
    file = drop(path)
    fs.broken["write"] = lambda *_: True
    done = ingester.ingest()
    assert not done.queued
    assert "cannot store" in done.problem
    assert file.exists()
    fs.broken.clear()
    assert len(ingester.ingest().queued) == 1
    assert len(entries(spool)) == 1


# -- batches -------------------------------------------------------------------


def count(fs: FaultyFs, call: str) -> int:
    return sum(1 for name, _ in fs.calls if name == call)


@pytest.mark.parametrize("number", [FEW, FEW + 1, 60])
def test_what_waits_is_taken_in_with_shared_syncs_and_each_file_under_its_own_id(
    number: int, path: Path, world: World
) -> None:
    spool, fs, ingester = world
    bodies = {drop(path, body=b"%d\r\n" % n).name: b"%d\r\n" % n for n in range(number)}
    ids = {
        Source.of(name, (path / "drop" / name).stat()).queue_id: body
        for name, body in bodies.items()
    }
    spool.drop_fd()
    before = open_files()
    fs.calls.clear()
    done = ingester.ingest()
    assert open_files() <= before + 1  # the journal
    assert {queue_id for queue_id, _ in done.queued} == set(ids)
    syncs = 3 * number + 4 if number <= FEW else 2
    assert (count(fs, "fsync"), count(fs, "syncfs")) == (syncs, int(number > FEW))
    for entry in spool.entries():
        assert entry.states == b"T"
        assert spool.read_data(entry).endswith(b"\r\n" + ids[entry.queue_id])
    assert journal(spool).count('"queued"') == number
    assert names(path / "drop") == []


def test_nothing_is_unlinked_before_all_names_of_its_batch_are_durable(
    path: Path, world: World
) -> None:
    _, fs, ingester = world
    for _ in range(3):
        drop(path)
    fs.calls.clear()
    assert len(ingester.ingest().queued) == 3
    steps = [call for call, _ in fs.calls if call in {"rename", "fsync", "unlink"}]
    assert steps[-8:] == ["rename"] * 3 + ["fsync"] + ["unlink"] * 3 + ["fsync"]


def test_a_batch_has_few_files_and_few_bytes() -> None:
    def files(*sizes: int) -> list[Waiting]:
        return [Waiting(ctime_ns=n, name="", size=s) for n, s in enumerate(sizes)]

    def cut(*sizes: int, most: int = 3) -> list[list[int]]:
        return [[f.size for f in batch] for batch in batches(files(*sizes), most)]

    assert cut() == []
    assert cut(1, 2, 3, 4) == [[1, 2, 3], [4]]
    assert cut(BATCH_BYTES - 1, 1, 1) == [[BATCH_BYTES - 1, 1], [1]]
    assert cut(1, BATCH_BYTES + 1, 1) == [[1], [BATCH_BYTES + 1], [1]]


def test_large_mail_is_copied_without_holding_it_in_memory(
    path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, _, ingester = world
    monkeypatch.setattr("tuiq.spool.ingest.BATCH_BYTES", 1024)
    held: list[bool] = []
    look = Taker.look

    def spy(self: Taker, *args: Any, in_memory: bool) -> Taking | None:
        held.append(in_memory)
        return look(self, *args, in_memory=in_memory)

    monkeypatch.setattr(Taker, "look", spy)
    for body in (BODY, BODY, b"x" * 2000 + b"\r\n", BODY):
        await_later_ctime(drop(path, body=body))
    assert len(ingester.ingest().queued) == 4
    assert held == [True, True, False, False]
    assert len(entries(spool)) == 4


def test_bad_files_neither_split_a_batch_nor_lose_the_others(
    path: Path, world: World
) -> None:
    spool, fs, ingester = world
    for number, what in enumerate(["bad checksum", "nul in the data", "no domain"]):
        drop(path)
        written(path, BAD[what][0], f"m.{number:032}")
    drop(path)
    fs.calls.clear()
    done = ingester.ingest()
    assert (len(done.queued), len(done.rejected), done.problem) == (4, 3, "")
    assert len(entries(spool)) == 4
    steps = [call for call, _ in fs.calls if call in {"rename", "unlink"}]
    assert steps[-8:] == ["rename"] * 4 + ["unlink"] * 4, "not one batch"


def test_one_file_in_the_way_leaves_the_others_of_its_batch_taken_one_by_one(
    path: Path, world: World
) -> None:
    spool, _, ingester = world
    files = [drop(path) for _ in range(4)]
    queue_id = Source.of(files[1].name, files[1].stat()).queue_id
    with contextlib.ExitStack() as busy:
        for directory in spool.directories:  # somebody is writing a message there
            fd = os.open(directory.path / f"df{queue_id}", os.O_RDWR | os.O_CREAT)
            busy.callback(os.close, fd)
            OsFs().flock(fd)
        done = ingester.ingest()
        assert (len(done.queued), done.rejected) == (3, [])
        assert names(path / "drop") == [files[1].name]
    assert [found for found, _ in ingester.ingest().queued] == [queue_id]
    assert len(entries(spool)) == 4


def test_a_disk_too_full_for_a_batch_takes_what_it_can_one_by_one(
    path: Path, world: World
) -> None:
    spool, fs, ingester = world
    for _ in range(3):
        drop(path)
    controls: list[str] = []

    def is_full(name: str, flags: int) -> bool:
        if not (name.startswith("tf") and flags & os.O_EXCL):
            return False
        controls.append(name)
        return len(controls) in {2, 5}  # of the batch, then of the last one alone

    fs.error = errno.ENOSPC
    fs.broken["open"] = is_full
    done = ingester.ingest()
    assert len(done.queued) == 2
    assert "no space left" in done.problem
    assert len(names(path / "drop")) == 1
    fs.broken.clear()
    assert len(ingester.ingest().queued) == 1
    assert len(entries(spool)) == 3
    assert names(path / "drop") == []


def test_a_batch_that_could_not_remove_its_files_is_not_queued_again(
    path: Path, world: World
) -> None:
    spool, fs, ingester = world
    files = [drop(path) for _ in range(3)]
    fs.broken["unlink"] = lambda name: name == files[1].name
    done = ingester.ingest()
    assert len(done.queued) == len(entries(spool)) == 3
    assert files[1].name in done.problem
    assert names(path / "drop") == [files[1].name]
    fs.broken.clear()
    assert ingester.ingest() == Ingested()
    assert len(entries(spool)) == 3
    assert names(path / "drop") == []


def test_few_descriptors_make_small_batches_and_lose_nothing(
    path: Path, world: World
) -> None:
    spool, _, ingester = world
    for _ in range(30):
        drop(path)
    spool.drop_fd()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest_fd() + 20, limits[1]))
    try:
        done = ingester.ingest()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert (len(done.queued), done.problem) == (30, "")


def highest_fd() -> int:
    return max(int(fd) for fd in os.listdir("/proc/self/fd"))


def test_a_stop_within_a_batch_takes_what_was_looked_at_and_says_so(
    path: Path, world: World
) -> None:
    _, _, ingester = world
    for _ in range(3):
        drop(path)
    answers = iter([False, False, True])
    done = ingester.ingest(lambda: next(answers))
    assert (len(done.queued), done.stopped) == (2, True)
    done = ingester.ingest()
    assert (len(done.queued), done.stopped) == (1, False)


def test_a_drop_directory_on_another_file_system_is_synced_too(
    path: Path, world: World
) -> None:
    spool, _, _ = world
    for _ in range(FEW + 1):
        drop(path)

    class Elsewhere(FaultyFs):
        def fstat(self, fd: int) -> os.stat_result:
            info = super().fstat(fd)
            place = os.readlink(f"/proc/self/fd/{fd}")
            if "/drop" not in place:
                return info
            return os.stat_result(
                (*info[:2], info.st_dev + 1, *info[3:]), info_of(info)
            )

    def info_of(info: os.stat_result) -> dict[str, int]:
        return {"st_ctime_ns": info.st_ctime_ns, "st_mtime_ns": info.st_mtime_ns}

    elsewhere = Elsewhere()
    spool.fs = elsewhere
    for directory in spool.directories:
        directory.fs = elsewhere
    assert len(Ingester(spool).ingest().queued) == FEW + 1
    assert count(elsewhere, "syncfs") == 2


# -- left-over t. files --------------------------------------------------------


def test_a_complete_file_that_nobody_renamed_counts_after_a_while(
    path: Path,
) -> None:
    with open_world(path, drop=True) as (spool, _, clock):
        file = written(path, whole(), "t." + "a" * 32)
        ingester = Ingester(spool)
        clock.time = file.stat().st_ctime + 14 * 60
        assert ingester.ingest() == Ingested()
        clock.time = file.stat().st_ctime + 16 * 60
        fd = os.open(file, os.O_RDWR)
        OsFs().flock(fd)
        assert ingester.ingest() == Ingested(), "its writer is alive"
        os.close(fd)
        assert len(ingester.ingest().queued) == 1
        assert not file.exists()


def test_an_incomplete_file_is_garbage_after_a_day(path: Path) -> None:
    with open_world(path, drop=True) as (spool, _, clock):
        file = written(path, whole()[:-1], "t." + "a" * 32)
        ingester = Ingester(spool)
        clock.time = file.stat().st_ctime + 23 * 3600
        assert ingester.ingest() == Ingested()
        assert file.exists()
        clock.time = file.stat().st_ctime + 25 * 3600
        assert ingester.ingest() == Ingested()
        assert not file.exists()
        assert entries(spool) == []


# -- the submitter -------------------------------------------------------------


def test_a_failed_hand_in_leaves_nothing(path: Path) -> None:
    create_spool(path, drop=True)

    def data() -> Iterator[bytes]:
        yield BODY
        raise InputError("no more")

    before = open_files()
    with pytest.raises(InputError, match="no more"):
        submit_to_drop(path, envelope(), data())
    with pytest.raises(InputError, match="plain form"):
        submit_to_drop(path, envelope(b"nobody"), [BODY])
    assert names(path / "drop") == []
    assert open_files() == before


def test_below_the_floor_nothing_is_handed_in(path: Path) -> None:
    create_spool(path, drop=True)
    config = make_config(path)
    full = replace(
        config.spool, min_free_percent=99.0, min_free_bytes=1 << 60, min_free_inodes=0
    )
    target = DropSubmitter(replace(config, spool=full))
    with pytest.raises(SpoolUnavailable, match=r"drop: only .* free, the floor is"):
        target.submit(envelope(), [BODY])
    assert names(path / "drop") == []


def test_the_queue_user_submits_to_the_queue_itself(path: Path) -> None:
    create_spool(path, drop=True)
    config = make_config(path)
    with open_submission(config) as target:
        assert isinstance(target, Intake)
        queue_id = target.submit(envelope(), [BODY])
    assert names(path / "q.1") == [f"df{queue_id}", f"qf{queue_id}"]


# -- T9: the uid matrix --------------------------------------------------------


@pytest.fixture
def public() -> Iterator[Path]:
    """Yield a spool of QUEUE_USER at a path that everybody can pass through."""
    top = Path(tempfile.mkdtemp(prefix="tuiq-uid-"))
    try:
        top.chmod(0o755)
        owner = Owner(uid=QUEUE_USER, gid=QUEUE_USER)
        create_spool(top / "spool", drop=True, owner=owner)
        yield top / "spool"
    finally:
        shutil.rmtree(top)


def ingest_as_queue_user(
    spool: Path,
) -> tuple[Ingested, list[tuple[int | None, bytes]]]:
    def work() -> tuple[Ingested, list[tuple[int | None, bytes]]]:
        with Spool(make_config(spool)) as opened:
            done = Ingester(opened).ingest()
            found = [(e.uid, opened.read_data(e)) for e in opened.entries()]
            return done, found

    return as_user(QUEUE_USER, work)


@needs_root
@pytest.mark.parametrize("umask", [0o077, 0o777, 0o000])
def test_a_foreign_user_of_any_umask_gets_mail_in(public: Path, umask: int) -> None:
    def work() -> str:
        with open_submission(make_config(public)) as target:
            assert isinstance(target, DropSubmitter)
            return target.submit(envelope(), [BODY], lambda _id: b"X-Forged: yes\r\n")

    name = as_user(SUBMITTER, work, umask=umask)
    info = (public / "drop" / name).stat()
    assert (info.st_uid, info.st_gid) == (SUBMITTER, QUEUE_USER)
    assert oct(info.st_mode & 0o7777) == oct(0o640)
    done, found = ingest_as_queue_user(public)
    assert (len(done.queued), done.problem) == (1, "")
    ((uid, data),) = found
    assert uid == SUBMITTER
    assert f"(uid {SUBMITTER})".encode() in data
    assert b"X-Forged" not in data
    assert names(public / "drop") == []


@needs_root
def test_sendmail_works_for_a_foreign_user(
    public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = public / "tuiq.toml"
    settings.write_text('[spool]\nqueues = "q.*"\nmin_free_percent = 0\n')
    settings.chmod(0o644)
    monkeypatch.setenv("TUIQ_CONFIG", str(settings))

    def work() -> int:
        mail = io.BytesIO(b"Subject: x\n\nhello\n")
        argv = ["sendmail", "-i", "-f", "me@example.org", "to@example.net"]
        return sendmail.run(argv, mail, opener=open_submission)

    assert as_user(SUBMITTER, work) == 0
    done, ((uid, data),) = ingest_as_queue_user(public)
    assert (len(done.queued), uid) == (1, SUBMITTER)
    assert data.count(b"Received: ") == 1
    assert data.endswith(b"\r\n\r\nhello\r\n")


@needs_root
def test_a_foreign_user_without_drop_learns_the_command(public: Path) -> None:
    shutil.rmtree(public / "drop")

    def work() -> None:
        with open_submission(make_config(public)) as target:
            target.submit(envelope(), [BODY])

    with pytest.raises(SpoolUnavailable, match=r"tuiq init --drop /"):
        as_user(SUBMITTER, work)


@needs_root
def test_a_foreign_user_cannot_open_the_spool(public: Path) -> None:
    def work() -> str:
        try:
            open_spool(make_config(public))
        except NotQueueUser as error:
            return str(error)
        return ""

    assert str(SUBMITTER) in as_user(SUBMITTER, work)


@needs_root
def test_a_check_by_a_foreign_user_does_not_speak_of_missing_directories(
    public: Path,
) -> None:
    def work() -> None:
        list(check_spool(make_config(public), SystemClock()))

    with pytest.raises(NotQueueUser, match=f"not open to uid {SUBMITTER}"):
        as_user(SUBMITTER, work)


@needs_root
def test_root_does_not_become_a_user_who_cannot_read_tuiq(
    public: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed = tmp_path / "os.py"
    closed.touch(0o600)
    monkeypatch.setattr(os, "__file__", str(closed))

    def work() -> None:
        os.setresuid(0, 0, 0)
        open_spool(make_config(public))

    with pytest.raises(SpoolUnavailable, match=f"uid {QUEUE_USER}, the queue user"):
        as_user(0, work)


@needs_open_python
def test_root_submits_and_opens_as_the_queue_user(public: Path) -> None:
    def work() -> tuple[int, int, int]:
        os.setresuid(0, 0, 0)
        with open_submission(make_config(public)) as target:
            target.submit(envelope(), [BODY])
        return os.getuid(), os.getgid(), len(os.getgroups())

    assert as_user(0, work) == (QUEUE_USER, QUEUE_USER, 1)
    files = [p for p in (public / "q.1").iterdir() if p.name[:2] in {"qf", "df"}]
    assert {(p.stat().st_uid, p.stat().st_mode & 0o777) for p in files} == {
        (QUEUE_USER, 0o600)
    }


@needs_root
def test_other_users_cannot_list_read_remove_or_rename_a_drop_file(
    public: Path,
) -> None:
    name = as_user(SUBMITTER, lambda: submit_to_drop(public, envelope(), [BODY]))
    file = public / "drop" / name

    def refused(work: Callable[[], object]) -> bool:
        def attempt() -> bool:
            try:
                work()
            except PermissionError:
                return True
            return False

        return as_user(OTHER, attempt)

    assert refused(lambda: os.listdir(public / "drop"))
    assert refused(lambda: os.listdir(public))
    assert refused(file.read_bytes)
    assert refused(file.unlink)
    assert refused(lambda: file.rename(file.with_name("m." + "f" * 32)))
    assert refused(lambda: os.rename(file, file.with_name("m." + "f" * 32)))
    assert refused(lambda: (public / "drop" / ".lock").read_bytes())
    assert refused((public / "drop" / ".lock").unlink)
    assert file.exists()


@needs_root
def test_a_foreign_file_that_the_queue_user_may_not_read_is_rejected(
    public: Path,
) -> None:
    file = public / "drop" / ("m." + "0" * 32)
    as_user(SUBMITTER, lambda: file.write_bytes(whole()))
    assert file.stat().st_mode & 0o777 == 0o600
    done, found = ingest_as_queue_user(public)
    assert (done.rejected, done.problem, found) == ([file.name], "", [])
    rejected, _ = names(public / "reject")
    assert (public / "reject" / rejected).stat().st_uid == SUBMITTER


@needs_root
@pytest.mark.parametrize(
    "plant", [plant_symlink, plant_fifo, plant_directory, plant_foreign_name]
)
def test_nothing_that_a_foreign_user_plants_stops_the_mail(
    plant: Callable[[Path], None], public: Path
) -> None:
    as_user(SUBMITTER, lambda: plant(public / "drop" / ("m." + "0" * 32)))
    as_user(OTHER, lambda: submit_to_drop(public, envelope(), [BODY]))
    done, found = ingest_as_queue_user(public)
    assert (len(done.queued), done.problem) == (1, "")
    assert [uid for uid, _ in found] == [OTHER]
    assert len(names(public / "drop")) == 1


@needs_root
def test_a_hard_link_of_a_foreign_user_is_left(public: Path) -> None:
    home = public.parent / "home"
    home.mkdir()
    os.chown(home, SUBMITTER, SUBMITTER)

    def work() -> None:
        (home / "mine").write_bytes(whole())
        os.link(home / "mine", public / "drop" / ("m." + "0" * 32))

    as_user(SUBMITTER, work)
    done, found = ingest_as_queue_user(public)
    assert (done, found) == (Ingested(), [])
    assert names(public / "drop") == ["m." + "0" * 32]
