"""sendmail as a process of its own, on a real spool."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.spool.world import needs_open_python
from tuiq.cli.main import dispatch
from tuiq.config import load
from tuiq.spool.entry import QueueEntry
from tuiq.spool.spool import open_spool

ROOT = Path(__file__).parents[2]
CODE = "import sys; from tuiq.cli.sendmail import main; sys.exit(main())"
NOBODY = 65534
DEADLINE = 30.0


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    path = tmp_path / "spool"
    assert dispatch(["init", str(path)]) == 0
    return path


def environment(spool: Path) -> dict[str, str]:
    config = str(spool / "tuiq.toml")
    return {**os.environ, "TUIQ_CONFIG": config, "PYTHONPATH": str(ROOT)}


def sendmail(
    spool: Path, *words: str, mail: bytes, code: str = CODE
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        input=mail,
        env=environment(spool),
        capture_output=True,
        check=False,
        timeout=DEADLINE,
    )


def open_the_way_to(path: Path) -> None:
    for parent in path.parents:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(0o711)


def queued(spool: Path) -> list[tuple[QueueEntry, bytes]]:
    with open_spool(load(spool / "tuiq.toml")) as opened:
        return [(entry, opened.read_data(entry)) for entry in opened.entries()]


def test_mail_from_php_is_queued_in_wire_form(spool: Path) -> None:
    mail = b"To: A@Example.ORG\r\nSubject: x\r\nBcc: b@c\r\n\r\nline\n.\nend"
    done = sendmail(spool, "-t", "-i", "-fweb@site.example", mail=mail)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    ((entry, data),) = queued(spool)
    envelope = entry.envelope()
    assert envelope.sender == b"web@site.example"
    assert [each.address for each in envelope.recipients] == [
        b"A@example.org",
        b"b@c",
    ]
    trace, _, rest = data.partition(b"\r\n\t")
    assert trace.startswith(b"Received: by ")
    assert f"id {entry.queue_id} (uid {os.getuid()});".encode() in trace
    assert b"\r\nTo: A@Example.ORG\r\nSubject: x\r\nFrom: web@site.example\r\n" in rest
    assert data.endswith(b"\r\n\r\nline\r\n.\r\nend\r\n")
    assert b"b@c" not in data


@pytest.mark.parametrize(
    ("mail", "status"), [(b"X: y\n\n" + b"a" * 200_000 + b"\0", 65), (b"a\0", 65)]
)
def test_a_refused_message_leaves_nothing_behind(
    spool: Path, mail: bytes, status: int
) -> None:
    before = sorted(spool.glob("q.*/*"))
    assert sendmail(spool, "a@b", mail=mail).returncode == status
    assert sorted(spool.glob("q.*/*")) == before


def test_a_message_cut_short_by_sendmails_death_is_not_queued(spool: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CODE, "a@b"],
        stdin=subprocess.PIPE,
        env=environment(spool),
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"X: y\n\n" + b"half a message\n" * 20_000)
        process.stdin.flush()
        deadline = time.monotonic() + DEADLINE
        while not any(path.stat().st_size for path in spool.glob("q.*/df*")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert queued(spool) == []


def test_a_closed_standard_input_is_an_input_error(spool: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "{sys.executable}" -c "{CODE}" a@b <&-'],
        env=environment(spool),
        capture_output=True,
        check=False,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stderr.count(b"\n")) == (65, 1)


def test_help_needs_no_spool_and_no_mail(tmp_path: Path) -> None:
    done = sendmail(tmp_path / "none", "--help", mail=b"")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"usage: tuiq sendmail")


@needs_open_python
def test_mail_of_a_user_outside_can_be_sent_again_once_the_spool_is_open(
    spool: Path,
) -> None:
    open_the_way_to(spool)
    code = f"import os; os.setresuid({NOBODY}, {NOBODY}, {NOBODY});" + CODE
    done = sendmail(spool, "a@b", mail=b"hi\n", code=code)

    assert os.stat(spool).st_mode & 0o777 == 0o700
    assert done.returncode == 75
    assert f"tuiq init --drop {spool}\n".encode() in done.stderr


@needs_open_python
def test_root_works_as_the_queue_user(spool: Path) -> None:
    for path in (spool, *spool.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    open_the_way_to(spool)
    done = sendmail(spool, "-i", "a@b", mail=b"hi\n")

    assert (done.stderr[-600:], done.returncode) == (b"", 0)
    (control,) = spool.glob("q.*/qf*")
    assert (control.stat().st_uid, control.stat().st_gid) == (NOBODY, NOBODY)
    (data,) = spool.glob("q.*/df*")
    assert b"(uid 0);" in data.read_bytes()


def test_submission_loads_nothing_that_only_others_need(spool: Path) -> None:
    code = (
        "import sys; from tuiq.cli.sendmail import main; status = main();"
        "heavy = {'argparse', 'asyncio', 'email', 'textual', 'aiosmtplib', 'socket'};"
        "sys.exit(status or ', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = sendmail(spool, "-ti", mail=b"To: a@b\n\nx\n", code=code)
    assert (done.returncode, done.stderr) == (0, b"")


def test_git_sends_patches_through_it(spool: Path, tmp_path: Path) -> None:
    git = shutil.which("git")
    core = git and subprocess.check_output([git, "--exec-path"], text=True).strip()
    if not git or not core or not Path(core, "git-send-email").exists():
        pytest.skip("git send-email is not installed")
    patch = tmp_path / "0001-x.patch"
    patch.write_text(
        "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
        "From: Jane <jane@x.example>\nDate: Tue, 14 Nov 2023 22:13:20 +0000\n"
        "Subject: [PATCH] x\n\n---\n.\n-- \n2.40\n"
    )
    command = f"'{sys.executable}' -c '{CODE}'"
    subprocess.run(
        [
            *(git, "-c", f"sendemail.sendmailCmd={command}", "send-email"),
            *("--confirm=never", "--quiet", "--suppress-cc=all", "--no-validate"),
            *("--from=jane@x.example", "--to=Bob <bob@y.example>", str(patch)),
        ],
        env={
            **environment(spool),
            **{f"GIT_{role}_NAME": "Jane" for role in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{role}_EMAIL": "j@x.example" for role in ("AUTHOR", "COMMITTER")},
            "HOME": str(tmp_path),
        },
        cwd=tmp_path,
        check=True,
        timeout=DEADLINE,
    )
    ((entry, data),) = queued(spool)
    envelope = entry.envelope()
    assert envelope.recipients[0].address == b"bob@y.example"
    assert b"\r\n---\r\n.\r\n-- \r\n" in data
