"""One test per finding: plant it, see it named, repair it, find nothing."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tuiq.clock import SystemClock
from tuiq.config import Config, DeliveryConfig, SpoolConfig
from tuiq.config.routes import Means, Options, Route, Via
from tuiq.errors import ConfigError, SpoolError
from tuiq.log import printable
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool import control
from tuiq.spool.check import check_spool
from tuiq.spool.finding import Finding, Kind
from tuiq.spool.layout import open_queue_directory
from tuiq.spool.setup import create_queue_directory, create_spool
from tuiq.spool.submit import Draft, submit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can chown")


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    path = tmp_path / "spool"
    create_spool(path, queues=2, drop=True)
    return path


@pytest.fixture
def config(spool: Path) -> Config:
    return Config(
        spool=SpoolConfig(queues=f"{spool}/q.*", min_free_percent=0.0),
    )


def put(directory: Path) -> str:
    """Submit one message and return its queue id."""
    place = open_queue_directory(directory)
    envelope = Envelope(
        sender=b"a@example.org",
        recipients=(Recipient(address=b"b@example.net"),),
    )
    draft = Draft(
        envelope=envelope, data=[b"hello\r\n"], birth_us=1_799_999_999_000_000
    )
    try:
        return submit(place, draft)
    finally:
        place.close()


def look(config: Config) -> list[Finding]:
    return list(check_spool(config, SystemClock()))


def only(config: Config, kind: Kind, path: Path | str) -> Finding:
    """Return the one finding there is, of *kind* and naming *path*."""
    findings = look(config)
    assert [(kind, str(path))] == [(f.kind, f.path) for f in findings], findings
    assert str(findings[0]).startswith(f"{path}: ")
    assert findings[0].remedy
    return findings[0]


def repaired(config: Config, kind: Kind, path: Path | str) -> str:
    """See the one finding, repair it, find nothing; return what was done."""
    finding = only(config, kind, path)
    assert finding.repair is not None
    done = finding.repair()
    assert look(config) == []
    return done


def rejected(spool: Path) -> list[str]:
    """Return the names in reject/ without their unique endings."""
    return sorted(name.rpartition(".")[0] for name in os.listdir(spool / "reject"))


def old(path: Path) -> None:
    os.utime(path, (1, 1), follow_symlinks=False)


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def test_a_fresh_spool_with_mail_has_no_findings(spool: Path, config: Config) -> None:
    put(spool / "q.1")
    put(spool / "q.2")
    assert look(config) == []


def test_check_changes_nothing(spool: Path, config: Config) -> None:
    put(spool / "q.1")
    (spool / "q.1" / "junk").touch()

    def snapshot() -> list[tuple[str, int, int]]:
        return sorted(
            (str(p), p.lstat().st_mtime_ns, p.lstat().st_mode) for p in spool.rglob("*")
        )

    before = snapshot()
    assert look(config)
    assert before == snapshot()


def test_a_pattern_without_directories_is_a_configuration_error(
    tmp_path: Path,
) -> None:
    config = Config(spool=SpoolConfig(queues=f"{tmp_path}/q.*"))
    with pytest.raises(ConfigError, match="tuiq init"):
        look(config)


@needs_root
def test_wrong_owner_of_a_file_is_found_and_repaired(
    spool: Path, config: Config
) -> None:
    path = spool / "q.1" / f"qf{put(spool / 'q.1')}"
    os.chown(path, 12345, 12345)
    assert repaired(config, Kind.WRONG_OWNER, path) == "given to uid 0"
    assert path.stat().st_uid == 0


@needs_root
def test_wrong_owner_of_a_service_directory_is_found_and_repaired(
    spool: Path, config: Config
) -> None:
    os.chown(spool / "pauses", 12345, 12345)
    repaired(config, Kind.WRONG_OWNER, spool / "pauses")


@needs_root
def test_queue_directories_of_two_owners_need_a_person(
    spool: Path, config: Config
) -> None:
    for path in (spool / "q.2", *(spool / "q.2").iterdir()):
        os.chown(path, 12345, 12345)
    finding = only(config, Kind.WRONG_OWNER, spool / "q.2")
    assert finding.repair is None
    assert "chown -R 0" in finding.remedy


def test_wrong_mode_of_a_file_is_found_and_repaired(
    spool: Path, config: Config
) -> None:
    path = spool / "q.1" / f"df{put(spool / 'q.1')}"
    path.chmod(0o644)
    repaired(config, Kind.WRONG_MODE, path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["q.1", "run", "reject"])
def test_wrong_mode_of_a_directory_is_found_and_repaired(
    spool: Path, config: Config, name: str
) -> None:
    (spool / name).chmod(0o777)
    repaired(config, Kind.WRONG_MODE, spool / name)
    assert (spool / name).stat().st_mode & 0o777 == 0o700


def test_a_spool_that_others_can_write_to_is_found_and_repaired(
    spool: Path, config: Config
) -> None:
    spool.chmod(0o777)
    repaired(config, Kind.WRONG_MODE, spool)


def test_drop_that_others_can_read_is_found_and_repaired(
    spool: Path, config: Config
) -> None:
    (spool / "drop").chmod(0o777)
    repaired(config, Kind.WRONG_MODE, spool / "drop")
    assert (spool / "drop").stat().st_mode & 0o7777 == 0o3733


def test_a_symlinked_queue_directory_looser_than_the_spool_is_named(
    spool: Path, config: Config, tmp_path: Path
) -> None:
    create_queue_directory(tmp_path / "disk")
    (tmp_path / "disk").chmod(0o750)
    (spool / "q.3").symlink_to(tmp_path / "disk")
    findings = look(config)
    loose = [f for f in findings if f.kind is Kind.LOOSE_TARGET]
    assert [str(spool / "q.3")] == [f.path for f in loose]
    assert str(tmp_path / "disk") in loose[0].reason
    assert loose[0].repair
    loose[0].repair()
    assert look(config) == []


def test_a_queue_file_outside_its_subdirectory_is_found_and_put_there(
    spool: Path, config: Config
) -> None:
    queue_id = put(spool / "q.1")
    (spool / "q.1" / "df").mkdir(0o700)
    data = spool / "q.1" / f"df{queue_id}"
    misplaced = [f for f in look(config) if f.kind is Kind.MISPLACED]
    assert [str(data)] == [f.path for f in misplaced]
    assert misplaced[0].repair
    misplaced[0].repair()
    assert look(config) == []
    assert (spool / "q.1" / "df" / data.name).read_bytes() == b"hello\r\n"


@pytest.mark.parametrize("prefix", ["df", "tf", "bf", "xf"])
def test_an_old_file_without_its_message_is_found_and_removed(
    spool: Path, config: Config, prefix: str
) -> None:
    path = spool / "q.1" / f"{prefix}0123456789ABCDEFGHJ"
    path.touch(0o600)
    assert look(config) == []  # too young: somebody may be between open and flock
    old(path)
    repaired(config, Kind.ORPHAN, path)


def test_a_file_that_a_submitter_still_locks_is_no_orphan(
    spool: Path, config: Config
) -> None:
    import fcntl

    path = spool / "q.1" / "df0123456789ABCDEFGHJ"
    path.touch(0o600)
    old(path)
    finding = only(config, Kind.ORPHAN, path)
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert look(config) == []
        assert finding.repair
        with pytest.raises(SpoolError, match="working on it"):
            finding.repair()
    assert path.exists()


def test_a_message_without_data_is_found_and_kept_in_reject(
    spool: Path, config: Config
) -> None:
    queue_id = put(spool / "q.1")
    (spool / "q.1" / f"df{queue_id}").unlink()
    repaired(config, Kind.NO_DATA, spool / "q.1" / f"qf{queue_id}")
    assert [f"qf{queue_id}"] == rejected(spool)


def test_data_of_another_length_is_found_and_kept_in_reject(
    spool: Path, config: Config
) -> None:
    queue_id = put(spool / "q.1")
    (spool / "q.1" / f"df{queue_id}").write_bytes(b"hel")
    finding = only(config, Kind.WRONG_DATA_LENGTH, spool / "q.1" / f"qf{queue_id}")
    assert "has 3 bytes instead of 7" in finding.reason
    repaired(config, Kind.WRONG_DATA_LENGTH, spool / "q.1" / f"qf{queue_id}")
    assert [f"df{queue_id}", f"qf{queue_id}"] == rejected(spool)


def test_a_finished_message_without_data_is_nobodys_trouble(
    spool: Path, config: Config
) -> None:
    queue_id = put(spool / "q.1")
    overwrite(spool / "q.1" / f"qf{queue_id}", control.MSTATE, b"F")
    (spool / "q.1" / f"df{queue_id}").unlink()
    assert look(config) == []


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


DAMAGES: list[tuple[Kind, Callable[[Path], None], str]] = [
    (Kind.DAMAGED, truncate, "bytes instead of"),
    (Kind.DAMAGED, lambda p: overwrite(p, 1060, b"Z"), "checksum of its addresses"),
    (Kind.DAMAGED, lambda p: overwrite(p, 1024, b"z"), "unknown recipient state"),
    (Kind.DAMAGED, lambda p: overwrite(p, 514, b"?"), "unknown message request"),
    (Kind.NOT_CONTROL_FILE, lambda p: os.truncate(p, 100), "not a tuiq control file"),
    (Kind.NOT_CONTROL_FILE, lambda p: overwrite(p, 0, b"XX"), "not a tuiq control"),
    (Kind.NOT_CONTROL_FILE, lambda p: overwrite(p, 90, b"x"), "header checksum"),
]


@pytest.mark.parametrize(("kind", "damage", "words"), DAMAGES)
def test_a_damaged_control_file_is_found_and_kept_with_its_data(
    spool: Path, config: Config, kind: Kind, damage: Callable[[Path], None], words: str
) -> None:
    queue_id = put(spool / "q.1")
    put(spool / "q.1")
    path = spool / "q.1" / f"qf{queue_id}"
    damage(path)
    assert words in only(config, kind, path).reason
    content = path.read_bytes()
    repaired(config, kind, path)
    assert [f"df{queue_id}", f"qf{queue_id}"] == rejected(spool)
    kept = next((spool / "reject").glob("qf*"))
    assert content == kept.read_bytes()


def test_a_damaged_message_that_a_process_holds_is_left_alone(
    spool: Path, config: Config
) -> None:
    import fcntl

    path = spool / "q.1" / f"qf{put(spool / 'q.1')}"
    overwrite(path, 1024, b"z")
    finding = only(config, Kind.DAMAGED, path)
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert finding.repair
        with pytest.raises(SpoolError, match="working on it"):
            finding.repair()
    assert path.exists()


def test_a_control_file_under_another_id_is_damaged(
    spool: Path, config: Config
) -> None:
    queue_id = put(spool / "q.1")
    shutil.copy(
        spool / "q.1" / f"df{queue_id}", spool / "q.1" / "df0000000000000000000"
    )
    path = spool / "q.1" / "qf0000000000000000000"
    shutil.copy(spool / "q.1" / f"qf{queue_id}", path)
    path.chmod(0o600)
    assert f"says it is {queue_id}" in repaired_reason(config, path)


def repaired_reason(config: Config, path: Path) -> str:
    reason = only(config, Kind.DAMAGED, path).reason
    repaired(config, Kind.DAMAGED, path)
    return reason


def test_an_unknown_format_version_is_left_to_the_tuiq_that_knows_it(
    spool: Path, config: Config
) -> None:
    path = spool / "q.1" / f"qf{put(spool / 'q.1')}"
    overwrite(path, 6, b"99")
    finding = only(config, Kind.UNKNOWN_VERSION, path)
    assert finding.repair is None
    assert "upgrade" in finding.remedy


def test_a_message_marked_corrupt_waits_for_a_person(
    spool: Path, config: Config
) -> None:
    path = spool / "q.1" / f"qf{put(spool / 'q.1')}"
    overwrite(path, control.MSTATE, b"C")
    finding = only(config, Kind.MARKED_CORRUPT, path)
    assert finding.repair is None
    assert "tuiq requeue" in finding.remedy


def test_a_message_that_kills_its_runners_is_named(spool: Path, config: Config) -> None:
    path = spool / "q.1" / f"qf{put(spool / 'q.1')}"
    overwrite(path, control.OPENED, b"5")
    assert "died 5 times" in only(config, Kind.RUNNER_DIED, path).reason


@pytest.mark.parametrize("mstate", [b"P", b"M"])
def test_what_a_move_left_is_reported_and_left_alone(
    spool: Path, config: Config, mstate: bytes
) -> None:
    path = spool / "q.1" / f"qf{put(spool / 'q.1')}"
    overwrite(path, control.MSTATE, mstate)
    assert only(config, Kind.MOVE_UNFINISHED, path).repair is None


def test_one_id_live_in_two_directories_needs_a_person(
    spool: Path, config: Config
) -> None:
    queue_id = put(spool / "q.1")
    for prefix in ("df", "qf"):
        shutil.copy2(spool / "q.1" / (prefix + queue_id), spool / "q.2")
    path = spool / "q.2" / f"qf{queue_id}"
    assert only(config, Kind.DUPLICATE_MESSAGE, path).repair is None


@pytest.mark.parametrize("name", ["core", "qf123", "xx0123456789ABCDEFGHJ", "a\x1b]b"])
def test_a_foreign_file_is_found_and_moved_to_reject(
    spool: Path, config: Config, name: str
) -> None:
    (spool / "q.1" / name).write_text("what am I?")
    shown = name.replace("\x1b", "\\x1b")
    repaired(config, Kind.FOREIGN, spool / "q.1" / shown)
    assert [name] == rejected(spool)


def test_a_foreign_directory_is_left_to_a_person(spool: Path, config: Config) -> None:
    (spool / "q.1" / "lost+found").mkdir()
    path = spool / "q.1" / "lost+found"
    assert only(config, Kind.FOREIGN, path).repair is None


def test_a_symlink_under_a_queue_files_name_is_found_and_moved_away(
    spool: Path, config: Config, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("untouched")
    path = spool / "q.1" / "qf0123456789ABCDEFGHJ"
    path.symlink_to(secret)
    assert "a symlink" in only(config, Kind.NOT_A_FILE, path).reason
    repaired(config, Kind.NOT_A_FILE, path)
    assert secret.read_text() == "untouched"


def test_data_goes_with_what_stands_in_its_control_files_place(
    spool: Path, config: Config, tmp_path: Path
) -> None:
    queue_id = put(spool / "q.1")
    path = spool / "q.1" / f"qf{queue_id}"
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    os.utime(spool / "q.1" / f"df{queue_id}", (1, 1))
    repaired(config, Kind.NOT_A_FILE, path)
    assert [name[:21] for name in rejected(spool)] == [f"df{queue_id}", path.name]


def test_a_fifo_is_found_without_waiting_for_its_other_end(
    spool: Path, config: Config
) -> None:
    path = spool / "q.1" / "df0123456789ABCDEFGHJ"
    os.mkfifo(path, 0o600)
    assert "a FIFO" in only(config, Kind.NOT_A_FILE, path).reason
    repaired(config, Kind.NOT_A_FILE, path)


def test_a_hard_link_needs_a_person(
    spool: Path, config: Config, tmp_path: Path
) -> None:
    path = spool / "q.1" / f"qf{put(spool / 'q.1')}"
    os.link(path, tmp_path / "mine")
    finding = only(config, Kind.HARD_LINK, path)
    assert finding.repair is None
    assert f"-samefile {path}" in finding.remedy


def test_a_socket_in_drop_is_found_and_moved_away(spool: Path, config: Config) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(spool / "drop" / "m.sock"))
    repaired(config, Kind.NOT_A_FILE, spool / "drop" / "m.sock")


@pytest.mark.parametrize("name", ["letter.txt", "m.", "t.short", "m.x\x1b[2J"])
def test_what_is_not_named_like_a_message_in_drop_is_found_and_moved_away(
    spool: Path, config: Config, name: str
) -> None:
    (spool / "drop" / name).write_text("hello")
    path = printable(str(spool / "drop" / name))
    done = repaired(config, Kind.FOREIGN, path)
    assert done.startswith(f"moved to {spool}/reject/")


def test_mail_that_waits_in_drop_is_no_finding(spool: Path, config: Config) -> None:
    for prefix in "mt":
        (spool / "drop" / f"{prefix}.{'0' * 32}").touch()
    assert look(config) == []


def with_passwords(config: Config, own: Path, of_a_route: Path) -> Config:
    via = Via(means=Means.SMARTHOST, host="relay.example.org", port=25)
    options = Options(username="you", password_file=of_a_route)
    delivery = DeliveryConfig(
        username="me", password_file=own, routes=(Route(via=via, options=options),)
    )
    return replace(config, delivery=delivery)


def test_passwords_that_others_can_read_are_found_and_closed(
    config: Config, tmp_path: Path
) -> None:
    own, other = tmp_path / "password", tmp_path / "relay"
    for path in (own, other):
        path.write_text("secret\n")
        path.chmod(0o600)
    config = with_passwords(config, own, other)
    assert look(config) == []
    for path, mode in ((own, 0o640), (other, 0o604)):
        path.chmod(mode)
        finding = only(config, Kind.WRONG_MODE, path)
        assert f"mode {mode:04o}: others can read the password" in finding.reason
        assert f"chmod 0600 {path}" in finding.remedy
        repaired(config, Kind.WRONG_MODE, path)
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_password_file_that_is_not_there_needs_a_person(
    config: Config, tmp_path: Path
) -> None:
    path = tmp_path / "password"
    finding = only(with_passwords(config, path, path), Kind.UNREADABLE, path)
    assert "no such file or directory" in finding.reason
    assert finding.repair is None


@needs_root
def test_a_password_that_is_not_the_queue_users_is_found_and_given_to_it(
    config: Config, tmp_path: Path
) -> None:
    path = tmp_path / "password"
    path.write_text("secret\n")
    path.chmod(0o600)
    os.chown(path, 4711, 4711)
    repaired(with_passwords(config, path, path), Kind.WRONG_OWNER, path)
    assert path.stat().st_uid == 0


def test_two_directories_with_one_id_need_a_person(spool: Path, config: Config) -> None:
    shutil.copy2(spool / "q.1" / ".tuiq-id", spool / "q.2" / ".tuiq-id")
    finding = only(config, Kind.DUPLICATE_ID, spool / "q.2" / ".tuiq-id")
    assert str(spool / "q.1") in finding.reason
    assert finding.repair is None


@pytest.mark.parametrize("name", [".lock", ".lockprobe", ".reserve"])
def test_a_missing_service_file_is_found_and_made(
    spool: Path, config: Config, name: str
) -> None:
    path = spool / "q.1" / name
    size = path.stat().st_size
    path.unlink()
    repaired(config, Kind.MISSING_FILE, path)
    assert size == path.stat().st_size


def test_a_missing_id_is_made_only_where_mail_proves_the_disk(
    spool: Path, config: Config
) -> None:
    path = spool / "q.1" / ".tuiq-id"
    path.unlink()
    finding = only(config, Kind.MISSING_FILE, path)
    assert finding.repair is None
    assert "mount the disk" in finding.remedy
    (spool / "q.1" / ".tuiq-id").write_text("x")
    put(spool / "q.1")
    path.unlink()
    repaired(config, Kind.MISSING_FILE, path)


def test_a_symlink_to_nowhere_in_place_of_a_queue_directory_is_named(
    spool: Path, config: Config
) -> None:
    (spool / "q.3").symlink_to("/nowhere/at/all")
    assert only(config, Kind.UNREADABLE, spool / "q.3").repair is None


@pytest.mark.parametrize("name", ["run/x.status.tmp", "pauses/spool.1.2.tmp"])
def test_a_temporary_file_of_a_dead_process_is_found_and_removed(
    spool: Path, config: Config, name: str
) -> None:
    (spool / name).touch()
    assert look(config) == []
    old(spool / name)
    repaired(config, Kind.STALE, spool / name)


def test_the_status_file_of_a_dead_runner_is_found_and_removed(
    spool: Path, config: Config
) -> None:
    import fcntl

    path = spool / "run" / "supervisor.status"
    path.write_text("{}")
    lock = path.with_suffix(".lock")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert look(config) == []
    repaired(config, Kind.STALE, path)


def test_a_suspect_directory_is_named_with_the_remedy(
    spool: Path, config: Config
) -> None:
    path = spool / "run" / "suspect.1234"
    path.touch()
    finding = only(config, Kind.SUSPECT, path)
    assert finding.repair is None
    assert "restart the runner" in finding.remedy


def test_a_damaged_pause_is_found_and_moved_away(spool: Path, config: Config) -> None:
    path = spool / "pauses" / "spool"
    path.write_text("gibberish")
    repaired(config, Kind.DAMAGED_PAUSE, path)
    assert rejected(spool) == ["spool"]


def test_a_full_disk_is_named(spool: Path, config: Config) -> None:
    config = replace(
        config,
        spool=replace(config.spool, min_free_percent=100.0, min_free_bytes=1 << 62),
    )
    findings = look(config)
    assert [(Kind.LOW_DISK, str(spool / q)) for q in ("q.1", "q.2")] == [
        (f.kind, f.path) for f in findings
    ]
    assert "the floor is" in findings[0].reason


@pytest.mark.parametrize("kind", ["tmpfs", "nfs4", "fuse.sshfs"])
def test_a_file_system_that_loses_mail_is_named(
    spool: Path, config: Config, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("tuiq.spool.disk.filesystem_type", lambda fd: kind)
    findings = look(config)
    assert [(Kind.FILE_SYSTEM, str(spool / q)) for q in ("q.1", "q.2")] == [
        (f.kind, f.path) for f in findings
    ]
    assert findings[0].reason.startswith(f"is on {kind}, ")
    assert findings[0].remedy == "put the queue on a local disk"


def test_what_the_caller_may_not_read_is_named(
    spool: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> list[str]:
        raise PermissionError(13, "Permission denied", str(spool / "q.1"))

    monkeypatch.setattr("tuiq.spool.check.check_directory", refuse)
    kinds = {(f.kind, f.path) for f in look(config)}
    assert (Kind.UNREADABLE, str(spool / "q.1")) in kinds


@pytest.fixture
def other_disk(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make reject/ lie on another file system, as rename(2) sees it."""
    real = os.rename

    def rename(old: Path, new: Path) -> None:
        if new.parent == spool / "reject":
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(old))
        real(old, new)

    monkeypatch.setattr("tuiq.spool.mend.os.rename", rename)


@pytest.mark.usefixtures("other_disk")
def test_a_file_is_copied_whole_to_a_reject_on_another_disk(
    spool: Path, config: Config
) -> None:
    path = spool / "q.1" / "core"
    path.write_bytes(b"x" * 100_000)
    repaired(config, Kind.FOREIGN, path)
    kept = next((spool / "reject").glob("core.*"))
    assert kept.read_bytes() == b"x" * 100_000


@pytest.mark.usefixtures("other_disk")
def test_a_fifo_that_cannot_be_copied_stays_with_a_sentence(
    spool: Path, config: Config
) -> None:
    path = spool / "q.1" / "df0123456789ABCDEFGHJ"
    os.mkfifo(path, 0o600)
    repair = only(config, Kind.NOT_A_FILE, path).repair
    assert repair
    with pytest.raises(SpoolError, match="another file system"):
        repair()
    assert path.exists()


def test_a_missing_reject_directory_is_made(spool: Path, config: Config) -> None:
    (spool / "reject").rmdir()
    (spool / "q.1" / "core").touch()
    repaired(config, Kind.FOREIGN, spool / "q.1" / "core")
    assert (spool / "reject").stat().st_mode & 0o777 == 0o700


def test_a_misplaced_file_replaces_no_other(spool: Path, config: Config) -> None:
    queue_id = put(spool / "q.1")
    (spool / "q.1" / "df").mkdir(0o700)
    twin = spool / "q.1" / "df" / f"df{queue_id}"
    twin.write_bytes(b"HELLO\r\n")
    twin.chmod(0o600)
    repair = only(config, Kind.MISPLACED, spool / "q.1" / f"df{queue_id}").repair
    assert repair
    with pytest.raises(SpoolError, match="exists too"):
        repair()
    assert twin.read_bytes() == b"HELLO\r\n"


def test_the_mode_of_a_file_with_two_names_is_left_alone(
    spool: Path, config: Config, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("not yours")
    victim.chmod(0o644)
    os.link(victim, spool / "q.1" / "df0123456789ABCDEFGHJ")
    wrong = next(f for f in look(config) if f.kind is Kind.WRONG_MODE)
    assert wrong.repair
    with pytest.raises(SpoolError, match="has 2 names"):
        wrong.repair()
    assert victim.stat().st_mode & 0o777 == 0o644


def test_a_message_that_arrives_meanwhile_makes_its_data_no_orphan(
    spool: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = spool / "q.1" / "df0123456789ABCDEFGHJ"
    path.touch(0o600)
    old(path)

    def commit(_path: Path) -> bool:
        (spool / "q.1" / "qf0123456789ABCDEFGHJ").touch()
        return False

    monkeypatch.setattr("tuiq.spool.mend.is_locked", commit)
    assert look(config) == []


def test_a_message_that_is_finished_meanwhile_lost_nothing(
    spool: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_id = put(spool / "q.1")
    (spool / "q.1" / f"df{queue_id}").unlink()

    def gone(path: Path) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setattr("tuiq.spool.mend.opened", gone)
    assert look(config) == []


def test_an_orphan_that_got_its_message_is_not_removed(
    spool: Path, config: Config
) -> None:
    path = spool / "q.1" / "df0123456789ABCDEFGHJ"
    path.touch(0o600)
    old(path)
    repair = only(config, Kind.ORPHAN, path).repair
    (spool / "q.1" / "qf0123456789ABCDEFGHJ").touch()
    assert repair
    with pytest.raises(SpoolError, match="there by now"):
        repair()
    assert path.exists()
