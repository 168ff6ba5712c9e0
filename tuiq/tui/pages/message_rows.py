"""Messages as the rows of a grid: which columns there are, and what stands in them.

Times are coarse and measured from ``now``, which the page moves every few seconds:
a row whose words are the same is not painted again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuiq.actions.filter_text import domain_of
from tuiq.actions.words import DAY, HOUR, MINUTE, age, instant, size
from tuiq.spool.entry import State
from tuiq.tui.grid.model import Cell, Column, Key
from tuiq.tui.index.lines import Lines
from tuiq.tui.index.messages import Stage
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import ELLIPSIS, clean
from tuiq.tui.pages.message_columns import COLUMNS, ID_TAIL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tuiq.actions.circumstances import Circumstances, Work
    from tuiq.tui.index.lines import Listing
    from tuiq.tui.index.messages import Messages, MessagesView, Row

ROLES: dict[State, Role] = {state: Role(state.value) for state in State}
"""Each state has a role of its name."""
RESTING = frozenset({State.DAMAGED, State.TRASHED, State.HELD, State.PAUSED})
"""States that time alone does not end."""
NEVER = "—"
"""What stands for the time to the next attempt where there will be none by itself."""
_KEPT = 1000
"""Look-ups that are kept while nothing changes."""
_TROUBLE = frozenset({State.DAMAGED, State.DOUBT, State.FAILED})


def coarse(seconds: float) -> str:
    """Return a duration that stands still for a minute at least."""
    return age(seconds) if seconds >= MINUTE else "<1m"


def ahead(seconds: float) -> str:
    """Return the time until something, in the five cells that NEXT has."""
    whole = math.ceil(seconds)
    if whole <= 0:
        return "now"
    for unit, sign in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if whole >= unit:
            return f"+{whole // unit}{sign}"
    return f"+{whole}s"


class Window:
    """What was looked up since the index changed last: a row is asked for often."""

    def __init__(self, messages: Messages, view: MessagesView) -> None:
        """Look at *messages*, and at their order in *view*."""
        self._messages = messages
        self._view = view
        self._rows: dict[str, Row | None] = {}
        self._ids: dict[int, str | None] = {}
        self._as_of: tuple[int, int] = (-1, -1)
        self._is_held = False

    def hold(self, on: bool) -> None:
        """Keep what was looked up while *on*, until the view moves."""
        self._is_held = on

    def _bring(self) -> None:
        if self._is_held and self._as_of[1] == self._view.version:
            return
        as_of = (self._messages.generation, self._view.version)
        if as_of != self._as_of or len(self._rows) + len(self._ids) > _KEPT:
            self._rows.clear()
            self._ids.clear()
            self._as_of = as_of

    def row(self, queue_id: str) -> Row | None:
        """Return what the index knows of a message."""
        self._bring()
        row = self._rows.get(queue_id)
        is_news = row is not None and row.stage is Stage.NAMED  # while it is held
        if queue_id not in self._rows or is_news:
            row = self._rows[queue_id] = self._messages.row(queue_id)
        return row

    def id_at(self, position: int) -> str | None:
        """Return the message at *position* of the view."""
        self._bring()
        if position not in self._ids:
            self._ids[position] = self._view.id_at(position)
        return self._ids[position]

    def between(self, listing: Listing, first: int, last: int) -> Lines:
        """Return lines of *listing*."""
        codes, of_recipients = listing.codes(first, last), listing.is_of_recipients
        return Lines(self._messages.table, codes, of_recipients=of_recipients)


class MessageRows:
    """The grid model over a view of the messages."""

    def __init__(
        self,
        messages: Messages,
        view: MessagesView,
        around: Callable[[], Circumstances],
        *,
        now: float,
    ) -> None:
        """Show *view*; *around* is the latest look at locks and runners."""
        self.view = view
        self.window = Window(messages, view)
        self._around = around
        self.now = now
        """What ages are measured from."""

    @property
    def columns(self) -> Sequence[Column]:
        """Return every column there is."""
        return COLUMNS

    @property
    def count(self) -> int:
        """Return the number of messages."""
        return self.view.count

    @property
    def sorted_by(self) -> tuple[str, bool]:
        """Return the sort column and whether it goes downwards."""
        return self.view.sorted_by

    def key_at(self, position: int) -> Key | None:
        """Return the queue id at *position*."""
        return self.window.id_at(position)

    def position_of(self, key: Key) -> int | None:
        """Return where a message is."""
        return self.view.position_of(key) if isinstance(key, str) else None

    def between(self, first: int, last: int) -> Lines:
        """Return the messages at *first* to *last*, that included."""
        return self.window.between(self.view, first, last)

    def row(self, key: Key) -> Row | None:
        """Return what the index knows of a message."""
        return self.window.row(key) if isinstance(key, str) else None

    def version(self, key: Key) -> int:
        """Return a number that differs whenever a text of the row does."""
        row = self.row(key)
        if row is None:
            return 0
        busy = self._live(row) if row.state is State.ACTIVE else ()
        return hash((row.version, self._age(row), self._next(row), busy))

    def cells(self, key: Key, columns: Sequence[str]) -> Sequence[Cell]:
        """Return the texts of one row."""
        row = self.row(key)
        if row is None:
            return [("", Role.GONE) for _ in columns]
        return [_CELLS[column](self, row) for column in columns]

    # What the cells say, each with its role.

    def _state(self, row: Row) -> Cell:
        if row.stage is Stage.NAMED:
            return ELLIPSIS, Role.DIM
        return row.state.value, ROLES[row.state]

    def _sign(self, row: Row) -> Cell:
        if row.stage is Stage.NAMED:
            return "", Role.DIM
        if row.state is State.ACTIVE:
            return self._live(row)[0]
        sign = "!" if row.state in _TROUBLE or row.damage else ""
        return sign, ROLES[row.state]

    def _live(self, row: Row) -> tuple[Cell, Cell, Cell]:
        """Return sign, next and reply of a message that somebody works on."""
        around = self._around()
        work = around.work(row.queue_id)
        if work is None or work.phase or _is_runner(work, around):
            said = _phase(work)
            return ("▶", Role.ACTIVE), ("now", Role.ACTIVE), (said, Role.ACTIVE)
        program = clean(work.program) or "unknown program"
        said = f"locked by pid {work.pid} ({program})"
        return ("!", Role.WARN), ("lock", Role.WARN), (said, Role.WARN)

    def _age(self, row: Row) -> str:
        return coarse(self.now - row.birth)

    def _age_cell(self, row: Row) -> Cell:
        return self._age(row), Role.TEXT

    def _next(self, row: Row) -> str:
        if row.stage is Stage.NAMED:
            return ELLIPSIS
        if row.state in RESTING or row.state is State.FAILED or not row.left:
            return NEVER
        return ahead(row.next_attempt - self.now)

    def _next_cell(self, row: Row) -> Cell:
        if row.state is State.ACTIVE:
            return self._live(row)[1]
        return self._next(row), Role.TEXT

    def _reply(self, row: Row) -> Cell:
        if row.state is State.ACTIVE:
            return self._live(row)[2]
        if row.damage and not row.reply:
            return "damaged: see Enter, or tuiq check", Role.DAMAGED
        return self._read(row, clean(row.reply)), Role.DIM

    def _sender(self, row: Row) -> Cell:
        if row.damage and not row.sender and not row.count:
            return "?", Role.DIM
        return self._read(row, clean(row.sender) or "<>"), Role.TEXT

    def _recipient(self, row: Row) -> Cell:
        more = f" +{row.count - 1}" if row.count > 1 else ""
        first = clean(row.recipient) or "?"
        return self._read(row, first + more), Role.TEXT

    def _route(self, row: Row) -> Cell:
        if row.stage is Stage.NAMED or not row.recipient:
            return self._read(row, "?"), Role.DIM
        return clean(route_of(row, self._around())), Role.DIM

    def _read(self, row: Row, text: str) -> str:
        return ELLIPSIS if row.stage is Stage.NAMED else text

    def _number(self, row: Row, number: int) -> Cell:
        return self._read(row, str(number)), Role.TEXT

    def _moment(self, row: Row, epoch: float) -> Cell:
        return self._read(row, instant(epoch) if epoch else "never"), Role.DIM


def route_of(row: Row, around: Circumstances) -> str:
    """Return where the recipient of a row goes next, as pauses name it."""
    return around.routes.key(row.sender, domain_of(row.recipient)).name


def _is_runner(work: Work, around: Circumstances) -> bool:
    return any(work.pid == runner.pid for runner in around.runners)


def _phase(work: Work | None) -> str:
    if work is None or not work.phase:
        return "(starting)"
    return f"({clean(work.phase)} {clean(work.destination)})"


_CELLS: Mapping[str, Callable[[MessageRows, Row], Cell]] = {
    "sign": MessageRows._sign,
    "id": lambda self, row: (row.queue_id[-ID_TAIL:], Role.TEXT),
    "age": MessageRows._age_cell,
    "size": lambda self, row: (self._read(row, size(row.size)), Role.TEXT),
    "tries": lambda self, row: self._number(row, row.tries),
    "next": MessageRows._next_cell,
    "queue": lambda self, row: (clean(row.directory), Role.DIM),
    "sender": MessageRows._sender,
    "recipient": MessageRows._recipient,
    "reply": MessageRows._reply,
    "left": lambda self, row: self._number(row, row.left),
    "count": lambda self, row: self._number(row, row.count),
    "birth": lambda self, row: (instant(row.birth), Role.DIM),
    "last": lambda self, row: self._moment(row, row.last_attempt),
    "domain": lambda self, row: (
        self._read(row, clean(domain_of(row.recipient))),
        Role.TEXT,
    ),
    "route": MessageRows._route,
    "state": MessageRows._state,
}
