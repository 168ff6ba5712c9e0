"""The columns that a list of messages may have.

Priorities are such that at 80 columns id, size and last reply have folded away.
"""

from __future__ import annotations

from tuiq.tui.grid.model import left, right

ID_TAIL = 10
"""Characters of a queue id that tell messages apart for people."""
COLUMNS = (
    left("sign", "", 1, 0, "! needs a person, ▶ being delivered", sortable=False),
    left(
        "id", "ID", ID_TAIL, 8,
        "the end of the queue id; the pane and Copy id give it whole",
    ),
    left("age", "AGE", 6, 0, "since submission"),
    right("size", "SIZE", 7, 7, "length of the message"),
    right("tries", "TRY", 3, 4, "attempts so far"),
    left(
        "next", "NEXT", 5, 3,
        "time to the next attempt; — when there will be none by itself",
    ),
    left("queue", "QUEUE", 6, 10, "the queue directory", hidden=True),
    left("sender", "SENDER", 24, 5, "the envelope sender; <> is a notice", flex=3),
    left(
        "recipient", "RECIPIENT (+n)", 19, 0,
        "the first that is not settled, and how many others there are", flex=3,
    ),
    left(
        "reply", "LAST REPLY", 16, 9,
        "what a server said last; who works on it now", flex=4,
    ),
    right("left", "LEFT", 5, 11, "recipients that are not settled", hidden=True),
    right("count", "RCPTS", 5, 12, "recipients in all", sortable=False, hidden=True),
    left(
        "birth", "SUBMITTED", 19, 13, "when it was submitted",
        sortable=False, hidden=True,
    ),
    left(
        "last", "LAST TRY", 19, 14, "when it was tried last",
        sortable=False, hidden=True,
    ),
    left(
        "domain", "DOMAIN", 16, 15, "the domain of the recipient shown",
        flex=1, hidden=True,
    ),
    left(
        "route", "ROUTE", 16, 16, "where it goes next",
        flex=1, sortable=False, hidden=True,
    ),
    left("state", "STATE", 8, 0, "the one word"),
)  # fmt: skip
