"""``tuiq init`` makes what the next command needs and never overwrites."""

from __future__ import annotations

import os
import pwd
import stat
from typing import TYPE_CHECKING

import pytest

from tuiq.cli.diagnostics import guarded
from tuiq.cli.main import dispatch
from tuiq.config import load

if TYPE_CHECKING:
    from pathlib import Path


def init(*arguments: str) -> int:
    return guarded(lambda: dispatch(["init", *arguments]))


def test_the_spool_and_its_configuration_are_ready(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = tmp_path / "spool"

    assert init(str(spool), "--queues", "2", "--smarthost", "[::1]:2525") == 0

    config = load(spool / "tuiq.toml")
    assert config.spool_path == spool
    assert config.spool.queues == str(spool / "q.*")
    assert config.delivery.smarthost == "[::1]:2525"
    assert sorted(path.name for path in spool.glob("q.*")) == ["q.1", "q.2"]
    output = capsys.readouterr().out
    assert f"export TUIQ_CONFIG={spool}/tuiq.toml" in output
    assert "tuiq --run --once -v" in output


def test_one_queue_directory_is_the_default(tmp_path: Path) -> None:
    init(str(tmp_path / "spool"))

    assert [path.name for path in (tmp_path / "spool").glob("q.*")] == ["q.1"]


def test_the_configuration_moves_with_the_spool(tmp_path: Path) -> None:
    init(str(tmp_path / "here"))
    (tmp_path / "here").rename(tmp_path / "there")

    assert load(tmp_path / "there" / "tuiq.toml").spool_path == tmp_path / "there"


def test_without_a_smarthost_the_next_step_is_to_name_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(str(tmp_path / "spool"))

    assert "set [delivery] smarthost" in capsys.readouterr().out


def test_submitters_can_pass_to_the_drop_directory_and_the_settings(
    tmp_path: Path,
) -> None:
    spool = tmp_path / "spool"
    old = os.umask(0o077)
    try:
        init(str(spool), "--drop")
    finally:
        os.umask(old)

    assert stat.S_IMODE(spool.stat().st_mode) == 0o711
    assert stat.S_IMODE((spool / "tuiq.toml").stat().st_mode) == 0o644
    assert stat.S_IMODE((spool / "drop").stat().st_mode) == 0o3733


def test_a_second_time_adds_what_is_missing_and_keeps_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = tmp_path / "spool"
    init(str(spool))
    (spool / "tuiq.toml").write_text('[spool]\nqueues = "q.*"\n# mine\n')
    capsys.readouterr()

    assert init(str(spool), "--queues", "2", "--smarthost", "other") == 0

    assert "# mine" in (spool / "tuiq.toml").read_text()
    assert (spool / "q.2" / ".reserve").exists()
    output = capsys.readouterr().out
    assert "was there, left as it is" in output
    assert 'set the smarthost there yourself: [delivery] smarthost = "other:25"' in (
        output
    )


def test_what_was_added_is_told_without_what_lies_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = tmp_path / "spool"
    init(str(spool))
    (spool / "q.1" / ".lockprobe").unlink()
    capsys.readouterr()
    init(str(spool), "--queues", "2")

    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"{spool}: added q.1/.lockprobe, q.2"
    assert {"qf", "df", "xf"} < {path.name for path in (spool / "q.2").iterdir()}


def test_a_complete_spool_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(str(tmp_path / "spool"))
    capsys.readouterr()
    init(str(tmp_path / "spool"))

    assert "is complete, nothing to add" in capsys.readouterr().out


def test_a_name_that_only_the_resolver_knows_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuiq.cli.init.host_name", lambda: "box")
    monkeypatch.setattr("socket.getfqdn", lambda: "box.example.org")
    init(str(tmp_path / "spool"))

    assert load(tmp_path / "spool" / "tuiq.toml").submission.hostname == (
        "box.example.org"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{tmp}/a[b]"], "a spool's path has no *"),
        (["{tmp}/none/spool"], "make it first"),
        (["{tmp}/s", "--queues", "0"], "choose 1 to"),
        (["{tmp}/s", "--queues", "many"], "invalid int value"),
        (["{tmp}/s", "--smarthost", "a:b:c"], "--smarthost: not a host and port"),
        (["{tmp}/s", "--user", "nobody-of-that-name"], "there is no such user"),
        (["{tmp}/s", "--config", "x"], "init reads no --config"),
    ],
)
def test_a_wrong_command_line_makes_nothing(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert init(*(word.replace("{tmp}", str(tmp_path)) for word in arguments)) == 64

    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_spool_that_others_can_change_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool").chmod(0o777)

    assert init(str(tmp_path / "spool")) == 78
    assert "other users can change it; chmod 700" in capsys.readouterr().err
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_gives_the_spool_away_and_keeps_the_settings(tmp_path: Path) -> None:
    user = pwd.getpwnam("nobody")

    assert init(str(tmp_path / "spool"), "--user", "nobody") == 0

    assert (tmp_path / "spool" / "q.1").stat().st_uid == user.pw_uid
    assert (tmp_path / "spool").stat().st_uid == user.pw_uid
    assert (tmp_path / "spool" / "tuiq.toml").stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_root_adds_to_a_spool_is_its_users(tmp_path: Path) -> None:
    user = pwd.getpwnam("nobody")
    init(str(tmp_path / "spool"), "--user", "nobody")

    assert init(str(tmp_path / "spool"), "--queues", "2", "--drop") == 0

    for name in ("q.2", "q.2/.tuiq-id", "drop"):
        found = (tmp_path / "spool" / name).stat()
        assert (found.st_uid, found.st_gid) == (user.pw_uid, user.pw_gid)
