"""What the runner's tests share: a spool, a clock, a runner in process or outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import tomli_w

from tuiq.config import load
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.runner.runner import Options, Runner
from tuiq.spool.answers import Target, Verb
from tuiq.spool.claim import lock_message
from tuiq.spool.setup import create_spool
from tuiq.spool.spool import Spool
from tuiq.spool.texts import read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tuiq.clock import Clock
    from tuiq.demo.server import ScriptedServer
    from tuiq.spool.claim import Claim
    from tuiq.spool.entry import QueueEntry
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.pause import Scope

DATA = b"Subject: hello\r\nMessage-ID: <1@here.invalid>\r\n\r\nHello\r\n"
ME = b"me@here.invalid"
PHASES = ("connect", "greeting", "command", "data", "block", "dot", "quit")
PATIENCE = 20.0
"""Seconds until something that has to happen counts as never happening."""


class StillClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.offset = 0.0
        self._start = time.time()
        self._boot = time.clock_gettime(time.CLOCK_BOOTTIME)

    def now(self) -> float:
        return self._start + self.offset

    def now_ns(self) -> int:
        return int(self.now() * 1e9)

    def boottime(self) -> float:
        return self._boot + self.offset


class World:
    """One spool and what is done with it."""

    def __init__(
        self,
        path: Path,
        *,
        queues: int = 1,
        drop: bool = False,
        clock: Clock | None = None,
        **sections: dict[str, Any],
    ) -> None:
        """Make a spool under *path*; *sections* are those of the configuration."""
        self.path = path
        create_spool(path, queues=queues, drop=drop)
        self.file = path / "tuiq.toml"
        self.sections: dict[str, dict[str, Any]] = {
            "spool": {"queues": f"{path}/q.*", "min_free_bytes": 0},
            "submission": {"hostname": "here.invalid"},
            # Workers have tests of their own: test_workers.py.
            "runner": {"max_workers": 1},
            "delivery": {f"{phase}_timeout": 10.0 for phase in PHASES},
        }
        self.configure(**sections)
        self.spool = Spool(load(self.file), clock=clock)
        self.other = Spool(load(self.file), clock=clock)
        """The spool as another process has it open: an operator's."""
        self.runner: Runner | None = None

    def configure(self, **sections: dict[str, Any]) -> None:
        """Write the configuration file, with *sections* changed."""
        for name, section in sections.items():
            self.sections.setdefault(name, {}).update(section)
        self.file.write_text(tomli_w.dumps(self.sections))

    def reconfigure(self, **sections: dict[str, Any]) -> None:
        """Change the configuration of the open spool."""
        self.configure(**sections)
        self.spool.reconfigure(load(self.file))

    def serve_by(self, server: ScriptedServer) -> None:
        """Send all mail to *server*."""
        self.reconfigure(delivery={"smarthost": f"127.0.0.1:{server.port}"})

    def close(self) -> None:
        self.spool.close()
        self.other.close()

    # -- messages --------------------------------------------------------------

    def submit(
        self,
        *addresses: bytes,
        sender: bytes = ME,
        data: bytes = DATA,
        notify: bytes = b"",
        **envelope: Any,
    ) -> str:
        """Queue a message to *addresses* (default: one)."""
        recipients = tuple(
            Recipient(address=address, notify=notify)
            for address in addresses or (b"you@there.invalid",)
        )
        return self.spool.submit(
            Envelope(sender=sender, recipients=recipients, **envelope), (data,)
        )

    def entry(self, queue_id: str) -> QueueEntry:
        return self.spool.entry(queue_id)

    def states(self, queue_id: str) -> bytes:
        return self.entry(queue_id).states

    def ids(self) -> set[str]:
        """Return the ids of all messages, finished ones left out."""
        return {entry.queue_id for entry in self.spool.entries()}

    def texts(self, prefix: str, queue_id: str) -> dict[int, bytes]:
        """Return the reasons in bf or xf by recipient."""
        directory = self.spool.find(queue_id)
        assert directory is not None
        lines = read(directory, prefix, queue_id)
        return {index: line.text for index, line in lines.items()}

    def control_file(self, queue_id: str) -> Path:
        return next(self.path.glob(f"q.*/qf{queue_id}"))

    def poke(self, queue_id: str, offset: int, data: bytes) -> None:
        """Overwrite bytes of a control file, which keeps its mtime."""
        path = self.control_file(queue_id)
        before = path.stat().st_mtime_ns
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(data)
        os.utime(path, ns=(before, before))

    def touch(self, queue_id: str, when: float) -> None:
        os.utime(self.control_file(queue_id), (when, when))

    def journal(self, kind: str = "") -> list[dict[str, Any]]:
        """Return the journal's lines, those of *kind* alone if it is given."""
        path = self.path / "journal" / "delivery.jsonl"
        if not path.exists():
            return []
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [line for line in lines if not kind or line["event"] == kind]

    # -- operators -------------------------------------------------------------

    def operate(self, verb: Verb, queue_id: str, index: int | None = None) -> str:
        """Do a verb; return its result and words."""
        recipients = None if index is None else (index,)
        target = Target(queue_id=queue_id, recipients=recipients)
        (answer,) = self.other.operate(verb, [target])
        return f"{answer.result.value}: {answer.text}"

    def pause(self, scope: Scope, name: str = "", until: float = 0) -> None:
        pauses = self.other.pauses
        pauses.pause(scope, name, who="ann", reason="a test", until=int(until))

    def resume(self, scope: Scope, name: str = "") -> None:
        assert self.other.pauses.resume(scope, name)

    # -- runners ---------------------------------------------------------------

    def make_runner(self, *, once: bool) -> Runner:
        runner = Runner(self.spool, list(self.spool.directories), Options(once=once))
        self.runner = runner
        return runner

    async def once(self, server: ScriptedServer | None = None) -> Runner:
        """Run one pass in this process, to *server*."""
        if server is not None:
            self.serve_by(server)
        runner = self.make_runner(once=True)
        async with asyncio.timeout(PATIENCE):
            await runner.run()
        return runner

    @contextlib.asynccontextmanager
    async def running(
        self, server: ScriptedServer | None = None
    ) -> AsyncIterator[Runner]:
        """Run a daemon in this process, and drain it at the end."""
        if server is not None:
            self.serve_by(server)
        runner = self.make_runner(once=False)
        task = asyncio.create_task(runner.run())
        try:
            yield runner
        finally:
            if not task.done():
                await runner.stop()
            async with asyncio.timeout(PATIENCE):
                await task

    # -- processes -------------------------------------------------------------

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tuiq", *arguments, "--config", str(self.file)]

    def run(self, *arguments: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        """Run ``tuiq`` in another process, to its end."""
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            **kwargs,
        )

    @contextlib.contextmanager
    def process(
        self, *arguments: str, **kwargs: Any
    ) -> Iterator[subprocess.Popen[str]]:
        """Run ``tuiq --run`` in another process, until it has told its status."""
        process = subprocess.Popen(
            self.command("--run", *arguments),
            stderr=subprocess.PIPE,
            text=True,
            **kwargs,
        )
        assert process.stderr is not None
        try:
            wait_for(
                lambda: (
                    list(self.path.glob("run/*.status")) or process.poll() is not None
                )
            )
            assert process.poll() is None, process.stderr.read()
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
            process.stderr.close()

    def status(self) -> dict[str, Any]:
        """Return what the runner last said about itself."""
        (path,) = self.path.glob("run/*.status")
        status: dict[str, Any] = json.loads(path.read_text())
        return status


def wait_for(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Return the first true value of *condition*; fail when there is none."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
    return value


async def until(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Return the first true value of *condition* while the event loop runs."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.01)
    return value


@contextlib.contextmanager
def locked(directory: QueueDirectory, queue_id: str) -> Iterator[Claim]:
    """Hold a message's lock, as another process would."""
    claim = lock_message(directory, queue_id)
    try:
        yield claim
    finally:
        claim.close()
