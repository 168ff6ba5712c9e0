"""``tuiq status --watch``: the busy queue at a glance, without the UI.

On a terminal the same screen is drawn again and again, with plain control sequences:
nothing is hidden or remembered, and whenever it ends the last screen stays above the
prompt.  Elsewhere one line per interval is appended, as vmstat does.

Rates come from the runners' status files and the journal.  Messages are counted a
little at a time, taking a part of one core; the screen says how old the count is.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from tuiq.actions.rates import Meter
from tuiq.cli.diagnostics import ExitCode
from tuiq.cli.status_frame import PLAIN, Frame, heading, line, screen
from tuiq.delivery.route import RouteTable
from tuiq.spool.census import Census
from tuiq.spool.disk import low_disk
from tuiq.spool.holders import LockReader
from tuiq.spool.status import all_destinations, read_statuses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiq.spool.spool import Spool

SHARE = 0.1
"""Part of one core that counting may take."""
COUNT_EVERY = 5.0
"""Seconds between counts; a large queue takes longer anyway."""
HEAD_EVERY = 20
"""Lines after which the heading is repeated."""
_HOME, _CLEAR_LINE, _CLEAR_REST = "\x1b[H", "\x1b[K", "\x1b[J"


class Looker:
    """Looks at a spool again and again."""

    def __init__(self, spool: Spool) -> None:
        """Look at *spool*; rates begin now."""
        self._spool = spool
        self._reader = LockReader()
        self._meter = Meter(spool)
        self._allowed = 0.0
        routes = RouteTable(spool.config.delivery)
        self._census = Census(spool, lambda sender, to: routes.key(sender, to).name)

    def count(self, seconds: float) -> None:
        """Count for up to *seconds* of processor time, unless it was done just now.

        What took longer once is made up for by the next times.
        """
        census = self._census
        self._allowed = min(self._allowed + seconds, seconds)
        ended = self._spool.clock.now() - census.ended
        if self._allowed > 0 and (census.is_running or ended >= COUNT_EVERY):
            with suppress(OSError):  # the last count stands, and gets older
                census.advance(self._allowed)
            self._allowed -= census.spent

    def look(self) -> Frame:
        """Return what there is to see now."""
        spool, census = self._spool, self._census
        found = read_statuses(spool.path, self._reader)
        alive = tuple(told for told in found if told.alive is not False)
        space = {d.name: d.fs.statvfs(d.qf_fd) for d in spool.directories}
        free = min((s.f_bavail * s.f_frsize, name) for name, s in space.items())
        settings = spool.config.spool
        return Frame(
            now=spool.clock.now(),
            spool=str(spool.path),
            rates=self._meter.read(alive).totals,
            runners=alive,
            destinations=tuple(all_destinations(alive)),
            free=free,
            low=tuple(name for name, s in space.items() if low_disk(s, settings)),
            tallies=census.tallies,
            counted=census.began,
        )


class _Ended(Exception):
    """The watching is over."""


def watch(spool: Spool, interval: float, out: TextIO | None = None) -> int:
    """Show *spool* every *interval* seconds until a signal ends it."""
    out = out or sys.stdout
    plain = os.environ.get("TERM", "dumb") in {"", "dumb"}
    show = _Log(out) if plain or not out.isatty() else _Screen(out)
    looker = Looker(spool)
    with _signals() as wait:
        try:
            looker.count(interval / 2)  # a small queue is told at once
            while True:
                show.show(looker.look())
                _pass_time(looker, interval, wait)
        except (_Ended, KeyboardInterrupt):
            return ExitCode.OK
        finally:
            show.end()


def _pass_time(looker: Looker, interval: float, wait: Callable[[float], bool]) -> None:
    """Count a little and wait for the rest of *interval*, in turns."""
    end = time.monotonic() + interval
    while (left := end - time.monotonic()) > 0:
        turn = min(1.0, left)
        looker.count(SHARE * turn)
        if wait(min(turn, end - time.monotonic())):
            return


@contextmanager
def _signals() -> Iterator[Callable[[float], bool]]:
    """Let TERM and HUP raise _Ended; give a wait that says if the window changed."""

    def end(number: int, frame: object) -> None:
        raise _Ended

    resized, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def redraw(number: int, frame: object) -> None:
        with suppress(BlockingIOError):
            os.write(woken, b"x")

    def wait(seconds: float) -> bool:
        if not select.select([resized], [], [], max(0.0, seconds))[0]:
            return False
        os.read(resized, 4096)
        return True

    handlers = {signal.SIGTERM: end, signal.SIGHUP: end, signal.SIGWINCH: redraw}
    before = {number: signal.signal(number, do) for number, do in handlers.items()}
    try:
        yield wait
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(resized)
        os.close(woken)


class _Log:
    """One line per frame, for files and pipes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lines = 0

    def show(self, frame: Frame) -> None:
        if self._lines % HEAD_EVERY == 0:
            print(heading(), file=self._out)
        self._lines += 1
        print(line(frame), file=self._out, flush=True)

    def end(self) -> None:
        """Leave nothing behind."""


class _Screen:
    """The same screen again and again."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._colour = not os.environ.get("NO_COLOR")
        self._lines = 0

    def show(self, frame: Frame) -> None:
        width, height = self._size()
        # The last line stays free for the cursor, the last column for terminals that
        # would begin another line after it.
        lines = screen(frame, width - 1, height - 1, colour=self._colour)
        body = "".join(f"{text}{_CLEAR_LINE}\r\n" for text in lines)
        start = "\x1b[2J" if not self._lines else ""
        self._out.write(f"{start}{_HOME}{body}{_CLEAR_REST}")
        self._out.flush()
        self._lines = len(lines)

    def _size(self) -> tuple[int, int]:
        """Return columns and lines: the terminal's, or those of the environment."""
        with suppress(OSError):
            width, height = os.get_terminal_size(self._out.fileno())
            if width > 1 and height > 1:
                return width, height
        return shutil.get_terminal_size()

    def end(self) -> None:
        """Leave the cursor below the last screen."""
        if self._lines:
            self._out.write(PLAIN if self._colour else "")
            self._out.flush()
