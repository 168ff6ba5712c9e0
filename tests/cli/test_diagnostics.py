"""Every error ends in one escaped sentence and one status of sysexits(3)."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from tuiq import errors
from tuiq.cli.diagnostics import ExitCode, complain, exit_code_for, guarded


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("x"), 64),
        (errors.InputError("x"), 65),
        (errors.MessageDamaged("p", "r", "m"), 65),
        (errors.UnknownFormat("p", "r", "m"), 65),
        (errors.MessageGone("ID"), 66),
        (errors.SpoolUnavailable("x"), 75),
        (errors.NotQueueUser("x"), 75),
        (errors.MessageBusy("ID"), 75),
        (errors.DeliveryError("x"), 75),
        (errors.SpoolUnsafe("p", "r", "m"), 78),
        (errors.ConfigError("f", "k", "r"), 78),
        (OSError(errno.ENOSPC, "full"), 75),
        (OSError(errno.EMFILE, "many"), 75),
        (OSError(errno.EIO, "broken"), 74),
        (FileNotFoundError(errno.ENOENT, "none"), 66),
        (PermissionError(errno.EACCES, "no"), 77),
        (ZeroDivisionError(), 70),
        (KeyboardInterrupt(), 130),
    ],
)
def test_an_error_has_its_exit_status(error: BaseException, code: int) -> None:
    assert code == exit_code_for(error)


def raising(error: BaseException) -> int:
    def work() -> int:
        raise error

    return guarded(work)


def test_an_expected_error_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(errors.MessageGone("0ABC")) == ExitCode.NOINPUT
    error = capsys.readouterr().err
    assert error.startswith("tuiq: 0ABC: no such message in this spool; ")
    assert error.count("\n") == 1


def test_a_system_error_names_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(PermissionError(errno.EACCES, "Permission denied", "q.3")) == 77
    assert capsys.readouterr().err == "tuiq: q.3: permission denied\n"


def test_a_fault_of_tuiq_says_so_and_shows_where(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert raising(ZeroDivisionError("\x1b[2J")) == ExitCode.SOFTWARE

    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("tuiq: ") for line in lines)
    assert lines[0] == "tuiq: Traceback (most recent call last):"
    assert lines[-1].startswith("tuiq: fault: ZeroDivisionError: \\x1b[2J; please")


def test_the_keyboard_interrupts_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == ""


def test_hostile_text_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    complain("reply: \x1b]0;owned\x07\nsecond")

    assert capsys.readouterr().err == "tuiq: reply: \\x1b]0;owned\\x07\\x0asecond\n"


def test_a_reader_that_has_gone_is_no_error() -> None:
    program = (
        "import sys; from tuiq.cli.diagnostics import guarded\n"
        "def work():\n"
        "    while True: print('x' * 1000)\n"
        "sys.exit(guarded(work))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_a_closed_stderr_does_not_stop_the_work() -> None:
    program = (
        "import os, sys; os.close(2)\n"
        "from tuiq.cli.diagnostics import complain\n"
        "complain('nobody hears this'); print('done')"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.stdout == "done\n"
    assert os.WEXITSTATUS(result.returncode << 8) in {0, 120}
