"""Words for F1: what can be read or written in the focused part of the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.actions.filter_terms import FIELDS, Kind
from tuiq.tui.bars.filter_parts import FilterEdit
from tuiq.tui.grid.grid import Grid
from tuiq.tui.look.text import clean

if TYPE_CHECKING:
    from textual.widget import Widget

_EXAMPLES = {
    Kind.TEXT: ":part  =whole  :/re/",
    Kind.NAME: ":name  :*.suffix",
    Kind.WORD: ":word",
    Kind.CODE: ":450  :45x  :4.7",
    Kind.DURATION: ">2h  <15m",
    Kind.SIZE: ">1M  <10K",
    Kind.NUMBER: ">=5",
}
_GRAMMAR = [
    ("word", "in the id, an address or the last reply"),
    ("a b", "both"),
    ("dom:a|b", "one of two values; with spaces around | one of two conditions"),
    ("!term", "not"),
    ("( )", "together"),
    ('"a b"', "a value with spaces"),
    ("", ""),
]


def explain(focused: Widget | None) -> tuple[str, list[tuple[str, str]]]:
    """Return a title, and words with what they mean; no words: nothing to explain."""
    if isinstance(focused, FilterEdit):
        return "How filters are written", [*_GRAMMAR, *_fields()]
    if isinstance(focused, Grid):
        columns = focused.model.columns
        said = [(clean(c.title), c.gloss or "–") for c in columns]
        return "Columns", said
    return "", []


def _fields() -> list[tuple[str, str]]:
    return [
        (
            field.name + _EXAMPLES[field.kind].partition(" ")[0],
            f"{field.gloss}{_words(field.words)}",
        )
        for field in FIELDS
    ]


def _words(words: tuple[str, ...]) -> str:
    return f": {', '.join(words)}" if words else ""
