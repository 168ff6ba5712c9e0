"""How a filter is evaluated: the tree becomes nested functions over entries.

Binding happens once per filter and context, so that testing 100,000 entries costs
only what their fields cost.  Addresses are decoded last, and only where the raw
control file contains the text that is sought.
"""

from __future__ import annotations

import operator as ops
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuiq.actions.filter_terms import parse_duration, parse_size
from tuiq.actions.filter_text import (
    TextTest,
    code_pattern,
    domain_of,
    name_test,
    raw_test,
    subject_of,
    text_test,
)
from tuiq.actions.filter_tree import And, Expression, Not, Term
from tuiq.errors import MessageGone
from tuiq.spool import control
from tuiq.spool.entry import QueueEntry, RecipientView, State
from tuiq.spool.flags import OPEN, MState

Test = Callable[[QueueEntry], bool]
Recipients = Callable[[QueueEntry], Sequence[RecipientView]]

RECIPIENT_FIELDS = frozenset({"", "to", "dom", "route", "code"})
"""Fields that hold when any of the recipients fits."""


def _never(_entry: QueueEntry) -> bool:
    return False


def _nothing(_entry: QueueEntry) -> bytes:
    return b""


def _no_route(_domain: bytes) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What entries themselves do not know."""

    now: float
    """Epoch seconds that ages are measured from."""
    locked: frozenset[str] = frozenset()
    """Queue ids of the messages that somebody holds."""
    paused: Callable[[QueueEntry], bool] = _never
    """Whether a pause keeps the message from being tried."""
    headers: Callable[[QueueEntry], bytes] = _nothing
    """Reads the beginning of a message's data; only called for ``subject:``."""
    marked: frozenset[str] = frozenset()
    """Queue ids that were marked in the UI."""
    route: Callable[[bytes], str] = _no_route
    """The next hop of a recipient's domain; empty: not known."""

    def state(self, entry: QueueEntry) -> State:
        """Return the state word of *entry*."""
        locked = entry.queue_id in self.locked
        return entry.state(locked=locked, paused=self.paused(entry))


def open_recipients(entry: QueueEntry) -> Sequence[RecipientView]:
    """Return the recipients that are not settled yet; all when every one is."""
    views = entry.recipients()
    return [view for view in views if view.state in OPEN] or views


def bind(expression: Expression, context: Context) -> Test:
    """Return the function that tests entries against *expression*."""
    return _bind(expression, _Binder(context, open_recipients))


def fitting(
    expression: Expression, context: Context, entry: QueueEntry
) -> tuple[int, ...]:
    """Return the slots that fit when each recipient is looked at alone."""
    alone: list[RecipientView] = []
    # What a look at the whole file saves once, it would cost for each recipient.
    test = _bind(expression, _Binder(context, lambda _entry: alone, glance=False))
    found = []
    for view in open_recipients(entry):
        alone[:] = [view]
        if test(entry):
            found.append(view.index)
    return tuple(found)


def _bind(expression: Expression, binder: _Binder) -> Test:
    if isinstance(expression, Term):
        return binder.term(expression)
    if isinstance(expression, Not):
        inner = _bind(expression.part, binder)
        return lambda entry: not inner(entry)
    tests = [_bind(part, binder) for part in expression.parts]
    if isinstance(expression, And):
        return _every(tests)
    return _some(tests)


def _every(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda entry: first(entry) and second(entry)
    return lambda entry: all(test(entry) for test in tests)


def _some(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda e: any(test(e) for test in tests)


class _Binder:
    """Makes the test of one term; the recipients it sees are given."""

    def __init__(
        self, context: Context, recipients: Recipients, *, glance: bool = True
    ) -> None:
        self.context = context
        self.recipients = recipients
        self.glance = glance
        """Whether files that cannot contain what is sought are told by their bytes."""

    def term(self, term: Term) -> Test:
        if term.field in _NUMBERS:
            return self._numeric(term)
        if term.field in _TEXTS:
            read, tester = _TEXTS[term.field]
            fits = tester(term)
            return lambda entry: fits(read(entry))
        return _MAKERS[term.field](self, term)

    def _numeric(self, term: Term) -> Test:
        read, parse = _NUMBERS[term.field]
        wanted = [parse(value.text) for value in term.values]
        now = self.context.now
        if term.operator == "=":
            return lambda entry: read(entry, now) in wanted
        compare, limit = _COMPARE[term.operator], wanted[0]

        def test(entry: QueueEntry) -> bool:
            number = read(entry, now)
            return number is not None and bool(compare(number, limit))

        return test

    def _state(self, term: Term) -> Test:
        wanted = {State(value.text) for value in term.values}
        word = self.context.state
        return lambda entry: word(entry) in wanted

    def _is(self, term: Term) -> Test:
        return _some([self._mark(value.text) for value in term.values])

    def _mark(self, word: str) -> Test:
        context = self.context
        tests: dict[str, Test] = {
            "held": lambda entry: entry.is_held,
            "locked": lambda entry: entry.queue_id in context.locked,
            "paused": context.paused,
            "corrupt": _is_corrupt,
            "marked": lambda entry: entry.queue_id in context.marked,
            "due": self._is_due,
            "foreign": lambda entry: entry.mstate == b"?",
        }
        return tests[word]

    def _is_due(self, entry: QueueEntry) -> bool:
        """Say whether a runner would try the message now."""
        return (
            b"T" in entry.states
            and (entry.flush_pending or entry.next_attempt <= self.context.now)
            and not (_is_corrupt(entry) or entry.is_held or self.context.paused(entry))
        )

    def _glance(self, term: Term) -> TextTest:
        return raw_test(term) if self.glance else lambda _raw: True

    def _to(self, term: Term) -> Test:
        fits, may = text_test(term), self._glance(term)
        recipients = self.recipients
        return lambda entry: (
            may(entry.raw) and any(fits(view.address) for view in recipients(entry))
        )

    def _dom(self, term: Term) -> Test:
        fits, may = name_test(term), self._glance(term)
        recipients = self.recipients
        return lambda entry: (
            may(entry.raw)
            and any(fits(domain_of(view.address)) for view in recipients(entry))
        )

    def _route(self, term: Term) -> Test:
        fits, route = text_test(term), self.context.route
        recipients = self.recipients
        return lambda entry: any(
            fits(route(domain_of(view.address)).encode()) for view in recipients(entry)
        )

    def _code(self, term: Term) -> Test:
        fits, recipients = code_test(term), self.recipients
        return lambda entry: (
            has_codes(entry)
            and any(map(fits, {codes_of(entry, view) for view in recipients(entry)}))
        )

    def _subject(self, term: Term) -> Test:
        fits, headers = text_test(term), self.context.headers

        def test(entry: QueueEntry) -> bool:
            try:
                data = headers(entry)
            except MessageGone:
                return False
            return fits(subject_of(data).encode(errors="replace"))

        return test

    def _anywhere(self, term: Term) -> Test:
        fits, in_recipients = text_test(term), self._to(term)
        return lambda entry: (
            fits(entry.sender)
            or fits(entry.queue_id.encode())
            or fits(entry.last_reply)
            or in_recipients(entry)
        )


_MAKERS: dict[str, Callable[[_Binder, Term], Test]] = {
    "": _Binder._anywhere,
    "to": _Binder._to,
    "dom": _Binder._dom,
    "route": _Binder._route,
    "state": _Binder._state,
    "is": _Binder._is,
    "code": _Binder._code,
    "subject": _Binder._subject,
}


def _is_corrupt(entry: QueueEntry) -> bool:
    return bool(entry.damage) or entry.mstate == MState.CORRUPT


_LEADING_CODES = re.compile(rb"([245]\d\d)(?: ([245]\.\d{1,3}\.\d{1,3}))?\b")


def has_codes(entry: QueueEntry) -> bool:
    """Say whether ``code:`` looks at the message at all: something was answered."""
    answered = control.column_of(entry.count, entry.raw, control.S_CODE)
    return bool(answered.strip() or entry.last_reply)


def code_test(term: Term) -> Callable[[tuple[str, ...]], bool]:
    """Return a test for the codes of one recipient."""
    patterns = [code_pattern(value.text) for value in term.values]
    return lambda codes: any(p.fullmatch(word) for word in codes for p in patterns)


def codes_of(entry: QueueEntry, view: RecipientView) -> tuple[str, ...]:
    """Return the codes of a recipient; those of the message where it has none."""
    codes: tuple[bytes, ...] = (view.code, view.status)
    if not any(codes):
        match = _LEADING_CODES.match(entry.last_reply)
        codes = match.groups(b"") if match else ()
    return tuple(code.decode("ascii", "replace") for code in codes if code)


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": ops.gt,
    ">=": ops.ge,
    "<": ops.lt,
    "<=": ops.le,
}


def _until_next(entry: QueueEntry, now: float) -> float | None:
    return max(0.0, entry.next_attempt - now) if entry.is_live else None


def _since_last(entry: QueueEntry, now: float) -> float | None:
    return now - entry.last_attempt if entry.last_attempt else None


_NUMBERS: dict[
    str, tuple[Callable[[QueueEntry, float], float | None], Callable[[str], int]]
] = {
    "age": (lambda entry, now: now - entry.birth, parse_duration),
    "next": (_until_next, parse_duration),
    "last": (_since_last, parse_duration),
    "size": (lambda entry, _now: entry.size, parse_size),
    "tries": (lambda entry, _now: entry.tries, int),
    "rcpts": (lambda entry, _now: entry.count, int),
    "left": (lambda entry, _now: entry.left, int),
}


_TEXTS: dict[str, tuple[Callable[[QueueEntry], bytes], Callable[[Term], TextTest]]] = {
    "from": (lambda entry: entry.sender, text_test),
    "sdom": (lambda entry: domain_of(entry.sender), name_test),
    "queue": (lambda entry: entry.directory.lower().encode(), name_test),
    "err": (lambda entry: entry.last_reply, text_test),
    "id": (lambda entry: entry.queue_id.encode(), text_test),
}
