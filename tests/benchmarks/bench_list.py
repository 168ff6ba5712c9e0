"""List 100,000 queued messages: tuiq and Postfix, with the memory that it takes.

``python -m tests.benchmarks.bench_list [--small]``.  Both queues lie on the same file
system, are listed once unmeasured (the cache is warm), then turn by turn; the best of
three counts.  ``postqueue`` prints what ``showq`` reads: their memory is added up.
``tuiq mailq`` is a fresh process each time, start-up included.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.filled import Pattern, fill_postfix, fill_spool, sync
from tests.benchmarks.side import (
    ROOT,
    TUIQ,
    Report,
    Row,
    Usage,
    arguments,
    measure,
    require_postfix,
    scratch,
)
from tests.peers.postfix import Postfix

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROUNDS = 3
PAIRS = (
    ("list for people", ("mailq",), ("-p",), None),
    ("list as JSON", ("mailq", "--json"), ("-j",), 2.0),
)
"""What is listed, tuiq's words, postqueue's option, the ratio wanted."""


def tuiq(settings: Path, words: Sequence[str], count: int) -> Usage:
    """Run one of tuiq's listings."""
    environment = {**os.environ, "TUIQ_CONFIG": str(settings)}
    used = measure((*TUIQ, *words), env=environment)
    assert used.status == 0
    _check(used.stdout, count, words[-1] == "--json")
    return used


def tuiq_memory(settings: Path, words: Sequence[str]) -> int:
    """Return the peak of the memory that a listing's processes have together."""
    with subprocess.Popen(
        (*TUIQ, *words),
        env={**os.environ, "TUIQ_CONFIG": str(settings)},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, sum(map(_proportional, _session(process.pid))))
            time.sleep(0.02)
    return peak


def _session(leader: int) -> list[int]:
    """Return the processes of a session."""
    return [pid for pid, stat in _processes() if int(stat[3]) == leader]


def _proportional(pid: int) -> int:
    """Return a process's memory in bytes, its part of what it shares (PSS)."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _processes() -> Iterator[tuple[int, list[str]]]:
    """Yield every process: its id; its name, state, parent, session, group."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = stat.read_text().partition("(")[2].rpartition(") ")
            state, parent, group, session, *_ = rest.split()
            yield int(stat.parent.name), [name, state, parent, session, group]


def postqueue(postfix: Postfix, option: str, count: int) -> tuple[Usage, int]:
    """Run one of Postfix's listings; give the memory of its showq too."""
    _end_showq(postfix)
    command = (postfix.command("postqueue"), option)
    used = measure(command, env=postfix.environment)
    assert used.status == 0
    _check(used.stdout, count, option == "-j")
    return used, used.rss + max(map(_peak, _showqs(postfix)), default=0)


def _check(output: bytes, count: int, is_json: bool) -> None:
    """See to it that what was measured listed everything."""
    listed = output.count(b"\n") if is_json else output.count(b"subscriber")
    assert listed == count, f"{listed} messages listed of {count}"


def _showqs(postfix: Postfix) -> list[int]:
    """Return the showq processes of this instance: children of its master."""
    master = int((postfix.queue_dir / "pid" / "master.pid").read_text())
    return [
        pid
        for pid, stat in _processes()
        if stat[0] == "showq" and int(stat[2]) == master
    ]


def _peak(pid: int) -> int:
    """Return the largest resident set of a running process in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _end_showq(postfix: Postfix) -> None:
    """Let the next listing have a showq of its own."""
    for pid in _showqs(postfix):
        subprocess.run(("kill", str(pid)), check=False)
    deadline = time.monotonic() + 10
    while _showqs(postfix):
        assert time.monotonic() < deadline, "showq does not end"
        time.sleep(0.01)


def compare(report: Report, settings: Path, postfix: Postfix, count: int) -> None:
    """Add both layouts to *report*."""
    for what, words, (option,), target in PAIRS:
        tuiq(settings, words, count)
        postqueue(postfix, option, count)
        ours: list[Usage] = []
        theirs: list[tuple[Usage, int]] = []
        for _ in range(ROUNDS):
            ours.append(tuiq(settings, words, count))
            theirs.append(postqueue(postfix, option, count))
        name = f"{what}: tuiq {' '.join(words)}, postqueue {option}"
        report.add(
            Row(
                what=name,
                unit="s",
                tuiq=min(used.seconds for used in ours),
                peer=min(used.seconds for used, _ in theirs),
                target=target,
                less_is_better=True,
            )
        )
        report.add(
            Row(
                what="  peak memory",
                unit="MiB",
                tuiq=tuiq_memory(settings, words) / 2**20,
                peer=max(rss for _, rss in theirs) / 2**20,
                less_is_better=True,
                note="of all processes together",
            )
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the table."""
    options = arguments(
        __doc__ or "",
        argv,
        messages=(100_000, 1_000, "messages in each queue"),
    )
    require_postfix()
    with scratch(options.where) as place:
        settings = fill_spool(place / "spool", options.messages)
        with Postfix(place / "postfix") as postfix:
            fill_postfix(postfix, Pattern.take(postfix), options.messages - 1)
            sync()
            report = Report(
                title=f"List {options.messages:,} queued messages (7d)",
                where=options.where,
                durability=("nothing is written: durability does not matter here",),
                notes=["warm cache; one recipient each; the best of three rounds"],
            )
            compare(report, settings, postfix, options.messages)
    report.print(markdown=options.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
