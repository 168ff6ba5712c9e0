"""The columns that a list of messages may have.

Priorities are such that at 80 columns id, size and last reply have folded away.
"""

from __future__ import annotations

from tuiq.tui.grid.model import Align, Column

ID_TAIL = 10
"""Characters of a queue id that tell messages apart for people."""
COLUMNS = (
    Column(id="sign", title="", width=1, gloss="! needs a person, ▶ being delivered"),
    Column(
        id="id",
        title="ID",
        width=ID_TAIL,
        priority=8,
        sortable=True,
        gloss="the end of the queue id; the pane and Copy id give it whole",
    ),
    Column(id="age", title="AGE", width=6, sortable=True, gloss="since submission"),
    Column(
        id="size",
        title="SIZE",
        width=7,
        align=Align.RIGHT,
        priority=7,
        sortable=True,
        gloss="length of the message",
    ),
    Column(
        id="tries",
        title="TRY",
        width=3,
        align=Align.RIGHT,
        priority=4,
        sortable=True,
        gloss="attempts so far",
    ),
    Column(
        id="next",
        title="NEXT",
        width=5,
        priority=3,
        sortable=True,
        gloss="time to the next attempt; — when there will be none by itself",
    ),
    Column(
        id="queue",
        title="QUEUE",
        width=6,
        priority=10,
        sortable=True,
        hidden=True,
        gloss="the queue directory",
    ),
    Column(
        id="sender",
        title="SENDER",
        width=24,
        flex=3,
        priority=5,
        sortable=True,
        gloss="the envelope sender; <> is a notice",
    ),
    Column(
        id="recipient",
        title="RECIPIENT (+n)",
        width=19,
        flex=3,
        sortable=True,
        gloss="the first that is not settled, and how many others there are",
    ),
    Column(
        id="reply",
        title="LAST REPLY",
        width=16,
        flex=4,
        priority=9,
        sortable=True,
        gloss="what a server said last; who works on it now",
    ),
    Column(
        id="left",
        title="LEFT",
        width=5,
        align=Align.RIGHT,
        priority=11,
        sortable=True,
        hidden=True,
        gloss="recipients that are not settled",
    ),
    Column(
        id="count",
        title="RCPTS",
        width=5,
        align=Align.RIGHT,
        priority=12,
        hidden=True,
        gloss="recipients in all",
    ),
    Column(
        id="birth",
        title="SUBMITTED",
        width=19,
        priority=13,
        hidden=True,
        gloss="when it was submitted",
    ),
    Column(
        id="last",
        title="LAST TRY",
        width=19,
        priority=14,
        hidden=True,
        gloss="when it was tried last",
    ),
    Column(
        id="domain",
        title="DOMAIN",
        width=16,
        flex=1,
        priority=15,
        sortable=True,
        hidden=True,
        gloss="the domain of the recipient shown",
    ),
    Column(
        id="route",
        title="ROUTE",
        width=16,
        flex=1,
        priority=16,
        hidden=True,
        gloss="where it goes next",
    ),
    Column(id="state", title="STATE", width=8, sortable=True, gloss="the one word"),
)
