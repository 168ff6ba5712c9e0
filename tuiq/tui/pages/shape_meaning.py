"""What an action on a cell is applied to: the messages, frozen by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.actions.words import plural
from tuiq.tui.page import Subject

if TYPE_CHECKING:
    from tuiq.tui.index.messages import Messages


def meaning(
    messages: Messages, text: str, words: str, *, most: int | None = None
) -> Subject | None:
    """Return the messages that the filter *text* selects now, up to *most* of them.

    *words* follow the number of messages in the scope; empty: it is all of them.
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
        picks=picks,
        is_sample=whole > len(picks),
    )
