"""Faults of the UI itself: one sentence for people, the traceback into a small file."""

from __future__ import annotations

import os
import time
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tuiq.errors import TuiqError
from tuiq.tui.look.text import clean

_KEPT = 200
_LARGEST = 256 * 1024
"""Bytes of ``ui.log`` before it becomes ``ui.log.1``."""


@dataclass(slots=True, kw_only=True)
class Trouble:
    """Something that went wrong in the UI; messages and queue are untouched by it."""

    at: float
    """Epoch seconds of the last time."""
    text: str
    """One clean sentence."""
    times: int = 1


class Troubles:
    """The latest faults; the same one again is counted, not listed twice."""

    def __init__(self, log: Path | None) -> None:
        """Write tracebacks to *log*; None: nowhere."""
        self.log = log
        self._kept: deque[Trouble] = deque(maxlen=_KEPT)

    def __iter__(self) -> Iterator[Trouble]:
        """Yield them, the latest first."""
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._kept)

    def note(self, doing: str, error: BaseException, now: float) -> str:
        """Take note of *error* while *doing*; return the sentence, empty: known."""
        text = clean(f"{doing}: {_reason(error)}")
        for trouble in self._kept:
            if trouble.text == text:
                trouble.at = now
                trouble.times += 1
                return ""
        self._kept.appendleft(Trouble(at=now, text=text))
        if not isinstance(error, TuiqError):
            self._write(doing, error)
        return text

    def _write(self, doing: str, error: BaseException) -> None:
        if self.log is None:
            return
        lines = traceback.format_exception(error)
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        shown = "".join(clean(line) + "\n" for line in "".join(lines).splitlines())
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self.log.exists() and self.log.stat().st_size > _LARGEST:
                self.log.replace(self.log.with_suffix(".log.1"))
            with self.log.open("a", encoding="utf-8") as file:
                file.write(f"{stamp} pid {os.getpid()} {clean(doing)}\n{shown}\n")
        except OSError:
            self.log = None  # whoever reads this sees the sentences all the same


def _reason(error: BaseException) -> str:
    if isinstance(error, TuiqError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror[:1].lower()}{error.strerror[1:]}"
    return f"fault of tuiq: {type(error).__name__}: {error}"


def default_log(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where tracebacks go."""
    state = environ.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return base / "tuiq" / "ui.log"
