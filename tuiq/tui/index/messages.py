"""The index: what every message looks like in a list, and the orders of such lists.

Only the UI thread calls it.  For pages: ``row`` gives a message, ``view`` an ordered,
filtered list that follows every change, and ``shape``, ``reasons`` … fold the queue.
``Feed`` brings it up to date, in ``drain``; nothing changes between two drains, so that
a page may keep what it read until ``generation`` (or a view's ``version``) moved.

A row at ``Stage.NAMED`` is known by name only; asking for it with ``row`` (or with
``wanted`` for several) has it read before the others.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tuiq.actions.filter import parse
from tuiq.spool.entry import State
from tuiq.spool.layout import is_queue_id
from tuiq.tui.index import completion, folding, shape
from tuiq.tui.index.asking import Asking
from tuiq.tui.index.blocks import DAMAGE, STATE_NUMBERS, STATES
from tuiq.tui.index.facts import (
    Forecast,
    Progress,
    ReasonGroup,
    Row,
    ShapeRow,
    Stage,
)
from tuiq.tui.index.order import Key, TextKey
from tuiq.tui.index.ranks import Ranks
from tuiq.tui.index.table import FREE, NAMED, NO_STATE, READ, Table
from tuiq.tui.index.terms import Condition
from tuiq.tui.index.tidying import Tidying
from tuiq.tui.index.upkeep import Upkeep
from tuiq.tui.index.view import MessagesView
from tuiq.tui.index.worker import Worker

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from tuiq.actions.circumstances import Circumstances
    from tuiq.tui.index.blocks import Block, Names, Vanished, Verdicts
    from tuiq.tui.index.commands import Command
    from tuiq.tui.index.truth import IdTruth, RowTruth, TextTruth

__all__ = [
    "Forecast",
    "Messages",
    "MessagesView",
    "Progress",
    "ReasonGroup",
    "Row",
    "ShapeRow",
    "Stage",
]

MANY = 2_000
"""Changed messages that are told one by one."""
_TRASHED = STATE_NUMBERS[State.TRASHED]
_TEXT_COLUMNS = ("sender", "recipient", "domain", "reply")
_COLUMNS = {"id": "hi", "age": "birth", "queue": "place", "rcpts": "count"}
"""Column ids of views and what they are called in the table, where that differs."""


class Messages:
    """Every message, compactly."""

    def __init__(self) -> None:
        """Hold nothing; ``Feed`` fills it."""
        self.table = Table()
        self.now: Callable[[], float] = lambda: 0.0
        self._asking = Asking(self.table)
        self._upkeep = Upkeep(self.table, self._asking)
        self._views: list[MessagesView] = []
        self._worker = Worker()
        self._tidying = Tidying(self.table, self._worker)
        self._ranks: dict[str, Ranks] = {}
        self._testing: set[int] = set()

    # -- looking -----------------------------------------------------------------

    @property
    def count(self) -> int:
        """Return the number of messages."""
        return self.table.count

    @property
    def live_count(self) -> int:
        """Return the number of messages that are not in the trash."""
        return self.count - int(self.table.counts[_TRASHED::16].sum())

    @property
    def generation(self) -> int:
        """Return a number that grows with every change of anything."""
        return self.table.generation

    @property
    def around(self) -> Circumstances | None:
        """Return the last look around; None before there was one."""
        return self._upkeep.around

    def row_number(self, queue_id: str) -> int | None:
        """Return the row of a message; for this package only."""
        return self.table.find_one(queue_id) if is_queue_id(queue_id) else None

    def rows_of(self, queue_ids: Iterable[str]) -> NDArray[Any]:
        """Return the rows of several messages; for this package only."""
        text = "".join(filter(is_queue_id, queue_ids))
        return self.table.find_text(text.encode())

    def row(self, queue_id: str) -> Row | None:
        """Return one message; None when it is not there."""
        number = self.row_number(queue_id)
        if number is None:
            return None
        t, texts = self.table, self.table.texts
        if t["stage"][number] == NAMED:
            self.wanted([queue_id])
        state = t["state"].item(number)

        def value(column: str) -> int:
            found: int = t[column].item(number)
            return found

        return Row(
            queue_id=queue_id,
            directory=t.places[value("place")],
            birth=value("birth") / 1e6,
            stage=Stage.READ if value("stage") == READ else Stage.NAMED,
            state=State.DUE if state == NO_STATE else STATES[state],
            sender=texts["sender"][value("sender")],
            recipient=texts["recipient"][value("recipient")],
            count=value("count"),
            left=value("left"),
            size=value("size"),
            tries=value("tries"),
            next_attempt=value("next"),
            last_attempt=value("last"),
            reply=texts["reply"][value("reply")],
            damage=bool(value("flags") & DAMAGE),
            version=value("version"),
            stamp=value("ctime"),
        )

    def version(self, queue_id: str) -> int:
        """Return ``Row.version`` alone; -1 when the message is not there."""
        number = self.row_number(queue_id)
        return -1 if number is None else int(self.table["version"].item(number))

    def wanted(self, queue_ids: Iterable[str]) -> None:
        """Have these messages read before others, as far as that was not done."""
        self._asking.want(self.rows_of(queue_ids))

    def tally(self) -> Mapping[State, int]:
        """Return the messages by state; those not read yet have none."""
        total = dict.fromkeys(State, 0)
        for tally in self._tallies().values():
            for state, count in tally.items():
                total[state] += count
        return total

    def tally_of(self, directory: str) -> Mapping[State, int]:
        """Return those of one queue directory by state."""
        return self._tallies().get(directory) or dict.fromkeys(State, 0)

    def _tallies(self) -> dict[str, dict[State, int]]:
        counts = self.table.counts.reshape(-1, 16)
        return {
            name: dict(zip(STATES, counts[place].tolist(), strict=False))
            for place, name in enumerate(self.table.places)
        }

    def oldest_of(self, directory: str) -> float | None:
        """Return the birth of the oldest live message of a queue directory."""
        return folding.oldest(self.table, directory)

    def view(self) -> MessagesView:
        """Return a new ordered list of all messages; it follows every change."""
        view = MessagesView(self)
        self._views.append(view)
        return view

    def forget(self, view: MessagesView) -> None:
        """Keep a view up to date no longer."""
        if view in self._views:
            self._views.remove(view)

    def key(self, column: str, *, reverse: bool) -> Key:
        """Return what rows are sorted by; for this package only."""
        if column in _TEXT_COLUMNS:
            ranks = self._ranks.setdefault(column, Ranks(self.table.texts[column]))
            ranks.catch_up()
            return TextKey(self.table, column, ranks, reverse=reverse)
        # The youngest have the greatest birth and the smallest age.
        turned = reverse != (column == "age")
        return Key(self.table, _COLUMNS.get(column, column), reverse=turned)

    # -- folding -----------------------------------------------------------------

    def shape(self, by: str, *, now: float, filter: str = "") -> list[ShapeRow]:
        """Count open recipients by age and *by*: domain, sender, reason or route.

        The total comes first; of an empty queue it is the only row.  Only the largest
        rows name reasons.  What *filter* cannot tell before messages are read is left
        out.  A cell's filter is that of its row with ``age`` terms for its column.
        """
        chosen = parse(filter)
        condition = Condition(
            self.table, chosen, now=lambda: now, around=lambda: self.around
        )
        rows = folding.live(self.table)
        fits, _ = condition.look(rows)
        return shape.shape(self.table, rows[fits], by, now=now, around=self.around)

    def reasons(self, view: MessagesView | None = None) -> list[ReasonGroup]:
        """Fold the last replies of the view's messages into classes, largest first.

        Without a view: of all messages that are alive.
        """
        rows = folding.live(self.table) if view is None else view.rows
        return folding.reasons(self.table, rows[self.table["stage"][rows] == READ])

    def forecast(self, *, now: float, lifetime: float) -> Forecast:
        """Say what comes due and what expires."""
        return folding.forecast(self.table, now=now, lifetime=lifetime)

    def near(self, text: str) -> list[tuple[str, int]]:
        """Return domains spelt like *text* with their messages, for "did you mean"."""
        return completion.near(self.table, text)

    def values(self, field: str, prefix: str, limit: int = 20) -> list[str]:
        """Return values of a filter field that begin so, the most frequent first."""
        return completion.values(self.table, field, prefix, limit)

    # -- keeping up --------------------------------------------------------------

    def take(self, report: Block | Names | Vanished | Verdicts) -> None:
        """Take in a report of the scanner; views follow in ``settle``."""
        self._upkeep.take(report, self.now())

    def see(self, around: Circumstances) -> None:
        """Take in who holds what and what is paused."""
        self._upkeep.see(around)

    def settle(self) -> frozenset[str] | None:
        """Bring the views up to date; return the ids that changed, None for many."""
        self._worker.finish()
        rows, gone, lost = self._upkeep.collect()
        self._tidying.step()
        self._extend_ranks()
        if len(rows) or len(gone):
            for view in self._views:
                view.changed(rows, gone)
        for view in self._views:
            view.settle()
        self._asking.flush()
        if len(rows) + len(gone) > MANY:
            return None
        rows = rows[self.table["stage"][rows] != FREE]
        return frozenset(self.table.spell(rows)).union(lost)

    def _extend_ranks(self) -> None:
        """Give texts that came since their places; many of them in the thread."""
        for column, ranks in self._ranks.items():
            if not ranks.catch_up() and not self._worker.is_busy:
                self._worker.do(ranks.build, partial(self._resort, column))

    def _resort(self, column: str) -> None:
        for view in self._views:
            name, reverse = view.sorted_by
            if name == column:
                view.sort(name, reverse=reverse)

    # -- asking others ---------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Say whether some answer is on its way."""
        return self._worker.is_busy or self._asking.is_open

    def work(self, work: Callable[[], None], done: Callable[[], None]) -> None:
        """Do *work* in another thread, then *done* in a later ``settle``."""
        self._worker.do(work, done)

    def test(self, truth: TextTruth | IdTruth) -> None:
        """Have texts tested in another thread."""
        if id(truth) in self._testing:
            return
        self._testing.add(id(truth))

        def work() -> None:
            while truth.advance():
                pass

        self._worker.do(work, lambda: self._testing.discard(id(truth)))

    def ask(self, question: RowTruth, rows: NDArray[Any]) -> None:
        """Have the scanner say which of *rows* fit."""
        self._asking.ask(question, rows)

    def recheck(self, part: int, parts: int) -> None:
        """Have a part of all rows compared with their files."""
        self._asking.check(self.table.rows[part::parts])

    def ask_anew(self) -> None:
        """Forget what was asked of a scanner that is gone."""
        self._asking.forget()

    @property
    def requests(self) -> deque[Command]:
        """Return what the scanner should do for us; ``Feed`` passes it on."""
        return self._asking.requests

    def close(self) -> None:
        """End the other thread."""
        self._worker.close()
