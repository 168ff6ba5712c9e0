"""The filter language: one grammar for the command line, the UI and the audit log.

    filter      = [either]
    either      = all { ("|" | "or") all }
    all         = single { ["and"] single }
    single      = ("!" | "not") single | "(" either ")" | term
    term        = [field operator] value { "|" value }
    operator    = ":" | "=" | "<" | ">" | "<=" | ">="
    value       = word | "quoted \\" text" | 'quoted' | /regular expression/ | <address>

A ``|`` that touches a value on both sides joins values of one field
(``dom:a.org|b.org``); with spaces around it, it joins whole conditions.  A bare
word is sought in id, sender, recipients and last reply.  ``:`` seeks a part of a
text, ``=`` (and ``<address>``) the whole of it; ``dom:`` ``sdom:`` and ``queue:``
want the whole name, in which ``*`` stands for anything.

A filter selects messages.  Conditions on recipients (``to: dom: route: code:``
and bare words) look at the recipients that are not settled yet, or at all once
every one is, and hold when any of them fits; ``Filter.recipients`` tells which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.filter_match import RECIPIENT_FIELDS, Context, bind, fitting
from tuiq.actions.filter_terms import (
    ANYWHERE,
    BY_NAME,
    COMPARISONS,
    ORDERED,
    Field,
    Kind,
    StrayValue,
    canonical,
    unknown_field,
)
from tuiq.actions.filter_tree import (
    CONNECTIVES,
    And,
    Expression,
    FilterError,
    Not,
    Or,
    Term,
    Value,
    terms,
)
from tuiq.log import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.spool.entry import QueueEntry

__all__ = ["Context", "Filter", "FilterError", "parse"]


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter; ``str()`` is its canonical text."""

    expression: Expression

    def __str__(self) -> str:
        """Return the text that parses to this filter again."""
        return str(self.expression)

    @property
    def is_empty(self) -> bool:
        """Say whether it holds for every message because it says nothing."""
        return self.expression == And(parts=())

    @property
    def wants_trash(self) -> bool:
        """Say whether it speaks of trashed messages."""
        trashed = Value(text="trashed")
        return any(
            term.field == "state" and trashed in term.values
            for term in terms(self.expression)
        )

    def bind(self, context: Context) -> Callable[[QueueEntry], bool]:
        """Return a function that tests entries; for many of them."""
        return bind(self.expression, context)

    def matches(self, entry: QueueEntry, context: Context) -> bool:
        """Say whether the filter selects the message."""
        return bind(self.expression, context)(entry)

    def recipients(self, entry: QueueEntry, context: Context) -> tuple[int, ...] | None:
        """Return the slots for which the filter holds by themselves.

        None means that the filter says nothing about recipients: all are meant.
        """
        if not any(term.field in RECIPIENT_FIELDS for term in terms(self.expression)):
            return None
        return fitting(self.expression, context, entry)


def parse(text: str) -> Filter:
    """Parse a filter; an empty one holds for everything; raise FilterError."""
    return Filter(_Parser(text).whole())


_SPACE = re.compile(r"\s*")
_FIELD = re.compile(r"([A-Za-z][A-Za-z-]*)(:|>=|<=|=|>|<)")
_WORD = re.compile(r"[^\s|()\"]+")
_ADDRESS = re.compile(r"<([^<>\s]*)>")
_REGEX = re.compile(r"/((?:[^/\\]|\\.)*)/")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_DEPTH_LIMIT = 40


class _Parser:
    """Recursive descent over one text; ``at`` is the only state."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def whole(self) -> Expression:
        self._skip()
        if self.at == len(self.text):
            return And(parts=())
        expression = self._either()
        if self.at < len(self.text):
            raise self._error("a closing parenthesis without an opening one")
        return expression

    def _either(self) -> Expression:
        parts = [self._all()]
        while self._connective("|", "or"):
            parts.append(self._all())
        return _joined(Or, parts)

    def _all(self) -> Expression:
        parts = [self._single()]
        while self._connective("", "and") or not self._at_end_of_all():
            parts.append(self._single())
        return _joined(And, parts)

    def _single(self) -> Expression:
        if self._connective("!", "not"):
            return self._deeper(lambda: Not(part=self._single()))
        if self._take("("):
            opened = self.at - 1
            expression = self._deeper(self._either)
            if not self._take(")"):
                raise self._error("this parenthesis is not closed", opened)
            return expression
        return self._term()

    def _term(self) -> Expression:
        match = _FIELD.match(self.text, self.at)
        if match is None:
            return self._values(ANYWHERE, ":")
        field = BY_NAME.get(match[1].lower())
        if field is None:
            raise self._error(unknown_field(match[1]))
        self._check_operator(field, match[2], match.start(2))
        self.at = match.end()
        return self._values(field, match[2])

    def _check_operator(self, field: Field, operator: str, at: int) -> None:
        if operator in COMPARISONS and field.kind not in ORDERED:
            raise self._error(f"{field.name} takes : or =, not {operator}", at)
        if operator not in COMPARISONS and field.kind is Kind.DURATION:
            raise self._error(f"{field.name} takes < or >, as in {field.name}>2h", at)

    def _values(self, field: Field, operator: str) -> Expression:
        spelt, value = self._value(field, operator)
        values = [value]
        while self._at_tight_bar():
            self.at += 1
            other, value = self._value(field, operator)
            if operator in COMPARISONS or other != spelt:
                raise self._error("give each of these its own field and operator")
            values.append(value)
        self._skip()
        return Term(
            field=field.name, operator=spelt, values=tuple(dict.fromkeys(values))
        )

    def _value(self, field: Field, operator: str) -> tuple[str, Value]:
        """Read one value; return the canonical operator and the value."""
        began = self.at
        address = _ADDRESS.match(self.text, began)
        if address and field.kind is Kind.TEXT and operator == ":":
            self.at = address.end()
            operator = "=" if field.name else ":"
            value = Value(text=address[1])
        else:
            value = self._checked(field, self._raw_value(), began)
        if not value.text and (operator == ":" or value.regex):
            raise self._error("a value is missing here", began)
        return _operator(field, operator), value

    def _checked(self, field: Field, raw: Value, began: int) -> Value:
        word = self.text[began : self.at].lower()
        if field is ANYWHERE and word in CONNECTIVES:
            raise self._error(f"{word!r} needs a condition on either side", began)
        try:
            return canonical(field, raw)
        except StrayValue as error:
            raise self._error(str(error), began) from None

    def _raw_value(self) -> Value:
        start = self.text[self.at : self.at + 1]
        if start in ('"', "'"):
            quoted = self._match(_QUOTED, "this quote is not closed")
            if quoted[2] is not None:
                return Value(text=quoted[2])
            return Value(text=_ESCAPED.sub(r"\1", quoted[1]))
        if start == "/":
            regex = self._match(_REGEX, "this regular expression is not closed")
            return Value(text=regex[1].replace("\\/", "/"), regex=True)
        return Value(text=self._match(_WORD, "a value is missing here")[0])

    def _match(self, pattern: re.Pattern[str], complaint: str) -> re.Match[str]:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise self._error(complaint)
        self.at = match.end()
        return match

    def _at_tight_bar(self) -> bool:
        """Say whether a ``|`` and a further value of the same field follow."""
        after = self.text[self.at + 1 : self.at + 2]
        if self.text[self.at : self.at + 1] != "|" or after in ("", "(", "!", ")"):
            return False
        return not after.isspace() and not _FIELD.match(self.text, self.at + 1)

    def _connective(self, sign: str, word: str) -> bool:
        """Take *sign*, or *word* standing alone."""
        if sign and self._take(sign):
            return True
        match = _WORD.match(self.text, self.at)
        if match is None or match[0].lower() != word:
            return False
        self.at = match.end()
        self._skip()
        return True

    def _at_end_of_all(self) -> bool:
        if self.at == len(self.text) or self.text[self.at] in "|)":
            return True
        match = _WORD.match(self.text, self.at)
        return match is not None and match[0].lower() == "or"

    def _take(self, sign: str) -> bool:
        if not self.text.startswith(sign, self.at):
            return False
        self.at += len(sign)
        self._skip()
        return True

    def _skip(self) -> None:
        match = _SPACE.match(self.text, self.at)
        if match:
            self.at = match.end()

    def _deeper(self, rule: Callable[[], Expression]) -> Expression:
        self.depth += 1
        if self.depth > _DEPTH_LIMIT:
            raise self._error(f"more than {_DEPTH_LIMIT} parentheses or negations")
        expression = rule()
        self.depth -= 1
        return expression

    def _error(self, reason: str, at: int | None = None) -> FilterError:
        position = self.at if at is None else at
        return FilterError(self.text, position, printable(reason))


def _operator(field: Field, operator: str) -> str:
    """Return the one spelling of operators that mean the same for *field*."""
    if field.kind in ORDERED:
        return "=" if operator == ":" else operator
    return operator if field.kind is Kind.TEXT else ":"


def _joined(kind: type[And] | type[Or], parts: list[Expression]) -> Expression:
    """Return one part as it is, several as one flat node."""
    flat: list[Expression] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) else (part,))
    return flat[0] if len(flat) == 1 else kind(parts=tuple(flat))
