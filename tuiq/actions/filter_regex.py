"""Regular expressions of operators, refused when they could run for ever.

Python's engine backtracks: a repetition inside a repetition can take time
exponential in the text, and the text is hostile.  Such patterns are refused when
they are compiled; what remains costs a small power of the text's length, which
``TEXT_LIMIT`` bounds: seconds for the worst pattern on the worst text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

PATTERN_LIMIT = 200
"""Longest pattern in characters."""
TEXT_LIMIT = 320
"""Characters of a text that a pattern is tried on."""
_WIDE_LIMIT = 3
"""Most parts of any length in one pattern: each is one more power."""
_FEW = 4
"""Times that a group of variable length may be repeated."""

# The engine's own parse tree; 3.11 made the module private and kept its shape.
_parser: Any = re._parser  # type: ignore[attr-defined]
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT"})
_NO_BACKTRACKING = frozenset({"ATOMIC_GROUP", "POSSESSIVE_REPEAT"})


@lru_cache(maxsize=64)
def compile_bounded(pattern: str) -> re.Pattern[str]:
    """Compile *pattern*, blind to case; raise ValueError with the reason."""
    if len(pattern) > PATTERN_LIMIT:
        raise ValueError(f"the expression is longer than {PATTERN_LIMIT} characters")
    try:
        tree = list(_parser.parse(pattern, re.IGNORECASE))
        compiled = re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if _explodes(tree):
        raise ValueError(
            "a repeated group that can match the same text in several ways could "
            "take for ever; make its inside possessive (a++) or repeat less"
        )
    if _powers(tree) > _WIDE_LIMIT:
        raise ValueError(
            f"more than {_WIDE_LIMIT} repetitions; bound some, as in [0-9]{{1,{_FEW}}}"
        )
    return compiled


def _explodes(tree: list[Any]) -> bool:
    """Say whether a part repeated often is itself of variable length."""
    return any(
        str(node[0]) in _REPEATS
        and node[1][1] > _FEW
        and any(map(_is_variable, _walk(node[1][2])))
        for node in _walk(tree)
    )


def _is_variable(node: Any) -> bool:
    name = str(node[0])
    if name == "BRANCH":
        return True
    return name in _REPEATS and node[1][0] != node[1][1]


def _powers(tree: Iterable[Any]) -> int:
    """Count the parts of any length, each as often as it is repeated."""
    total = 0
    for node in tree:
        name, argument = str(node[0]), node[1]
        if name in _NO_BACKTRACKING:
            continue
        times = 1
        if name in _REPEATS:
            least, times = int(argument[0]), int(argument[1])
            total += times > _FEW and least != times
        inner = sum(map(_powers, _subtrees(argument)))
        # A wide repetition of something variable was refused before.
        total += inner * (times if inner else 1)
    return total


def _walk(tree: Iterable[Any]) -> Iterable[Any]:
    """Yield every node that can backtrack, the outer before the inner ones."""
    for node in tree:
        yield node
        if str(node[0]) not in _NO_BACKTRACKING:
            for inner in _subtrees(node[1]):
                yield from _walk(inner)


def _subtrees(argument: Any) -> Iterable[Any]:
    """Yield the sub-patterns in a node's argument."""
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for item in argument:
            yield from _subtrees(item)
