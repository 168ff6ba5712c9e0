"""What is remembered of destinations, bounded by what there is to know."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 1000
"""Destinations up to which nobody looks whether they can be forgotten."""
_K = TypeVar("_K")
_V = TypeVar("_V")


class Memory(dict[_K, _V]):
    """Destinations by name; mail may lead to more than there is any use for."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self._room = MANY

    def make_room(self, is_forgettable: Callable[[_V], bool]) -> None:
        """Forget what nothing would be lost by, before there are too many.

        Looks seldom enough to cost nothing, however many have to be kept.
        """
        if len(self) < self._room:
            return
        for key in [key for key, value in self.items() if is_forgettable(value)]:
            del self[key]
        self._room = max(MANY, 2 * len(self))
