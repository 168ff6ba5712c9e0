"""The run-time twin of the import contracts: what a program really loads.

import-linter sees static imports only; these start the programs and look at
``sys.modules`` when they are done.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tuiq.spool.setup import create_spool

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import json, sys
sys.argv = json.loads(sys.argv[1])
from tuiq.cli.main import main
try:
    code = main()
except SystemExit as ended:
    code = ended.code
print("LOADED", json.dumps([code, sorted(sys.modules)]))
"""
MESSAGE = b"From: a@example.org\nTo: b@example.org\nSubject: s\n\nbody\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    create_spool(tmp_path / "spool")
    path = tmp_path / "spool" / "tuiq.toml"
    path.write_text('[spool]\nqueues = "q.*"\n[submission]\nhostname = "h.example"\n')
    return path


def loaded(config: Path, *argv: str, stdin: bytes = b"") -> set[str]:
    """Return the modules that the program *argv* had loaded when it was done."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(argv)],
        input=stdin,
        capture_output=True,
        check=True,
        env={"TUIQ_CONFIG": str(config), "PATH": "/usr/bin:/bin"},
    )
    last = result.stdout.decode().splitlines()[-1]
    code, modules = json.loads(last.removeprefix("LOADED "))
    assert code == 0, result.stderr.decode()
    return set(modules)


def test_sendmail_loads_no_event_loop_and_no_user_interface(config: Path) -> None:
    modules = loaded(config, "sendmail", "-t", "-i", stdin=MESSAGE)

    unwanted = {"textual", "asyncio", "watchdog", "aiosmtplib", "logging", "argparse"}
    unwanted |= {"dns", "idna", "tuiq.config.routes", "tuiq.config.route_kinds"}
    assert modules & unwanted == set()
    assert list(config.parent.glob("q.1/qf*"))


def test_mailq_loads_no_event_loop_and_no_user_interface(config: Path) -> None:
    modules = loaded(config, "mailq")

    assert modules & {"textual", "asyncio", "watchdog", "aiosmtplib"} == set()


@pytest.mark.parametrize("word", ["mailq", "status", "config"])
def test_a_view_loads_no_event_loop_and_no_user_interface(
    config: Path, word: str
) -> None:
    modules = loaded(config, "tuiq", word)

    assert modules & {"textual", "asyncio", "watchdog", "aiosmtplib"} == set()


def test_tuiq_alone_loads_no_user_interface_where_there_is_no_terminal(
    config: Path,
) -> None:
    modules = loaded(config, "tuiq")

    assert modules & {"textual", "rich", "asyncio"} == set()


def test_the_runner_loads_no_user_interface(config: Path) -> None:
    assert "textual" not in loaded(config, "tuiq", "--run", "--once")
