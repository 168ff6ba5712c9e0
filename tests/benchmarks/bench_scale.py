"""What tuiq's runner costs as the queue grows, in one directory.

``python -m tests.benchmarks.bench_scale [--small] [--minutes N] [--workers N]``.
For each size: the time from the start of ``tuiq --run`` to the first delivery, CPU
time a message while a few thousand are delivered, the memory of all its processes.
Then a runner over the largest queue, all deferred until tomorrow, with 1 % of the
index times lost: how busy it is while there is nothing to do.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import side
from tests.benchmarks.filled import DAY, fill_spool
from tests.peers.postfix import smtp_sink
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool import control
from tuiq.spool.layout import make_id
from tuiq.spool.setup import create_spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIZES = (1_000, 10_000, 100_000, 460_800)
SMALL = (200, 2_000)
DRAINED = 5_000
"""Messages delivered for the cost of one, where there are as many."""
LOST = 0.01
"""Share of the index times that are lost in the idle queue."""
RESCAN = 300
"""Seconds between scans, as in production."""
IDLE_TARGET = 2.0
"""Per cent of one core."""
DATA = (
    b"Subject: hello\r\n\r\n" + b"An ordinary line of text, as mail has them.\r\n" * 85
)
_SETTLED = 60.0
"""Seconds that a runner may take until it has delivered something."""
_TICK = os.sysconf("SC_CLK_TCK")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    given = side.arguments(
        "what the runner costs as the queue grows",
        argv,
        minutes=(10, 1, "minutes of idling"),
        workers=(0, 0, "worker processes; 0: one for each core"),
    )
    side.require_postfix()
    sizes = SMALL if given.small else SIZES
    rescan = 20 if given.small else RESCAN
    with side.scratch(given.where) as where:
        report = side.Report(
            title="Cost as the queue grows, in one directory",
            where=where,
            durability=('tuiq: durability = "group"; what is measured needs no sync',),
            notes=[
                f"workers: {given.workers or 'one for each core'}; memory and CPU "
                "time are those of all processes together",
                "growth: the cost's over the queue's; 1 is linear, less is better",
            ],
        )
        startup = measure_start(where, given.workers)
        report.notes.append(f"a runner without mail: {startup.memory / 2**20:.0f} MiB")
        before: Cost | None = None
        for size in sizes:
            cost = measure_due(where, size, given.workers, startup)
            tell(report, cost, before)
            before = cost
        idle = measure_idle(where, sizes[-1], given, rescan)
        tell_idle(report, idle, given.minutes, rescan)
        report.print(markdown=given.markdown)
    return 0


# -- a queue in which all is due -----------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one size of the queue cost."""

    size: int
    first: float
    """Seconds from the start of the process to the first delivery."""
    cpu: float
    """CPU seconds a message: reading, claiming, delivering and removing it."""
    memory: int
    """Bytes, all processes at their largest."""


def measure_due(where: Path, size: int, workers: int, startup: Sample) -> Cost:
    """Deliver some of *size* new messages; *startup* is what none would cost."""
    with smtp_sink("-c") as port, contextlib.ExitStack() as stack:
        path = stack.enter_context(side.scratch(where))
        settings = fill_due(path, size, port, workers)
        runner = stack.enter_context(running(settings))
        first = runner.await_delivered(1)
        if size <= 2 * DRAINED:
            start, wanted = startup, size
        else:
            # Until as many are in hand as may be; then each delivery lets one in.
            # What a scan costs belongs to the start, where it is large.
            runner.await_delivered(DRAINED // 10)
            time.sleep(3e-5 * size)
            start = runner.sample()
            wanted = start.delivered + DRAINED
        runner.await_delivered(wanted)
        end = runner.sample()
        count = end.delivered - start.delivered
        return Cost(
            size=size,
            first=first,
            cpu=(end.cpu - start.cpu) / count,
            memory=end.memory,
        )


def measure_start(where: Path, workers: int) -> Sample:
    """Return what a runner took that found nothing."""
    with (
        side.scratch(where) as path,
        running(fill_due(path, 0, 25, workers)) as runner,
    ):
        time.sleep(5)
        return runner.sample()


def fill_due(path: Path, size: int, port: int, workers: int) -> Path:
    """Make a spool of *size* new messages; return its configuration file."""
    settings = path / "tuiq.toml"
    create_spool(path)
    settings.write_text(
        f'[spool]\nqueues = "{path}/q.*"\n'
        f"[runner]\nmax_workers = {workers}\n"
        f'[delivery]\nsmarthost = "127.0.0.1:{port}"\ntls = "none"\n'
    )
    crc = zlib.crc32(DATA)
    began_us = int((time.time() - 3600) * 1e6)
    for number in range(size):
        birth_us = began_us + number * 1000
        message = control.Message(
            queue_id=make_id(birth_us),
            birth_us=birth_us,
            envelope=Envelope(
                sender=b"news@lists.example.com",
                recipients=(Recipient(address=b"r%d@example.com" % number),),
            ),
            data_length=len(DATA),
            data_crc=crc,
        )
        place = f"{path}/q.1"
        for name, data in (("df", DATA), ("qf", control.encode(message))):
            file = os.open(
                f"{place}/{name}{message.queue_id}", os.O_WRONLY | os.O_CREAT, 0o600
            )
            os.write(file, data)
            os.utime(file, ns=(birth_us * 1000, birth_us * 1000))
            os.close(file)
    os.sync()
    return settings


def tell(report: side.Report, cost: Cost, before: Cost | None) -> None:
    """Add one size to the table."""
    for what, unit, value, old in (
        ("first delivery", "s", cost.first, before and before.first),
        ("CPU a message", "ms", cost.cpu * 1e3, before and before.cpu * 1e3),
        ("memory", "MiB", cost.memory / 2**20, before and before.memory / 2**20),
    ):
        note = ""
        if before is not None and old:
            growth = value / old / (cost.size / before.size)
            note = f"growth {growth:.2f}{'' if growth <= 1 else ': MORE THAN LINEAR'}"
        what = f"{cost.size:,} queued: {what}"
        report.add(side.Row(what=what, unit=unit, tuiq=value, note=note))


# -- a queue in which nothing is due -------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """What a runner with nothing to do took."""

    size: int
    seconds: float
    cpu: float
    """CPU seconds, start and first scan included."""
    later: float
    """CPU seconds after the first minute (or half of the time)."""
    later_seconds: float
    memory: int
    lost: int
    repaired: int


def measure_idle(where: Path, size: int, given: object, rescan: int) -> Idle:
    """Let a runner sit on *size* messages that are due tomorrow."""
    minutes: int = given.minutes  # type: ignore[attr-defined]
    workers: int = given.workers  # type: ignore[attr-defined]
    path = where / "idle"
    settings = fill_spool(path, size)
    with settings.open("a") as text:
        text.write(f"[runner]\nmax_workers = {workers}\nrescan_interval = {rescan}\n")
    files = [file for file in (path / "q.1").iterdir() if file.name[:2] == "qf"]
    lost = random.Random(1).sample(files, int(size * LOST))
    now = time.time()
    for file in lost:
        os.utime(file, (now - 60, now - 60))
    os.sync()
    # So that the last rescan has time to end.
    length = minutes * 60 + 5
    with running(settings) as runner:
        first = min(60.0, length / 2)
        time.sleep(first)
        middle = runner.sample()
        time.sleep(max(0.0, runner.began + length - time.monotonic()))
        end = runner.sample()
    return Idle(
        size=size,
        seconds=end.at - runner.began,
        cpu=end.cpu,
        later=end.cpu - middle.cpu,
        later_seconds=end.at - middle.at,
        memory=end.memory,
        lost=len(lost),
        repaired=sum(file.stat().st_mtime > now + DAY / 2 for file in lost),
    )


def tell_idle(report: side.Report, idle: Idle, minutes: int, rescan: int) -> None:
    """Add the idle runner to the table."""
    report.notes.append(
        f"idle: {idle.size:,} messages due tomorrow, {idle.lost:,} index times lost "
        f"({idle.repaired:,} repaired in the end), {minutes} min, a scan every "
        f"{rescan} s; target under {IDLE_TARGET:g} % of a core"
    )
    share = 100 * idle.cpu / idle.seconds
    later = 100 * idle.later / idle.later_seconds
    met = "met" if share < IDLE_TARGET else "MISSED"
    for what, unit, value, note in (
        ("idle: all of it, start included", "% of a core", share, met),
        ("idle: after the start", "% of a core", later, ""),
        ("idle: memory", "MiB", idle.memory / 2**20, ""),
    ):
        report.add(side.Row(what=what, unit=unit, tuiq=value, note=note))


# -- a runner and its processes ------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The state of a runner at one moment."""

    at: float
    cpu: float
    memory: int
    delivered: int


@dataclass(slots=True, kw_only=True)
class Running:
    """One ``tuiq --run``, its workers, and its journal."""

    process: subprocess.Popen[bytes]
    journal: Path
    began: float = field(default_factory=time.monotonic)
    _position: int = 0
    _delivered: int = 0
    _rest: bytes = b""

    def delivered(self) -> int:
        """Return how many deliveries the journal has."""
        with contextlib.suppress(FileNotFoundError), self.journal.open("rb") as file:
            file.seek(self._position)
            data = file.read()
            self._position += len(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._delivered += sum(b'"event":"delivered"' in line for line in lines)
        return self._delivered

    def await_delivered(self, count: int) -> float:
        """Wait for *count* deliveries; return the seconds since the start."""
        progress, reached = time.monotonic(), 0
        while (done := self.delivered()) < count:
            if done > reached:
                progress, reached = time.monotonic(), done
            if self.process.poll() is not None:
                raise SystemExit(f"the runner ended: {self.process.returncode}")
            if time.monotonic() - progress > _SETTLED:
                raise SystemExit(f"{done} of {count} delivered, and no more")
            time.sleep(0.002)
        return time.monotonic() - self.began

    def sample(self) -> Sample:
        """Return what all processes took until now."""
        pids = [self.process.pid, *_children(self.process.pid)]
        return Sample(
            at=time.monotonic(),
            cpu=sum(map(_cpu, pids)),
            memory=sum(map(_peak, pids)),
            delivered=self.delivered(),
        )


@contextlib.contextmanager
def running(settings: Path) -> Iterator[Running]:
    """Run ``tuiq --run`` on a spool."""
    command = (*side.TUIQ, "--config", str(settings), "--run")
    process = subprocess.Popen(command, cwd=side.ROOT)
    try:
        journal = settings.parent / "journal" / "delivery.jsonl"
        yield Running(process=process, journal=journal)
    finally:
        process.terminate()
        process.wait()


def _children(pid: int) -> list[int]:
    words = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return [int(word) for word in words]


def _cpu(pid: int) -> float:
    """Return user and system seconds of a process."""
    words = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(") ")[2].split()
    return (int(words[11]) + int(words[12])) / _TICK


def _peak(pid: int) -> int:
    """Return the largest resident set of a process in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    sys.exit(main())
