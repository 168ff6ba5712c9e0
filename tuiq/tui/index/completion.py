"""Words for people who type: domains spelt alike, values of a field."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.actions.filter_terms import BY_NAME
from tuiq.log import printable
from tuiq.tui.index.folding import live

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.tui.index.table import Table

ALIKE = 0.7
ALIKE_AMONG = 5_000
"""Domains, the most frequent ones, among which ``near`` looks."""
VALUES_AMONG = 20_000
"""Texts, the most frequent ones, among which ``values`` looks."""


def near(table: Table, text: str) -> list[tuple[str, int]]:
    """See ``Messages.near``."""
    counts = _counted(table, live(table), "domain", ALIKE_AMONG)
    names: dict[str, int] = {}
    for domain, count in counts:
        names[printable(domain)] = names.get(printable(domain), 0) + count
    alike = difflib.get_close_matches(text.lower(), names, n=3, cutoff=ALIKE)
    return [(name, names[name]) for name in alike]


def _counted(
    table: Table, rows: NDArray[Any], column: str, limit: int
) -> list[tuple[bytes, int]]:
    """Return texts of a column and how many rows have them, the most first."""
    counts = np.bincount(table[column][rows], minlength=1)
    best = np.arange(len(counts))
    if len(counts) > limit:
        best = np.argpartition(counts, len(counts) - limit)[-limit:]
    found: dict[bytes, int] = {}
    for number in best[counts[best] > 0].tolist():
        text = table.texts[column][number]  # equal ones may have several numbers
        found[text] = found.get(text, 0) + int(counts[number])
    return sorted(found.items(), key=lambda item: -item[1])


_TEXT_FIELDS = {
    "from": "sender", "to": "recipient", "dom": "domain", "sdom": "sdomain",
    "err": "reply",
}  # fmt: skip


def values(table: Table, field: str, prefix: str, limit: int) -> list[str]:
    """See ``Messages.values``."""
    known = BY_NAME.get(field.lower())
    if known is None:
        return []
    begin = prefix.lower()
    found: dict[str, None] = {}
    for text in _candidates(table, known.name) if not known.words else known.words:
        if text.lower().startswith(begin):
            found[text] = None
            if len(found) == limit:
                break
    return list(found)


def _candidates(table: Table, field: str) -> list[str]:
    rows = live(table)
    if field == "queue":
        return list(table.places)
    if field == "code":
        counts = _counted(table, rows, "codes", VALUES_AMONG)
        words = [word for codes, _ in counts for word in codes.split()]
        return list(dict.fromkeys(word.decode("ascii", "replace") for word in words))
    if field not in _TEXT_FIELDS:
        return []
    counts = _counted(table, rows, _TEXT_FIELDS[field], VALUES_AMONG)
    return [t.decode("utf-8", "surrogateescape") for t, _ in counts if t]
