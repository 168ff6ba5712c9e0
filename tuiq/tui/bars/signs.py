"""The signs of the bars, and what stands for them where only ASCII is drawn."""

from __future__ import annotations

_ASCII = str.maketrans(
    {
        "●": "*",
        "◐": "%",
        "○": "o",
        "❄": "#",
        "⚠": "!",
        "▶": ">",
        "⏸": "=",
        "■": "-",
        "│": "|",
        "─": "-",
        "⌕": "?",
        "›": ">",
        "…": "~",
        "·": "-",
        "–": "-",
        "—": "-",
        "×": "x",
        "▼": "v",
        "▲": "^",
        "→": ">",
        "✓": "+",
        "✗": "x",
    }
)


def drawn(text: str, *, ascii: bool) -> str:
    """Return *text* with the house's own signs replaced where that is asked for."""
    return text.translate(_ASCII) if ascii and not text.isascii() else text
