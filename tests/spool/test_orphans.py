"""Sequence GC: what nobody is writing and no message owns goes, the rest stays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.spool.world import NOW, FaultyFs, SetClock, names, open_world, put
from tuiq.spool.layout import ALPHABET
from tuiq.spool.orphans import collect, collect_services, discard_orphan, find_orphans
from tuiq.spool.setup import create_spool
from tuiq.spool.spool import Spool
from tuiq.spool.status import RunnerStatus, StatusWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiq.spool.layout import QueueDirectory

ID = "0" * 18 + "1"
AGE = 900.0
World = tuple[Spool, FaultyFs, SetClock]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    path = tmp_path / "spool"
    create_spool(path)
    for sub in ("qf", "df", "xf"):
        (path / "q.1" / sub).mkdir(0o700)
    with open_world(path) as opened:
        yield opened


def place(directory: QueueDirectory, prefix: str, queue_id: str = ID) -> Path:
    """Make a queue file that is long past its age."""
    sub = prefix if prefix in {"df", "xf"} else "qf"
    file = directory.path / sub / (prefix + queue_id)
    file.write_bytes(b"x")
    os.utime(file, (NOW - 2 * AGE, NOW - 2 * AGE))
    return file


def test_each_kind_of_orphan_is_found_and_removed_tf_first(world: World) -> None:
    directory = world[0].directories[0]
    files = [place(directory, prefix) for prefix in ("df", "bf", "xf", "tf")]
    found = find_orphans(directory, now=NOW, age=AGE)
    assert found == [("tf", ID), ("df", ID), ("bf", ID), ("xf", ID)]
    assert collect(directory, now=NOW, age=AGE) == [p + i for p, i in found]
    assert not any(file.exists() for file in files)


def test_shares_find_every_orphan_once(world: World) -> None:
    directory = world[0].directories[0]
    ids = [ID[:-1] + last for last in ALPHABET]
    for queue_id in ids:
        place(directory, "df", queue_id)
    for parts in (1, 5, 32):
        found = [
            queue_id
            for part in range(parts)
            for _, queue_id in find_orphans(
                directory, now=NOW, age=AGE, share=(part, parts)
            )
        ]
        assert sorted(found) == ids


def test_files_of_a_message_young_and_foreign_ones_stay(world: World) -> None:
    spool, _, _ = world
    directory = spool.directories[0]
    queue_id = put(spool)
    old = [place(directory, prefix, queue_id) for prefix in ("bf", "xf")]
    young = place(directory, "df")
    os.utime(young, (NOW - AGE + 1, NOW - AGE + 1))
    foreign = directory.path / "qf" / "dfnotmine"
    foreign.write_bytes(b"")
    os.utime(foreign, (0, 0))
    assert collect(directory, now=NOW + 10 * AGE, age=11 * AGE) == []
    assert collect(directory, now=NOW, age=AGE) == []
    assert all(file.exists() for file in [*old, young, foreign])
    assert spool.entry(queue_id).states == b"T"


@pytest.mark.parametrize("locked", ["df", "tf"])
def test_a_submission_under_way_loses_nothing(world: World, locked: str) -> None:
    _, fs, _ = world
    directory = world[0].directories[0]
    files = {prefix: place(directory, prefix) for prefix in ("df", "tf")}
    fd = os.open(files[locked], os.O_RDWR)
    fs.flock(fd)
    removed = collect(directory, now=NOW, age=AGE)
    assert files[locked].exists()
    assert removed == ([f"tf{ID}"] if locked == "df" else [])
    os.close(fd)
    collect(directory, now=NOW, age=AGE)
    assert not files["df"].exists()
    assert not files["tf"].exists()


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
def test_what_is_no_file_of_ours_is_left_to_a_person(world: World, kind: str) -> None:
    directory = world[0].directories[0]
    path = directory.path / "df" / f"df{ID}"
    if kind == "symlink":
        path.symlink_to("/etc/hostname")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    os.utime(path, (0, 0), follow_symlinks=False)
    collect(directory, now=NOW, age=AGE)
    if kind != "fifo":
        assert names(directory.path / "df") == [f"df{ID}"]


def test_an_orphan_that_is_gone_already_counts_as_discarded(world: World) -> None:
    assert discard_orphan(world[0].directories[0], "df", ID)


def test_leftovers_in_run_and_pauses_go_and_live_ones_stay(world: World) -> None:
    spool, fs, clock = world
    writer = StatusWriter(fs, spool.run_fd, "alive", clock)
    dead = StatusWriter(fs, spool.run_fd, "dead", clock)
    for each in (writer, dead):
        assert each.write(RunnerStatus(name=each.name))
    fs.close(dead._lock_fd)
    run, pauses = spool.path / "run", spool.path / "pauses"
    once = StatusWriter(fs, spool.run_fd, "once-7-ab", clock)
    for file in (
        run / "once-8-cd.lock",
        run / "x.status.tmp",
        pauses / "spool.1.2.tmp",
        pauses / "spool",
    ):
        file.write_bytes(b"-")
    young = pauses / "spool.3.4.tmp"
    young.write_bytes(b"-")
    for file in [*run.iterdir(), *pauses.iterdir()]:
        if file != young:
            os.utime(file, (NOW - AGE, NOW - AGE))
    os.utime(young, (NOW, NOW))
    removed = collect_services(fs, spool.run_fd, spool.pauses_fd, now=NOW, age=AGE)
    assert sorted(removed) == [
        "pauses/spool.1.2.tmp",
        "run/dead.status",
        "run/once-8-cd.lock",
        "run/x.status.tmp",
    ]
    assert names(pauses) == ["spool", "spool.3.4.tmp"]
    assert {"alive.status", "dead.lock", "once-7-ab.lock"} <= set(names(run))
    writer.close()
    once.close()
