"""Text from mail on its way to the terminal: made safe once, cut to cells."""

from __future__ import annotations

from rich.cells import cell_len, get_character_cell_size

from tuiq.log import printable

ELLIPSIS = "…"

# Terminals disagree on how many cells these take beside their neighbours: flags are
# written as the letters that they stand for, skin tones are left out.
_UNSURE: dict[int, str | None] = {
    **{0x1F1E6 + n: chr(ord("A") + n) for n in range(26)},
    **dict.fromkeys(range(0x1F3FB, 0x1F400)),
}


def clean(text: bytes | str) -> str:
    """Return *text* with everything invisible or active written as an escape."""
    return printable(text)


def fit(text: str, width: int, *, right: bool = False, ellipsis: str = ELLIPSIS) -> str:
    """Return *text* in exactly *width* terminal cells, cut with an ellipsis.

    A wide character that would stand across the cut leaves, with a space in its place.
    """
    if text.isascii():
        length = len(text)
    else:
        text = text.translate(_UNSURE)
        length = cell_len(text)
    if length > width:
        return _cut(text, width, ellipsis)
    spare = " " * (width - length)
    return spare + text if right else text + spare


def _cut(text: str, width: int, ellipsis: str) -> str:
    """Return the beginning of a text that is too long, with an ellipsis."""
    if width < 2:  # an ellipsis alone says nothing
        ellipsis = ""
    room = width - len(ellipsis)
    if text.isascii():
        return text[: max(room, 0)] + ellipsis
    end, used = 0, 0
    for char in text:
        size = get_character_cell_size(char)
        if used + size > room:
            break
        end, used = end + 1, used + size
    return text[:end] + ellipsis + " " * (room - used)
