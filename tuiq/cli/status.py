"""``tuiq status``: the queue in numbers, the runners, the pauses, the disks.

Made for monitoring too: ``--fail-if-older AGE`` ends with 75 when the oldest
message that should move is older than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.circumstances import Circumstances, look_around
from tuiq.actions.filter_terms import parse_duration
from tuiq.actions.json_text import json_line
from tuiq.actions.words import age, instant, plural, size, span
from tuiq.cli.diagnostics import ExitCode, complain
from tuiq.cli.render import Column, table
from tuiq.errors import UsageError
from tuiq.log import printable
from tuiq.spool.census import ELSEWHERE, Tally
from tuiq.spool.entry import State
from tuiq.spool.spool import open_spool

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tuiq.config import Config
    from tuiq.spool.entry import QueueEntry
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool
    from tuiq.spool.status import DestinationStatus, RunnerStatus


SHORTEST_WATCH, LONGEST_WATCH = 0.1, 3600
"""Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything ``tuiq status`` says."""

    spool: str
    around: Circumstances
    tallies: dict[str, Tally]
    """By queue directory."""
    free: Mapping[str, tuple[int, int | None]]
    """By queue directory: free bytes and inodes; None: not counted there."""

    @property
    def oldest(self) -> float | None:
        """Return the arrival of the oldest message that should move."""
        return min(
            (t.oldest for t in self.tallies.values() if t.oldest is not None),
            default=None,
        )

    def total(self, state: State) -> int:
        """Return the number of messages in *state*."""
        return sum(tally.counts[state] for tally in self.tallies.values())


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tuiq status``."""
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        const="1",
        help="show rates and limits every second, or every SECONDS",
    )
    parser.add_argument(
        "--fail-if-older",
        metavar="AGE",
        help="exit status 75 when a message that should move is older (4h, 30m)",
    )


def run(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """Report; judge the oldest message if asked to."""
    if args.watch is not None:
        return _watch(args, config_loader)
    limit = None
    if args.fail_if_older is not None:
        try:
            limit = parse_duration(args.fail_if_older)
        except ValueError as error:
            raise UsageError(f"--fail-if-older {error}") from None
    with open_spool(config_loader()) as spool:
        report = examine(spool)
    if args.json:
        print(json_line(as_json(report)))
    else:
        for line in as_text(report):
            print(line)
    oldest = report.oldest
    if limit is None or oldest is None or report.around.now - oldest <= limit:
        return ExitCode.OK
    complain(f"the oldest message has waited {span(report.around.now - oldest)}")
    return ExitCode.TEMPFAIL


def _watch(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """Show what changes until a signal ends it."""
    from tuiq.cli.status_watch import watch

    try:
        interval = float(args.watch)
    except ValueError:
        interval = 0.0
    if not SHORTEST_WATCH <= interval <= LONGEST_WATCH:
        raise UsageError(
            f"--watch {printable(args.watch)}: not a number of seconds from "
            f"{SHORTEST_WATCH} to {LONGEST_WATCH}"
        )
    if args.json or args.fail_if_older is not None:
        raise UsageError("--watch goes with neither --json nor --fail-if-older")
    with open_spool(config_loader()) as spool:
        return watch(spool, interval)


def examine(spool: Spool) -> Report:
    """Read the whole spool once."""
    around = look_around(spool)
    return Report(
        spool=str(spool.path),
        around=around,
        tallies=count(spool.entries(), spool.directories, around),
        free={directory.name: _free(directory) for directory in spool.directories},
    )


def count(
    entries: Iterable[QueueEntry],
    directories: Iterable[QueueDirectory],
    around: Circumstances,
) -> dict[str, Tally]:
    """Count messages by queue directory and state."""
    tallies = {directory.name: Tally() for directory in directories}
    for entry in entries:
        if entry.mstate not in ELSEWHERE:
            tallies[entry.directory].add(entry, around.state(entry))
    return tallies


def _free(directory: QueueDirectory) -> tuple[int, int | None]:
    space = directory.fs.statvfs(directory.qf_fd)
    inodes = space.f_favail if space.f_files else None
    return space.f_bavail * space.f_frsize, inodes


def as_text(report: Report) -> Iterator[str]:
    """Yield the report for people."""
    around = report.around
    yield f"spool      {printable(report.spool)}"
    yield from _runner_lines(around)
    yield ""
    states = [state for state in State if report.total(state)]
    columns = [
        Column(title="QUEUE"),
        Column(title="MESSAGES", right=True),
        *(Column(title=state.upper(), right=True) for state in states),
        Column(title="RCPTS", right=True),
        Column(title="SIZE", right=True),
        Column(title="OLDEST", right=True),
        Column(title="FREE", right=True),
    ]
    yield from table(columns, [_row(report, name, states) for name in report.tallies])
    for name, reason in around.low_disk.items():
        yield f"{printable(name)}: low disk: {reason}; nothing is attempted there"
    for pause in around.pauses.pauses:
        until = f"until {instant(pause.until)}" if pause.until else "open-ended"
        what = f"{pause.scope.name.lower()} {around.pause_place(pause)}".rstrip()
        yield f"paused {until}: {what}: {printable(pause.reason) or 'no reason given'}"
    damaged = report.total(State.DAMAGED)
    if damaged:
        yield f"{plural(damaged, 'damaged message')}; see tuiq check"


def _row(report: Report, name: str, states: list[State]) -> list[str]:
    tally = report.tallies[name]
    oldest = "" if tally.oldest is None else age(report.around.now - tally.oldest)
    return [
        printable(name),
        f"{tally.messages:,}",
        *(f"{tally.counts[state]:,}" for state in states),
        f"{tally.recipients:,}",
        size(tally.size),
        oldest,
        size(report.free[name][0]),
    ]


def _runner_lines(around: Circumstances) -> Iterator[str]:
    if not around.alive:
        yield "runner     none is running; start one with: tuiq --run"
        return
    for runner in around.alive:
        yield f"runner     {_runner(runner, around.now)}"
        for note in runner.notes:
            yield f"           {printable(note)}"
        for destination in runner.destinations:
            if destination.state != "ok":
                yield f"           {_limited(destination)}"


def _limited(destination: DestinationStatus) -> str:
    """Say of a destination why it gets less than it might."""
    until = f" until {instant(destination.until)}" if destination.until else ""
    what = (
        f"left alone{until}"
        if destination.state == "dead"
        else f"slowed to {destination.limit} of {destination.ceiling} "
        f"connections{until}"
    )
    waiting = f", {destination.waiting:,} waiting" if destination.waiting else ""
    reason = f": {printable(destination.reason)}" if destination.reason else ""
    return f"{printable(destination.name)} {what}{waiting}{reason}"


def _runner(runner: RunnerStatus, now: float) -> str:
    alive = "" if runner.alive else ", not visible from here"
    up = f" for {span(now - runner.started)}" if runner.started else ""
    idle = f", {printable(runner.idle)}" if runner.idle else ""
    return (
        f"{printable(runner.name)} pid {runner.pid} {printable(runner.phase)}{up}, "
        f"{plural(len(runner.connections), 'connection')}, "
        f"{runner.fd_used} of {runner.fd_limit} descriptors{idle}{alive}"
    )


def as_json(report: Report) -> dict[str, object]:
    """Return the report as a JSON value; the README documents the members."""
    around, oldest = report.around, report.oldest
    return {
        "spool": report.spool,
        "time": int(around.now),
        "messages": sum(tally.messages for tally in report.tallies.values()),
        "recipients": sum(tally.recipients for tally in report.tallies.values()),
        "states": {state.value: report.total(state) for state in State},
        "oldest": None if oldest is None else int(oldest),
        "directories": [_directory_json(report, name) for name in report.tallies],
        "runners": [_runner_json(runner) for runner in around.runners],
        "pauses": [
            {
                "scope": pause.scope.name.lower(),
                "name": around.pause_place(pause) or None,
                "until": pause.until or None,
                "since": pause.since or None,
                "who": pause.who or None,
                "reason": pause.reason or None,
                "damage": pause.damage or None,
            }
            for pause in around.pauses.pauses
        ],
    }


def _directory_json(report: Report, name: str) -> dict[str, object]:
    tally = report.tallies[name]
    free, inodes = report.free[name]
    return {
        "directory": name,
        "messages": tally.messages,
        "recipients": tally.recipients,
        "bytes": tally.size,
        "states": {state.value: tally.counts[state] for state in State},
        "oldest": None if tally.oldest is None else int(tally.oldest),
        "free_bytes": free,
        "free_inodes": inodes,
        "low_disk": report.around.low_disk.get(name),
    }


def _runner_json(runner: RunnerStatus) -> dict[str, object]:
    return {
        "name": runner.name,
        "pid": runner.pid,
        "alive": runner.alive,
        "mode": runner.mode,
        "phase": runner.phase,
        "started": int(runner.started) or None,
        "connections": len(runner.connections),
        "fd_used": runner.fd_used,
        "fd_limit": runner.fd_limit,
        "idle": runner.idle or None,
        "notes": list(runner.notes),
        "counters": dict(runner.counters),
        "rates": dict(runner.rates),
        "destinations": [
            {
                "name": destination.name,
                "limit": destination.limit,
                "ceiling": destination.ceiling,
                "connections": destination.connections,
                "waiting": destination.waiting,
                "state": destination.state,
                "until": destination.until or None,
                "reason": destination.reason or None,
            }
            for destination in runner.destinations
        ],
    }
