"""The tree that ``filter.parse`` builds, and its text.

A tree is always in its canonical form: field names are the short ones, values are
checked and spelt the one way that ``str()`` prints and ``parse`` reads back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.errors import UsageError
from tuiq.log import printable

if TYPE_CHECKING:
    from collections.abc import Iterable


class FilterError(UsageError):
    """A filter that cannot be understood, and the place where it went wrong."""

    def __init__(self, text: str, position: int, reason: str) -> None:
        """Take the whole filter *text*, the *position* in it and the *reason*."""
        self.text = text
        self.position = position
        self.reason = reason
        super().__init__(f"filter: {reason}")

    @property
    def caret(self) -> str:
        """Return two lines: the filter, and a caret under the place."""
        column = len(printable(self.text[: self.position]))
        return f"{printable(self.text)}\n{' ' * column}^"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What stands after the operator, in canonical spelling."""

    text: str
    regex: bool = False

    def __str__(self) -> str:
        """Return the value as it is written in a filter."""
        if self.regex:
            return "/" + self.text.replace("/", "\\/") + "/"
        return quote(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One condition: a field and the values of which any may fit."""

    field: str
    """Canonical name; empty for a bare word."""
    operator: str
    """``:``, ``=`` or a comparison."""
    values: tuple[Value, ...]

    def __str__(self) -> str:
        """Return ``field:value|value``."""
        values = "|".join(map(str, self.values))
        return f"{self.field}{self.operator}{values}" if self.field else values


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """The opposite of a part."""

    part: Expression

    def __str__(self) -> str:
        """Return ``!part``."""
        return f"!{_grouped(self.part, (And, Or))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class And:
    """All parts; without any it holds for every message."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        """Return ``part part``."""
        return " ".join(_grouped(part, (Or,)) for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Or:
    """Any of the parts."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        """Return ``part | part``."""
        return " | ".join(map(str, self.parts))


Expression = Term | Not | And | Or


def _grouped(part: Expression, kinds: tuple[type, ...]) -> str:
    return f"({part})" if isinstance(part, kinds) else str(part)


def terms(expression: Expression) -> Iterable[Term]:
    """Yield every term of an expression, left to right."""
    if isinstance(expression, Term):
        yield expression
    elif isinstance(expression, Not):
        yield from terms(expression.part)
    else:
        for part in expression.parts:
            yield from terms(part)


_PLAIN = re.compile(r"[\w@.+*%$#-][\w@.+*%$#,;/'-]*", re.ASCII)
CONNECTIVES = frozenset({"and", "or", "not"})


def quote(text: str) -> str:
    """Return *text* as a value, in quotes where the grammar needs them."""
    if _PLAIN.fullmatch(text) and text.lower() not in CONNECTIVES:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
