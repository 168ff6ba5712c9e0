"""Suspect directories: after a failed sync nothing is believed until it is redone."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from tests.spool.world import (
    FaultyFs,
    SetClock,
    envelope,
    names,
    open_files,
    open_world,
    put,
    states,
)
from tuiq.errors import SpoolUnavailable
from tuiq.spool import control
from tuiq.spool.answers import Result, Target, Verb
from tuiq.spool.claim import lock_message
from tuiq.spool.flags import RState
from tuiq.spool.spool import Spool
from tuiq.spool.suspect import (
    BLOCK,
    clear_suspect,
    holder_bytes,
    is_marked,
    mark_suspect,
    sharers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

World = tuple[Spool, FaultyFs, SetClock]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path / "spool", queues=2) as opened:
        yield opened


def control_file(spool: Spool, queue_id: str) -> Path:
    directory = spool.find(queue_id)
    assert directory is not None
    return directory.path / f"qf{queue_id}"


def test_a_marker_is_durable_and_says_why(world: World) -> None:
    spool, fs, _ = world
    directory = spool.directories[0]
    fs.calls.clear()
    mark_suspect(spool.run_fd, directory, "input/output error\x1b[2J")
    (marker,) = (spool.path / "run").glob("suspect.*")
    assert marker.name == f"suspect.{directory.uuid}"
    assert "a sync failed (input/output error" in marker.read_text()
    assert "\x1b" not in directory.blocked
    order = [call for call, _ in fs.calls if call != "write"]
    assert order == ["open", "fsync", "fsync"]
    assert is_marked(spool.run_fd, directory)
    assert not is_marked(spool.run_fd, spool.directories[1])


def test_a_marker_that_cannot_be_written_blocks_all_the_same(world: World) -> None:
    spool, fs, _ = world
    fs.broken["open"] = lambda *_: True
    mark_suspect(spool.run_fd, spool.directories[0], "gone")
    assert spool.directories[0].blocked
    assert not list((spool.path / "run").glob("suspect.*"))


def test_all_directories_of_the_file_system_are_suspect(world: World) -> None:
    spool, _, _ = world
    assert sharers(spool.directories[0], spool.directories) == spool.directories
    spool.suspect(spool.directories[1], "oops")
    assert all(directory.blocked for directory in spool.directories)
    with pytest.raises(SpoolUnavailable, match="a sync failed"):
        put(spool)


def test_another_process_takes_no_mail_into_a_suspect_directory(world: World) -> None:
    spool, _, _ = world
    mark_suspect(spool.run_fd, spool.directories[0], "oops")
    with Spool(spool.config) as other:
        ids = [put(other) for _ in range(6)]
        assert {other.entry(i).directory for i in ids} == {"q.2"}


def test_clearing_writes_a_byte_of_each_block_and_changes_none(world: World) -> None:
    spool, fs, _ = world
    many = [b"to%d@example.net" % i for i in range(1000)]
    queue_id = put(spool, *many)
    file = control_file(spool, queue_id)
    directory = spool.find(queue_id)
    assert directory is not None
    with file.open("r+b") as opened:
        opened.seek(control.slot_at(999))
        opened.write(b"DH")
    os.utime(file, ns=(1, 12_345_678_900_000_000))
    before = file.read_bytes()
    mark_suspect(spool.run_fd, directory, "oops")
    fs.calls.clear()
    assert clear_suspect(spool.run_fd, directory).is_done
    assert file.read_bytes() == before
    assert file.stat().st_mtime_ns == 12_345_678_900_000_000
    writes = [args for call, args in fs.calls if call == "pwrite"]
    assert {offset // BLOCK for _, _, offset in writes} == set(
        range(-(-control.slot_at(1000) // BLOCK))
    )
    assert all(len(data) == 1 for _, data, _ in writes)
    assert not is_marked(spool.run_fd, directory)
    assert directory.blocked == ""
    order = [call for call, _ in fs.calls if call in {"fsync", "unlink"}]
    assert order == ["fsync", "fsync", "unlink", "fsync"]


def test_the_bytes_rewritten_are_the_lock_holders() -> None:
    for count in (1, 95, 96, 97, 1000):
        offsets = holder_bytes(count)
        assert offsets[0] == control.MSTATE
        assert all((at - control.SLOTS) % control.SLOT == 0 for at in offsets[1:])
        assert offsets[-1] < control.slot_at(count)


def test_a_busy_message_keeps_the_marker(world: World) -> None:
    spool, _, _ = world
    queue_id = put(spool)
    directory = spool.find(queue_id)
    assert directory is not None
    mark_suspect(spool.run_fd, directory, "oops")
    claim = lock_message(directory, queue_id)
    cleared = clear_suspect(spool.run_fd, directory)
    assert (cleared.busy, cleared.is_done) == ([queue_id], False)
    assert is_marked(spool.run_fd, directory)
    assert directory.blocked
    claim.close()
    assert clear_suspect(spool.run_fd, directory).is_done


def test_a_disk_that_still_fails_keeps_the_marker(world: World) -> None:
    spool, fs, _ = world
    queue_id = put(spool)
    directory = spool.find(queue_id)
    assert directory is not None
    mark_suspect(spool.run_fd, directory, "oops")
    before = open_files()
    fs.broken["fsync"] = lambda _: True
    cleared = clear_suspect(spool.run_fd, directory)
    assert "input/output error" in cleared.problem.lower()
    assert is_marked(spool.run_fd, directory)
    assert open_files() == before
    fs.broken.clear()
    assert clear_suspect(spool.run_fd, directory).is_done


def test_a_damaged_file_does_not_keep_the_directory_suspect(world: World) -> None:
    spool, _, _ = world
    queue_id = put(spool)
    directory = spool.find(queue_id)
    assert directory is not None
    bad = control_file(spool, queue_id).with_name("qf" + "0" * 19)
    bad.write_bytes(b"not a control file")
    link = bad.with_name("qf" + "1" * 19)
    link.symlink_to("/etc/hostname")
    mark_suspect(spool.run_fd, directory, "oops")
    assert clear_suspect(spool.run_fd, directory).is_done
    assert bad.read_bytes() == b"not a control file"


def test_a_verb_whose_sync_fails_takes_its_answer_back(world: World) -> None:
    spool, fs, _ = world
    targets = [Target(queue_id=put(spool)) for _ in range(50)]
    before = open_files()
    # Few are synced one by one; of many, at least one directory's share by syncfs;
    # of what is removed, the names.
    for verb, calls, chosen in (
        (Verb.HOLD, ["fdatasync"], targets[:3]),
        (Verb.DELETE, ["fdatasync", "syncfs"], targets[3:]),
        (Verb.PURGE, ["fsync"], targets[3:]),
    ):
        fs.broken = dict.fromkeys(calls, lambda *_: True)
        answers = list(spool.operate(verb, chosen))
        assert {answer.result for answer in answers} == {Result.REFUSED}
        assert "the disk may have lost it" in answers[0].text
        assert all(directory.blocked for directory in spool.directories)
        assert len(list((spool.path / "run").glob("suspect.*"))) == 2
    assert "syncfs" in {call for call, _ in fs.calls}
    assert open_files() == before
    for directory in spool.directories:
        left = names(directory.path)
        assert all(f"df{n[2:]}" in left for n in left if n.startswith("qf"))


def test_a_failed_sync_of_a_submission_queues_nothing(world: World) -> None:
    spool, fs, _ = world
    before = open_files()
    for number in range(5):
        count = iter(range(number))
        fs.broken["fsync"] = lambda _fd, count=count: next(count, None) is None
        fs.error = errno.EIO
        if number < 4:
            with pytest.raises(SpoolUnavailable, match="nothing was queued"):
                spool.submit(envelope(), [b"x\r\n"])
            assert list(spool.entries()) == []
            assert all(names(d.path) == [] for d in spool.directories)
        else:
            assert states(spool, spool.submit(envelope(), [b"x\r\n"])) == bytes(
                RState.TODO
            )
    assert open_files() <= before + 1  # the journal
