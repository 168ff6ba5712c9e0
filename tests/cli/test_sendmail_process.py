"""sendmail as a process of its own, on a real spool, in each form that it has."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.spool.world import needs_open_python
from tuiq.cli.main import dispatch
from tuiq.cli.sendmail_install import install
from tuiq.config import load
from tuiq.spool.entry import QueueEntry
from tuiq.spool.ingest import Ingester
from tuiq.spool.spool import open_spool

ROOT = Path(__file__).parents[2]
CODE = "import sys; from tuiq.cli.{} import main; sys.exit(main())"
NOBODY = 65534
DEADLINE = 30.0


@pytest.fixture(params=["long way", "no drop", "drop", "installed"])
def form(request: pytest.FixtureRequest) -> str:
    """The whole program; its quick front without drop/ and with it; the script."""
    name: str = request.param
    return name


@pytest.fixture
def program(form: str, tmp_path: Path) -> list[str]:
    if form == "installed":
        file = tmp_path / "sendmail"
        install(str(file))
        return [str(file)]
    module = "sendmail" if form == "long way" else "sendmail_plain"
    return [sys.executable, "-c", CODE.format(module)]


@pytest.fixture
def spool(form: str, tmp_path: Path) -> Path:
    path = tmp_path / "spool"
    drop = ["--drop"] if form in {"drop", "installed"} else []
    assert dispatch(["init", *drop, str(path)]) == 0
    return path


def environment(spool: Path) -> dict[str, str]:
    config = str(spool / "tuiq.toml")
    return {**os.environ, "TUIQ_CONFIG": config, "PYTHONPATH": str(ROOT)}


def sendmail(
    program: list[str], spool: Path, *words: str, mail: bytes
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*program, *words],
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
        assert Ingester(opened).ingest().rejected == []
        return [(entry, opened.read_data(entry)) for entry in opened.entries()]


def test_mail_from_php_is_queued_in_wire_form(program: list[str], spool: Path) -> None:
    mail = b"To: A@Example.ORG\r\nSubject: x\r\nBcc: b@c\r\n\r\nline\n.\nend"
    done = sendmail(program, spool, "-t", "-i", "-fweb@site.example", mail=mail)

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
    program: list[str], spool: Path, mail: bytes, status: int
) -> None:
    before = sorted(spool.rglob("*"))
    done = sendmail(program, spool, "a@b", mail=mail)
    assert (done.returncode, done.stderr.count(b"\n")) == (status, 1)
    assert sorted(spool.rglob("*")) == before


def test_a_message_cut_short_by_sendmails_death_is_not_queued(
    program: list[str], spool: Path
) -> None:
    with subprocess.Popen(
        [*program, "a@b"],
        stdin=subprocess.PIPE,
        env=environment(spool),
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"X: y\n\n" + b"half a message\n" * 100_000)
        process.stdin.flush()
        deadline = time.monotonic() + DEADLINE
        while not any(path.stat().st_size for path in spool.glob("q.*/df/df*")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert queued(spool) == []


def test_a_closed_standard_input_is_an_input_error(
    program: list[str], spool: Path
) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {shlex.join(program)} a@b <&-"],
        env=environment(spool),
        capture_output=True,
        check=False,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stderr.count(b"\n")) == (65, 1)


def test_help_needs_no_spool_and_no_mail(program: list[str], tmp_path: Path) -> None:
    done = sendmail(program, tmp_path / "none", "--help", mail=b"")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"usage: tuiq sendmail")


@needs_open_python
@pytest.mark.parametrize("form", ["long way", "no drop"], indirect=True)
def test_mail_of_a_user_outside_can_be_sent_again_once_the_spool_is_open(
    program: list[str], spool: Path
) -> None:
    open_the_way_to(spool)
    program[-1] = f"import os; os.setresuid({NOBODY}, {NOBODY}, {NOBODY});{program[-1]}"
    done = sendmail(program, spool, "a@b", mail=b"hi\n")

    assert os.stat(spool).st_mode & 0o777 == 0o700
    assert done.returncode == 75
    assert f"tuiq init --drop {spool}\n".encode() in done.stderr


@needs_open_python
@pytest.mark.parametrize("form", ["long way", "no drop"], indirect=True)
def test_root_works_as_the_queue_user(program: list[str], spool: Path) -> None:
    for path in (spool, *spool.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    open_the_way_to(spool)
    done = sendmail(program, spool, "-i", "a@b", mail=b"hi\n")

    assert (done.stderr[-600:], done.returncode) == (b"", 0)
    (control,) = spool.glob("q.*/qf/qf*")
    assert (control.stat().st_uid, control.stat().st_gid) == (NOBODY, NOBODY)
    (data,) = spool.glob("q.*/df/df*")
    assert b"(uid 0);" in data.read_bytes()


@pytest.mark.parametrize(
    ("form", "unwanted"),
    [
        ("long way", "argparse asyncio email textual aiosmtplib socket logging"),
        ("installed", "os re typing enum dataclasses tomllib pathlib contextlib"),
    ],
    indirect=["form"],
)
def test_submission_loads_nothing_that_only_others_need(
    program: list[str], spool: Path, form: str, unwanted: str
) -> None:
    words = ["-IS", *program] if form == "installed" else program[1:]
    line = [sys.executable, "-X", "importtime", *words]
    done = sendmail(line, spool, "-ti", mail=b"To: a@b\n\nx\n")

    assert done.returncode == 0
    loaded = re.findall(rb"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE)
    assert b"tuiq.cli" in loaded
    assert set(unwanted.split()) & {each.decode() for each in loaded} == set()


def test_git_sends_patches_through_it(
    program: list[str], spool: Path, tmp_path: Path
) -> None:
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
    command = shlex.join(program)
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
