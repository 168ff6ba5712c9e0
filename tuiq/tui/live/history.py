"""What rates were: by the second for a quarter of an hour, then by ten for hours."""

from __future__ import annotations

import threading
from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FINE = 900
"""Seconds for which there is a value for each."""
STEP = 10
"""Seconds that one value stands for before that."""
COARSE = 6 * 3600 // STEP


class _Series:
    """The values of one name; places in the arrays are times modulo their length."""

    __slots__ = ("coarse", "fine", "last_positive")

    def __init__(self, *, coarse: bool) -> None:
        self.fine = array("f", bytes(4 * FINE))
        self.coarse = array("f", bytes(4 * COARSE)) if coarse else None
        self.last_positive = 0

    def put(self, slot: int, value: float) -> None:
        self.fine[slot % FINE] = value
        if value > 0:
            self.last_positive = slot
        if self.coarse is not None and slot % STEP == STEP - 1:
            first = slot - STEP + 1
            total = sum(self.fine[s % FINE] for s in range(first, slot + 1))
            self.coarse[slot // STEP % COARSE] = total / STEP


class History:
    """Values of many names over time; written by one thread, read by another.

    Time is counted in seconds of a clock that nobody sets.
    """

    def __init__(self) -> None:
        """Begin without any value."""
        self._lock = threading.Lock()
        self._series: dict[str, _Series] = {}
        self._first = self._last = -1

    def add(
        self,
        at: float,
        values: Mapping[str, float],
        passing: Mapping[str, float] | None = None,
    ) -> None:
        """Take in the values of the time since the last call.

        *values* are averages over that time; those of *passing* are kept for
        ``FINE`` seconds only, and forgotten when they were 0 for so long.  A name
        that is not among them is 0.
        """
        slot = int(at)
        with self._lock:
            if self._first < 0:
                self._first, self._last = slot, slot - 1
            if slot <= self._last:
                self._merge(values, passing or {})
                return
            for name in values:
                self._series.setdefault(name, _Series(coarse=True))
            for name in passing or {}:
                self._series.setdefault(name, _Series(coarse=False))
            begin = max(self._last + 1, slot - STEP * COARSE)
            told = {**values, **(passing or {})}
            for name, series in self._series.items():
                value = told.get(name, 0.0)
                for each in range(begin, slot + 1):
                    series.put(each, value)
            self._last = slot
            self._forget()

    def _merge(self, *several: Mapping[str, float]) -> None:
        """Let the last second be the mean of two looks."""
        for values in several:
            for name, value in values.items():
                series = self._series.get(name)
                if series is not None:
                    before = series.fine[self._last % FINE]
                    series.put(self._last, (before + value) / 2)

    def _forget(self) -> None:
        gone = [
            name
            for name, series in self._series.items()
            if series.coarse is None and self._last - series.last_positive > FINE
        ]
        for name in gone:
            del self._series[name]

    def read(self, name: str, seconds: int) -> array[float]:
        """Return the values of *name*, oldest first, as far back as there are any.

        One per second up to ``FINE`` seconds, else one per ``STEP``.
        """
        return self._window(name, seconds)[0]

    def _window(self, name: str, seconds: int) -> tuple[array[float], int, int]:
        """Return values, how many seconds each is for, and the number of the last."""
        with self._lock:
            series = self._series.get(name)
            known = self._last - self._first + 1
            if series is None or seconds <= 0:
                return array("f"), 1, 0
            if seconds <= FINE or series.coarse is None:
                count = min(seconds, known, FINE)
                return _tail(series.fine, self._last, count), 1, self._last
            last = (self._last + 1) // STEP - 1
            count = min(seconds // STEP, known // STEP, COARSE)
            return _tail(series.coarse, last, count), STEP, last

    def points(self, name: str, seconds: int, count: int) -> list[float]:
        """Return up to *count* means that together stand for *seconds*.

        Each is for the same number of seconds, begun at a multiple of it: as time goes
        on they move on as they are, and only the last one changes.
        """
        values, unit, last = self._window(name, seconds)
        full = seconds // unit
        if full <= count:
            return [value for value in values for _ in range(count // full)]
        step = -(-full // max(count, 1))
        end, size = len(values), (last + 1) % step or step
        means: list[float] = []
        while end > 0 and len(means) < min(-(-full // step), count):
            part = values[max(0, end - size) : end]
            means.append(sum(part) / len(part))
            end, size = end - size, step
        return means[::-1]


def _tail(ring: array[float], last: int, count: int) -> array[float]:
    """Return the *count* values up to place *last*."""
    end = last % len(ring) + 1
    start = end - count
    if start >= 0:
        return ring[start:end]
    return ring[start:] + ring[:end]
