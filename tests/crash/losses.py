"""The choices that a power loss makes, and how to go through them."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.crash.inode import DirOp

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Choice:
    """One independent piece of what may be on disk; option 0 is the oldest."""

    ino: int
    what: str
    options: list[object]


def closed_subsets(ops: list[DirOp]) -> list[tuple[DirOp, ...]]:
    """Return every subset of *ops* in which none overtakes one it shares a name
    with; the empty subset first, the full one last."""
    subsets: list[tuple[int, ...]] = [()]
    for index, op in enumerate(ops):
        needs = {i for i in range(index) if ops[i].names() & op.names()}
        subsets += [(*s, index) for s in subsets if needs <= set(s)]
    subsets.sort(key=len)
    return [tuple(ops[i] for i in subset) for subset in subsets]


def components(ops: list[DirOp]) -> list[list[DirOp]]:
    """Split *ops* into groups that share no name."""
    groups: list[tuple[set[str], list[DirOp]]] = []
    for op in ops:
        names, members = op.names(), [op]
        rest = []
        for other in groups:
            if other[0] & names:
                names |= other[0]
                members = other[1] + members
            else:
                rest.append(other)
        groups = [*rest, (names, members)]
    return [sorted(members, key=ops.index) for _, members in groups]


def picked(
    choices: list[Choice], cap: int, rng: random.Random
) -> Iterator[tuple[int, ...]]:
    """Yield one option index per choice: all combinations, or extremes and samples."""
    counts = [len(c.options) for c in choices]
    if math.prod(counts) <= cap:
        yield from itertools.product(*(range(count) for count in counts))
        return
    done = 0
    for picks in extremes(choices):
        yield picks
        done += 1
    while done < cap:
        yield tuple(rng.randrange(count) for count in counts)
        done += 1


def extremes(choices: list[Choice]) -> Iterator[tuple[int, ...]]:
    """Yield nothing and everything persisted, and each alone present or missing."""
    nothing = (0,) * len(choices)
    everything = tuple(len(c.options) - 1 for c in choices)
    yield nothing
    yield everything
    for base, other in ((nothing, everything), (everything, nothing)):
        for ino in dict.fromkeys(c.ino for c in choices):
            mine = [c.ino == ino for c in choices]
            trio = zip(mine, base, other, strict=True)
            yield tuple(o if is_mine else b for is_mine, b, o in trio)
        for at, choice in enumerate(choices):
            for option in range(len(choice.options)):
                if option != base[at]:
                    yield (*base[:at], option, *base[at + 1 :])
