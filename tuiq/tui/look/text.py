"""Text from mail on its way to the terminal: made safe once, cut to cells."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from tuiq.log import printable

ELLIPSIS = "…"


def clean(text: bytes | str) -> str:
    """Return *text* with everything invisible or active written as an escape."""
    return printable(text)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Return *text* in exactly *width* terminal cells, cut with an ellipsis."""
    if text.isascii():
        if len(text) > width:
            return text[: width - 1] + ELLIPSIS if width > 1 else text[:width]
        return text.rjust(width) if right else text.ljust(width)
    length = cell_len(text)
    if length > width:
        if width < 2:
            return set_cell_size(text, width)
        return set_cell_size(text, width - 1).rstrip().ljust(0) + ELLIPSIS
    spare = " " * (width - length)
    return spare + text if right else text + spare
