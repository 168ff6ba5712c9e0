"""A terminal that people use: tuiq in a tmux of its own, keys in, screens out."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[3]
_PATIENCE = 30.0
_LOOK = 0.03


def has_tmux() -> bool:
    """Say whether tmux can be run here."""
    return shutil.which("tmux") is not None


class Tmux:
    """One window of a tmux server that ends with it."""

    def __init__(
        self,
        *arguments: str,
        size: tuple[int, int] = (120, 36),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Run ``tuiq`` with *arguments* in a window of *size* columns and lines."""
        self._socket = f"tuiq-{uuid.uuid4().hex[:12]}"
        words = {
            "PYTHONPATH": str(ROOT),
            "PYTHONSAFEPATH": "1",
            "LANG": "C.UTF-8",
            "TERM": "screen-256color",
            **(environ or {}),
        }
        pairs = [f"{name}={value}" for name, value in words.items()]
        program = [sys.executable, "-m", "tuiq", *arguments]
        run = shlex.join(["env", *pairs, *program])
        line = f"{run}; code=$?; echo; echo ended with $code; cat"
        columns, lines = size
        clean = {k: v for k, v in os.environ.items() if not k.startswith("TMUX")}
        self._environ = {**clean, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        self._do(
            *("-f", "/dev/null", "new-session", "-d", "-x", str(columns)),
            *("-y", str(lines), line),
        )

    def __enter__(self) -> Tmux:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the server and everything in it."""
        subprocess.run(
            ["tmux", "-L", self._socket, "kill-server"],
            check=False,
            capture_output=True,
        )

    def _do(self, *words: str) -> str:
        result = subprocess.run(
            ["tmux", "-L", self._socket, *words],
            check=True,
            capture_output=True,
            text=True,
            env=self._environ,
        )
        return result.stdout

    @property
    def screen(self) -> str:
        """Return what is shown now."""
        return self._do("capture-pane", "-p")

    def keys(self, *names: str) -> None:
        """Press keys, as tmux names them (``Enter``, ``Escape``, ``C-u``, ``f``)."""
        self._do("send-keys", *names)

    def type(self, text: str) -> None:
        """Type *text* as it is."""
        self._do("send-keys", "-l", text)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the window."""
        self._do("resize-window", "-x", str(columns), "-y", str(lines))

    def until(self, wanted: str | Callable[[str], bool]) -> str:
        """Return the screen once it shows *wanted*; fail when it never does."""
        end = time.monotonic() + _PATIENCE
        while True:
            screen = self.screen
            if wanted in screen if isinstance(wanted, str) else wanted(screen):
                return screen
            if time.monotonic() > end:
                raise AssertionError(f"never shown: {wanted!r}; at last:\n{screen}")
            time.sleep(_LOOK)

    def pid_of(self, part: str) -> int:
        """Return the process below this window whose command line has *part*."""
        root = int(self._do("display-message", "-p", "#{pane_pid}"))
        for pid in _below(root):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if any(part.encode() == word for word in words):
                return pid
        raise AssertionError(f"no process with {part!r}")


def _below(pid: int) -> list[int]:
    """Return the descendants of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_below(int(child))]
    return found
