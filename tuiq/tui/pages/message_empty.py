"""What stands where no rows are: why there are none, and what to do about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tuiq.actions.filter import parse
from tuiq.actions.filter_tree import FilterError, terms
from tuiq.actions.words import plural
from tuiq.tui.index.feed import Freshness
from tuiq.tui.look.text import clean

if TYPE_CHECKING:
    from tuiq.tui.index.feed import FeedState
    from tuiq.tui.index.messages import Messages, MessagesView

_NAMES = frozenset({"dom", "sdom", "to", "from", ""})
"""Fields whose values have a domain that may be spelt wrongly."""


def empty_text(
    messages: Messages,
    view: MessagesView,
    feed: FeedState,
    *,
    delivered: float | None,
    waited: float,
) -> str:
    """Return why *view* shows nothing; *delivered* is the last delivery's time."""
    if view.progress is not None:
        done, of = view.progress.done, view.progress.of
        return f"Reading headers for the filter: {done:,} of {of:,} messages."
    if feed.freshness is Freshness.SCANNING and not messages.count:
        total = f"{feed.read / feed.share:,.0f}" if feed.share else "?"
        return f"scanning … {feed.read:,} of {total} ({waited:.0f} s)"
    if view.filter and messages.count:
        return _unmatched(messages, view.filter)
    if feed.notes:
        return "\n".join(feed.notes)
    if delivered is None:
        return "The queue is empty."
    moment = time.strftime("%H:%M:%S", time.localtime(delivered))
    return f"The queue is empty. Last delivery {moment}."


def _unmatched(messages: Messages, text: str) -> str:
    said = (
        f"No message matches {clean(text)} — "
        f"{messages.count:,} without the filter (\\ drops it)."
    )
    near = _near(messages, text)
    return f"{said} {near}" if near else said


def _near(messages: Messages, text: str) -> str:
    """Ask whether a domain was meant that is spelt alike."""
    try:
        found = terms(parse(text).expression)
    except FilterError:
        return ""
    for term in found:
        for value in term.values if term.field in _NAMES else ():
            domain = value.text.rpartition("@")[2].strip("*.")
            if value.regex or "." not in domain:
                continue
            for name, count in messages.near(domain)[:1]:
                if name != domain:
                    return f"Did you mean {clean(name)} ({plural(count, 'message')})?"
    return ""
