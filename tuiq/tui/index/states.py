"""State words of rows: what the files say, overlaid with locks and pauses.

The rules are those of ``Circumstances.state``, for many rows at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.spool.entry import State
from tuiq.spool.layout import is_queue_id
from tuiq.tui.index.blocks import STATE_NUMBERS, WAITING
from tuiq.tui.index.table import READ

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tuiq.actions.circumstances import Circumstances
    from tuiq.tui.index.table import Table

_ACTIVE, _DOUBT = STATE_NUMBERS[State.ACTIVE], STATE_NUMBERS[State.DOUBT]
_PAUSED = STATE_NUMBERS[State.PAUSED]
_STANDS = np.zeros(16, dtype=bool)
"""States that neither a lock nor a pause changes."""
_STANDS[[STATE_NUMBERS[s] for s in (State.DAMAGED, State.TRASHED, State.HELD)]] = True
_OVER_PAUSE = np.zeros(16, dtype=bool)
_OVER_PAUSE[[_DOUBT, STATE_NUMBERS[State.FAILED]]] = True


class Overlay:
    """What the last look around said, applied to rows."""

    def __init__(self, table: Table) -> None:
        """Know of no locks and no pauses."""
        self._table = table
        self.around: Circumstances | None = None
        # Rows in doubt -> when they were read: only a later look can tell.
        self._doubts: dict[int, float] = {}
        # (sender, domain) -> whether a pause stops it; valid for one look's pauses.
        self._stopped: dict[tuple[bytes, bytes], bool] = {}

    def see(self, around: Circumstances) -> NDArray[Any]:
        """Take in a look around; return the rows whose state changed."""
        before, self.around = self.around, around
        table = self._table
        locked = _rows_of(table, around.locks.messages)
        was = np.flatnonzero(table["locked"])
        table["locked"][was] = 0
        table["locked"][locked] = 1
        suspects = [was, locked, np.array(list(self._doubts), dtype=np.int64)]
        if before is None or not _same_pauses(before, around):
            self._stopped.clear()
            rows = table.rows.astype(np.int64)
            paused = self._paused(rows)
            suspects.append(rows[table["paused"][rows] != paused])
            table["paused"][rows] = paused
        return self._settle(np.unique(np.concatenate(suspects)))

    def read(self, rows: NDArray[Any], now: float) -> None:
        """Give rows that were read at *now* their state."""
        table = self._table
        doubts = rows[table["rest"][rows] == _DOUBT].tolist()
        for row in self._doubts.keys() & set(rows.tolist()):
            del self._doubts[row]
        self._doubts.update(dict.fromkeys(doubts, now))
        if self.around is not None:
            locked = _rows_of(table, self.around.locks.messages)
            table["locked"][rows] = np.isin(rows, locked)
            table["paused"][rows] = self._paused(rows)
        self._settle(rows)

    def _settle(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Set the state of rows; return those whose state changed."""
        table = self._table
        rows = rows[table["stage"][rows] == READ]
        rest = table["rest"][rows]
        state = rest.copy()
        stands = _STANDS[rest]
        state[(table["paused"][rows] != 0) & ~stands & ~_OVER_PAUSE[rest]] = _PAUSED
        state[(table["locked"][rows] != 0) & ~stands] = _ACTIVE
        state[(state == _DOUBT) & self._unsure(rows)] = _ACTIVE
        changed = table["state"][rows] != state
        rows, state = rows[changed], state[changed]
        if len(rows):
            table.leave(rows)
            table["state"][rows] = state
            table.join(rows)
            table.touch(rows)
        return rows

    def _unsure(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Say which rows were read later than the locks: they may be held since."""
        unsure = np.zeros(len(rows), dtype=bool)
        if self.around is None or not self._doubts:
            return unsure
        late = [row for row, read in self._doubts.items() if read > self.around.now]
        return np.isin(rows, late)

    def _paused(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Say which rows a pause keeps from being tried."""
        table, around = self._table, self.around
        if around is None or not around.pauses.pauses:
            return np.zeros(len(rows), dtype=bool)
        if around.pauses.spool:
            return np.ones(len(rows), dtype=bool)
        whole = [
            around.pauses.directory(around.uuids.get(name, "")) is not None
            for name in table.places
        ]
        paused: NDArray[np.bool_] = np.array([*whole, False])[table["place"][rows]]
        todo = ~paused & (table["flags"][rows] & WAITING != 0)
        paused[todo] = self._stopped_rows(rows[todo])
        return paused

    def _stopped_rows(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Say which rows wait for paused destinations only."""
        table = self._table
        by_sender = self._looks_at_senders()
        sender = table["sender"][rows].astype(np.uint64) * np.uint64(by_sender)
        pair = (sender << np.uint64(32)) | table["domain"][rows]
        pairs, which = np.unique(pair, return_inverse=True)
        known = np.array([self._is_stopped(*divmod(int(p), 1 << 32)) for p in pairs])
        stopped: NDArray[np.bool_] = (
            known[which] if len(rows) else np.zeros(0, dtype=bool)
        )
        for place in np.flatnonzero(table["mix"][rows]).tolist():
            row = int(rows[place])
            number = int(sender[place])
            domains = [int(d) for d, _, waits in table.mix_of(row) if waits]
            stopped[place] = all(self._is_stopped(number, d) for d in domains)
        return stopped

    def _looks_at_senders(self) -> bool:
        rules = self.around.routes.rules if self.around else ()
        return any("*" not in rule.route.sender for rule in rules)

    def _is_stopped(self, sender: int, domain: int) -> bool:
        """Say whether mail from a sender to a domain is paused."""
        around, texts = self.around, self._table.texts
        assert around is not None
        pair = texts["sender"][sender], texts["domain"][domain]
        if pair not in self._stopped:
            hop = around.routes.key(*pair).name
            pauses = around.pauses
            stopped = pauses.destination(pair[1]) or pauses.destination(hop)
            self._stopped[pair] = stopped is not None
        return self._stopped[pair]


def _same_pauses(one: Circumstances, other: Circumstances) -> bool:
    return (
        one.pauses == other.pauses
        and one.routes.rules == other.routes.rules
        and one.uuids == other.uuids
    )


def _rows_of(table: Table, queue_ids: Iterable[str]) -> NDArray[Any]:
    text = "".join(filter(is_queue_id, queue_ids))
    return table.find_text(text.encode())
