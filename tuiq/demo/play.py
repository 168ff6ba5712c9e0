"""The run of a demo: its spool, its processes, its mail, its clock, and its end.

The relay, the submitter and the views share one event loop; the runner is a
process of its own, the one that ``tuiq --run`` is.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq.demo import guard
from tuiq.demo.feed import LATER, Feed
from tuiq.demo.ledger import Tail, compare
from tuiq.demo.place import make_directory, make_spool
from tuiq.demo.scene import Census, Ending, Scene
from tuiq.demo.story import Narrator
from tuiq.demo.world import MAX_RECIPIENTS, World
from tuiq.errors import TuiqError
from tuiq.log import printable
from tuiq.spool import open_spool

if TYPE_CHECKING:
    import subprocess

    from tuiq.demo.view import View
    from tuiq.spool import Spool

BOUND = 90.0
"""Seconds after which a demo ends although something is not settled."""
_FRAME = 0.2
"""Seconds between two looks."""
_CROWDED = (
    f"the server takes {MAX_RECIPIENTS} recipients at a time, not 50: the rest goes "
    "next"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user asked for."""

    command: str
    """How tuiq was called."""
    seconds: float | None = None
    """How long the demo shall last; None: until everything is settled."""
    keep: Path | None = None
    """Where the spool shall be and stay; None: a place of its own, for a while."""
    staged: bool = False
    """Whether the UI shows it: there is always something on, and it ends when
    standard input does."""


def play(options: Options, view: View) -> tuple[Scene, Ending]:
    """Run a demo; whatever ends it, nothing of it stays but what shall be kept.

    Raises UsageError when there is no place for it.
    """
    directory = make_directory(options.keep)
    keep = options.keep is not None
    process: subprocess.Popen[bytes] | None = None
    try:
        process = guard.start_guard(directory, keep=keep)
        scene = Scene(
            directory=directory,
            command=options.command,
            kept=keep,
            limit=math.inf if options.staged else options.seconds,
            staged=options.staged,
        )
        view.show(scene)
        return asyncio.run(Play(scene, view, process).run())
    finally:
        if process is not None:
            guard.stop_guard(process, directory, keep=keep)
        elif not keep:
            guard.remove(directory)


class Play:
    """One demo on its way."""

    def __init__(
        self, scene: Scene, view: View, process: subprocess.Popen[bytes]
    ) -> None:
        """Show *scene* in *view*; *process* is the guard."""
        self._scene = scene
        self._view = view
        self._guard = process
        self._world = World()
        self._narrator = Narrator()
        self._begun = time.monotonic()
        self._submitted = False
        self._stop = asyncio.Event()
        self._signal = 0
        self._runner_ended = asyncio.Event()

    async def run(self) -> tuple[Scene, Ending]:
        """Play to the end; the runner has ended on return."""
        self._handle_signals()
        async with self._world:
            directory = self._scene.directory
            config = await asyncio.to_thread(make_spool, directory, self._world.port)
            with open_spool(config) as spool:
                feed = Feed(spool, self._scene)
                tail = Tail(directory / "journal")
                settled = await self._play(spool, feed, tail)
                self._look(tail)
                await self._end_runner()
                self._look(tail)
                self._count(spool)
        self._view.show(self._scene)
        truth = compare(self._scene.ledger, self._world.copies, feed.message_ids)
        ending = Ending(settled=settled, signal=self._signal, truth=truth)
        return self._scene, ending

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            self._signal = number
            self._stop.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop, number)
        if self._scene.staged:
            loop.add_reader(sys.stdin, self._leave_stage)
        assert self._guard.stdout is not None
        loop.add_reader(self._guard.stdout, self._hear_guard)

    def _leave_stage(self) -> None:
        """End because the UI has: nothing is ever written to this pipe."""
        asyncio.get_running_loop().remove_reader(sys.stdin)
        self._stop.set()

    def _hear_guard(self) -> None:
        """Take note that the runner, or the guard itself, has ended."""
        assert self._guard.stdout is not None
        asyncio.get_running_loop().remove_reader(self._guard.stdout)
        self._runner_ended.set()

    async def _play(self, spool: Spool, feed: Feed, tail: Tail) -> bool:
        """Submit and watch until the end has come; say whether all is settled."""
        submitting = asyncio.create_task(self._submit_all(feed))
        try:
            while not self._stop.is_set():
                self._look(tail)
                self._count(spool)
                self._view.show(self._scene)
                if submitting.done():
                    submitting.result()
                if self._runner_ended.is_set():
                    raise TuiqError(_last_words(self._scene.directory))
                if self._is_over:
                    break
                await self._pause(_FRAME)
        finally:
            self._stop.set()
            # A thread that submits cannot be cancelled, and needs the open spool.
            await asyncio.gather(submitting, return_exceptions=True)
        return self._is_settled

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    @property
    def _is_settled(self) -> bool:
        return self._submitted and self._scene.census.moving == 0

    @property
    def _is_over(self) -> bool:
        limit, elapsed = self._scene.limit, self._scene.elapsed
        if limit is not None:
            return elapsed >= limit
        return self._is_settled or elapsed >= BOUND

    def _look(self, tail: Tail) -> None:
        """Take in what happened since the last look."""
        scene = self._scene
        scene.elapsed = time.monotonic() - self._begun
        for record in tail.read():
            scene.ledger.apply(record)
            for story in self._narrator.tell(record):
                self._scene.tell(story)
        scene.rate = scene.ledger.rate(time.time())
        if self._world.is_crowded:
            for story in self._narrator.once("crowded", _CROWDED):
                scene.tell(story)

    def _count(self, spool: Spool) -> None:
        """Look into the spool itself."""
        self._scene.census = Census.take(spool.entries())
        self._scene.ledger.hold(self._scene.census.held)

    async def _submit_all(self, feed: Feed) -> None:
        """Hand in the mail of the whole demo, until it ends."""
        await feed.first()
        self._command(guard.RUN)
        await self._pause(1.0)
        await feed.newsletter()
        if self._scene.staged:
            await feed.reminders()
        handed_in = 0
        while not self._stop.is_set():
            if handed_in >= LATER and self._scene.limit is None:
                break
            await feed.one_more()
            handed_in += 1
            lively = self._scene.staged or handed_in < LATER
            await self._pause(0.8 if lively else 3.0)
            self._submitted = handed_in >= LATER

    def _command(self, line: bytes) -> None:
        """Tell the guard something; it may be dead, which shows elsewhere."""
        assert self._guard.stdin is not None
        with contextlib.suppress(OSError):
            self._guard.stdin.write(line)
            self._guard.stdin.flush()

    async def _end_runner(self) -> None:
        """End the runner while the relay still answers; the files stay."""
        self._command(guard.STOP)
        await self._runner_ended.wait()


def _last_words(directory: Path) -> str:
    """Return the sentence about a runner that ended by itself."""
    try:
        lines = (directory / guard.LOG).read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    said = f"it said: {printable(lines[-1])}" if lines else "it said nothing"
    return f"demo: the runner ended by itself: {said}; see --keep for all of its log"
