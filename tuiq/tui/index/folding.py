"""The queue folded: by domain, sender, route and reason, by age, by what comes due."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.tui.index.facts import Forecast, ReasonGroup, ShapeRow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.tui.index.messages import Messages
    from tuiq.tui.index.table import Table


def oldest(table: Table, directory: str) -> float | None:
    """Return the birth of the oldest live message of a queue directory."""
    rows = live(table)
    rows = rows[table["place"][rows] == table.place_of(directory)]
    return float(table["birth"][rows].min()) / 1e6 if len(rows) else None


def live(table: Table) -> NDArray[Any]:
    """Return the rows of messages of which something is alive."""
    from tuiq.tui.index.blocks import LIVE

    return table.rows[table["flags"][table.rows] & LIVE != 0]


def shape(messages: Messages, by: str, *, now: float, text: str) -> list[ShapeRow]:
    """See ``Messages.shape``."""
    raise NotImplementedError


def reasons(table: Table, rows: NDArray[Any]) -> list[ReasonGroup]:
    """See ``Messages.reasons``."""
    raise NotImplementedError


def forecast(table: Table, *, now: float, lifetime: float) -> Forecast:
    """See ``Messages.forecast``."""
    raise NotImplementedError


def near(table: Table, text: str) -> list[tuple[str, int]]:
    """See ``Messages.near``."""
    raise NotImplementedError


def values(table: Table, field: str, prefix: str, limit: int) -> list[str]:
    """See ``Messages.values``."""
    raise NotImplementedError


_ = difflib, np
