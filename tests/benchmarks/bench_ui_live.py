"""The UI's index over a large queue that changes: how fast it fills, and stays smooth.

``python -m tests.benchmarks.bench_ui_live [--small] [--messages N] [--where DIR]``.
One queue directory is filled and read (its cache is warm), then another process makes
1,000 changes a second to real files: half are attempts that were deferred, in place, a
quarter new messages, a quarter that end.  Meanwhile the UI's loop is played without
drawing: a tick every half second, and 50 times a second what a key asks of the index.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.filled import fill_spool, sync
from tests.benchmarks.side import ROOT
from tuiq.config import load
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool import control
from tuiq.spool.layout import make_id
from tuiq.spool.spool import Spool
from tuiq.tui.index.feed import Feed, Freshness
from tuiq.tui.index.messages import Messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

RATE = 1_000
TICK = 0.5
KEYS = 50
"""Keys a second: what a held key repeats at, and more."""
SECONDS = 20.0
SORTS = ("size", "next", "tries", "state", "domain", "sender", "recipient", "reply")
FILTERS = (
    "dom:example07.invalid",
    "age>2h tries>=1",
    "code:450",
    "is:due",
    "subscriber00012",
    "to:/r0+12/",
    "",
)


@dataclass
class Times:
    """What took how long, in seconds."""

    samples: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        if not self.samples:
            return "-"
        ordered = sorted(self.samples)
        p50, p95 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.95))
        return (
            f"p50 {p50 * 1e3:6.1f}   p95 {p95 * 1e3:6.1f}   "
            f"max {ordered[-1] * 1e3:6.1f} ms   ({len(ordered)} samples{self._cpu()})"
        )

    def _cpu(self) -> str:
        if not self.cpu:
            return ""
        return f", processor p50 {sorted(self.cpu)[len(self.cpu) // 2] * 1e3:.1f} ms"

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take the time of a block."""
        began, used = time.perf_counter(), time.thread_time()
        yield
        self.samples.append(time.perf_counter() - began)
        self.cpu.append(time.thread_time() - used)


class Session:
    """A UI's index over a spool, and its loop."""

    def __init__(self, spool: Spool) -> None:
        self.messages = Messages()
        self.feed = Feed(spool, self.messages)
        self.view = self.messages.view()
        self.drains, self.keys, self.late = Times(), Times(), Times()
        self.changes = 0
        self._position = 0

    def tick(self) -> None:
        """Do what the application does twice a second."""
        with self.drains.one():
            changed = self.feed.drain()
        self.messages.tally()
        self.changes += len(changed or ())

    def key(self) -> None:
        """Ask what a move of the cursor asks: a screen of rows from somewhere."""
        with self.keys.one():
            self._position = (self._position + 37) % max(self.view.count, 1)
            for place in range(self._position, self._position + 40):
                queue_id = self.view.id_at(place)
                if queue_id is not None:
                    self.messages.row(queue_id)
            if queue_id := self.view.id_at(self._position):
                assert self.view.position_of(queue_id) == self._position

    def run(self, done: Callable[[], bool], *, limit: float = 600.0) -> float:
        """Tick and press keys until *done*; return the seconds."""
        began = time.perf_counter()
        next_tick = next_key = began
        while not done():
            now = time.perf_counter()
            assert now - began < limit, "it never came to that"
            if now >= next_tick:
                next_tick = now + TICK
                self.tick()
            elif now >= next_key:
                # A key that came while something else was done waited so long.
                self.late.samples.append(now - next_key)
                next_key = max(next_key + 1 / KEYS, now)
                self.key()
            else:
                time.sleep(max(0.0, min(next_tick, next_key) - now))
        return time.perf_counter() - began

    def until(self, done: Callable[[], bool]) -> float:
        """Drain without pause until *done*; return the seconds."""
        began = time.perf_counter()
        while not done():
            self.feed.drain()
            time.sleep(0.002)
        return time.perf_counter() - began


def churn(queue: Path, rate: int) -> None:
    """Change files in a queue directory until killed."""
    names = [name for name in os.listdir(queue) if name[:2] == "qf"]
    random.seed(1)
    random.shuffle(names)
    began, done = time.perf_counter(), 0
    while True:
        for _ in range(rate // 100):
            kind = done % 4
            if kind == 0:
                names.append(_arrive(queue))
            elif kind == 1:
                os.unlink(queue / names.pop(random.randrange(len(names))))
            else:
                _defer(queue / random.choice(names))
            done += 1
        time.sleep(max(0.0, began + done / rate - time.perf_counter()))


def _arrive(queue: Path) -> str:
    birth_us = time.time_ns() // 1000
    queue_id = make_id(birth_us)
    number = random.randrange(1_000_000)
    to = f"subscriber{number:06d}@example{number % 50:02d}.invalid"
    envelope = Envelope(
        sender=b"fresh@lists.example.com", recipients=(Recipient(address=to.encode()),)
    )
    raw = control.encode(
        control.Message(
            queue_id=queue_id,
            birth_us=birth_us,
            envelope=envelope,
            data_length=number,
            data_crc=0,
        )
    )
    (queue / f"tf{queue_id}").write_bytes(raw)
    (queue / f"tf{queue_id}").rename(queue / f"qf{queue_id}")
    return f"qf{queue_id}"


def _defer(path: Path) -> None:
    later = int(time.time()) + random.randrange(7200)
    reply = b"452 4.2.2 mailbox of user%d is full" % random.randrange(100_000)
    fd = os.open(path, os.O_RDWR)
    os.pwrite(fd, b"%08X" % later, control.NEXT)
    os.pwrite(fd, b"%04X" % random.randrange(50), control.TRIES)
    os.pwrite(fd, reply.ljust(control.REPLY_LENGTH), control.REPLY)
    os.utime(fd, (later, later))
    os.close(fd)


def fill_index(session: Session, count: int) -> None:
    """Start the feed; print when rows appear and when all was read."""
    session.feed.start()
    began = time.perf_counter()
    session.until(lambda: session.messages.count > 0)
    print(f"first rows            {time.perf_counter() - began:8.2f} s")
    session.run(lambda: session.messages.count >= count)
    print(f"all rows by name      {time.perf_counter() - began:8.2f} s")
    session.run(lambda: session.feed.state.freshness is Freshness.LIVE)
    print(f"all read              {time.perf_counter() - began:8.2f} s")
    print(f"  drains              {session.drains}")
    print(f"  a key waited        {session.late}")


def live(session: Session, queue: Path, seconds: float) -> None:
    """Let another process change files; print how the loop fares."""
    for sort, text in (("age", ""), ("next", "tries<200"), ("reply", "age>1m")):
        session.view.sort(sort, reverse=True)
        session.view.narrow(text)
        with churning(queue):
            session.run(_after(2.0))
            session.drains, session.keys, session.late = Times(), Times(), Times()
            session.changes = 0
            took = session.run(_after(seconds))
        print(f"{RATE:,} changes/s, sorted by {sort}, {text or 'no filter'}")
        print(f"  seen                {session.changes / took:,.0f} ids a second")
        print(f"  drains              {session.drains}")
        print(f"  a key's rows        {session.keys}")
        print(f"  a key waited        {session.late}")


def _after(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() > end


@contextmanager
def churning(queue: Path) -> Iterator[None]:
    """Have another process change files in *queue*."""
    command = (sys.executable, "-m", __spec__.name, "--churn", str(queue))
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            yield
        finally:
            process.kill()


def orders(session: Session) -> None:
    """Print how long sorting and filtering take, from the call until it shows."""
    view = session.view
    view.narrow("")
    for column in SORTS:
        sort = partial(view.sort, column, reverse=True)
        called, shown = _timed(session, sort)
        print(f"sort by {column:13} {shown * 1e3:8.1f} ms  (call {called * 1e3:.1f})")
    view.sort("age", reverse=True)
    for text in FILTERS:
        called, shown = _timed(session, partial(view.narrow, text))
        print(
            f"filter {text or '(none)':14} {shown * 1e3:8.1f} ms  "
            f"(call {called * 1e3:.1f}; {view.count:,} rows)"
        )


def _timed(session: Session, act: Callable[[], None]) -> tuple[float, float]:
    view = session.view
    began = time.perf_counter()
    act()
    called = time.perf_counter() - began
    session.until(lambda: view.progress is None and not view.is_sorting)
    return called, time.perf_counter() - began


def memory() -> float:
    """Return the memory of this process in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=460_800)
    parser.add_argument("--small", action="store_true", help="5,000 messages")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--where", type=Path, help="a directory for the queue")
    parser.add_argument("--spool", type=Path, help="a spool that was filled before")
    parser.add_argument("--churn", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.churn:
        churn(options.churn, RATE)
    count = 5_000 if options.small else options.messages
    place = Path(tempfile.mkdtemp(prefix="tuiq-bench-", dir=options.where))
    try:
        settings = place / "spool" / "tuiq.toml"
        if options.spool:
            settings = options.spool / "tuiq.toml"
        else:
            fill_spool(place / "spool", count)
            sync()
        measure(settings, options.seconds)
    finally:
        shutil.rmtree(place)
    return 0


def measure(settings: Path, seconds: float) -> None:
    """Fill an index from a spool, and play with it."""
    with Spool(load(str(settings))) as spool:
        count = len(spool.directories[0].ids())
        print(f"{count:,} messages in one directory; {memory():.0f} MiB before")
        session = Session(spool)
        try:
            fill_index(session, count)
            print(f"memory                {memory():8.0f} MiB")
            orders(session)
            live(session, spool.directories[0].path, seconds)
            print(f"memory                {memory():8.0f} MiB")
        finally:
            session.feed.stop()


if __name__ == "__main__":
    sys.exit(main())
