"""The lock of a message, and what its holder may write."""

from __future__ import annotations

import errno
import os
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spool.world import FaultyFs, SetClock, envelope, open_files, open_world, put
from tuiq.errors import (
    IllegalTransition,
    MessageBusy,
    MessageDamaged,
    MessageGone,
    SpoolUnsafe,
    UnknownFormat,
)
from tuiq.spool import control
from tuiq.spool.claim import Claim, lock_message
from tuiq.spool.finish import claim_message
from tuiq.spool.flags import LEGAL_MESSAGE, LEGAL_RECIPIENT, MState, RState
from tuiq.spool.layout import RESERVE_FILE
from tuiq.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHECKED = 504
"""Bytes of sector 0 up to the end of its checksum; fillers follow."""
World = tuple[Spool, FaultyFs, SetClock]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path / "spool") as opened:
        yield opened


def lock(spool: Spool, queue_id: str) -> Claim:
    return lock_message(spool.directories[0], queue_id)


def path_of(spool: Spool, queue_id: str) -> Path:
    return spool.directories[0].path / f"qf{queue_id}"


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize(("old", "new"), list(product(RState, RState)))
def test_only_legal_recipient_changes_are_written(
    world: World, old: RState, new: RState
) -> None:
    spool, fs, _ = world
    queue_id = put(spool, b"a@b.c", b"b@b.c")
    for index in range(2):
        at = control.slot_at(index)
        overwrite(path_of(spool, queue_id), at, old.value)
    claim = lock(spool, queue_id)
    fs.calls.clear()
    if new[0] in LEGAL_RECIPIENT[old.value]:
        claim.mark([0, 1], new)
        assert claim.states == new.value * 2
        assert [(d, o) for _, d, o in (a for c, a in fs.calls if c == "pwrite")] == [
            (new.value, control.slot_at(0)),
            (new.value, control.slot_at(1)),
        ]
    else:
        with pytest.raises(IllegalTransition):
            claim.mark([0, 1], new)
        assert fs.calls == []
    claim.close()


@pytest.mark.parametrize(("old", "new"), list(product(MState, MState)))
def test_only_legal_message_changes_are_written(
    world: World, old: MState, new: MState
) -> None:
    spool, fs, _ = world
    queue_id = put(spool)
    overwrite(path_of(spool, queue_id), control.MSTATE, old.value)
    claim = lock(spool, queue_id)
    fs.calls.clear()
    if new.value in LEGAL_MESSAGE[old.value]:
        claim.set_message(new)
        assert claim.mstate == new.value
    else:
        with pytest.raises(IllegalTransition):
            claim.set_message(new)
        assert fs.calls == []
    claim.close()


def test_one_bad_change_among_many_writes_none(world: World) -> None:
    spool, _, _ = world
    queue_id = put(spool, b"a@b.c", b"b@b.c")
    claim = lock(spool, queue_id)
    claim.mark([1], RState.ATTEMPT)
    with pytest.raises(IllegalTransition):
        claim.mark([0, 1], RState.ATTEMPT)
    assert claim.states == b"TA"
    claim.close()


def test_a_second_holder_is_kept_out_and_leaves_nothing_open(world: World) -> None:
    spool, _, _ = world
    queue_id = put(spool)
    claim = lock(spool, queue_id)
    before = open_files()
    with pytest.raises(MessageBusy):
        lock(spool, queue_id)
    assert open_files() == before
    claim.close()
    lock(spool, queue_id).close()


def test_a_name_that_means_another_file_by_now_is_gone(world: World) -> None:
    spool, fs, _ = world
    queue_id = put(spool)
    file = path_of(spool, queue_id)

    class Swapping(FaultyFs):
        def flock(self, fd: int) -> None:
            super().flock(fd)
            content = file.read_bytes()
            file.unlink()
            file.write_bytes(content)
            file.chmod(0o600)

    spool.directories[0].fs = Swapping()
    before = open_files()
    with pytest.raises(MessageGone):
        lock(spool, queue_id)
    assert open_files() == before
    spool.directories[0].fs = fs


def symlinked(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


def linked(file: Path) -> None:
    os.link(file, file.with_name("elsewhere"))


def fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def writable(file: Path) -> None:
    file.chmod(0o620)


def foreign(file: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give a file away")
    os.chown(file, 64001, 64001)


@pytest.mark.parametrize(
    "spoil", [symlinked, linked, fifo, directory, writable, foreign]
)
def test_a_file_that_is_not_safely_ours_is_refused_with_its_path(
    world: World, spoil: object
) -> None:
    spool, _, _ = world
    queue_id = put(spool)
    file = path_of(spool, queue_id)
    assert callable(spoil)
    spoil(file)
    before = open_files()
    with pytest.raises(SpoolUnsafe, match=str(file)):
        lock(spool, queue_id)
    assert open_files() == before


def test_a_file_cut_short_anywhere_is_never_a_message(world: World) -> None:
    spool, _, _ = world
    queue_id = put(spool, b"a@b.c", b"b@b.c")
    file = path_of(spool, queue_id)
    whole = file.read_bytes()
    before = open_files()
    for length in [*range(0, len(whole), 7), len(whole) - 1]:
        file.write_bytes(whole[:length])
        with pytest.raises(MessageDamaged):
            claim_message(spool.directories[0], queue_id)
        now = file.read_bytes()
        if length < control.SLOTS:
            assert now == whole[:length], "an unknown file was written to"
        else:
            assert now[control.MSTATE : control.MSTATE + 1] == b"C"
    assert open_files() == before


@settings(max_examples=200)
@given(data=st.data())
def test_no_changed_byte_makes_another_message(data: st.DataObject) -> None:
    raw = control.encode(
        control.Message(
            queue_id="0" * 19,
            birth_us=1,
            envelope=envelope(b"a@b.c", b"d@e.f"),
            data_length=1,
            data_crc=1,
        )
    )
    changed = bytearray(raw)
    at = data.draw(st.integers(0, len(raw) - 1))
    changed[at] = data.draw(st.integers(0, 255))
    immutable = at < CHECKED or at >= control.slot_at(2)
    try:
        header = control.decode_header(bytes(changed), "x")
        control.check_body(header, changed, "x")
    except MessageDamaged:
        return
    assert changed[at] == raw[at] or not immutable
    assert control.decode_envelope(header, changed) == envelope(b"a@b.c", b"d@e.f")


@pytest.mark.parametrize(
    ("offset", "name"),
    [
        (control.MSTATE, "message state"),
        (control.MHOLD, "hold byte"),
        (control.MREQ, "message request"),
        (control.FLUSHGEN, "flush generation"),
        (control.NOTICE, "notice byte"),
        (control.SLOTS, "recipient state"),
        (control.SLOTS + 1, "recipient request"),
    ],
)
def test_an_unknown_byte_is_named_and_nothing_is_delivered(
    world: World, offset: int, name: str
) -> None:
    spool, _, _ = world
    queue_id = put(spool)
    overwrite(path_of(spool, queue_id), offset, b"?")
    with pytest.raises(MessageDamaged, match=name):
        claim_message(spool.directories[0], queue_id)
    assert spool.entry(queue_id).mstate in b"C?"
    with pytest.raises(MessageDamaged):
        claim_message(spool.directories[0], queue_id)


def test_a_later_format_version_is_refused_and_left_alone(world: World) -> None:
    spool, _, _ = world
    queue_id = put(spool)
    file = path_of(spool, queue_id)
    overwrite(file, 0, b"TUIQQF02")
    before = file.read_bytes()
    with pytest.raises(UnknownFormat, match="version '02' is unknown"):
        claim_message(spool.directories[0], queue_id)
    assert file.read_bytes() == before


def test_a_file_under_another_messages_name_is_refused(world: World) -> None:
    spool, _, _ = world
    queue_id = put(spool)
    other = queue_id[:-1] + ("0" if queue_id[-1] != "0" else "1")
    path_of(spool, queue_id).rename(path_of(spool, other))
    with pytest.raises(MessageDamaged, match=f"says it is {queue_id}"):
        lock(spool, other)


def test_a_full_disk_spends_the_reserve_on_the_mark(world: World) -> None:
    spool, fs, _ = world
    queue_id = put(spool)
    reserve = spool.directories[0].path / RESERVE_FILE
    claim = lock(spool, queue_id)
    fs.error = errno.ENOSPC
    fs.broken["pwrite"] = lambda *_: reserve.exists()
    claim.mark([0], RState.ATTEMPT)
    assert claim.states == b"A"
    assert "free space" in spool.directories[0].blocked
    fs.broken["pwrite"] = lambda *_: True
    with pytest.raises(OSError, match="No space"):
        claim.mark([0], RState.UNKNOWN)
    assert claim.states == b"A", "memory runs ahead of the disk"
    claim.close()


def test_an_operators_byte_is_seen_by_reread_and_survives_a_mark(world: World) -> None:
    spool, _, _ = world
    queue_id = put(spool, b"a@b.c", b"b@b.c", b"c@b.c")
    claim = lock(spool, queue_id)
    overwrite(path_of(spool, queue_id), control.slot_at(2) + 1, b"X")
    overwrite(path_of(spool, queue_id), control.MHOLD, b"H")
    claim.put_slot(2, tries=3, next_=7, code=b"450", status=b"4.7.1")
    claim.mark([2], RState.ATTEMPT)
    assert claim.requests == b"---"
    claim.reread(2, 2)
    assert (claim.requests, claim.hold, claim.states) == (b"--X", b"H", b"TTA")
    assert claim.slot_tries(2) == 3
    assert claim.slot_code(2) == b"450"
    claim.close()


def test_an_unchanged_value_is_not_written_again(world: World) -> None:
    spool, fs, _ = world
    claim = lock(spool, put(spool))
    fs.calls.clear()
    claim.put(control.OPENED, b"0")
    claim.put_number(control.TRIES, 4, 0)
    assert fs.calls == []
    assert not claim.changed
    claim.put_number(control.TRIES, 4, 10**9)
    assert claim.number(control.TRIES, 4) == 0xFFFF
    claim.close()
