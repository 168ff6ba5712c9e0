"""A program on a pseudo terminal, as a person at a terminal has it before him.

``Terminal(argv)`` starts it; ``read_until`` reads what it sends and draws it on a
screen of ``pyte``'s.  Nothing is read at other times, so a terminal that stalls is one
that nobody reads.  It answers what Textual asks at its start as a modern terminal does.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import pyte

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0
"""Seconds until something that has to happen counts as never happening."""
QUIET = 0.4
"""Seconds without a byte after which a program counts as done with its screen."""
_SYNC_QUERY, _SYNC_ANSWER = b"\x1b[?2026$p", b"\x1b[?2026;2$y"
# Complete sequences that pyte does not know, and would print parts of.
_STRANGE = re.compile(rb"\x1b\[[<>=][\d;]*[a-zA-Z]|\x1b\[\?[\d;]*\$[a-z]")
_INCOMPLETE = re.compile(rb"\x1b(\[[<>=?\d;$ ]*)?$")


class Terminal:
    """One program and its terminal."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        size: tuple[int, int] = (120, 36),
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> None:
        """Start *argv*, with *env* over a modern terminal's environment."""
        self.output = bytearray()
        """Everything that the program has sent."""
        self.screen = pyte.Screen(*size)
        """What stands on the terminal, cell by cell."""
        self._stream = pyte.ByteStream(self.screen)
        self.drawn = True
        """Whether what comes is drawn on the screen, which takes longer than that."""
        self._unread = b""
        self._master, slave = pty.openpty()
        self.size = size
        self._set_size(size)
        self._process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**_environment(), **(env or {})},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self._slave = slave

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Return the process id of the program."""
        return self._process.pid

    @property
    def lines(self) -> list[str]:
        """Return the screen, without spaces at the ends of lines."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """Return the screen as one text."""
        return "\n".join(self.lines)

    @property
    def sent(self) -> int:
        """Return how many bytes the program has sent up to now, as far as was read."""
        return len(self.output)

    def shows(self, text: str) -> bool:
        """Return whether *text* stands on the screen."""
        return text in self.text

    def read_until(
        self, done: Callable[[Terminal], bool], *, timeout: float = PATIENCE
    ) -> Terminal:
        """Read what is sent until *done*; fail with the screen after *timeout*."""
        deadline = time.monotonic() + timeout
        while not done(self):
            if time.monotonic() > deadline:
                raise AssertionError(f"not in {timeout} s; the screen:\n{self.text}")
            self._read(0.05)
        return self

    def read_quiet(self, seconds: float = QUIET, *, timeout: float = PATIENCE) -> int:
        """Read until nothing came for *seconds*; return the bytes until then."""
        before, deadline = self.sent, time.monotonic() + timeout
        while self._read(seconds):
            assert time.monotonic() < deadline, "the program sends without end"
        return self.sent - before

    def read_for(self, seconds: float) -> int:
        """Read for *seconds*; return how many bytes came."""
        before, end = self.sent, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read(left)
        return self.sent - before

    def press(self, keys: str | bytes) -> Terminal:
        """Send keys as the terminal would."""
        os.write(self._master, keys.encode() if isinstance(keys, str) else keys)
        return self

    def resize(self, size: tuple[int, int]) -> None:
        """Give the terminal another size; the program gets SIGWINCH."""
        self.size = size
        self.screen.resize(size[1], size[0])
        self._set_size(size)

    def hang_up(self) -> None:
        """Take the terminal away; the program gets SIGHUP and SIGCONT."""
        self._close_slave()
        os.close(self._master)
        self._master = -1

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        self._process.send_signal(number)

    def modes(self) -> list[int]:
        """Return the terminal's settings but for the control characters."""
        return termios.tcgetattr(self._slave)[:4]

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for the end of the program, reading; return its status."""
        deadline = time.monotonic() + timeout
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"still there after {timeout} s:\n{self.text}")
            if self._master < 0:
                time.sleep(0.01)
            else:
                self._read(0.05)
        return self._process.returncode

    def answer(self, keys: str | bytes, *, quiet: float = 0.1) -> tuple[float, int]:
        """Press *keys*; return the seconds to the last byte that follows, and bytes.

        The last one is that after which nothing comes for *quiet* seconds.
        """
        before, start = self.sent, time.monotonic()
        self.press(keys)
        last, wait = start, PATIENCE
        while self._read(wait):
            last, wait = time.monotonic(), quiet
        return last - start, self.sent - before

    def reaction(self, keys: str | bytes) -> int:
        """Press *keys*; return how many bytes follow, which are some."""
        count = self.answer(keys, quiet=QUIET)[1]
        assert count, f"nothing follows {keys!r}; the screen:\n{self.text}"
        return count

    def memory(self) -> int:
        """Return the program's resident memory in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) * 1024 if found else 0

    def children(self) -> list[int]:
        """Return the process ids of what the program has started."""
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def threads(self) -> list[int]:
        """Return the ids of the program's threads."""
        return sorted(
            int(task.name) for task in Path(f"/proc/{self.pid}/task").iterdir()
        )

    def state(self, pid: int = 0) -> str:
        """Return the kernel's letter for what a process does; ``T``: stopped."""
        return self._stat(pid)[0]

    def cpu(self) -> float:
        """Return the seconds that the program has computed."""
        ticks = sum(map(int, self._stat()[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End the program and the terminal."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._close_slave()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _close_slave(self) -> None:
        if self._slave >= 0:
            os.close(self._slave)
            self._slave = -1

    def _stat(self, pid: int = 0) -> list[str]:
        stat = Path(f"/proc/{pid or self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()

    def _set_size(self, size: tuple[int, int]) -> None:
        packed = struct.pack("HHHH", size[1], size[0], 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, packed)

    def _read(self, timeout: float) -> bool:
        """Read once; return whether anything came."""
        if not select.select([self._master], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # nobody has the other side open
            return False
        self.output += data
        if _SYNC_QUERY in data:
            os.write(self._master, _SYNC_ANSWER)
        if self.drawn:
            self._draw(data)
        return True

    def _draw(self, data: bytes) -> None:
        data = _STRANGE.sub(b"", self._unread + data)
        cut = _INCOMPLETE.search(data)
        end = cut.start() if cut else len(data)
        self._unread = data[end:]
        self._stream.feed(data[:end])


def _environment() -> dict[str, str]:
    """Return the environment without what the machine's own terminal says."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TEXTUAL", "SSH", "LC_", "ESCDELAY"))
        and name not in ("COLUMNS", "LINES", "NO_COLOR", "TERM_PROGRAM")
    }
    return {
        **kept,
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
    }
