"""Names and places: ids, and which directories are trusted."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.errors import ConfigError, SpoolUnavailable, SpoolUnsafe
from tuiq.spool.layout import (
    ID_LENGTH,
    base32,
    expand_queues,
    id_birth,
    is_queue_id,
    make_id,
    open_queue_directory,
    split_name,
)
from tuiq.spool.setup import create_spool

YEAR_2500_US = 16_725_225_600_000_000


@given(st.lists(st.integers(0, YEAR_2500_US), min_size=2))
def test_ids_sort_as_their_times_and_tell_them(times: list[int]) -> None:
    ids = [make_id(time) for time in times]

    assert all(is_queue_id(each) and len(each) == ID_LENGTH for each in ids)
    assert [round(id_birth(each) * 1e6) for each in ids] == pytest.approx(times, abs=4)
    assert [i[:11] for i in sorted(ids)] == [base32(t, 11) for t in sorted(times)]


@pytest.mark.parametrize(
    "name", ["qf", "qf0", "xx0123456789012345678", "qf012345678901234567U", ".lock"]
)
def test_a_foreign_name_is_no_queue_file(name: str) -> None:
    assert split_name(name) is None


def test_a_target_looser_than_the_spool_is_refused(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    create_spool(spool)
    elsewhere = tmp_path / "disk2"
    (spool / "q.1").rename(elsewhere)
    (spool / "q.1").symlink_to(elsewhere)
    open_queue_directory(spool / "q.1").close()

    elsewhere.chmod(0o755)

    with pytest.raises(SpoolUnsafe, match=r"looser than its parent's.*chmod 0700"):
        open_queue_directory(spool / "q.1")


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_directory_that_others_can_write_is_refused(
    mode: int, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    create_spool(spool)
    (spool / "q.1").chmod(mode)

    with pytest.raises(SpoolUnsafe, match="writable by others"):
        open_queue_directory(spool / "q.1")


def test_a_directory_without_its_id_is_taken_for_an_empty_mount_point(
    tmp_path: Path,
) -> None:
    spool = tmp_path / "spool"
    create_spool(spool)
    (spool / "q.1" / ".tuiq-id").unlink()

    with pytest.raises(SpoolUnavailable, match="its disk is not mounted"):
        open_queue_directory(spool / "q.1")


def test_several_directories_are_one_pattern(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    create_spool(spool, queues=3)

    assert [p.name for p in expand_queues(f"{spool}/q.*")] == ["q.1", "q.2", "q.3"]
    with pytest.raises(ConfigError, match="tuiq init"):
        expand_queues(f"{spool}/nothing.*")


def test_no_descriptor_is_not_taken_for_no_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_options: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "open", full)

    with pytest.raises(SpoolUnavailable, match="too many open files"):
        expand_queues(f"{tmp_path}/q.*")
