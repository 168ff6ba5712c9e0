"""What may follow in a filter that is being written: fields, states, values.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from tuiq.actions.filter_terms import BY_NAME, FIELDS, Field, Kind
from tuiq.tui.look.text import clean

_LIMIT = 8
_PLAIN = re.compile(r"[^\s|()\"'<>]+")
"""A value that needs no quotes."""
_BEFORE = re.compile(
    r"(?P<field>[A-Za-z][A-Za-z-]*)(?P<operator>:|>=|<=|=|>|<)"
    r"(?P<values>(?:[^\s|()]*\|)*)(?P<value>[^\s|()\"]*)\Z"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z-]*\Z")
_EXAMPLES = {
    Kind.DURATION: ("15m", "2h", "1d", "5d"),
    Kind.SIZE: ("10K", "1M", "10M"),
    Kind.NUMBER: ("1", "5", "20"),
    Kind.CODE: ("4xx", "421", "450", "4.7.1"),
}
_OPERATOR = {Kind.DURATION: ">", Kind.SIZE: ">", Kind.NUMBER: ">="}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One way to go on."""

    insert: str
    gloss: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What may stand in a part of the text, and which of it stands there now."""

    text: str = ""
    start: int = 0
    end: int = 0
    offers: tuple[Offer, ...] = ()
    chosen: int = -1

    def step(self, by: int) -> tuple[str, int, Completion] | None:
        """Put the next offer in; return text, cursor and what Tab does then."""
        if not self.offers:
            return None
        first = 0 if by > 0 else -1
        chosen = first if self.chosen < 0 else self.chosen + by
        chosen %= len(self.offers)
        insert = self.offers[chosen].insert
        text = self.text[: self.start] + insert + self.text[self.end :]
        end = self.start + len(insert)
        return text, end, replace(self, text=text, end=end, chosen=chosen)


def complete(
    text: str, cursor: int, values: Callable[[str, str], list[str]]
) -> Completion:
    """Return what may stand where the cursor is; *values* knows those of a field."""
    before = text[:cursor]
    term = _BEFORE.search(before)
    if term is not None and (field := BY_NAME.get(term["field"].lower())):
        offers = _values_of(field, term["value"], values)
        return Completion(
            text=text, start=term.start("value"), end=cursor, offers=offers
        )
    word = _WORD.search(before)
    start = word.start() if word else cursor
    if start and before[start - 1] not in " \t(!|":
        return Completion(text=text)
    prefix = before[start:].lower()
    offers = tuple(
        Offer(insert=field.name + _OPERATOR.get(field.kind, ":"), gloss=field.gloss)
        for field in FIELDS
        if any(name.startswith(prefix) for name in (field.name, *field.aliases))
    )
    return Completion(text=text, start=start, end=cursor, offers=offers)


def _values_of(
    field: Field, prefix: str, values: Callable[[str, str], list[str]]
) -> tuple[Offer, ...]:
    if field.kind is Kind.WORD:
        found = [word for word in field.words if word.startswith(prefix.lower())]
    elif field.kind in _EXAMPLES:
        found = [value for value in _EXAMPLES[field.kind] if value.startswith(prefix)]
    else:
        # A value that needs escapes cannot be shown as it would be typed.
        found = [v for v in values(field.name, prefix) if v == clean(v)][:_LIMIT]
    return tuple(Offer(insert=_quoted(value)) for value in found if value != prefix)


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value) and not value.startswith("/"):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
