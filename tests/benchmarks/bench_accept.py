"""How fast mail is accepted, through the API and the commands, against Postfix.

``python -m tests.benchmarks.bench_accept [--small] [--calls N] [--messages N]``.

Nothing is delivered meanwhile: no runner and no Postfix daemon runs beside the
commands (both leave a synced file, which ``drop/`` and ``maildrop/`` wait with), and
Postfix's smtpd puts what it takes on hold.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import side
from tests.peers.postfix import Postfix
from tuiq.cli.sendmail_install import install
from tuiq.config import load
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool.ingest import Ingester
from tuiq.spool.intake import MOST_IN_BATCH, Intake
from tuiq.spool.setup import create_spool
from tuiq.spool.spool import open_spool

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

SIZE = 4096
PARALLEL = 4
SESSIONS = 10
PATIENCE = 60.0
"""Seconds in which Postfix must have taken in what lies in its maildrop."""
DURABILITY = (
    "tuiq, API and commands that write into the queue: fsync of data file, control "
    "file and directory before the answer; a batch: one syncfs and one fsync of the "
    "directory before its answers",
    "tuiq-sendmail into drop/: fsync of the file before and after it gets its name",
    "Postfix: fsync of the file in maildrop/ (sendmail) or of the queue file (smtpd) "
    "before the answer, none of its directory",
)
_LINE = b"The quick brown fox jumps over the lazy dog, line after line of it.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spool:
    """A spool of tuiq for one measurement."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "tuiq.toml"

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "TUIQ_CONFIG": str(self.config)}

    def count(self) -> int:
        names = (*self.path.glob("q.*/qf*"), *self.path.glob("drop/m.*"))
        return len(names)


def new_spool(path: Path, *, drop: bool = False) -> Spool:
    """Make a spool with one queue directory."""
    create_spool(path, drop=drop)
    made = Spool(path=path)
    made.config.write_text(
        '[spool]\nqueues = "q.*"\n[submission]\nhostname = "bench.invalid"\n'
    )
    return made


def mail() -> bytes:
    """Return a message of ``SIZE`` bytes, as programs hand it in."""
    head = (
        b"From: a@bench.invalid\nTo: b@bench.invalid\nSubject: accept\n"
        b"Date: Tue, 14 Nov 2023 22:13:20 +0000\nMessage-ID: <1@bench.invalid>\n\n"
    )
    lines = (SIZE - len(head)) // (len(_LINE) + 1)
    return head + _LINE * lines


def numbered(number: int) -> tuple[Envelope, list[bytes]]:
    """Return a message for the API."""
    recipient = Recipient(address=b"b%d@bench.invalid" % number)
    envelope = Envelope(
        sender=b"a@bench.invalid", recipients=(recipient,), via=b"api", uid=os.getuid()
    )
    return envelope, [mail().replace(b"\n", b"\r\n")]


# -- the API -------------------------------------------------------------------


def one_by_one(config: Path, count: int) -> tuple[float, float]:
    """Submit *count* messages; return when that began and ended."""
    messages = [numbered(number) for number in range(count)]
    with Intake(load(config)) as intake:
        began = time.monotonic()
        for envelope, data in messages:
            intake.submit(envelope, data)
        return began, time.monotonic()


def in_batches(config: Path, count: int, size: int) -> tuple[float, float]:
    """Submit *count* messages, *size* at a time; return when that began and ended."""
    messages = [numbered(number) for number in range(count)]
    with Intake(load(config)) as intake:
        began = time.monotonic()
        for start in range(0, count, size):
            intake.submit_batch(messages[start : start + size])
        return began, time.monotonic()


def in_processes(config: Path, count: int) -> tuple[float, float]:
    """Submit in ``PARALLEL`` processes at once."""
    spawn = multiprocessing.get_context("spawn")
    share = count // PARALLEL
    with ProcessPoolExecutor(PARALLEL, mp_context=spawn) as pool:
        list(pool.map(time.sleep, [0.2] * PARALLEL))  # all of them are up then
        spans = list(pool.map(one_by_one, [config] * PARALLEL, [share] * PARALLEL))
    return min(began for began, _ in spans), max(ended for _, ended in spans)


def api_rate(where: Path, way: Way, count: int) -> float:
    """Return messages a second that *way* gets into a new spool."""
    spool = new_spool(where)
    began, ended = way(spool.config, count)
    return spool.count() / (ended - began)


# -- the commands ----------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Command:
    """A command that takes mail, and how it did."""

    what: str
    words: list[str]
    environ: dict[str, str]
    seconds: list[float] = field(default_factory=list)
    """Of each call, one at a time."""
    together: float = 0.0
    """Calls a second, ``PARALLEL`` at a time."""

    @property
    def rate(self) -> float:
        return 1 / statistics.median(self.seconds)


def call(command: Command, mail_file: Path) -> float:
    """Run *command* with the message as its standard input; return its seconds."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, str(mail_file), os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    line = [*command.words, "-i", "b@bench.invalid"]
    began = time.perf_counter()
    pid = os.posix_spawnp(line[0], line, command.environ, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    seconds = time.perf_counter() - began
    assert status == 0, f"{line}: {os.waitstatus_to_exitcode(status)}"
    return seconds


def commands_of(
    where: Path, postfix: Postfix, dropping: Spool, direct: Spool
) -> list[Command]:
    """Return Postfix's command and then those of tuiq."""
    program = where / "sendmail"
    install(str(program))
    script = where / "script"
    script.write_text(
        f"#!{sys.executable}\nimport re\nimport sys\n"
        "from tuiq.cli.sendmail_plain import main\n"
        'sys.argv[0] = re.sub("(-script.pyw|.exe)?$", "", sys.argv[0])\n'
        "sys.exit(main())\n"
    )
    script.chmod(0o755)
    path = {"PYTHONPATH": str(side.ROOT)}
    theirs = [postfix.command("sendmail")]
    return [
        Command(what="Postfix", words=theirs, environ=postfix.environment),
        Command(
            what="tuiq-sendmail --install",
            words=[str(program)],
            environ=dropping.environ,
        ),
        Command(
            what="tuiq-sendmail, script as of pip",
            words=[str(script)],
            environ={**dropping.environ, **path},
        ),
        Command(
            what="tuiq-sendmail, no drop/",
            words=[str(program)],
            environ=direct.environ,
        ),
    ]


def measure_together(command: Command, mail_file: Path, count: int) -> None:
    """Call *command* *count* times, ``PARALLEL`` at a time."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        began = time.perf_counter()
        list(pool.map(lambda _number: call(command, mail_file), range(count)))
        command.together = count / (time.perf_counter() - began)


def compare_commands(
    report: side.Report, where: Path, postfix: Postfix, count: int
) -> Spool:
    """Measure the commands of both sides; return the spool with mail in drop/."""
    mail_file = where / "mail"
    mail_file.write_bytes(mail())
    dropping = new_spool(where / "drop", drop=True)
    direct = new_spool(where / "direct")
    commands = commands_of(where, postfix, dropping, direct)
    for command in commands:
        call(command, mail_file)  # compiled modules and the page cache are there now
    for _ in range(count):  # by turns: what else the machine does meets them all
        for command in commands:
            command.seconds.append(call(command, mail_file))
    for command in commands:
        measure_together(command, mail_file, count)
    assert dropping.count() == 2 * (2 * count + 1)
    assert direct.count() == 2 * count + 1
    theirs, *ours = commands
    for command in ours:
        milliseconds = [f"{1000 / each.rate:.1f} ms" for each in (command, theirs)]
        _add(report, command.what, command.rate, theirs.rate, " : ".join(milliseconds))
    for command in ours:
        what = f"{command.what}, {PARALLEL} at a time"
        _add(report, what, command.together, theirs.together)
    return dropping


def _add(
    report: side.Report, what: str, ours: float, theirs: float, note: str = ""
) -> None:
    report.add(
        side.Row(what=what, unit="messages/s", tuiq=ours, peer=theirs, note=note)
    )


# -- from there into the queue -----------------------------------------------------


def compare_taking_in(report: side.Report, spool: Spool, postfix: Postfix) -> None:
    """Measure the runner's ingester against Postfix's pickup and cleanup."""
    waiting = spool.count()
    with open_spool(load(spool.config)) as opened:
        began = time.perf_counter()
        done = Ingester(opened).ingest()
        ours = len(done.queued) / (time.perf_counter() - began)
    assert len(done.queued) == waiting
    postfix.configure(header_checks="static:HOLD")
    with postfix:
        theirs = _rate_into(postfix.queue_dir / "hold", postfix.queue_dir / "maildrop")
    _add(report, "from drop/ or maildrop/ into the queue", ours, theirs)


def _rate_into(hold: Path, maildrop: Path) -> float:
    """Return messages a second that move to *hold*, from the first to the last."""
    first = 0
    began = deadline = time.perf_counter()
    deadline += PATIENCE
    while any(maildrop.iterdir()):
        if not first and (first := _files(hold)):
            began = time.perf_counter()
        assert time.perf_counter() < deadline, "Postfix does not take its mail in"
        time.sleep(0.01)
    return (_files(hold) - first) / (time.perf_counter() - began)


def _files(directory: Path) -> int:
    return len(os.listdir(directory)) if directory.exists() else 0


# -- all of it -----------------------------------------------------------------------


def smtpd_rate(postfix: Postfix, sessions: int, count: int) -> float:
    """Return messages a second that smtpd takes from smtp-source."""
    done = side.measure(
        [
            *(postfix.command("smtp-source"), "-d", "-s", str(sessions)),
            *("-m", str(count), "-l", str(SIZE)),
            *("-f", "a@bench.invalid", "-t", "b@bench.invalid"),
            f"127.0.0.1:{postfix.port}",
        ]
    )
    assert done.status == 0, postfix.log()[-2000:]
    return count / done.seconds


Way = Callable[[Path, int], tuple[float, float]]
"""(config, messages) → when that began and ended."""


def ways_in() -> list[tuple[str, int, Way]]:
    """Return the uses of the API: name, sessions of smtpd to compare with, function."""
    return [
        ("API, one by one", 1, one_by_one),
        (f"API, one by one, {PARALLEL} processes", SESSIONS, in_processes),
        ("API, batches of 50", SESSIONS, partial(in_batches, size=50)),
        (
            f"API, batches of {MOST_IN_BATCH}",
            SESSIONS,
            partial(in_batches, size=MOST_IN_BATCH),
        ),
    ]


def compare_api(
    report: side.Report, where: Path, postfix: Postfix, given: argparse.Namespace
) -> None:
    """Measure the API against smtpd, which is Postfix's way in for programs."""
    count: int = given.messages
    rates: dict[str, list[float]] = {}
    for number in range(given.rounds):
        with postfix:
            smtpd_rate(postfix, 1, 20)
            for sessions in (1, SESSIONS):
                rate = smtpd_rate(postfix, sessions, count)
                rates.setdefault(f"{sessions}", []).append(rate)
        for what, _, way in ways_in():
            rate = api_rate(where / f"{number} {what}", way, count)
            rates.setdefault(what, []).append(rate)
    for what, sessions, _ in ways_in():
        ours, theirs = (
            statistics.median(rates[name]) for name in (what, f"{sessions}")
        )
        _add(
            report,
            what,
            ours,
            theirs,
            f"smtpd, {sessions} session{'s'[: sessions != 1]}",
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    given = side.arguments(
        "accept mail through the API and the commands",
        argv,
        calls=(300, 10, "calls of each command, in sequence and in parallel each"),
        rounds=(3, 1, "rounds of API and smtpd; the median counts"),
        messages=(3_000, 100, "messages through the API and through smtpd"),
    )
    side.require_postfix()
    with side.scratch(given.where) as where:
        report = side.Report(
            title=f"Accept: messages of {SIZE:,} bytes to one recipient",
            where=where,
            durability=DURABILITY,
        )
        report.notes.append(
            "no delivery meanwhile: commands without runner and without daemons of "
            "Postfix; smtpd (smtp-source -d) into its hold queue"
        )
        hold = {"smtpd_client_restrictions": "static:HOLD"}
        holding = Postfix(where / "smtpd", smtpd=hold)
        compare_api(report, where, holding, given)
        stopped = Postfix(where / "commands")
        with stopped:
            pass  # makes its directories
        spool = compare_commands(report, where, stopped, given.calls)
        compare_taking_in(report, spool, stopped)
        report.print(markdown=given.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
