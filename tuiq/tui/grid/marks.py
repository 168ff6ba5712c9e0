"""What is marked: keys, whether a filter shows them or not."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator

from tuiq.tui.grid.model import GridModel, Key, Listed

_FEW = 1000
"""Up to so many, the model is asked where each one stands."""


class Marks:
    """A set of keys; a grid draws it, a page acts on what of it is shown."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        """Begin with *keys*."""
        self._keys: set[Key] = set(keys)
        self._frozen: frozenset[Key] | None = None
        self._counted: tuple[object, Hashable, int] | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys)

    @property
    def keys(self) -> frozenset[Key]:
        """Return what is marked, shown or not."""
        if self._frozen is None:
            self._frozen = frozenset(self._keys)
        return self._frozen

    def add(self, *keys: Key) -> None:
        """Mark."""
        self._keys.update(keys)
        self._changed()

    def discard(self, *keys: Key) -> None:
        """Unmark."""
        self._keys.difference_update(keys)
        self._changed()

    def toggle(self, key: Key) -> bool:
        """Mark what is not, unmark what is; return whether it is marked now."""
        self._keys ^= {key}
        self._changed()
        return key in self._keys

    def clear(self) -> None:
        """Unmark everything."""
        self._keys.clear()
        self._changed()

    def invert(self, model: GridModel) -> None:
        """Turn the mark of every row that is shown round."""
        self._keys.symmetric_difference_update(all_keys(model))
        self._changed()

    def shown(self, model: GridModel) -> list[Key]:
        """Return what is marked and shown, in the order of the rows."""
        if len(self._keys) > _FEW:
            return [key for key in all_keys(model) if key in self._keys]
        places = ((model.position_of(key), key) for key in self._keys)
        found = [(place, key) for place, key in places if place is not None]
        return [key for _, key in sorted(found, key=lambda pair: pair[0])]

    def hidden(self, model: GridModel) -> int:
        """Return how many marked rows are not shown."""
        if not isinstance(model, Listed):
            return len(self._keys) - len(self.shown(model))
        known = self._counted
        if known is None or known[0] is not model or known[1] != model.order:
            count = len(self._keys) - len(self.shown(model))
            self._counted = known = (model, model.order, count)
        return known[2]

    def drop_gone(self, is_there: Callable[[Key], bool]) -> int:
        """Unmark what is no longer there at all; return how many that were."""
        gone = [key for key in self._keys if not is_there(key)]
        if gone:
            self.discard(*gone)
        return len(gone)

    def _changed(self) -> None:
        self._frozen = self._counted = None


def all_keys(model: GridModel) -> Iterable[Key]:
    """Return the keys of all rows in order."""
    return between(model, 0, model.count - 1)


def between(model: GridModel, first: int, last: int) -> Iterable[Key]:
    """Return the keys at *first* to *last*, that included."""
    if isinstance(model, Listed):
        return model.keys()[first : last + 1]
    keys = map(model.key_at, range(first, last + 1))
    return [key for key in keys if key is not None]
