from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tuiq.config import SpoolConfig
from tuiq.spool.disk import (
    DiskFloor,
    LowDisk,
    filesystem_type,
    is_remote,
    low_disk,
    refusal,
    refusal_of_type,
)
from tuiq.spool.fs import OsFs

CONFIG = SpoolConfig(queues="/none/q.*")
GIB = 1024**3


@dataclass
class Space:
    """A statvfs answer in blocks of 4 KiB."""

    f_blocks: int = 100 * GIB // 4096
    f_bavail: int = 50 * GIB // 4096
    f_files: int = 1_000_000
    f_favail: int = 900_000
    f_frsize: int = 4096


@dataclass
class HandClock:
    seconds: float = 100.0

    def now(self) -> float:
        raise AssertionError("a floor has nothing to do with wall time")

    def now_ns(self) -> int:
        raise AssertionError("a floor has nothing to do with wall time")

    def boottime(self) -> float:
        return self.seconds


@dataclass
class SpaceFs(OsFs):
    space: Space
    asked: int = 0

    def statvfs(self, fd: int) -> Space:  # type: ignore[override]
        self.asked += 1
        return self.space


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (Space(), None),
        # A large disk: the cap of 512 MiB counts, not 5 GiB.
        (Space(f_bavail=512 * 256), None),
        (
            Space(f_bavail=512 * 256 - 1),
            LowDisk(what="bytes", free=2**29 - 4096, floor=2**29),
        ),
        # A small disk: 5 % counts.
        (Space(f_blocks=1000, f_bavail=50), None),
        (
            Space(f_blocks=1000, f_bavail=49),
            LowDisk(what="bytes", free=49 * 4096, floor=50 * 4096),
        ),
        (Space(f_favail=10_000), None),
        (Space(f_favail=9_999), LowDisk(what="inodes", free=9_999, floor=10_000)),
        (Space(f_files=1000, f_favail=50), None),
        (
            Space(f_files=1000, f_favail=49),
            LowDisk(what="inodes", free=49, floor=50),
        ),
        # btrfs has no fixed number of inodes and reports none.
        (Space(f_files=0, f_favail=0), None),
    ],
)
def test_the_floor_is_the_smaller_of_share_and_cap(
    space: Space, expected: LowDisk | None
) -> None:
    assert low_disk(space, CONFIG) == expected


def test_floors_are_settings() -> None:
    config = SpoolConfig(queues="/q", min_free_percent=0.0)
    assert low_disk(Space(f_bavail=0, f_favail=0), config) is None
    config = SpoolConfig(queues="/q", min_free_bytes=0)
    assert low_disk(Space(f_bavail=0), config) is None


def test_a_file_system_is_asked_once_a_second() -> None:
    clock, fs = HandClock(), SpaceFs(Space())
    floor = DiskFloor(fs, clock, CONFIG)
    assert floor.check(3) is None
    fs.space = Space(f_bavail=0)
    clock.seconds += 0.9
    assert floor.check(3) is None
    assert fs.asked == 1
    clock.seconds += 0.2
    assert str(floor.check(3)) == "only 0 B free, the floor is 512 MiB"
    assert fs.asked == 2
    assert floor.check(4) is not None
    assert fs.asked == 3


def test_the_sentence_about_inodes_names_counts() -> None:
    low = LowDisk(what="inodes", free=7, floor=50)
    assert str(low) == "only 7 free inodes, the floor is 50"


def test_the_real_disk_of_the_tests_is_known_and_accepted(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    kind = filesystem_type(fd)
    assert kind in Path("/proc/filesystems").read_text().split()
    assert refusal(tmp_path, fd, allow_tmpfs=True) is None
    os.close(fd)


def test_proc_itself_is_told_apart_from_the_disk() -> None:
    fd = os.open("/proc", os.O_RDONLY)
    assert filesystem_type(fd) == "proc"
    os.close(fd)


def test_a_mount_is_found_by_its_id_not_its_device(tmp_path: Path) -> None:
    """On btrfs mountinfo names another device than stat(2)."""
    (tmp_path / "self/fdinfo").mkdir(parents=True)
    (tmp_path / "self/fdinfo/9").write_text("pos:\t0\nmnt_id:\t36\nino:\t5\n")
    (tmp_path / "self/mountinfo").write_text(
        "35 1 0:27 / / rw shared:1 - ext4 /dev/a rw\n"
        "36 35 0:27 / /var\\040x rw shared:1 master:2 - btrfs /dev/b rw\n"
    )
    assert filesystem_type(9, tmp_path) == "btrfs"
    assert filesystem_type(10, tmp_path) == ""


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuse"])
def test_network_file_systems_are_refused_with_the_remedy(kind: str) -> None:
    sentence = refusal_of_type(Path("/var/spool/tuiq/q.1"), kind)
    assert sentence is not None
    assert sentence.startswith(f"/var/spool/tuiq/q.1: is on {kind}, ")
    assert sentence.endswith("; put the queue on a local disk")
    assert is_remote(kind)


def test_tmpfs_is_refused_unless_a_test_allows_it() -> None:
    assert "tmpfs" in (refusal_of_type(Path("/q"), "tmpfs") or "")
    assert refusal_of_type(Path("/q"), "tmpfs", allow_tmpfs=True) is None
    assert not is_remote("tmpfs")


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "overlay", "fuseblk", ""])
def test_local_and_unknown_file_systems_are_accepted(kind: str) -> None:
    assert refusal_of_type(Path("/q"), kind) is None
    assert not is_remote(kind)


def test_a_share_of_the_host_is_accepted_but_not_watched() -> None:
    assert refusal_of_type(Path("/q"), "virtiofs") is None
    assert is_remote("virtiofs")
