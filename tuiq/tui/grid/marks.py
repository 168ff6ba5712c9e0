"""What is marked: keys, whether a filter shows them or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from tuiq.tui.grid.model import GridModel, Key, Listed


class Marking(Protocol):
    """Marks as a grid sets and draws them."""

    def __len__(self) -> int: ...
    def __contains__(self, key: object) -> bool: ...
    def __iter__(self) -> Iterator[Key]: ...

    def add(self, *keys: Key) -> None:
        """Mark."""

    def update(self, keys: Iterable[Key]) -> None:
        """Mark what ``between`` returned."""

    def toggle(self, key: Key) -> bool:
        """Mark what is not, unmark what is; return whether it is marked now."""

    def flip(self, keys: Iterable[Key]) -> None:
        """Turn the marks of what ``between`` returned round."""

    def clear(self) -> None:
        """Unmark everything."""


class Marks:
    """A set of keys."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        """Begin with *keys*."""
        self._keys: set[Key] = set(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def add(self, *keys: Key) -> None:
        """See ``Marking``."""
        self._keys.update(keys)

    def update(self, keys: Iterable[Key]) -> None:
        """See ``Marking``."""
        self._keys.update(keys)

    def toggle(self, key: Key) -> bool:
        """See ``Marking``."""
        self._keys ^= {key}
        return key in self._keys

    def flip(self, keys: Iterable[Key]) -> None:
        """See ``Marking``."""
        self._keys.symmetric_difference_update(keys)

    def clear(self) -> None:
        """See ``Marking``."""
        self._keys.clear()


def between(model: GridModel, first: int, last: int) -> Iterable[Key]:
    """Return the keys at *first* to *last*, that included."""
    if isinstance(model, Listed):
        return model.between(first, last)
    keys = map(model.key_at, range(first, last + 1))
    return [key for key in keys if key is not None]


def all_keys(model: GridModel) -> Iterable[Key]:
    """Return the keys of all rows."""
    return between(model, 0, model.count - 1)
