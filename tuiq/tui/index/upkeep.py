"""Reports of the scanner and looks around, taken into the table.

What changed is collected, so that views move once in a tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.tui.index.blocks import Block, Names, Vanished, Verdicts
from tuiq.tui.index.states import Overlay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.actions.circumstances import Circumstances
    from tuiq.tui.index.asking import Asking
    from tuiq.tui.index.table import Table


class Upkeep:
    """Keeps a table up to date."""

    def __init__(self, table: Table, asking: Asking) -> None:
        """Change *table*, and ask for what reports leave open."""
        self._table = table
        self._asking = asking
        self._overlay = Overlay(table)
        # Since the last collection: rows that changed, rows that lost their message.
        self._changed: list[NDArray[Any]] = []
        self._dying: list[NDArray[Any]] = []

    @property
    def around(self) -> Circumstances | None:
        """Return the last look around; None before there was one."""
        return self._overlay.around

    def see(self, around: Circumstances) -> None:
        """Take in who holds what and what is paused."""
        self._changed.append(self._overlay.see(around))

    def take(self, report: Block | Names | Vanished | Verdicts, now: float) -> None:
        """Take in a report of the scanner, read until *now*."""
        match report:
            case Verdicts():
                self._asking.tell(report)
            case Names():
                self._take_names(report)
            case Vanished():
                self._leaves(self._rows_in(report.directory))
            case Block():
                self._take_block(report, now)

    def _take_names(self, names: Names) -> None:
        table = self._table
        rows = table.take_names(names)
        self._changed.append(rows)
        if not names.whole:
            self._asking.read(rows, background=True)
        if names.last:
            there = self._rows_in(names.directory)
            missed = there[table["scan"][there] != names.scan]
            self._asking.read(missed, background=True)

    def _rows_in(self, directory: str) -> NDArray[Any]:
        table = self._table
        place = table.place_of(directory)
        rows: NDArray[Any] = table.rows[table["place"][table.rows] == place]
        return rows.astype(np.int64)

    def _take_block(self, block: Block, now: float) -> None:
        table = self._table
        rows = table.take(block)
        self._overlay.read(rows, now)
        self._changed.append(rows)
        if block.gone:
            gone = np.unique(table.find_text(block.gone))
            place = table.place_of(block.directory)
            self._leaves(gone[table["place"][gone] == place])

    def _leaves(self, rows: NDArray[Any]) -> None:
        """Note that messages are gone, unless they turn up elsewhere in this tick."""
        self._table["dying"][rows] = 1
        self._dying.append(rows)

    def _bury(self) -> tuple[list[str], NDArray[Any]]:
        """Forget the messages that are gone; return their ids and rows."""
        dying = _together(self._dying)
        rows: NDArray[Any] = dying[self._table["dying"][dying] != 0]
        self._dying = []
        lost = self._table.spell(rows)
        self._table.remove(rows)
        return lost, rows

    def collect(self) -> tuple[NDArray[Any], NDArray[Any], list[str]]:
        """Return the rows that changed, those that lost their message, and its ids."""
        rows = _together(self._changed)
        lost, gone = self._bury()
        self._changed = []
        return rows, gone, lost


def _together(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Return the rows of several lists, each once."""
    if not parts:
        return np.zeros(0, dtype=np.int64)
    return np.unique(np.concatenate(parts))
