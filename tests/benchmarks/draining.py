"""Both queues filled and then drained into one smtp-sink, timed alike.

The runner and the queue manager are stopped while the queue is filled; then every
file of it is read once, since kernels that reclaim memory all the time (DAMON) take
some of it out of the page cache, now more and now less; or, for a cold drain, all of it
is thrown out.  The time runs from the first message that the sink has to the moment
when the queue on disk is empty, so neither side's start-up counts; it is told apart.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import side
from tests.peers.postfix import Postfix, answers, free_port
from tuiq.config import load
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool.setup import create_spool
from tuiq.spool.spool import open_spool

PATIENCE = 900.0
"""Seconds after which a drain that does not end is a failure."""
POLL = 0.005
FILLERS = 16
"""Threads that submit at once: their syncs share the journal's commits."""
SENDER = "bench@sender.invalid"
DURABILITIES = ("group", "each", "none")
TARGET = 3.0
"""Times Postfix's rate."""
DROP_CACHES = Path("/proc/sys/vm/drop_caches")
"""Page cache, directories and inodes go when 3 is written to it (proc_sys_vm(5))."""
TUNED = {
    "initial_destination_concurrency": "20",
    "smtp_connection_cache_destinations": "127.0.0.1",
    "smtp_connection_reuse_time_limit": "3600s",
}
"""What a Postfix administrator could set for one smarthost without losing anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the queue is filled with."""

    messages: int
    recipients: int = 1
    """For each message."""
    size: int = 4096
    """Bytes of a message's data."""
    batch: int = 50
    """Recipients in one transaction."""
    queues: int = 1
    """Queue directories of tuiq."""
    cold: bool = False
    """Whether the queue has to be read from the disk, as after a reboot."""

    @property
    def transactions(self) -> int:
        return self.messages * -(-self.recipients // self.batch)

    @property
    def units(self) -> int:
        """Deliveries: what the rate counts."""
        return self.messages * self.recipients

    @property
    def unit(self) -> str:
        return "messages/s" if self.recipients == 1 else "recipients/s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """One drain of a full queue."""

    startup: float
    """Seconds from the command that starts the program to its first delivery."""
    seconds: float
    """From the first delivery until the queue is empty."""
    cpu: float
    """Processor seconds of all its processes, start and end included."""
    sink: float
    """Share of the time in which the sink had a processor: at 1 it is the limit."""
    rss: int = 0
    """Largest resident set of one process, bytes; 0: not taken."""


class Sink:
    """A real smtp-sink that counts in a file what it takes."""

    def __init__(self, where: Path) -> None:
        self.port = free_port()
        self._said = where / "sink"
        command = shutil.which("smtp-sink", path=f"{os.environ['PATH']}:/usr/sbin")
        assert command is not None
        user = ("-u", "nobody") if os.geteuid() == 0 else ()
        with self._said.open("wb") as out:
            self._process = subprocess.Popen(
                (command, *user, "-c", f"127.0.0.1:{self.port}", "1000"), stdout=out
            )
        await_(lambda: answers(self.port), "smtp-sink")

    def messages(self) -> int:
        """Return how many messages it has taken."""
        with self._said.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 80))
            counts = re.findall(rb"mesg=(\d+)\r", file.read())
        return int(counts[-1]) if counts else 0

    def cpu(self) -> float:
        """Return the processor seconds that it has had."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        words = stat.rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def sinking(where: Path) -> Iterator[Sink]:
    """Run a sink that counts from zero."""
    sink = Sink(where)
    try:
        yield sink
    finally:
        sink.close()


def await_(condition: Callable[[], object], what: str) -> None:
    """Poll *condition* until it holds."""
    end = time.perf_counter() + PATIENCE
    while not condition():
        if time.perf_counter() > end:
            raise TimeoutError(f"waited too long for {what}")
        time.sleep(POLL)


def clocked(
    began: float,
    sink: Sink,
    load: Load,
    is_empty: Callable[[], bool],
    *,
    lives: Callable[[], bool] = lambda: True,
) -> tuple[float, float]:
    """Watch a drain that was started at *began*; return start-up and its length."""

    def delivered(count: int) -> bool:
        if not lives():
            raise RuntimeError("the program that was to deliver has ended")
        return sink.messages() >= count

    await_(lambda: delivered(1), "the first delivery")
    first = time.perf_counter()
    await_(lambda: delivered(load.transactions), "the last delivery")
    await_(is_empty, "the end of the last message")
    return first - began, time.perf_counter() - first


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Say whether a child has ended; its rusage stays to be reaped."""
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return ended is not None


def settle(queue: Path, *, cold: bool) -> None:
    """Let a filled *queue* be on its disk, and wholly in the page cache or not."""
    os.sync()
    if cold:
        DROP_CACHES.write_text("3")
        return
    for path in queue.rglob("*"):
        if path.is_file():
            path.read_bytes()


def body(size: int) -> bytes:
    """Return data of about *size* bytes in lines as smtp-source's are."""
    head = b"From: <%b>\r\nSubject: benchmark\r\n\r\n" % SENDER.encode()
    line = b"X" * 78 + b"\r\n"
    return head + line * ((size - len(head)) // len(line))


# -- tuiq --------------------------------------------------------------------------


def fill_tuiq(spool_path: Path, load_: Load) -> None:
    """Queue messages through the Python API; no runner is there."""
    data = body(load_.size)

    def put(number: int) -> None:
        recipients = tuple(
            Recipient(address=b"%d.%d@example.invalid" % (number, n))
            for n in range(load_.recipients)
        )
        envelope = Envelope(sender=SENDER.encode(), recipients=recipients)
        spool.submit(envelope, (data,))

    with (
        open_spool(load(spool_path / "tuiq.toml")) as spool,
        ThreadPoolExecutor(FILLERS) as pool,
    ):
        for done in [pool.submit(put, number) for number in range(load_.messages)]:
            done.result()


def make_spool(path: Path, port: int, *settings: str, queues: int = 1) -> None:
    """Make a spool whose mail goes to *port*; *settings* are ``section.key = …``."""
    create_spool(path, queues=queues, folders=True)
    sections: dict[str, list[str]] = {
        "spool": [f'queues = "{path}/q.*"'],
        "delivery": [f'smarthost = "127.0.0.1:{port}"'],
    }
    for setting in settings:
        section, _, line = setting.partition(".")
        sections.setdefault(section, []).append(line)
    (path / "tuiq.toml").write_text(
        "".join(f"[{name}]\n" + "\n".join(s) + "\n" for name, s in sections.items())
    )


def drain_tuiq(where: Path, load_: Load, *settings: str) -> Drain:
    """Fill a new spool, then start the runner and watch it drain."""
    spool = where / "spool"
    with sinking(where) as sink:
        make_spool(
            spool,
            sink.port,
            f"delivery.recipients_per_transaction = {load_.batch}",
            *settings,
            queues=load_.queues,
        )
        fill_tuiq(spool, load_)
        settle(spool, cold=load_.cold)
        began = time.perf_counter()
        runner = subprocess.Popen(
            (*side.TUIQ, "--config", str(spool / "tuiq.toml"), "--run"),
            cwd=side.ROOT,
        )
        try:
            startup, seconds = clocked(
                began,
                sink,
                load_,
                lambda: not any(spool.glob("q.*/**/[qdtbx]f?*")),
                lives=lambda: not _has_ended(runner),
            )
        finally:
            runner.send_signal(signal.SIGTERM)
            usage = side.reap(runner, began)
        share = sink.cpu() / seconds
    shutil.rmtree(spool)
    return Drain(
        startup=startup, seconds=seconds, cpu=usage.cpu, sink=share, rss=usage.rss
    )


# -- Postfix -----------------------------------------------------------------------


def drain_postfix(where: Path, load_: Load, **main: str) -> Drain:
    """Fill a new Postfix whose queue manager is off, then start it and watch."""
    with sinking(where) as sink:
        limit = str(max(1000, load_.recipients))
        postfix = Postfix(
            where / "postfix",
            main={
                "relayhost": f"[127.0.0.1]:{sink.port}",
                "smtpd_recipient_limit": limit,
                "default_destination_recipient_limit": str(load_.batch),
                "smtp_destination_recipient_limit": str(load_.batch),
                "message_size_limit": "0",
                **main,
            },
        )
        fill_postfix(postfix, load_)
        settle(postfix.queue_dir, cold=load_.cold)
        before = _cpu_of_children()
        began = time.perf_counter()
        with postfix:
            startup, seconds = clocked(began, sink, load_, lambda: _is_empty(postfix))
            cpu = cpu_of_group(postfix) + _cpu_of_children() - before
        share = sink.cpu() / seconds
    shutil.rmtree(postfix.where)
    return Drain(startup=startup, seconds=seconds, cpu=cpu, sink=share)


def fill_postfix(postfix: Postfix, load_: Load) -> None:
    """Queue messages by smtp-source; they stay in ``incoming`` for want of a qmgr."""
    master = postfix.config_dir / "master.cf"
    whole = master.read_text()
    master.write_text(re.sub(r"(?m)^qmgr\b", "#qmgr", whole))
    main = postfix.config_dir / "main.cf"
    usual = main.read_text()
    main.write_text(usual + "in_flow_delay = 0\n")
    sent = 0
    with postfix:
        recipients = ("-r", str(load_.recipients)) if load_.recipients > 1 else ()
        done = postfix.run(
            "smtp-source",
            *("-s", str(min(FILLERS, load_.messages)), "-m", str(load_.messages)),
            *("-l", str(load_.size), "-f", SENDER, "-t", "to@example.invalid"),
            *recipients,
            f"127.0.0.1:{postfix.port}",
        )
        assert done.returncode == 0, done.stderr
        await_(lambda: _count(postfix) == load_.messages, "Postfix's incoming queue")
        sent = _count(postfix)
    assert sent == load_.messages
    master.write_text(whole)
    main.write_text(usual)
    postfix.log_file.unlink(missing_ok=True)


def _count(postfix: Postfix) -> int:
    return len(os.listdir(postfix.queue_dir / "incoming"))


def _is_empty(postfix: Postfix) -> bool:
    for name in ("deferred", "bounce", "defer"):
        folder = postfix.queue_dir / name
        left = [each for each in folder.rglob("*") if each.is_file()]
        assert not left, f"Postfix has mail in {name}: {postfix.log()[-2000:]}"
    return not any(
        os.listdir(postfix.queue_dir / name) for name in ("incoming", "active")
    )


def cpu_of_group(postfix: Postfix) -> float:
    """Return the processor seconds of the daemons, those that ended included."""
    group = int((postfix.queue_dir / "pid" / "master.pid").read_text())
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = stat.read_text().rpartition(")")[2].split()
            if int(words[2]) == group:
                ticks += sum(map(int, words[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _cpu_of_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


# -- both --------------------------------------------------------------------------


def both_sides(
    where: Path, load_: Load, durabilities: Sequence[str]
) -> dict[str, Drain]:
    """Drain each side once, tuiq with each setting of its durability."""
    drains = {"Postfix": drain_postfix(where, load_)}
    for setting in durabilities:
        line = f'spool.durability = "{setting}"'
        drains[f"tuiq {setting}"] = drain_tuiq(where, load_, line)
    drains["Postfix tuned"] = drain_postfix(where, load_, **TUNED)
    return drains


def report(
    title: str, where: Path, load_: Load, drains: Mapping[str, list[Drain]]
) -> side.Report:
    """Return a report without rows; what the table has no column for stands in it."""
    rounds = len(next(iter(drains.values())))
    return side.Report(
        title=title,
        where=where,
        durability=(
            "tuiq: accepted mail is synced; marks of delivery by the row's setting",
            side.POSTFIX_DURABILITY,
        ),
        notes=[
            f"one smtp-sink takes everything; median of {rounds} rounds, both sides "
            "in turns; without the start-up, until the queue is empty",
            "tuned Postfix: "
            + ", ".join(f"{key} = {value}" for key, value in TUNED.items()),
            *(told(name, median(each), load_) for name, each in drains.items()),
        ],
    )


def compare(
    report_: side.Report,
    setting: str,
    drains: Mapping[str, list[Drain]],
    load_: Load,
    *,
    target: float | None,
) -> None:
    """Add the rows of one durability, against both Postfixes."""
    for peer in ("Postfix", "Postfix tuned"):
        row = side.Row(
            what=f"durability {setting}, against {peer}",
            unit=load_.unit,
            tuiq=load_.units / median(drains[f"tuiq {setting}"]).seconds,
            peer=load_.units / median(drains[peer]).seconds,
            target=target,
        )
        report_.add(row)


def against_postfix(
    given: argparse.Namespace, load_: Load, title: str, *notes: str
) -> None:
    """Drain both sides by turns for so many rounds as are *given*, and print.

    The target is for tuiq with ``durability = "group"`` and a queue in memory.
    """
    if load_.cold and not os.access(DROP_CACHES, os.W_OK):
        raise SystemExit("only root may drop the page cache: run it without --cold")
    drains: dict[str, list[Drain]] = {}
    with side.scratch(given.where) as where:
        reason = nobody_can_pass(where)
        if reason:
            raise SystemExit(reason)
        for _ in range(given.rounds):
            for name, drain in both_sides(where, load_, DURABILITIES).items():
                drains.setdefault(name, []).append(drain)
        whole = report(title, where, load_, drains)
        whole.notes.extend(notes)
        for setting in DURABILITIES:
            target = TARGET if setting == "group" and not load_.cold else None
            compare(whole, setting, drains, load_, target=target)
        whole.print(markdown=given.markdown)


def median(drains: list[Drain]) -> Drain:
    """Return the drain in the middle by its length."""
    return sorted(drains, key=lambda drain: drain.seconds)[len(drains) // 2]


def told(name: str, drain: Drain, load_: Load) -> str:
    """Say about one side's drain what the table has no column for."""
    rss = f", largest process {drain.rss / 2**20:.0f} MiB" if drain.rss else ""
    return (
        f"{name}: start-up {drain.startup:.2f} s (not in the rate), "
        f"{1e6 * drain.cpu / load_.units:.0f} µs of processor per delivery, "
        f"the sink busy {drain.sink:.0%}{rss}"
    )


def nobody_can_pass(where: Path) -> str:
    """Say whether Postfix's user cannot pass through to *where*; empty if it can."""
    uid = pwd.getpwnam("postfix").pw_uid
    for folder in (where, *where.parents):
        info = folder.stat()
        if info.st_uid != uid and not info.st_mode & 0o001:
            return f"{folder} is closed to Postfix's user; give another --where"
    return ""
