"""What an action on a cell is applied to: messages, frozen by their ids.

Cells count recipients, so of a message to several only those are meant that a cell
counts: its others have nothing to do with the trouble.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuiq.actions.words import plural
from tuiq.tui.page import Subject

if TYPE_CHECKING:
    from tuiq.tui.index.messages import Messages

_CODES = re.compile(r"(\d{3})(?: (\d\.\d{1,3}\.\d{1,3}))?(?: |$)")


def code_term(label: str) -> str:
    """Return the filter for who was told the code of a reason; empty: it has none."""
    found = _CODES.match(label)
    return f"code:{found[2] or found[1]}" if found else ""


def meaning(
    messages: Messages, text: str, words: str, *, who: str = "", most: int | None = None
) -> Subject | None:
    """Return the messages that the filter *text* selects now, up to *most* of them.

    *words* follow the number of messages in the scope; empty: it is all of them.
    *who* is a term for their recipients beside *text*.
    """
    view = messages.view()
    try:
        view.narrow(text)
        whole = view.count
        picks = view.picks(view.codes(0, (whole if most is None else most) - 1))
        canonical = view.filter
    finally:
        view.close()
    if not picks:
        return None
    count = plural(whole, "message")
    return Subject(
        scope=f"{count}{words}" if words else f"all {count}",
        filter=canonical,
        recipients=" ".join(filter(None, (canonical, who))),
        picks=picks,
        is_sample=whole > len(picks),
    )
