from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tuiq.errors import InputError, SpoolUnavailable
from tuiq.mail.envelope import Recipient
from tuiq.spool.fs import OsFs
from tuiq.spool.pauses import LOCK_FILE, NOTHING, Pauses, Scope, file_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiq.spool.layout import QueueDirectory


@dataclass
class ShiftedClock:
    """The kernel's clock moved by *shift*: directory mtimes stay comparable."""

    shift: float = 0.0

    def now(self) -> float:
        return time.time() + self.shift

    def now_ns(self) -> int:
        return time.time_ns() + int(self.shift * 1e9)

    def boottime(self) -> float:
        return time.monotonic() + self.shift


@dataclass
class RecordingFs(OsFs):
    """The real calls, by name."""

    calls: list[str] = field(default_factory=list)
    fail: str = ""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name in {"calls", "fail"}:
            return object.__getattribute__(self, name)
        if name == self.fail:
            raise OSError(28, "No space left on device")
        self.calls.append(name)
        return object.__getattribute__(self, name)


@dataclass
class Place:
    path: Path
    fd: int
    clock: ShiftedClock
    fs: RecordingFs

    def pauses(self) -> Pauses:
        return Pauses(self.fs, self.fd, self.clock)

    def settle(self) -> None:
        """Move the directory's mtime out of the window of doubt."""
        past = time.time_ns() - 10**9
        os.utime(self.path, ns=(past, past))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield Place(tmp_path, fd, ShiftedClock(), RecordingFs())
    os.close(fd)


def test_a_pause_of_each_scope_is_found_by_its_own_lookup(place: Place) -> None:
    pauses = place.pauses()
    assert pauses.current() is NOTHING
    pauses.pause(Scope.SPOOL, who="anna", reason="disk swap")
    pauses.pause(Scope.DIRECTORY, "1234-abcd", who="anna")
    pauses.pause(Scope.DESTINATION, "Example.COM", who="anna", until=2**40)
    found = pauses.current()
    assert found.spool is not None
    assert (found.spool.who, found.spool.reason) == ("anna", "disk swap")
    assert found.directory("1234-abcd") is not None
    assert found.directory("1234-abce") is None
    destination = found.destination(b"example.com")
    assert destination is not None
    assert (destination.name, destination.until) == ("Example.COM", 2**40)
    assert abs(destination.since - time.time()) < 60
    assert found.destination("example.org") is None
    assert [pause.file for pause in found.pauses] == sorted(
        [
            "spool",
            "dir.1234-abcd",
            "dom.a379a6f6eeafb9a55e378c118034e275",
        ]
    )


def test_first_names_the_widest_pause(place: Place) -> None:
    pauses = place.pauses()
    way = {"uuid": "u1", "domain": b"example.com", "next_hop": "mx.example.net:25"}
    assert pauses.current().first(**way) is None  # type: ignore[arg-type]
    for scope, name in (
        (Scope.DESTINATION, "example.com"),
        (Scope.DESTINATION, "mx.example.net:25"),
        (Scope.DIRECTORY, "u1"),
        (Scope.SPOOL, ""),
    ):
        written = pauses.pause(scope, name, who="anna")
        assert pauses.current().first(**way) == written  # type: ignore[arg-type]


def test_until_tells_each_recipient_the_last_end_of_its_pauses(place: Place) -> None:
    pauses = place.pauses()
    directory = cast("QueueDirectory", SimpleNamespace(uuid="u1"))
    recipients = [
        Recipient(address=b"a@" + domain)
        for domain in (b"one.example", b"two.example", b"three.example")
    ]

    def ends() -> list[float | None]:
        return pauses.until(directory, recipients, lambda _recipient: "mx.example:25")

    assert ends() == [None, None, None]
    now = int(time.time())
    pauses.pause(Scope.DESTINATION, "one.example", who="anna", until=now + 100)
    pauses.pause(Scope.DESTINATION, "TWO.example", who="anna")
    assert ends() == [now + 100, 0, None]
    pauses.pause(Scope.DESTINATION, "mx.example:25", who="anna", until=now + 50)
    assert ends() == [now + 100, 0, now + 50]
    pauses.pause(Scope.DIRECTORY, "u1", who="anna", until=now + 200)
    assert ends() == [now + 200, 0, now + 200]
    pauses.pause(Scope.SPOOL, who="anna")
    assert ends() == [0, 0, 0]


def test_resume_ends_a_pause_and_says_when_there_was_none(place: Place) -> None:
    pauses = place.pauses()
    pauses.pause(Scope.SPOOL, who="anna")
    assert pauses.resume(Scope.SPOOL)
    assert pauses.current() is NOTHING
    assert not pauses.resume(Scope.SPOOL)
    assert os.listdir(place.path) == [LOCK_FILE]


def test_a_pause_is_synced_before_and_after_its_rename(place: Place) -> None:
    place.pauses().pause(Scope.SPOOL, who="anna")
    calls = place.fs.calls
    assert calls.index("write") < calls.index("fsync") < calls.index("rename")
    assert "fsync" in calls[calls.index("rename") :]


def test_a_resume_flips_and_syncs_the_byte_before_the_unlink(place: Place) -> None:
    pauses = place.pauses()
    pauses.pause(Scope.SPOOL, who="anna")
    place.fs.calls.clear()
    pauses.resume(Scope.SPOOL)
    calls = place.fs.calls
    order = [calls.index(name) for name in ("pwrite", "fdatasync", "unlink", "fsync")]
    assert order == sorted(order)


def test_a_resume_that_died_before_its_unlink_no_longer_pauses(place: Place) -> None:
    pauses = place.pauses()
    pauses.pause(Scope.SPOOL, who="anna")
    place.fs.fail = "unlink"
    with pytest.raises(OSError, match="No space"):
        pauses.resume(Scope.SPOOL)
    place.fs.fail = ""
    assert (place.path / "spool").exists()
    assert place.pauses().current() is NOTHING
    assert pauses.sweep() == ["spool"]
    assert not (place.path / "spool").exists()


def test_a_pause_that_could_not_be_written_leaves_nothing(place: Place) -> None:
    pauses = place.pauses()
    place.fs.fail = "fsync"
    with pytest.raises(OSError, match="No space"):
        pauses.pause(Scope.SPOOL, who="anna")
    assert os.listdir(place.path) == [LOCK_FILE]


def test_nothing_but_fstat_is_called_while_nothing_changed(place: Place) -> None:
    pauses = place.pauses()
    pauses.pause(Scope.SPOOL, who="anna")
    place.settle()
    first = pauses.current()
    place.fs.calls.clear()
    assert all(pauses.current() is first for _ in range(5))
    assert place.fs.calls == ["fstat"] * 5


def test_a_directory_that_changed_just_now_is_listed_again(place: Place) -> None:
    """Two changes may share one mtime, the kernel's clock being coarse."""
    pauses = place.pauses()
    pauses.pause(Scope.SPOOL, who="anna")
    stamp = time.time_ns() + 10**9  # what a coarse clock or a jump leaves behind
    os.utime(place.path, ns=(stamp, stamp))
    assert pauses.current().spool is not None
    place.pauses().resume(Scope.SPOOL)
    os.utime(place.path, ns=(stamp, stamp))
    assert pauses.current().spool is None


def test_an_expired_pause_does_not_count_and_is_swept(place: Place) -> None:
    pauses = place.pauses()
    until = int(time.time()) + 1000
    pauses.pause(Scope.SPOOL, who="anna", until=until)
    place.settle()
    assert pauses.current().spool is not None
    place.clock.shift = 999
    assert pauses.current().spool is not None
    assert pauses.sweep() == []
    place.clock.shift = 1001
    assert pauses.current().spool is None
    assert pauses.sweep() == ["spool"]
    assert not (place.path / "spool").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"?",
        b"H",
        b"X\n0\n0\na\nb\nc\n",
        b"H\n0\n0\na\nb\n",
        b"H\nzz\n0\na\nb\nc\n",
        b"H\n-5\n0\na\nb\nc\n",
        b"H\n0\n0\na\nb\nc\nmore",
        b"\0" * 100,
    ],
)
def test_a_damaged_file_pauses_and_is_told(place: Place, content: bytes) -> None:
    (place.path / "spool").write_bytes(content)
    pause = place.pauses().current().spool
    assert pause is not None
    assert "pauses/spool" in pause.damage


def test_a_damaged_destination_file_still_pauses_that_destination(
    place: Place,
) -> None:
    name = file_name(Scope.DESTINATION, b"example.com")
    (place.path / name).write_bytes(b"garbage")
    found = place.pauses().current()
    assert found.destination("EXAMPLE.com") is not None
    assert found.destination("example.net") is None


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
def test_what_is_no_file_pauses_and_does_not_block(place: Place, kind: str) -> None:
    path = place.path / "spool"
    if kind == "symlink":
        (place.path / "target").write_bytes(b"-\n")
        path.symlink_to("target")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    pause = place.pauses().current().spool
    assert pause is not None
    assert pause.damage


@pytest.mark.parametrize("name", ["", "../spool", "a b", "a\n", "x" * 65])
def test_what_is_no_uuid_names_no_file(place: Place, name: str) -> None:
    with pytest.raises(InputError, match="is no UUID"):
        place.pauses().pause(Scope.DIRECTORY, name, who="anna")
    assert os.listdir(place.path) == []


def test_a_reason_too_long_to_be_read_back_is_refused(place: Place) -> None:
    with pytest.raises(InputError, match="too long"):
        place.pauses().pause(Scope.SPOOL, who="anna", reason="x" * 20_000)
    assert os.listdir(place.path) == []


def test_resume_removes_what_is_no_file_and_spares_its_target(place: Place) -> None:
    target = place.path / "target"
    target.write_bytes(b"H")
    (place.path / "spool").symlink_to("target")
    assert place.pauses().resume(Scope.SPOOL)
    assert not os.path.lexists(place.path / "spool")
    assert target.read_bytes() == b"H"


def test_sweep_spares_a_pause_that_was_renewed_meanwhile(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = place.pauses()
    pauses.pause(Scope.SPOOL, who="anna", until=1)
    files = pauses._files

    def renewed_after_the_look() -> Any:
        seen = files()
        place.pauses().pause(Scope.SPOOL, who="berta")
        return seen

    monkeypatch.setattr(pauses, "_files", renewed_after_the_look)
    assert pauses.sweep() == []
    monkeypatch.undo()
    spool = pauses.current().spool
    assert spool is not None
    assert spool.who == "berta"


def test_foreign_names_and_temporary_files_pause_nothing(place: Place) -> None:
    for name in ("notes", "spool.1.tmp", "dir.u1.77.tmp", LOCK_FILE):
        (place.path / name).write_bytes(b"H")
    assert place.pauses().current() is NOTHING


def test_hostile_text_comes_back_escaped_and_on_one_line(place: Place) -> None:
    pauses = place.pauses()
    pauses.pause(
        Scope.DESTINATION, "a\n\x1b[2J.example", who="me\nyou", reason="x\ny\x9b"
    )
    (pause,) = pauses.current().pauses
    assert not pause.damage
    assert (pause.who, pause.reason) == ("me\\x0ayou", "x\\x0ay\\x9b")
    assert "\x1b" not in pause.name


def test_changing_pauses_never_waits_for_another_process(place: Place) -> None:
    pauses = place.pauses()
    pauses.pause(Scope.SPOOL, who="anna", until=1)
    fd = os.open(place.path / LOCK_FILE, os.O_RDWR)
    OsFs().flock(fd)
    with pytest.raises(SpoolUnavailable, match=r"pauses/\.lock"):
        pauses.pause(Scope.SPOOL, who="berta")
    with pytest.raises(SpoolUnavailable):
        pauses.resume(Scope.SPOOL)
    assert pauses.sweep() == []
    os.close(fd)
    assert pauses.sweep() == ["spool"]
