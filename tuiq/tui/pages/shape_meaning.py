"""What an action on a cell is applied to: the messages, frozen by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.actions.words import plural
from tuiq.tui.page import Subject

if TYPE_CHECKING:
    from tuiq.tui.index.messages import Messages, MessagesView


def meaning(
    messages: Messages, text: str, words: str, *, most: int | None = None
) -> Subject | None:
    """Return the messages that the filter *text* selects now, up to *most* of them.

    *words* follow the number of messages in the scope; empty: it is all of them.
    """
    view = messages.view()
    try:
        view.narrow(text)
        ids = view.ids() if most is None else _first(view, most)
        count, canonical = plural(view.count, "message"), view.filter
        is_sample = view.count > len(ids)
    finally:
        view.close()
    if not ids:
        return None
    return Subject(
        scope=f"{count}{words}" if words else f"all {count}",
        filter=canonical,
        picks=tuple((queue_id, None) for queue_id in ids),
        is_sample=most is not None and is_sample,
    )


def _first(view: MessagesView, most: int) -> list[str]:
    ids = (view.id_at(place) for place in range(min(view.count, most)))
    return [queue_id for queue_id in ids if queue_id is not None]
