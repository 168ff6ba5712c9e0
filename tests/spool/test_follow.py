"""Following the journal counts every message once, across rotations."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tuiq.clock import SystemClock
from tuiq.config import JournalConfig
from tuiq.spool.follow import Follower
from tuiq.spool.fs import OsFs
from tuiq.spool.journal import FILE, Event, Kind
from tuiq.spool.journal_writer import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUEUED = Event(kind=Kind.QUEUED, queue_id="A", text='"event":"queued"')
OTHER = Event(kind=Kind.DELIVERED, queue_id="A", text='"event":"queued"')


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    fd = os.open(tmp_path, os.O_RDONLY)
    journal = Journal(OsFs(), fd, JournalConfig(), SystemClock())
    yield journal
    journal.close()
    os.close(fd)


def test_only_what_is_queued_after_the_beginning_counts(
    tmp_path: Path, journal: Journal
) -> None:
    journal.append([QUEUED])
    follower = Follower(tmp_path)
    assert follower.poll() == 0
    journal.append([QUEUED, OTHER, QUEUED])
    assert follower.poll() == 2
    assert follower.poll() == 0


def test_who_goes_on_where_another_was_misses_nothing(
    tmp_path: Path, journal: Journal
) -> None:
    journal.append([QUEUED])
    first = Follower(tmp_path, {})
    assert first.poll() == 1
    journal.append([QUEUED, QUEUED])
    assert Follower(tmp_path, first.positions).poll() == 2


def test_lines_written_late_into_a_rotated_file_count(
    tmp_path: Path, journal: Journal
) -> None:
    follower = Follower(tmp_path)
    journal.append([QUEUED])
    (tmp_path / FILE).rename(tmp_path / f"{FILE}.1")
    (tmp_path / FILE).write_bytes(QUEUED.encode(0.0, 1))
    assert follower.poll() == 2
    journal.append([QUEUED])  # still open under its old name
    assert follower.poll() == 1


def test_half_a_line_counts_when_it_is_whole(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    line = QUEUED.encode(0.0, 1)
    (tmp_path / FILE).write_bytes(line + line[:40])
    assert follower.poll() == 1
    (tmp_path / FILE).write_bytes(line + line)
    assert follower.poll() == 1


def test_a_new_file_with_the_inode_of_an_old_one_is_read_from_its_beginning(
    tmp_path: Path,
) -> None:
    file = tmp_path / FILE
    file.write_bytes(QUEUED.encode(0.0, 1) * 9)
    follower = Follower(tmp_path)
    with file.open("r+b") as short:
        short.truncate()
        short.write(QUEUED.encode(0.0, 1))
    assert follower.poll() == 1
