"""``tuiq check`` on the command line: what it prints, mends and ends with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tuiq.cli import check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where sendmail lies on this test's host: a link to tuiq-sendmail."""
    target = tmp_path / "bin" / "tuiq-sendmail"
    target.parent.mkdir()
    target.write_text("#!/usr/bin/python3\n")
    path = tmp_path / "sendmail"
    path.symlink_to(target)
    monkeypatch.setattr(check, "SENDMAIL_PATHS", (path,))
    return path


def test_a_sound_spool_ends_with_0(
    planted: Any, host: Path, tuiq: Callable[..., Any]
) -> None:
    planted.plant("abc")
    ran = tuiq("check")
    assert (ran.status, ran.out) == (0, f"{planted.path}: nothing wrong\n")
    assert tuiq("check", "--json").out == ""


def test_findings_are_printed_as_pinned(
    planted: Any,
    host: Path,
    tuiq: Callable[..., Any],
    golden: Callable[[str, str], None],
) -> None:
    planted.plant("abc")
    planted.poke("abc", (6, b"99"))
    (planted.path / "q.1" / "core").touch()
    golden("check.txt", tuiq("check").out)
    golden("check.jsonl", tuiq("check", "--json").out)
    assert tuiq("check").status == 75


def test_repair_mends_what_it_can_and_says_what_is_left(
    planted: Any, host: Path, tuiq: Callable[..., Any]
) -> None:
    planted.plant("abc")
    planted.poke("abc", (6, b"99"))
    (planted.path / "q.1" / "core").touch()
    ran = tuiq("check", "--repair")
    assert ran.status == 75
    assert "core: is not a queue file of tuiq; " in ran.out
    assert "[repaired: moved to " in ran.out
    assert ran.lines[-1] == f"{planted.path}: 2 findings, 1 repaired, 1 left"
    again = tuiq("check", "--json").lines
    assert [json.loads(line)["class"] for line in again] == ["unknown-version"]


def test_repair_of_everything_ends_with_0(
    planted: Any, host: Path, tuiq: Callable[..., Any]
) -> None:
    (planted.path / "q.1" / "core").touch()
    assert tuiq("check", "--repair").status == 0
    assert tuiq("check").status == 0


def test_a_repair_that_fails_says_why(
    planted: Any, host: Path, tuiq: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> str:
        raise PermissionError(1, "Operation not permitted", "core")

    monkeypatch.setattr("tuiq.spool.mend.reject", fail)
    (planted.path / "q.1" / "core").touch()
    ran = tuiq("check", "--repair", "--json")
    assert ran.status == 75
    assert json.loads(ran.out)["failed"] == "core: operation not permitted"


def test_a_sendmail_of_another_system_is_a_note_with_where_it_leads(
    planted: Any, host: Path, tuiq: Callable[..., Any], tmp_path: Path
) -> None:
    other = tmp_path / "sendmail.postfix"
    other.write_text("ELF")
    alternatives = tmp_path / "mta"
    alternatives.symlink_to(other)
    host.unlink()
    host.symlink_to(alternatives)
    ran = tuiq("check")
    assert ran.status == 0
    assert ran.lines[0].startswith(
        f"note: sendmail: {host}: leads to {other}, which is not tuiq's; "
    )


def test_a_script_that_calls_tuiq_is_tuiqs(tmp_path: Path) -> None:
    script = tmp_path / "sendmail"
    script.write_text('#!/bin/sh\nexec tuiq sendmail "$@"\n')
    assert check.is_ours(script)


def test_a_host_without_sendmail_is_a_note(tmp_path: Path) -> None:
    found = list(check.check_sendmail((tmp_path / "sendmail",)))
    assert [f"tuiq-sendmail --install {tmp_path}/sendmail"] == [
        finding.remedy for finding in found
    ]


def test_two_names_for_one_sendmail_are_one_note(tmp_path: Path) -> None:
    real = tmp_path / "exim4"
    real.touch()
    (tmp_path / "a").symlink_to(real)
    (tmp_path / "b").symlink_to(real)
    found = list(check.check_sendmail((tmp_path / "a", tmp_path / "b")))
    assert len(found) == 1
