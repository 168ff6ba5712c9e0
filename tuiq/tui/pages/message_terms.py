"""Filter text for a cell: "only this" and "not this", in the one filter grammar."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuiq.actions.filter import parse
from tuiq.actions.filter_terms import format_duration
from tuiq.actions.filter_text import domain_of
from tuiq.actions.filter_tree import And, Not, quote
from tuiq.actions.words import DAY, HOUR, MINUTE
from tuiq.spool.entry import State
from tuiq.tui.index.facts import Stage
from tuiq.tui.pages.message_rows import route_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tuiq.actions.circumstances import Circumstances
    from tuiq.tui.index.messages import Row
    from tuiq.tui.pages.message_slots import Slot

_BY_NAME = frozenset({"id", "queue", "age", "birth"})
_CODES = re.compile(r"[245]\d\d(?:[ -][245]\.\d{1,3}\.\d{1,3})?\b")


def narrowed(text: str, term: str, *, excluding: bool = False) -> str:
    """Return the filter *text* with *term* besides, or with its opposite."""
    old, new = parse(text).expression, parse(term).expression
    if excluding:
        new = Not(part=new)
    parts = old.parts if isinstance(old, And) else (old,)
    added = new.parts if isinstance(new, And) else (new,)
    return str(And(parts=tuple(dict.fromkeys((*parts, *added)))))


def term_of(column: str, row: Row, around: Circumstances, now: float) -> str:
    """Return the term that selects rows like *row* in *column*; empty: there is none.

    The row itself always fits: a time or a size becomes the range it lies in.  Of one
    that was not read yet only what its name tells can be said.
    """
    if row.stage is Stage.READ or column in _BY_NAME:
        return _term_of(column, row, around, now)
    return ""


def _term_of(column: str, row: Row, around: Circumstances, now: float) -> str:
    if column in _TEXTS:
        return _TEXTS[column](row)
    if column in {"age", "birth"}:
        return _between("age", now - row.birth)
    if column == "last":
        return _between("last", now - row.last_attempt) if row.last_attempt else ""
    if column == "next":
        return _next(row, now)
    if column == "route" and row.recipient:
        return f"route={_quoted(route_of(row, around))}"
    return ""


def term_of_slot(column: str, slot: Slot) -> str:
    """Return the term that selects recipients like one; empty: the message's term."""
    view = slot.view
    if column == "address":
        return f"to={_quoted(view.address)}"
    if column == "route":
        return f"route={_quoted(slot.cell('route')[0])}"
    if column == "reply" and (view.status or view.code):
        return f"code:{(view.status or view.code).decode('ascii', 'replace')}"
    return ""


def _quoted(text: bytes | str) -> str:
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return quote(text)


def _between(field: str, seconds: float) -> str:
    """Return the whole unit of time that *seconds* lie in: ``age>=2d age<3d``."""
    unit = next((u for u in (DAY, HOUR) if seconds >= u), MINUTE)
    first = max(0, int(seconds)) // unit * unit
    upper = f"{field}<{format_duration(first + unit)}"
    return f"{field}>={format_duration(first)} {upper}" if first else upper


def _next(row: Row, now: float) -> str:
    if row.state in {State.HELD, State.PAUSED, State.TRASHED, State.DAMAGED}:
        return f"state:{row.state.value}"
    if row.state is State.ACTIVE:
        return "is:locked"
    return (
        _between("next", row.next_attempt - now)
        if row.next_attempt > now
        else ("next<=0s")
    )


def _size(row: Row) -> str:
    """Return the octave that a size lies in: ``size>=8K size<16K``."""
    if row.size < 1024:
        return "size<1K"
    lower = 1 << (row.size.bit_length() - 1)
    return f"size>={_bytes(lower)} size<{_bytes(2 * lower)}"


def _bytes(count: int) -> str:
    for unit, step in (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if count >= step:
            return f"{count // step}{unit}"
    return str(count)


def _reply(row: Row) -> str:
    """Return what replies of one kind share: their codes, else the whole text."""
    if not row.reply:
        return 'err=""'
    text = row.reply.decode("utf-8", "surrogateescape")
    codes = _CODES.match(text)
    return f"err:{_quoted(codes[0])}" if codes else f"err={_quoted(text)}"


_TEXTS: Mapping[str, Callable[[Row], str]] = {
    "sign": lambda row: f"state:{row.state.value}",
    "state": lambda row: f"state:{row.state.value}",
    "id": lambda row: f"id={row.queue_id}",
    "size": _size,
    "tries": lambda row: f"tries={row.tries}",
    "queue": lambda row: f"queue:{_quoted(row.directory)}",
    "sender": lambda row: f"from={_quoted(row.sender)}",
    "recipient": lambda row: f"to={_quoted(row.recipient)}",
    "domain": lambda row: f"dom:{_quoted(domain_of(row.recipient))}",
    "reply": _reply,
    "left": lambda row: f"left={row.left}",
    "count": lambda row: f"rcpts={row.count}",
}
