"""What durable marks cost: each, group, none; fdatasync in threads against syncfs.

``python -m tests.benchmarks.bench_durability [--small] [--messages N] [--rounds N]``.
The first rows drain a queue; the others make groups of marks durable in both ways,
on a quiet disk and beside a program that keeps writing other data to it.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.benchmarks import draining, side
from tests.benchmarks.draining import Drain, Load
from tuiq.config import load as load_config
from tuiq.spool import control
from tuiq.spool.finish import claim_message
from tuiq.spool.group import SyncGroup
from tuiq.spool.spool import open_spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tuiq.spool.claim import Claim

DURABILITIES = ("group", "each", "none")
GROUPS = (1, 10, 100, 1000)
"""Messages that one sync makes durable."""
THREADS = 8
"""As many as the runner has for its syncs."""
FOREIGN = 100
"""MiB a second that the other program writes."""
_WRITER = """
import os, sys, time
path, rate = sys.argv[1], int(sys.argv[2])
block, end = os.urandom(1 << 20), 1024
fd = os.open(path, os.O_RDWR | os.O_CREAT)
place, due = 0, time.monotonic()
print("ready", flush=True)
while True:
    os.pwrite(fd, block, (place % end) << 20)
    place += 1
    due += 1 / rate
    time.sleep(max(0.0, due - time.monotonic()))
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    given = side.arguments(
        "what durable marks cost",
        argv,
        messages=(5_000, 200, "messages of each drain"),
        rounds=(3, 1, "drains of each kind; the median counts"),
        syncs=(15, 3, "syncs of each kind; the median counts"),
    )
    load = Load(messages=given.messages)
    with side.scratch(given.where) as where:
        report = side.Report(
            title="Durability of marks",
            where=where,
            peer="other",
            durability=('first rows: durability = "group" against the other setting',),
            notes=[
                f"sync rows: tuiq is fdatasync of each file in {THREADS} threads, the "
                "other is one syncfs; milliseconds for one group, median (largest)",
                f"beside a writer: another program writes {FOREIGN} MiB/s to the same "
                "file system and syncs nothing",
            ],
        )
        compare_settings(report, where, load, given.rounds)
        compare_syncs(report, where, given.syncs)
        report.print(markdown=given.markdown)
    return 0


def compare_settings(report: side.Report, where: Path, load: Load, rounds: int) -> None:
    """Drain with each setting."""
    drains: dict[str, list[Drain]] = {}
    for _ in range(rounds):
        for setting in DURABILITIES:
            line = f'spool.durability = "{setting}"'
            drain = draining.drain_tuiq(where, load, line)
            drains.setdefault(setting, []).append(drain)
    rate = {s: load.units / draining.median(d).seconds for s, d in drains.items()}
    for setting in DURABILITIES[1:]:
        row = side.Row(
            what=f"drain: group against {setting}",
            unit=load.unit,
            tuiq=rate["group"],
            peer=rate[setting],
        )
        report.add(row)


def compare_syncs(report: side.Report, where: Path, syncs: int) -> None:
    """Make groups of marks durable in both ways."""
    spool = where / "spool"
    draining.make_spool(spool, 1)
    draining.fill_tuiq(spool, Load(messages=max(GROUPS)))
    with claims(spool) as held, ThreadPoolExecutor(THREADS) as pool:
        for foreign in (False, True):
            with writing(where / "foreign") if foreign else contextlib.nullcontext():
                for size in GROUPS:
                    row = one_size(held[:size], pool, syncs, beside=foreign)
                    report.add(row)


def one_size(
    held: list[Claim], pool: ThreadPoolExecutor, syncs: int, *, beside: bool
) -> side.Row:
    """Sync groups of one size in both ways, in turns."""
    directory = held[0].directory

    def each() -> None:
        group = SyncGroup(trusts=lambda _: False)
        for claim in held:
            group.marked(claim, 1)
        group.take().sync(pool)

    def whole() -> None:
        directory.fs.syncfs(directory.qf_fd)

    taken: dict[Callable[[], None], list[float]] = {each: [], whole: []}
    for _ in range(syncs):
        for way, times in taken.items():
            times.append(timed(way, held))
    files, one = ([1000 * t for t in times] for times in taken.values())
    return side.Row(
        what=f"sync of {len(held):,} marks{', beside a writer' if beside else ''}",
        unit="ms",
        tuiq=statistics.median(files),
        peer=statistics.median(one),
        less_is_better=True,
        note=f"largest {max(files):.0f} against {max(one):.0f}",
    )


def timed(way: Callable[[], None], held: list[Claim]) -> float:
    """Write one byte of each message and return the seconds until it is durable."""
    for claim in held:
        opened = claim.number(control.OPENED, 1)
        claim.put(control.OPENED, b"%d" % ((opened + 1) % 5))
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


@contextlib.contextmanager
def claims(spool_path: Path) -> Iterator[list[Claim]]:
    """Claim every message of a spool."""
    with (
        open_spool(load_config(spool_path / "tuiq.toml")) as spool,
        contextlib.ExitStack() as stack,
    ):
        held = []
        for directory in spool.directories:
            for queue_id in directory.ids():
                held.append(claim_message(directory, queue_id))
                stack.callback(held[-1].close)
        yield held


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Let another program write to the file system and leave it all unsynced."""
    command = (sys.executable, "-c", _WRITER, str(path), str(FOREIGN))
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(2.0)  # until some of it is dirty, as on a machine that works
        try:
            yield
        finally:
            writer.kill()
    path.unlink()


if __name__ == "__main__":
    sys.exit(main())
