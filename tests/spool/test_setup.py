"""A spool is made safe, whole and durable, and made again without harm."""

from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path

import pytest

from tuiq.errors import SpoolUnsafe
from tuiq.spool.layout import RESERVE_BYTES, open_queue_directory
from tuiq.spool.setup import (
    SUBDIRECTORIES,
    Owner,
    create_queue_directory,
    create_spool,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def everything(spool: Path) -> list[Path]:
    return sorted(spool.rglob("*"))


def test_a_new_spool_is_closed_to_everybody_else(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    old = os.umask(0)
    try:
        made = create_spool(spool, queues=2)
    finally:
        os.umask(old)

    assert sorted(path.name for path in spool.iterdir()) == sorted(
        [*SUBDIRECTORIES, "q.1", "q.2"]
    )
    assert mode(spool) == 0o700
    for path in everything(spool):
        assert mode(path) == (0o700 if path.is_dir() else 0o600)
    assert sorted(made) == sorted(map(str, [spool, *everything(spool)]))


def test_a_queue_directory_has_its_identity_locks_and_reserve(tmp_path: Path) -> None:
    queue = tmp_path / "q.1"
    create_queue_directory(queue)

    assert uuid.UUID((queue / ".tuiq-id").read_text().strip()).version == 4
    assert (queue / ".lock").read_bytes() == b""
    assert (queue / ".lockprobe").read_bytes() == b""
    reserve = (queue / ".reserve").stat()
    assert reserve.st_size == RESERVE_BYTES
    assert len(set((queue / ".reserve").read_bytes())) == 256


def test_new_queue_directories_are_divided_where_that_is_wanted(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    create_spool(spool, queues=2, folders=True)

    for queue in (spool / "q.1", spool / "q.2"):
        directory = open_queue_directory(queue)
        places = {directory.top_fd, directory.qf_fd, directory.df_fd}
        assert len({os.fstat(fd).st_ino for fd in places}) == 3
        directory.close()
        assert all(mode(queue / name) == 0o700 for name in ("qf", "df", "xf"))
    assert create_spool(spool, queues=2, folders=True) == []


def test_an_empty_directory_on_another_disk_is_divided_as_well(tmp_path: Path) -> None:
    spool, disk = tmp_path / "spool", tmp_path / "disk"
    create_spool(spool, queues=0)
    disk.mkdir(0o700)
    (spool / "q.1").symlink_to(disk)
    create_spool(spool, folders=True)

    assert {path.name for path in disk.iterdir()} > {"qf", "df", "xf"}


@pytest.mark.parametrize("sign", [".tuiq-id", "qf" + "0" * 19])
def test_a_queue_directory_that_is_in_use_is_not_divided(
    tmp_path: Path, sign: str
) -> None:
    spool = tmp_path / "spool"
    create_spool(spool)
    for path in (spool / "q.1").iterdir():
        path.unlink()
    (spool / "q.1" / sign).write_text(f"{uuid.uuid4()}\n")
    create_spool(spool, folders=True)

    assert not any(path.is_dir() for path in (spool / "q.1").iterdir())


def test_two_queue_directories_have_two_identities(tmp_path: Path) -> None:
    create_spool(tmp_path / "spool", queues=2)

    identities = {p.read_text() for p in tmp_path.glob("spool/q.*/.tuiq-id")}
    assert len(identities) == 2


def test_a_drop_directory_takes_files_and_shows_nothing(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    create_spool(spool, drop=True)

    assert mode(spool) == 0o711
    assert mode(spool / "drop") == 0o3733
    assert mode(spool / "drop" / ".lock") == 0o600


def test_drop_can_be_added_to_a_spool_later(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    create_spool(spool)

    made = create_spool(spool, drop=True)

    assert made == [str(spool / "drop"), str(spool / "drop" / ".lock")]
    assert mode(spool) == 0o711


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    create_spool(spool, queues=2, drop=True)
    before = [(path, path.stat()) for path in everything(spool)]

    assert create_spool(spool, queues=2, drop=True) == []
    assert [(path, path.stat()) for path in everything(spool)] == before


def test_what_is_missing_is_added_and_the_rest_is_kept(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    create_spool(spool)
    identity = (spool / "q.1" / ".tuiq-id").read_text()
    (spool / "q.1" / ".reserve").unlink()
    (spool / "q.1" / ".lock.tmp").write_text("of an init that was killed")
    (spool / "q.1" / ".lock").unlink()

    made = create_spool(spool, queues=2)

    assert str(spool / "q.1" / ".reserve") in made
    assert str(spool / "q.2") in made
    assert (spool / "q.1" / ".tuiq-id").read_text() == identity
    assert (spool / "q.1" / ".lock").read_bytes() == b""
    assert not (spool / "q.1" / ".lock.tmp").exists()


@pytest.mark.parametrize("loose", [0o770, 0o707, 0o1777])
@pytest.mark.parametrize("name", [".", "q.1", "run"])
def test_a_directory_that_others_can_change_is_refused(
    tmp_path: Path, name: str, loose: int
) -> None:
    spool = tmp_path / "spool"
    create_spool(spool)
    (spool / name).chmod(loose)

    with pytest.raises(SpoolUnsafe, match="other users can change it; chmod 7"):
        create_spool(spool)


def test_a_drop_directory_of_another_mode_is_refused(tmp_path: Path) -> None:
    create_spool(tmp_path / "spool", drop=True)
    (tmp_path / "spool" / "drop").chmod(0o1777)

    with pytest.raises(SpoolUnsafe, match="chmod 3733"):
        create_spool(tmp_path / "spool", drop=True)


@pytest.mark.parametrize("kind", ["symlink", "file", "fifo"])
def test_what_is_no_directory_is_refused_and_not_followed(
    tmp_path: Path, kind: str
) -> None:
    spool, elsewhere = tmp_path / "spool", tmp_path / "elsewhere"
    spool.mkdir(0o700)
    elsewhere.mkdir()
    if kind == "symlink":
        (spool / "run").symlink_to(elsewhere)
    elif kind == "file":
        (spool / "run").touch()
    else:
        os.mkfifo(spool / "run")

    with pytest.raises(SpoolUnsafe, match="not a directory"):
        create_spool(spool)
    assert list(elsewhere.iterdir()) == []


def test_a_queue_directory_may_be_a_link_to_another_disk(tmp_path: Path) -> None:
    spool, disk = tmp_path / "spool", tmp_path / "disk"
    spool.mkdir(0o700)
    disk.mkdir(0o700)
    (spool / "q.1").symlink_to(disk)

    create_spool(spool)

    assert (disk / ".tuiq-id").exists()


def test_a_queue_directory_behind_a_link_must_be_as_safe(tmp_path: Path) -> None:
    spool, disk = tmp_path / "spool", tmp_path / "disk"
    spool.mkdir(0o700)
    disk.mkdir()
    disk.chmod(0o777)
    (spool / "q.1").symlink_to(disk)

    with pytest.raises(SpoolUnsafe, match="other users can change it; chmod 7"):
        create_spool(spool)
    assert list(disk.iterdir()) == []


def test_a_link_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    create_queue_directory(tmp_path / "q.1")
    (tmp_path / "q.1" / ".reserve").unlink()
    (tmp_path / "q.1" / ".reserve").symlink_to(tmp_path / "target")

    with pytest.raises(SpoolUnsafe, match="not a file of the queue user"):
        create_queue_directory(tmp_path / "q.1")
    assert not (tmp_path / "target").exists()


@as_root
def test_root_gives_everything_to_the_queue_user(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    create_spool(spool, drop=True, owner=Owner(uid=1234, gid=4321))

    for path in [spool, *everything(spool)]:
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)
    assert mode(spool / "drop") == 0o3733


@as_root
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    create_spool(spool)
    os.chown(spool / "q.1", 1234, -1)

    with pytest.raises(SpoolUnsafe, match="belongs to uid 1234"):
        create_spool(spool)
