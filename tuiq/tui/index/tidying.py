"""Giving memory back: texts and lists of domains that no message refers to any more.

A retry brings another reply, a message of several recipients another first one; what
was there before stays in memory until more than half of it is of no use.
"""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.tui.index.table import Table
    from tuiq.tui.index.worker import Worker

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
TRIM_EVERY = 30.0
LEAST = 50_000
"""Texts of a table below which nobody looks."""


class Tidying:
    """Looks at one table of texts after the other; call ``step`` in every tick."""

    def __init__(self, table: Table, worker: Worker) -> None:
        """Tidy *table*; what takes long is done by *worker*."""
        self._table = table
        self._worker = worker
        # How many texts a table has before anybody looks at it again.
        self._next = dict.fromkeys(table.texts, LEAST)
        self._next_mix = LEAST
        self._busy = False
        self._trimmed = time.monotonic()

    def step(self) -> None:
        """Look whether there is something to forget."""
        if time.monotonic() - self._trimmed >= TRIM_EVERY:
            self._trimmed = time.monotonic()
            trim()
        if self._busy:
            return
        for name, texts in self._table.texts.items():
            if texts.count >= self._next[name]:
                self._look(name)
                return
        if self._table.mixes.length >= self._next_mix:
            self._table.pack_mixes()
            self._next_mix = max(LEAST, self._table.mixes.length * 2)

    def _look(self, name: str) -> None:
        table, texts = self._table, self._table.texts[name]
        used = np.zeros(texts.count, dtype=bool)
        used[table[name][table.rows]] = True
        if name == "domain":
            used[self._mixed_domains()] = True
        if int(used.sum()) * 2 > texts.count:
            self._next[name] = texts.count * 3 // 2
            return
        texts.forget(used)
        result: list[Any] = []

        def done() -> None:
            kept, numbers = result
            texts.become(kept, numbers)
            table.renumber(name, texts.moves)
            self._next[name] = max(LEAST, texts.count * 2)
            self._busy = False

        self._busy = True
        self._worker.do(lambda: result.extend(texts.shrunk(used)), done, alone=True)

    def _mixed_domains(self) -> NDArray[np.uint32]:
        """Return the domains of messages that go to several."""
        told = [domains for _, domains, _ in self._table.domains(self._table.rows)]
        return np.concatenate([np.zeros(0, dtype=np.uint32), *told])


def trim() -> None:
    """Give the system what was freed; sorts leave tens of megabytes behind.

    Only glibc has to be asked.
    """
    if _trim is not None:
        _trim(0)
