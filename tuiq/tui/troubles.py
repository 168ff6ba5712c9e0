"""What went wrong: faults of the UI itself, and spells in which something was amiss.

Of a fault people get one sentence, and a small file gets the traceback.
"""

from __future__ import annotations

import os
import time
import traceback
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
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


@dataclass(slots=True, kw_only=True)
class Spell:
    """Something that is amiss for a while, such as a directory that has gone."""

    text: str
    """One clean sentence."""
    began: float
    """Epoch seconds of the last time."""
    ended: float | None = None
    """None: it goes on."""
    times: int = 1


class Troubles:
    """The latest faults and spells; one that comes again is counted, not repeated."""

    def __init__(self, log: Path | None) -> None:
        """Write tracebacks to *log*; None: nowhere."""
        self.log = log
        self._kept: deque[Trouble] = deque(maxlen=_KEPT)
        self._spells: dict[str, Spell] = {}

    def __iter__(self) -> Iterator[Trouble]:
        """Yield them, the latest first."""
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._kept)

    @property
    def spells(self) -> Sequence[Spell]:
        """Return what is amiss, and what was."""
        return tuple(self._spells.values())

    @property
    def going_on(self) -> int:
        """Return how much is amiss now."""
        return sum(spell.ended is None for spell in self._spells.values())

    def see(self, texts: Collection[str], now: float) -> None:
        """Take note of all that is amiss now; what was before and is not has ended."""
        spells = self._spells
        for spell in spells.values():
            if spell.ended is None and spell.text not in texts:
                spell.ended = now
        for text in texts:
            known = spells.get(text)
            if known is None or known.ended is not None:
                times = 1 if known is None else known.times + 1
                spells[text] = Spell(text=text, began=now, times=times)
        past = [spell for spell in spells.values() if spell.ended is not None]
        past.sort(key=lambda spell: spell.ended or 0.0)
        for spell in past[:-_KEPT]:
            del spells[spell.text]

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
