"""Sets of recipient slots as short text: ``0-3,7`` for 0, 1, 2, 3 and 7."""

from __future__ import annotations

from itertools import count, groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def encode_slots(indexes: Iterable[int]) -> str:
    """Return *indexes* (rising) as ranges."""
    counter = count()
    words = []
    for _, run in groupby(indexes, key=lambda index: index - next(counter)):
        members = list(run)
        first, last = members[0], members[-1]
        words.append(str(first) if first == last else f"{first}-{last}")
    return ",".join(words)


def decode_slots(text: str) -> tuple[int, ...]:
    """Return the indexes in *text*; raise ValueError."""
    indexes: list[int] = []
    for word in text.split(",") if text else ():
        first, _, last = word.partition("-")
        indexes.extend(range(int(first), int(last or first) + 1))
    return tuple(indexes)
