"""Lines made of parts that have shorter forms; the least important shrink first.

Pure: no widget, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from rich.cells import cell_len
from rich.style import Style

from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import fit

Span = tuple[str, Role | Style]
"""Clean text and its role, or a style where a person chose one."""
Spans = tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One statement of a line."""

    forms: tuple[Spans, ...]
    """From the longest to the shortest; an empty one leaves the part out."""
    rank: int = 0
    """The part with the highest rank shrinks first."""


def part(*forms: Span | Spans | None, rank: int = 0) -> Part:
    """Return a part; each form is one span, several, or None for nothing."""
    return Part(forms=tuple(_spans(form) for form in forms), rank=rank)


def _spans(form: Span | Spans | None) -> Spans:
    if not form:
        return ()
    first = form[0]
    return (cast("Span", form),) if isinstance(first, str) else cast("Spans", form)


def width_of(spans: Iterable[Span]) -> int:
    """Return the terminal cells that *spans* take."""
    return sum(cell_len(text) for text, _role in spans)


def shrunk(parts: Sequence[Part], width: int, *, gap: int = 2) -> list[Spans]:
    """Return one form per part such that all fit in *width* with gaps between.

    A form that leaves its part out is empty.
    """
    at = [0] * len(parts)
    while _total(parts, at, gap) > width:
        shrinkable = [i for i, p in enumerate(parts) if at[i] + 1 < len(p.forms)]
        if not shrinkable:
            break
        at[max(shrinkable, key=lambda i: (parts[i].rank, -at[i]))] += 1
    return [p.forms[i] for p, i in zip(parts, at, strict=True)]


def _total(parts: Sequence[Part], at: Sequence[int], gap: int) -> int:
    widths = [width_of(p.forms[i]) for p, i in zip(parts, at, strict=True)]
    shown = [width for width in widths if width]
    return sum(shown) + gap * max(0, len(shown) - 1)


def joined(forms: Iterable[Spans], *, gap: int = 2) -> Spans:
    """Return the forms that are not empty in one line, *gap* spaces between two."""
    line: list[Span] = []
    for spans in filter(None, forms):
        if line:
            line.append((" " * gap, Role.DIM))
        line += spans
    return tuple(line)


def two_sides(left: Spans, right: Spans, width: int) -> Spans:
    """Return one line with *right* at its end; *left* is cut where both do not fit."""
    spare = width - width_of(right)
    if width_of(left) + (2 if right else 0) > spare:
        left = cut(left, max(0, spare - (2 if right else 0)))
    return (*left, (" " * max(0, spare - width_of(left)), Role.DIM), *right)


def cut(spans: Spans, width: int) -> Spans:
    """Return what of *spans* fits, an ellipsis at its end where something is lost."""
    if width_of(spans) <= width:
        return spans
    kept: list[Span] = []
    for text, role in spans:
        taken = cell_len(text)
        if taken >= width:
            return (*kept, (fit(text + " ", width), role))
        kept.append((text, role))
        width -= taken
    return tuple(kept)
