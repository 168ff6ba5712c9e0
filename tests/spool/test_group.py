from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.spool.world import open_world, put
from tuiq.spool import control, syncing
from tuiq.spool.finish import claim_message
from tuiq.spool.group import SyncGroup
from tuiq.spool.syncing import FEW, trusts_syncfs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.spool.world import FaultyFs, SetClock
    from tuiq.spool.claim import Claim
    from tuiq.spool.spool import Spool

    World = tuple[Spool, FaultyFs, SetClock]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path / "spool") as opened:
        yield opened


@pytest.fixture
def claims(world: World) -> Iterator[list[Claim]]:
    spool = world[0]
    directory = spool.directories[0]
    held = [claim_message(directory, put(spool)) for _ in range(FEW + 1)]
    yield held
    for claim in held:
        claim.close()


def dirtied(claims: list[Claim], *, whole: bool = True) -> SyncGroup:
    made = SyncGroup(trusts=lambda _: whole)
    mark(made, claims)
    return made


def mark(made: SyncGroup, claims: list[Claim]) -> None:
    for claim in claims:
        claim.put(control.OPENED, b"%d" % (1 + claim.number(control.OPENED, 1)))
        made.marked(claim, 1)


def syncs(fs: FaultyFs) -> list[str]:
    found = [call for call, _ in fs.calls if "sync" in call]
    fs.calls.clear()
    return found


def test_many_marks_are_made_durable_by_one_sync(
    world: World, claims: list[Claim]
) -> None:
    made = dirtied(claims)
    syncs(world[1])
    made.take().sync()
    assert syncs(world[1]) == ["syncfs"]
    assert not any(claim.changed for claim in claims)


def test_few_marks_wait_for_no_other_programs_data(
    world: World, claims: list[Claim]
) -> None:
    made = dirtied(claims[:FEW])
    syncs(world[1])
    made.take().sync()
    assert syncs(world[1]) == ["fdatasync"] * FEW


def test_each_file_is_synced_where_a_syncfs_might_not_do(
    world: World, claims: list[Claim]
) -> None:
    made = dirtied(claims, whole=False)
    syncs(world[1])
    made.take().sync()
    assert syncs(world[1]) == ["fdatasync"] * len(claims)


def test_after_a_failed_syncfs_each_file_is_asked(
    world: World, claims: list[Claim]
) -> None:
    world[1].broken["syncfs"] = lambda _: True
    made = dirtied(claims)
    syncs(world[1])
    made.take().sync()  # another program's data were lost: none of these
    assert syncs(world[1]) == ["syncfs", *["fdatasync"] * len(claims)]
    world[1].broken["fdatasync"] = lambda _: True
    mark(made, claims)
    with pytest.raises(OSError, match="Input/output"):
        made.take().sync()


def test_a_slow_syncfs_is_not_repeated_for_a_while(
    world: World, claims: list[Claim], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "SLOW", 0.0)
    made = dirtied(claims)
    syncs(world[1])
    made.take().sync()
    assert syncs(world[1]) == ["syncfs"]
    mark(made, claims)
    made.take().sync()
    assert syncs(world[1]) == ["fdatasync"] * len(claims)


@pytest.mark.parametrize(
    ("release", "kind", "trusted"),
    [
        ("6.1.0-18-amd64", "ext4", True),
        ("5.8.0", "btrfs", True),
        ("5.7.19", "ext4", False),
        ("6.1.0", "xfs", False),
        ("6.1.0", "overlay", False),
    ],
)
def test_syncfs_is_trusted_where_it_flushes_and_tells_of_errors(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    release: str,
    kind: str,
    trusted: bool,
) -> None:
    class Uname:
        pass

    uname = Uname()
    uname.release = release  # type: ignore[attr-defined]
    monkeypatch.setattr(os, "uname", lambda: uname)
    monkeypatch.setattr(syncing, "filesystem_type", lambda _fd: kind)
    assert trusts_syncfs(world[0].directories[0]) is trusted
