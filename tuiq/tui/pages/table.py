"""A grid's model of some values by key: the pages whose rows are not messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from tuiq.tui.grid.model import Cell, Column, Key
from tuiq.tui.look.roles import Role

_V = TypeVar("_V")
_BLANK: Cell = ("", Role.TEXT)


class Table(Generic[_V]):
    """Values in the order of a column; one may always stand first."""

    def __init__(
        self,
        columns: Sequence[Column],
        cell: Callable[[_V, str], Cell],
        rank: Callable[[_V, str], Any],
        *,
        sort: tuple[str, bool],
        first: Key = None,
    ) -> None:
        """Show what *cell* makes of a value, ordered by what *rank* does.

        *sort* is the column and whether the greatest comes first; *first* is the key
        of the row that no order moves.
        """
        self.columns: Sequence[Column] = tuple(columns)
        self._cell = cell
        self._rank = rank
        self._first = first
        self._values: Mapping[Any, _V] = {}
        self._keys: list[Key] = []
        self._places: dict[Key, int] = {}
        self.sorted_by = sort
        self.order = 0

    def show(self, values: Mapping[Any, _V]) -> None:
        """Show other values."""
        self._values = values
        self._arrange()

    def sort(self, column: str, *, reverse: bool) -> None:
        """Order by another column."""
        self.sorted_by = column, reverse
        self._arrange()

    def _arrange(self) -> None:
        column, reverse = self.sorted_by
        values = self._values
        # Equal ones keep the order in which they came.
        keys = sorted(
            (key for key in values if key != self._first),
            key=lambda key: self._rank(values[key], column),
            reverse=reverse,
        )
        if self._first in values:
            keys.insert(0, self._first)
        if keys != self._keys:
            self._keys = keys
            self._places = {key: place for place, key in enumerate(keys)}
            self.order += 1

    def value(self, key: Key) -> _V | None:
        """Return what a row shows; None when it has gone."""
        return self._values.get(key)

    @property
    def values(self) -> Mapping[Any, _V]:
        """Return all values by key."""
        return self._values

    # -- the model -------------------------------------------------------------

    @property
    def count(self) -> int:
        """Return the number of rows."""
        return len(self._keys)

    def keys(self) -> Sequence[Key]:
        """Return every key in order."""
        return self._keys

    def key_at(self, position: int) -> Key | None:
        """Return the row at *position*; None outside."""
        return self._keys[position] if 0 <= position < len(self._keys) else None

    def position_of(self, key: Key) -> int | None:
        """Return where a row is; None when it is not shown."""
        return self._places.get(key)

    def version(self, key: Key) -> int:
        """Return a number that differs whenever the row's cells differ."""
        ids = [column.id for column in self.columns]
        return hash(tuple(self.cells(key, ids)))

    def cells(self, key: Key, columns: Sequence[str]) -> Sequence[Cell]:
        """Return one cell for each of *columns*."""
        value = self._values.get(key)
        if value is None:
            return [_BLANK] * len(columns)
        return [self._cell(value, column) for column in columns]
