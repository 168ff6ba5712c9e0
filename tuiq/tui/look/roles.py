"""The roles of text: what a theme gives a colour to.

State is always a word or a sign first; a role only adds colour to it.
"""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a piece of text is; its value is the key in a theme's ``[roles]``."""

    TEXT = "text"
    DIM = "dim"
    """What may be overlooked: units, ages, things that are over."""
    STRONG = "strong"
    ACCENT = "accent"
    """What is chosen or focused, and the host."""
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    INFO = "info"
    HEADER = "header"
    """The grid's heading."""
    CURSOR = "cursor"
    """The row under the cursor; drawn over the other roles' foregrounds."""
    MARK = "mark"
    """The sign of a marked row."""
    GONE = "gone"
    """A row that has just left."""
    BAR = "bar"
    """Title and status lines."""
    TAB = "tab"
    TAB_ON = "tab-on"
    KEY = "key"
    """A key in the footer."""
    KEY_OFF = "key-off"
    """A key that cannot work now."""
    PLOT_IN = "plot-in"
    PLOT_OUT = "plot-out"
    PLOT_AXIS = "plot-axis"
    HEAT_0 = "heat-0"
    HEAT_1 = "heat-1"
    HEAT_2 = "heat-2"
    HEAT_3 = "heat-3"
    HEAT_4 = "heat-4"
    DUE = "due"
    DEFERRED = "deferred"
    ACTIVE = "active"
    HELD = "held"
    DOUBT = "doubt"
    FAILED = "failed"
    PAUSED = "paused"
    TRASHED = "trashed"
    DAMAGED = "damaged"

    __hash__ = str.__hash__  # the one of enums is no C function


HEAT = (Role.HEAT_0, Role.HEAT_1, Role.HEAT_2, Role.HEAT_3, Role.HEAT_4)
