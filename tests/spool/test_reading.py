"""Listings tell what a runner would refuse, and when the message came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.spool.world import NOW, FaultyFs, SetClock, open_world, put, tamper
from tuiq.spool.entry import State
from tuiq.spool.spool import Spool

World = tuple[Spool, FaultyFs, SetClock]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path / "spool") as opened:
        yield opened


@pytest.mark.parametrize(
    ("trick", "words"),
    [
        ("writable", "writable by others.*chmod 0600"),
        ("linked", "2 hard links.*remove the other names"),
        ("symlink", "not a regular file.*move it out"),
        ("fifo", "not a regular file.*move it out"),
    ],
)
def test_a_control_file_that_no_runner_takes_is_listed_as_damaged(
    world: World, trick: str, words: str
) -> None:
    spool, _, _ = world
    queue_id = put(spool)
    tamper(spool.directories[0].path / f"qf{queue_id}", trick)

    entry = spool.entry(queue_id)

    assert entry.state() is State.DAMAGED
    assert pytest.approx(NOW, abs=1) == entry.birth
    assert re.search(words, entry.damage)
