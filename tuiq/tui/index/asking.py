"""What the index wants of the scanner: rows read, files compared, terms answered."""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.tui.index import ids
from tuiq.tui.index.commands import Ask, Check, Read
from tuiq.tui.index.table import NAMED, READ

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.tui.index.blocks import Verdicts
    from tuiq.tui.index.commands import Command
    from tuiq.tui.index.table import Table
    from tuiq.tui.index.truth import RowTruth


class Asking:
    """Collects requests about rows of a table, and knows who waits for answers."""

    def __init__(self, table: Table) -> None:
        """Ask for nothing yet."""
        self._table = table
        self.requests: deque[Command] = deque()
        # By their numbers: questions that were put and not answered.
        self._open: dict[int, RowTruth] = {}
        self._numbers = count()
        # Rows that somebody looks at and that were not read.
        self._wanted: list[NDArray[Any]] = []

    @property
    def is_open(self) -> bool:
        """Say whether some question waits for its answer."""
        return bool(self._open)

    def want(self, rows: NDArray[Any]) -> None:
        """Have *rows* read before others, unless they were, or are going to be."""
        table = self._table
        rows = rows[(table["stage"][rows] == NAMED) & (table["asked"][rows] == 0)]
        table["asked"][rows] = 1
        self._wanted.append(rows)

    def flush(self) -> None:
        """Request all that was wanted at once."""
        if self._wanted:
            self.read(np.concatenate(self._wanted))
            self._wanted.clear()

    def read(self, rows: NDArray[Any], *, background: bool = False) -> None:
        """Have rows read."""
        for directory, _, text in self._by_directory(rows):
            self.requests.append(
                Read(directory=directory, ids=text, background=background)
            )

    def check(self, rows: NDArray[Any]) -> None:
        """Have rows compared with their files, and read where these changed."""
        rows = rows[self._table["stage"][rows] == READ]
        for directory, part, text in self._by_directory(rows):
            ctimes = self._table["ctime"][part].tolist()
            self.requests.append(Check(directory=directory, ids=text, ctimes=ctimes))

    def ask(self, question: RowTruth, rows: NDArray[Any]) -> None:
        """Have it said which of *rows* fit a term."""
        for directory, _, text in self._by_directory(rows):
            number = next(self._numbers)
            self._open[number] = question
            self.requests.append(
                Ask(number=number, text=question.text, directory=directory, ids=text)
            )

    def tell(self, verdicts: Verdicts) -> None:
        """Pass an answer on to who asked."""
        question = self._open.pop(verdicts.number, None)
        if question is None:
            return
        rows = self._table.find(*ids.parse(verdicts.ids))
        fits = np.frombuffer(verdicts.fits, dtype=np.uint8) != 0
        question.tell(rows[rows >= 0], fits[rows >= 0])

    def forget(self) -> None:
        """Ask everything anew: whoever was asked is gone."""
        self._table["asked"][:] = 0
        for question in self._open.values():
            question.forget_asked()
        self._open.clear()
        self.requests.clear()

    def _by_directory(self, rows: NDArray[Any]) -> list[tuple[str, Any, bytes]]:
        """Return rows by their queue directories, and their ids without gaps."""
        place = self._table["place"][rows]
        parts = [(number, rows[place == number]) for number in np.unique(place)]
        return [
            (
                self._table.places[number],
                part,
                "".join(self._table.spell(part)).encode(),
            )
            for number, part in parts
        ]
