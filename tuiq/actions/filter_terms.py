"""The fields of the filter language, and how the values of each are written.

``canonical`` checks a value and returns the one spelling that ``str()`` prints.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tuiq.actions.filter_regex import compile_bounded
from tuiq.actions.filter_tree import Value
from tuiq.log import printable
from tuiq.spool.entry import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Kind(Enum):
    """How the value of a field is written and compared."""

    TEXT = "text"
    """Substring, or the whole with ``=``; ``/re/`` allowed."""
    NAME = "name"
    """The whole name, ``*`` standing for anything; ``/re/`` allowed."""
    WORD = "word"
    """One of a fixed set of words."""
    CODE = "code"
    """``450``, ``45x``, ``4.7.1``, ``4.7``."""
    DURATION = "duration"
    """``90s 15m 4h 5d 2w``."""
    SIZE = "size"
    """``2048 10K 1.5M 2G``, in steps of 1024."""
    NUMBER = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One word that may stand before an operator."""

    name: str
    kind: Kind
    gloss: str
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    """The values of a WORD field."""


_STATES = tuple(state.value for state in State)
_MARKS = ("held", "locked", "paused", "corrupt", "marked", "due", "foreign")

FIELDS: tuple[Field, ...] = (
    Field(
        name="from", kind=Kind.TEXT, gloss="the sender; <> is none", aliases=("sender",)
    ),
    Field(
        name="to",
        kind=Kind.TEXT,
        gloss="a recipient",
        aliases=("rcpt", "recipient"),
    ),
    Field(
        name="dom",
        kind=Kind.NAME,
        gloss="a recipient's domain, or *.suffix",
        aliases=("domain",),
    ),
    Field(
        name="sdom",
        kind=Kind.NAME,
        gloss="the sender's domain, or *.suffix",
        aliases=("sender-domain",),
    ),
    Field(name="queue", kind=Kind.NAME, gloss="the queue directory", aliases=("dir",)),
    Field(name="route", kind=Kind.TEXT, gloss="the next hop", aliases=("nexthop",)),
    Field(
        name="state", kind=Kind.WORD, gloss="the one word of listings", words=_STATES
    ),
    Field(name="is", kind=Kind.WORD, gloss="what holds besides", words=_MARKS),
    Field(name="age", kind=Kind.DURATION, gloss="time since it was submitted"),
    Field(
        name="next",
        kind=Kind.DURATION,
        gloss="time until the next attempt",
        aliases=("next-attempt",),
    ),
    Field(
        name="last",
        kind=Kind.DURATION,
        gloss="time since the last attempt",
        aliases=("last-attempt",),
    ),
    Field(name="size", kind=Kind.SIZE, gloss="length of the message"),
    Field(
        name="tries",
        kind=Kind.NUMBER,
        gloss="attempts so far",
        aliases=("attempts",),
    ),
    Field(
        name="rcpts",
        kind=Kind.NUMBER,
        gloss="recipients in all",
        aliases=("recipients",),
    ),
    Field(
        name="left",
        kind=Kind.NUMBER,
        gloss="recipients not settled yet",
        aliases=("remaining",),
    ),
    Field(name="code", kind=Kind.CODE, gloss="reply code or enhanced status"),
    Field(
        name="err",
        kind=Kind.TEXT,
        gloss="the last reply",
        aliases=("error", "reason", "reply"),
    ),
    Field(name="subject", kind=Kind.TEXT, gloss="the Subject header (slow)"),
    Field(name="id", kind=Kind.TEXT, gloss="the queue id"),
)
BY_NAME: dict[str, Field] = {
    name: field for field in FIELDS for name in (field.name, *field.aliases)
}
"""Every spelling of every field."""

ANYWHERE = Field(name="", kind=Kind.TEXT, gloss="id, sender, recipients, last reply")
"""The field of a bare word."""

COMPARISONS = (">=", "<=", ">", "<")
ORDERED = frozenset({Kind.DURATION, Kind.SIZE, Kind.NUMBER})


class StrayValue(ValueError):
    """A value that does not fit its field; the parser adds the place."""


def unknown_field(word: str) -> str:
    """Return what a person is told who wrote *word* before an operator."""
    remedy = _meant(word, BY_NAME) or (
        "; some fields are from, to, dom, state, age and err; "
        'put text in quotes to seek it: "a:b"'
    )
    return f"unknown field {word!r}{remedy}"


def _meant(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean X?``, empty when nothing known is like *word*."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def canonical(field: Field, value: Value) -> Value:
    """Check *value* for *field* and return its one spelling; raise StrayValue."""
    if value.regex:
        if field.kind not in (Kind.TEXT, Kind.NAME):
            raise StrayValue(f"{field.name}: takes no /regular expression/")
        try:
            compile_bounded(value.text)
        except ValueError as error:
            raise StrayValue(f"/{printable(value.text)}/: {error}") from None
        return value
    if not value.text and field.kind is not Kind.TEXT:
        raise StrayValue(f"{field.name}: a value is missing")
    return Value(text=_CANONICAL[field.kind](field, value.text))


def _verbatim(_field: Field, text: str) -> str:
    return text


_STARS_LIMIT = 3


def _name(field: Field, text: str) -> str:
    if text.count("*") > _STARS_LIMIT:
        raise StrayValue(f"{field.name}: at most {_STARS_LIMIT} * in a name")
    return text.lower()


def _word(field: Field, text: str) -> str:
    word = text.lower()
    if word in field.words:
        return word
    for other in FIELDS:
        if word in other.words:
            raise StrayValue(
                f"{field.name}:{word} is not known; did you mean {other.name}:{word}?"
            )
    remedy = _meant(text, field.words) or f"; it takes {', '.join(field.words)}"
    raise StrayValue(f"{field.name}:{printable(text)} is not known{remedy}")


_CODE = re.compile(r"[245x][0-9x]{2}|[245x](\.([0-9]{1,3}|x)){1,2}")


def _code(_field: Field, text: str) -> str:
    code = text.lower()
    if not _CODE.fullmatch(code):
        raise StrayValue(
            f"{printable(text)} is no reply code; write 450, 45x, 4.7.1 or 4.7"
        )
    return code.removesuffix(".x").removesuffix(".x")


_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?[smhdw])+")
_DURATION_PART = re.compile(r"([0-9.]+)([smhdw])")
SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}


def parse_duration(text: str) -> int:
    """Return the seconds in ``2h`` or ``1d12h``; raise ValueError."""
    if not _DURATION.fullmatch(text.lower()):
        raise ValueError(
            f"{printable(text)} is no duration; write a number and a unit such as "
            "90s, 15m, 4h, 5d or 2w"
        )
    parts = _DURATION_PART.findall(text.lower())
    return round(sum(float(number) * SECONDS[unit] for number, unit in parts))


def format_duration(seconds: int) -> str:
    """Return *seconds* in the largest unit that divides them."""
    for unit in "dhm":
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{seconds // SECONDS[unit]}{unit}"
    return f"{seconds}s"


def _duration(_field: Field, text: str) -> str:
    try:
        return format_duration(parse_duration(text))
    except ValueError as error:
        raise StrayValue(str(error)) from None


_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([kmgt]?)(?:i?b)?")
_STEPS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def parse_size(text: str) -> int:
    """Return the bytes in ``1.5M``; raise ValueError."""
    match = _SIZE.fullmatch(text.lower())
    if not match:
        raise ValueError(
            f"{printable(text)} is no size; write a number, or one with K, M or G"
        )
    return round(float(match[1]) * _STEPS[match[2]])


def _size(_field: Field, text: str) -> str:
    try:
        size = parse_size(text)
    except ValueError as error:
        raise StrayValue(str(error)) from None
    for unit, step in reversed(_STEPS.items()):
        if size and size % step == 0:
            return f"{size // step}{unit.upper()}"
    return str(size)


_NUMBER = re.compile(r"[0-9]{1,12}")


def _number(field: Field, text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise StrayValue(f"{field.name}: {printable(text)} is no number")
    return str(int(text))


_CANONICAL: dict[Kind, Callable[[Field, str], str]] = {
    Kind.TEXT: _verbatim,
    Kind.NAME: _name,
    Kind.WORD: _word,
    Kind.CODE: _code,
    Kind.DURATION: _duration,
    Kind.SIZE: _size,
    Kind.NUMBER: _number,
}
