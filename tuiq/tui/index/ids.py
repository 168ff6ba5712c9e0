"""Queue ids as numbers: 95 bits in two columns that sort as the ids do.

``hi`` holds the 55 bits of time and the first 9 random ones, ``lo`` the other 31.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.spool.layout import (
    ALPHABET,
    ID_LENGTH,
    RANDOM_LENGTH,
    TIME_LENGTH,
    base32,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

Numbers = tuple["NDArray[np.uint64]", "NDArray[np.uint32]"]

_LETTERS = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)
_DIGITS = np.zeros(256, dtype=np.uint64)
_DIGITS[_LETTERS] = np.arange(32, dtype=np.uint64)
_PLAIN_DIGITS = str.maketrans(ALPHABET, "0123456789abcdefghijklmnopqrstuv")
_FIVE, _NINE = np.uint64(5), np.uint64(9)
_LOW_BITS = np.uint64(31)
_LOW_MASK = np.uint64((1 << 31) - 1)
_HIGH_MASK = np.uint64((1 << 9) - 1)
_DIGIT_MASK = np.uint64(31)


def parse(text: bytes) -> Numbers:
    """Return the numbers of the queue ids that *text* strings together."""
    letters = np.frombuffer(text, dtype=np.uint8).reshape(-1, ID_LENGTH)
    moment = _number(letters[:, :TIME_LENGTH])
    chance = _number(letters[:, TIME_LENGTH:])
    hi = (moment << _NINE) | (chance >> _LOW_BITS)
    return hi, (chance & _LOW_MASK).astype(np.uint32)


def _number(letters: NDArray[np.uint8]) -> NDArray[np.uint64]:
    number = np.zeros(len(letters), dtype=np.uint64)
    for column in range(letters.shape[1]):
        number = (number << _FIVE) | _DIGITS[letters[:, column]]
    return number


def spell(hi: NDArray[np.uint64], lo: NDArray[np.uint32]) -> list[str]:
    """Return the queue ids of numbers."""
    text = _letters(hi, lo).tobytes().decode("ascii")
    return [text[at : at + ID_LENGTH] for at in range(0, len(text), ID_LENGTH)]


def _letters(hi: NDArray[np.uint64], lo: NDArray[np.uint32]) -> NDArray[np.uint8]:
    letters = np.empty((len(hi), ID_LENGTH), dtype=np.uint8)
    chance = ((hi & _HIGH_MASK) << _LOW_BITS) | lo
    _spell(letters[:, :TIME_LENGTH], hi >> _NINE)
    _spell(letters[:, TIME_LENGTH:], chance)
    return letters


def _spell(letters: NDArray[np.uint8], number: NDArray[np.uint64]) -> None:
    for column in reversed(range(letters.shape[1])):
        letters[:, column] = _LETTERS[number & _DIGIT_MASK]
        number = number >> _FIVE


def parse_one(queue_id: str) -> tuple[int, int]:
    """Return the numbers of one queue id."""
    digits = queue_id.translate(_PLAIN_DIGITS)
    moment, chance = int(digits[:TIME_LENGTH], 32), int(digits[TIME_LENGTH:], 32)
    return (moment << 9) | (chance >> 31), chance & ((1 << 31) - 1)


def spell_one(hi: int, lo: int) -> str:
    """Return the queue id of two numbers."""
    moment = base32(hi >> 9, TIME_LENGTH)
    return moment + base32(((hi & 511) << 31) | lo, RANDOM_LENGTH)


def births(hi: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the times in ids, in microseconds since the epoch."""
    return (hi >> _NINE).astype(np.int64)


def sort(hi: NDArray[np.uint64], lo: NDArray[np.uint32]) -> NDArray[Any]:
    """Return the places of ids in their order."""
    return np.lexsort((lo, hi))
