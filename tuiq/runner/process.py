"""A worker's process, as the supervisor has it: started, talked to, waited for."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from asyncio.subprocess import create_subprocess_exec
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq.runner.wire import Channel

if TYPE_CHECKING:
    from tuiq.runner.shares import Share


@dataclass(slots=True, eq=False)
class WorkerProcess:
    """A living worker, from the supervisor's side."""

    share: Share
    process: asyncio.subprocess.Process
    channel: Channel
    counters: dict[str, int] = field(default_factory=dict)
    """Its totals, as it told them last."""
    problem: str = ""
    """Why it cannot begin."""
    silent: float = 0.0
    """Seconds since it was heard, as ``pulse`` counts them."""
    is_killed: bool = False

    async def wait(self, patience: float) -> int:
        """Wait for the end of one whose channel is closed; return its exit code.

        It ends by itself, or after *patience* seconds is ended.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                return await self.process.wait()
        self.kill()
        return await self.process.wait()

    def kill(self) -> None:
        """End it the hard way."""
        self.is_killed = True
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    def waits_for_disk(self) -> bool:
        """Say whether it is within a call that not even SIGKILL ends."""
        try:
            told = Path(f"/proc/{self.process.pid}/stat").read_text("ascii", "replace")
        except OSError:
            return False
        return told.rpartition(") ")[2][:1] == "D"

    def fate(self, code: int) -> str:
        """Say how it ended, given its exit *code*: what follows its name."""
        if self.problem:
            return f"cannot begin: {self.problem}"
        if code >= 0:
            return f"ended with exit status {code}"
        with contextlib.suppress(ValueError):
            return f"ended with {signal.Signals(-code).name}"
        return f"ended with signal {-code}"


async def start_worker(share: Share) -> WorkerProcess:
    """Start a worker's process in a session of its own: signals are the supervisor's.

    Raises OSError.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = await create_subprocess_exec(
                *_command(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
    channel = Channel(*await asyncio.open_unix_connection(sock=ours))
    return WorkerProcess(share, process, channel)


def _command(fd: int) -> list[str]:
    """Return the command line of a worker, in the same interpreter and its flags."""
    flags = [f"-W{option}" for option in sys.warnoptions]
    if sys.flags.isolated:
        flags.append("-I")
    return [sys.executable, *flags, "-P", "-m", "tuiq.runner.worker", str(fd)]
