"""Filters over columns: a parsed filter becomes a function from rows to bounds.

Where the columns know the answer it is exact.  Where they do not (what stands in a
message of several recipients, its subject) the row stays undecided, and the term is
put to the scanner, which asks the filter itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.actions.filter_match import code_test
from tuiq.actions.filter_text import name_test, text_test
from tuiq.actions.filter_tree import And, Expression, Not, Term, terms
from tuiq.spool.entry import State
from tuiq.spool.layout import ALPHABET, ID_LENGTH, is_queue_id
from tuiq.tui.index.blocks import (
    CODES_DIFFER,
    CORRUPT,
    FLUSH,
    FOREIGN,
    HELD,
    MANY,
    NOBODY,
    ODD,
    STATE_NUMBERS,
    TODO,
)
from tuiq.tui.index.quantities import FIELDS, quantity
from tuiq.tui.index.table import READ, Table
from tuiq.tui.index.truth import (
    Bounds,
    IdTruth,
    RowTruth,
    TextTruth,
    choose,
    joined,
    known,
    opposite,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.actions.circumstances import Circumstances
    from tuiq.actions.filter import Filter

Rows = Any
Look = Callable[[Rows], Bounds]

_TIMED = frozenset({"age", "next", "last"})
_BY_NAME = frozenset({"id", "queue", "age"})
"""Fields that are known from the file's name alone."""


class Condition:
    """A filter bound to a table; ``look`` evaluates it for rows."""

    def __init__(
        self,
        table: Table,
        chosen: Filter,
        *,
        now: Callable[[], float],
        around: Callable[[], Circumstances | None],
    ) -> None:
        """Bind *chosen*; *now* and *around* tell what rows do not know."""
        self._table = table
        self._now, self._around = now, around
        self.truths: list[TextTruth | IdTruth] = []
        """Texts and ids to be tested."""
        self.questions: list[RowTruth] = []
        """Terms that only reading can settle."""
        self.marked: NDArray[Any] = np.zeros(0, dtype=np.int64)
        """Rows that ``is:marked`` means."""
        found = list(terms(chosen.expression))
        self.is_timed = any(
            t.field in _TIMED or (t.field == "is" and "due" in map(str, t.values))
            for t in found
        )
        """Whether it holds for other rows as time passes."""
        self.asks_marks = any(
            t.field == "is" and "marked" in map(str, t.values) for t in found
        )
        self.asks_route = any(t.field == "route" for t in found)
        self.look = self._bind(chosen.expression)

    def _bind(self, expression: Expression) -> Look:
        if isinstance(expression, Term):
            look = _MAKERS[expression.field](self, expression)
            return look if expression.field in _BY_NAME else self._if_read(look)
        if isinstance(expression, Not):
            inner = self._bind(expression.part)
            return lambda rows: opposite(inner(rows))
        parts = [self._bind(part) for part in expression.parts]
        if not parts:
            return lambda rows: known(np.ones(len(rows), dtype=bool))
        join = np.logical_and if isinstance(expression, And) else np.logical_or
        return lambda rows: joined(join, [part(rows) for part in parts])

    def _if_read(self, look: Look) -> Look:
        """Know nothing about rows that were not read."""

        def test(rows: Rows) -> Bounds:
            low, high = look(rows)
            read = self._table["stage"][rows] == READ
            return low & read, high | ~read

        return test

    def _numeric(self, term: Term) -> Look:
        fits = quantity(self._table, term, self._now)
        return lambda rows: known(fits(rows))

    # -- texts ---------------------------------------------------------------------

    def _texts(self, column: str, test: Callable[[bytes], bool]) -> Look:
        truth = TextTruth(self._table.texts[column], test)
        self.truths.append(truth)
        return lambda rows: truth.look(self._table[column][rows])

    def _from(self, term: Term) -> Look:
        return self._texts("sender", text_test(term))

    def _sender_domain(self, term: Term) -> Look:
        return self._texts("sdomain", name_test(term))

    def _reply(self, term: Term) -> Look:
        return self._texts("reply", text_test(term))

    def _queue(self, term: Term) -> Look:
        fits = name_test(term)

        def test(rows: Rows) -> Bounds:
            answers = [fits(p.lower().encode()) for p in self._table.places]
            return known(np.array([*answers, False])[self._table["place"][rows]])

        return test

    def _id(self, term: Term) -> Look:
        look, asked = self._of_ids(term), self._question(term)

        def test(rows: Rows) -> Bounds:
            odd = self._table["flags"][rows] & ODD != 0
            return choose(odd, asked.look(rows), look(rows))

        return test

    def _of_ids(self, term: Term) -> Look:
        """Look at the names of the files."""
        whole = _whole_ids(term)
        if whole is None:
            truth = IdTruth(self._table, text_test(term))
            self.truths.append(truth)
            return truth.look
        text = whole.encode()
        return lambda rows: known(np.isin(rows, self._table.find_text(text)))

    # -- recipients ------------------------------------------------------------------

    def _question(self, term: Term) -> RowTruth:
        question = RowTruth(self._table, str(term))
        self.questions.append(question)
        return question

    def _of_recipients(self, look: Look, term: Term, unsure: int) -> Look:
        """Look at the first recipient; ask where others may differ from it."""
        asked = self._question(term)

        def test(rows: Rows) -> Bounds:
            low, high = look(rows)
            flags = self._table["flags"][rows]
            nobody = flags & NOBODY != 0
            low, high = low & ~nobody, high & ~nobody
            more, may = asked.look(rows)
            many = flags & unsure != 0
            return low | (more & many), high | (may & many)

        return test

    def _to(self, term: Term) -> Look:
        return self._of_recipients(
            self._texts("recipient", text_test(term)), term, MANY
        )

    def _code(self, term: Term) -> Look:
        fits = code_test(term)
        look = self._texts("codes", lambda codes: fits(_words(codes)))
        return self._of_recipients(look, term, CODES_DIFFER)

    def _dom(self, term: Term) -> Look:
        return self._domains(name_test(term))

    def _route(self, term: Term) -> Look:
        fits, around = text_test(term), self._around()
        if around is None:
            return self._domains(lambda _domain: fits(b""))
        routes = around.routes
        return self._domains(lambda d: fits(routes.key(b"", d).name.encode()))

    def _domains(self, test: Callable[[bytes], bool]) -> Look:
        truth = TextTruth(self._table.texts["domain"], test)
        self.truths.append(truth)

        def look(rows: Rows) -> Bounds:
            table = self._table
            low, high = truth.look(table["domain"][rows])
            for place, domains, _open in table.domains(rows):
                sure, may = truth.look(domains)
                low[place] |= sure
                high[place] |= may
            nobody = table["flags"][rows] & NOBODY != 0
            return low & ~nobody, high & ~nobody

        return look

    def _anywhere(self, term: Term) -> Look:
        parts = [
            self._texts("sender", text_test(term)),
            self._texts("reply", text_test(term)),
            self._id(term),
            self._to(term),
        ]
        return lambda rows: joined(np.logical_or, [part(rows) for part in parts])

    def _subject(self, term: Term) -> Look:
        return self._question(term).look

    # -- states ----------------------------------------------------------------------

    def _state(self, term: Term) -> Look:
        wanted = [STATE_NUMBERS[State(value.text)] for value in term.values]
        return lambda rows: known(np.isin(self._table["state"][rows], wanted))

    def _is(self, term: Term) -> Look:
        marks = [_MARKS[value.text] for value in term.values]
        return lambda rows: known(
            np.logical_or.reduce([mark(self, rows) for mark in marks])
        )

    def flag(self, rows: Rows, flag: int) -> NDArray[np.bool_]:
        """Say which rows carry a flag."""
        carried: NDArray[np.bool_] = self._table["flags"][rows] & flag != 0
        return carried

    def column(self, rows: Rows, name: str) -> NDArray[np.bool_]:
        """Say in which rows a column is not 0."""
        there: NDArray[np.bool_] = self._table[name][rows] != 0
        return there

    def due(self, rows: Rows) -> NDArray[np.bool_]:
        """Say which rows a runner would try now."""
        soon = self._table["next"][rows] <= self._now()
        stopped = self.flag(rows, CORRUPT | HELD) | self.column(rows, "paused")
        return self.flag(rows, TODO) & (soon | self.flag(rows, FLUSH)) & ~stopped


_MARKS: dict[str, Callable[[Condition, Rows], NDArray[np.bool_]]] = {
    "held": lambda c, rows: c.flag(rows, HELD),
    "locked": lambda c, rows: c.column(rows, "locked"),
    "paused": lambda c, rows: c.column(rows, "paused"),
    "corrupt": lambda c, rows: c.flag(rows, CORRUPT),
    "marked": lambda c, rows: np.isin(rows, c.marked),
    "due": lambda c, rows: c.due(rows),
    "foreign": lambda c, rows: c.flag(rows, FOREIGN),
}

_MAKERS: dict[str, Callable[[Condition, Term], Look]] = {
    "": Condition._anywhere,
    "from": Condition._from,
    "sdom": Condition._sender_domain,
    "to": Condition._to,
    "dom": Condition._dom,
    "queue": Condition._queue,
    "route": Condition._route,
    "state": Condition._state,
    "is": Condition._is,
    "code": Condition._code,
    "err": Condition._reply,
    "subject": Condition._subject,
    "id": Condition._id,
    **dict.fromkeys(FIELDS, Condition._numeric),
}


def _words(codes: bytes) -> tuple[str, ...]:
    return tuple(codes.decode("utf-8", "surrogateescape").split())


_LETTERS = frozenset(ALPHABET.lower())


def _whole_ids(term: Term) -> str | None:
    """Return the ids, without gaps, that alone can fit a term; None: it takes a look.

    What holds a letter that no id has fits none.
    """
    if any(value.regex for value in term.values):
        return None
    texts = [value.text for value in term.values]
    texts = [text for text in texts if _LETTERS.issuperset(text.lower())]
    whole = [text.upper() for text in texts if len(text) >= ID_LENGTH]
    if term.operator == "=" or len(whole) == len(texts):
        return "".join(filter(is_queue_id, whole))
    return None
