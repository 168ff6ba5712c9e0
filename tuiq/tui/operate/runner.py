"""The embedded runner: ``tuiq --run`` as a child in a process group of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq.errors import SpoolUnavailable
from tuiq.log import printable
from tuiq.runner.lifeline import LET_GO
from tuiq.spool.status import read_statuses

if TYPE_CHECKING:
    from tuiq.config import Config
    from tuiq.spool.status import RunnerStatus

LINES = 500
"""Lines of the child's log that are kept."""
LOOK = 0.1
"""Seconds between looks at whether the child serves the spool."""


class RunnerControl:
    """Starts, drains and stops the child; whoever else runs is only watched."""

    def __init__(self, config: Config) -> None:
        """Control a runner by *config*; none is started yet."""
        self._config = config
        self._child: subprocess.Popen[bytes] | None = None
        self._lifeline = -1
        self._word = ""
        self._left = False
        self.log: deque[str] = deque(maxlen=LINES)
        """What it wrote to stderr, the latest last; clean."""

    @property
    def pid(self) -> int | None:
        """Return the child's pid while it lives."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    @property
    def word(self) -> str:
        """Return ``""``, ``starting``, ``running``, ``draining``, or how it died."""
        return self._word

    @property
    def is_left(self) -> bool:
        """Say whether it lives on when the UI ends."""
        return self._left

    def others(self) -> list[RunnerStatus]:
        """Return the living runners that are not ours; reads files."""
        return [
            status
            for status in read_statuses(self._config.spool_path)
            if status.alive is not False
            and status.name == "supervisor"
            and status.pid != self.pid
        ]

    def start(self) -> None:
        """Start it; raise TuiqError with the reason when that cannot be done."""
        if self.pid is not None:
            raise SpoolUnavailable(f"runner: pid {self.pid} is {self._word} already")
        for other in self.others():
            raise SpoolUnavailable(f"pid {other.pid} runs already: watching it")
        if self._config.source is None:
            raise SpoolUnavailable(
                "runner: these settings come from no file; start tuiq with --config"
            )
        self._spawn(self._config.source)

    def _spawn(self, source: Path) -> None:
        listening, self._lifeline = os.pipe()
        reading, writing = os.pipe()
        # A UI that is stopped or gone must never make deliveries wait for their log.
        os.set_blocking(writing, False)
        command = [*_interpreter(), "-m", "tuiq", "--config", str(source)]
        try:
            self._child = subprocess.Popen(
                [*command, "--run", "--while-fd", str(listening)],
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                pass_fds=(listening,),
                start_new_session=True,
            )
        except OSError as error:
            os.close(reading)
            self._cut()
            raise SpoolUnavailable(
                f"runner: cannot be started: {error.strerror}"
            ) from error
        finally:
            os.close(listening)
            os.close(writing)
        self._word, self._left = "starting", False
        for target, name in ((self._read, "log"), (self._mind, "mind")):
            arguments = (reading,) if name == "log" else (self._child,)
            threading.Thread(
                target=target, args=arguments, name=f"runner-{name}", daemon=True
            ).start()

    def drain(self) -> None:
        """Let it end what it does and exit; returns at once."""
        child = self._child
        if child is not None and child.poll() is None:
            self._word = "draining"
            child.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and its workers this moment; returns at once.

        Messages whose final dot is out and unanswered are in doubt after that.
        """
        child = self._child
        if child is None or child.poll() is not None:
            return
        workers = _children(child.pid)
        child.kill()  # first, so that it starts no others
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def leave_running(self) -> None:
        """Let it live on when the UI ends."""
        if self.pid is not None and not self._left:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._lifeline, LET_GO)
                self._left = True

    def close(self) -> None:
        """Drain the child unless it was to be left running; returns at once."""
        if not self._left:
            self.drain()
        self._cut()

    def _cut(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    # -- threads ---------------------------------------------------------------

    def _read(self, fd: int) -> None:
        """Keep the end of what the child and its workers write."""
        with open(fd, "rb") as pipe:
            for line in pipe:
                self.log.append(printable(line.rstrip(b"\n")))

    def _mind(self, child: subprocess.Popen[bytes]) -> None:
        """Say when it serves the spool, and how it ended."""
        while child.poll() is None and self._word == "starting":
            if self._serves(child.pid):
                self._word = "running"
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(LOOK)
        code = child.wait()
        self._word = "" if code == 0 else self._fate(code)

    def _serves(self, pid: int) -> bool:
        statuses = read_statuses(self._config.spool_path)
        return any(status.pid == pid and status.alive for status in statuses)

    def _fate(self, code: int) -> str:
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"ended with {signal.Signals(-code).name}"
        last = f": {self.log[-1]}" if self.log else ""
        return f"ended with exit status {code}{last}"


def _interpreter() -> list[str]:
    """Return this interpreter with its flags; the current directory is not searched."""
    flags = [f"-W{option}" for option in sys.warnoptions]
    if sys.flags.isolated:
        flags.append("-I")
    return [sys.executable, *flags, "-P"]


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
        return [int(word) for word in text.split()]
    return []
