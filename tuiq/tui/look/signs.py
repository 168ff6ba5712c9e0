"""The house's signs, and what stands for them where only ASCII is drawn.

Each takes one cell, and so does its stand-in.  Letters of other scripts are left as
they are: that an address has them says nothing about the terminal's font.
"""

from __future__ import annotations

_STAND_INS = {
    "*": "●•▇", "%": "◐", "o": "○", "#": "❄█▓▒", ":": "░▃", "!": "⚠", ">": "▶▸→›",
    "<": "◀←‹", "^": "▲↑", "v": "▼↓", "=": "⏸▅", "-": "■─╌━·–—−▔▄", "_": "▁", ".": "▂",
    "|": "│┤├┃▐▏▎▍▌▋▊▉",
    "+": "╭╮╯╰└┘┌┐┬┴┼✓▆", "x": "×✗", "?": "⌕", "~": "…", '"': "“”", "'": "‘’",
}  # fmt: skip
_ASCII = str.maketrans(
    {sign: plain for plain, signs in _STAND_INS.items() for sign in signs}
)


def drawn(text: str, *, ascii: bool) -> str:
    """Return *text* with the house's own signs replaced where that is asked for."""
    return text.translate(_ASCII) if ascii and not text.isascii() else text
