"""The run of a demo: its spool, its processes, its mail, its clock, and its end.

The relay, the submitter and the views share one event loop; the runner is a
process of its own, the one that ``tuiq --run`` is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq import config as configuration
from tuiq.actions import verbs
from tuiq.actions.actor import Actor
from tuiq.actions.selection import freeze
from tuiq.config.writer import template
from tuiq.demo import guard
from tuiq.demo.ledger import Tail, compare
from tuiq.demo.mail import (
    HOSTILE_SUBJECT,
    NEWSLETTER_SIZE,
    first_samples,
    later_samples,
    newsletter,
)
from tuiq.demo.place import PREFIX, find_place, obstacle
from tuiq.demo.scene import Census, Ending, Scene
from tuiq.demo.story import NOTICE, RETRY, Narrator
from tuiq.demo.world import MAX_RECIPIENTS, World
from tuiq.errors import TuiqError, UsageError
from tuiq.log import printable
from tuiq.spool import open_spool
from tuiq.spool.setup import create_spool
from tuiq.spool.verbs import Verb

if TYPE_CHECKING:
    import subprocess

    from tuiq.config import Config
    from tuiq.demo.mail import Sample
    from tuiq.demo.view import View
    from tuiq.spool import Spool

BOUND = 90.0
"""Seconds after which a demo ends although something is not settled."""
_FRAME = 0.2
"""Seconds between two looks."""
_LATER = 15
"""Messages that come in while the newsletter goes out."""
_SETTINGS = {
    ("spool", "queues"): "q.*",
    ("spool", "min_free_bytes"): 64 * 1024 * 1024,
    ("submission", "hostname"): "web1.harbor.example",
    ("delivery", "concurrency"): 10,
    ("delivery", "idle_timeout"): 2.0,
    ("delivery", "retry_destination"): 2.0,
    ("delivery", "command_timeout"): 5.0,
    ("delivery", "data_timeout"): 5.0,
    ("delivery", "quit_timeout"): 1.0,
    ("retry", "min_backoff"): 2.0,
    ("retry", "max_backoff"): RETRY,
    ("retry", "delay_notice"): NOTICE,
    ("runner", "drain_timeout"): 2.0,
}
"""What the demo changes: everything that would take hours takes seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user asked for."""

    command: str
    """How tuiq was called."""
    seconds: float | None = None
    """How long the demo shall last; None: until everything is settled."""
    keep: Path | None = None
    """Where the spool shall be and stay; None: a place of its own, for a while."""


def play(options: Options, view: View) -> tuple[Scene, Ending]:
    """Run a demo; whatever ends it, nothing of it stays but what shall be kept.

    Raises UsageError when there is no place for it.
    """
    directory = _make_directory(options.keep)
    keep = options.keep is not None
    process: subprocess.Popen[bytes] | None = None
    try:
        process = guard.start_guard(directory, keep=keep)
        scene = Scene(
            directory=directory,
            command=options.command,
            kept=keep,
            limit=options.seconds,
        )
        view.show(scene)
        return asyncio.run(Play(scene, view, process).run())
    finally:
        if process is not None:
            guard.stop_guard(process, directory, keep=keep)
        elif not keep:
            guard.remove(directory)


def _make_directory(keep: Path | None) -> Path:
    """Make the directory of the spool."""
    if keep is None:
        place = find_place(os.environ)
        return Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    directory = keep.absolute()
    reason = obstacle(directory.parent)
    if reason is None and directory.exists():
        reason = f"{keep}: is no directory" if not directory.is_dir() else None
        if reason is None and any(directory.iterdir()):
            reason = f"{keep}: is not empty"
    if reason:
        raise UsageError(f"--keep {reason}; name a directory that can be made")
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def _make_spool(directory: Path, port: int) -> Config:
    create_spool(directory, queues=2)
    file = directory / "tuiq.toml"
    values = {**_SETTINGS, ("delivery", "smarthost"): f"127.0.0.1:{port}"}
    file.write_text(template(values), encoding="utf-8")
    return configuration.load(file)


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
        self._message_ids: dict[str, str] = {}
        self._submitted = False
        self._stop = asyncio.Event()
        self._signal = 0
        self._runner_ended = asyncio.Event()

    async def run(self) -> tuple[Scene, Ending]:
        """Play to the end; the runner has ended on return."""
        self._handle_signals()
        async with self._world:
            directory = self._scene.directory
            config = await asyncio.to_thread(_make_spool, directory, self._world.port)
            with open_spool(config) as spool:
                tail = Tail(directory / "journal")
                settled = await self._play(spool, tail)
                self._look(tail)
                await self._end_runner()
                self._look(tail)
                self._count(spool)
        self._view.show(self._scene)
        truth = compare(self._scene.ledger, self._world.copies, self._message_ids)
        ending = Ending(settled=settled, signal=self._signal, truth=truth)
        return self._scene, ending

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            self._signal = number
            self._stop.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop, number)
        assert self._guard.stdout is not None
        loop.add_reader(self._guard.stdout, self._hear_guard)

    def _hear_guard(self) -> None:
        """Take note that the runner, or the guard itself, has ended."""
        assert self._guard.stdout is not None
        asyncio.get_running_loop().remove_reader(self._guard.stdout)
        self._runner_ended.set()

    async def _play(self, spool: Spool, tail: Tail) -> bool:
        """Submit and watch until the end has come; say whether all is settled."""
        submitting = asyncio.create_task(self._submit_all(spool))
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
                self._tell(story)
        scene.rate = scene.ledger.rate(time.time())
        if self._world.is_crowded:
            self._tell_once(
                "crowded",
                f"the server takes {MAX_RECIPIENTS} recipients at a time, not 50: "
                "the rest goes next",
            )

    def _count(self, spool: Spool) -> None:
        """Look into the spool itself."""
        self._scene.census = Census.take(spool.entries())
        self._scene.ledger.hold(self._scene.census.held)

    def _tell(self, story: str) -> None:
        self._scene.stories.append((self._scene.elapsed, story))

    def _tell_once(self, key: str, story: str) -> None:
        for told in self._narrator.once(key, story):
            self._tell(told)

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

    # -- mail --------------------------------------------------------------------

    async def _submit_all(self, spool: Spool) -> None:
        """Hand in the mail of the whole demo, until it ends."""
        for sample in first_samples():
            await self._submit(spool, sample)
        self._command(guard.RUN)
        await self._pause(1.0)
        begun = time.monotonic()
        await self._submit(spool, newsletter())
        seconds = time.monotonic() - begun
        self._tell(
            f"one newsletter to {NEWSLETTER_SIZE:,} readers queued in {seconds:.1f} s"
        )
        for count, sample in enumerate(later_samples(), 1):
            if self._stop.is_set():
                break
            if count > _LATER:
                self._submitted = True
                if self._scene.limit is None:
                    break
            await self._submit(spool, sample)
            await self._pause(0.8 if count <= _LATER else 3.0)

    async def _submit(self, spool: Spool, sample: Sample) -> None:
        message_id = f"<{len(self._message_ids) + 1}.demo@web1.harbor.example>"
        data = sample.data(message_id, time.time())
        queue_id = await asyncio.to_thread(spool.submit, sample.envelope(), [data])
        self._message_ids[queue_id] = message_id
        self._scene.ledger.expect(queue_id, sample.recipients)
        if sample.verb:
            await asyncio.to_thread(_operate, spool, Verb(sample.verb), queue_id)
            self._tell(_ABOUT[sample.verb])
        if sample.subject == HOSTILE_SUBJECT:
            self._tell(f"a hostile subject, shown harmless: {_HARMLESS}")


_HARMLESS = printable(HOSTILE_SUBJECT)
_ABOUT = {
    "hold": "held by an operator: no attempt until it is released",
    "delete": "deleted by an operator: in the trash for a day, undo brings it back",
}


def _operate(spool: Spool, verb: Verb, queue_id: str) -> None:
    """Do an operator's verb on one message, audit log included."""
    selection = freeze([(spool.entry(queue_id), None)], scope="tuiq demo")
    action = verbs.act(
        spool, verb, selection, actor=Actor.caller(), reason="part of the demo"
    )
    for _ in action.answers:
        pass


def _last_words(directory: Path) -> str:
    """Return the sentence about a runner that ended by itself."""
    try:
        lines = (directory / guard.LOG).read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    said = f"it said: {printable(lines[-1])}" if lines else "it said nothing"
    return f"demo: the runner ended by itself: {said}; see --keep for all of its log"
