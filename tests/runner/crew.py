"""Runners with worker processes: started, looked at and interfered with by tests."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.runner.world import World, until
from tuiq.demo.server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tuiq.demo.dialogue import Dialogue

RUN = "from tuiq.cli.main import main; raise SystemExit(main())"


class CountingServer(ScriptedServer):
    """A server that knows how many connections it had at the same time."""

    most = 0

    def opened(self, connection: Dialogue) -> int:
        ordinal = super().opened(connection)
        self.most = max(self.most, len(self._open))
        return ordinal

    def has_more_than(self, count: int) -> bool:
        """Say whether more than *count* messages were received."""
        return len(self.received) > count

    @property
    def addresses(self) -> list[bytes]:
        """Return every recipient that was delivered, in order."""
        return [address for each in self.received for address, _ in each.recipients]


class Crew:
    """One ``tuiq --run`` with workers, and what they say about themselves."""

    def __init__(self, world: World, process: subprocess.Popen[str]) -> None:
        self.world = world
        self.process = process

    def statuses(self, pattern: str = "worker-*") -> dict[str, dict[str, Any]]:
        """Return the statuses of living processes by name."""
        found = {}
        for path in sorted(self.world.path.glob(f"run/{pattern}.status")):
            with contextlib.suppress(FileNotFoundError):  # it ends just now
                status = json.loads(path.read_text())
                if is_alive(status["pid"]):
                    found[status["name"]] = status
        return found

    def pids(self) -> dict[str, int]:
        return {name: status["pid"] for name, status in self.statuses().items()}

    def counted(self, counter: str) -> dict[str, int]:
        statuses = self.statuses().items()
        return {name: status["counters"].get(counter, 0) for name, status in statuses}

    def holder(self, queue_id: str, phase: str) -> int | None:
        """Return the pid of the worker that has a message in a phase."""
        for status in self.statuses().values():
            for connection in status["connections"]:
                if (connection["message"], connection["phase"]) == (queue_id, phase):
                    pid: int = status["pid"]
                    return pid
        return None

    def destination(self) -> dict[str, Any]:
        """Return what the supervisor says about the only destination, if anything."""
        status = self.statuses("supervisor").get("supervisor", {})
        destinations = status.get("destinations") or [{}]
        (destination,) = destinations
        result: dict[str, Any] = destination
        return result

    async def ended(self) -> str:
        """Wait for the end of all processes; return what they said."""
        pids = self.pids().values()
        await until(lambda: self.process.poll() is not None)
        await until(lambda: not any(map(is_alive, pids)))
        assert self.process.stderr is not None
        return self.process.stderr.read()

    async def stop(self) -> str:
        self.process.terminate()
        return await self.ended()


@contextlib.asynccontextmanager
async def crew(
    world: World,
    *arguments: str,
    workers: int = 2,
    prelude: str = "",
    **environment: str,
) -> AsyncIterator[Crew]:
    """Run ``tuiq --run`` with *workers*, from the moment that they tell of themselves.

    The Python of *prelude* comes first.
    """
    world.reconfigure(runner={"max_workers": workers, "status_interval": 0.1})
    command = [sys.executable, "-c", f"{prelude}\n{RUN}", "--run", *arguments]
    process = subprocess.Popen(  # noqa: ASYNC220
        [*command, "--config", str(world.file)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
    )
    it = Crew(world, process)
    needed = 1 if "--once" in arguments else workers  # one may have nothing to do
    pids: set[int] = set()
    assert process.stderr is not None
    try:
        await until(lambda: process.poll() is not None or len(it.pids()) >= needed)
        assert process.poll() is None, process.stderr.read()
        yield it
    finally:
        pids.update(it.pids().values())
        for pid in (process.pid, *pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()


def is_alive(pid: int) -> bool:
    """Say whether a process runs, zombies left out."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
