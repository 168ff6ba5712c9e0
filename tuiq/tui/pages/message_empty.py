"""What stands where no rows are: why there are none, and what to do about it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tuiq.actions.filter import parse
from tuiq.actions.filter_match import RECIPIENT_FIELDS
from tuiq.actions.filter_tree import FilterError, terms
from tuiq.actions.words import plural
from tuiq.tui.index.feed import Freshness
from tuiq.tui.look.text import clean
from tuiq.tui.pages.message_facts import last_delivery

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiq.actions.filter_tree import Term
    from tuiq.tui.index.feed import FeedState
    from tuiq.tui.index.messages import Messages, MessagesView
    from tuiq.tui.world import World

_NAMES = frozenset({"dom", "sdom", "to", "from", ""})
"""Fields whose values have a domain that may be spelt wrongly."""


class Emptiness:
    """Why a list is empty, looked up no more often than it can have changed."""

    def __init__(self, world: World, view: MessagesView) -> None:
        """Speak of *view*; time is counted from now on."""
        self._world = world
        self._view = view
        self._began = world.clock.now()
        self._delivered: float | None = None
        self._told: tuple[object, str] = ((), "")

    async def look(self) -> None:
        """Look in the journal when something was delivered last."""
        journal = self._world.spool.path / "journal"
        self._delivered = await asyncio.to_thread(last_delivery, journal)

    def text(self, as_of: float) -> str:
        """Return the reason, at most once anew for each *as_of*."""
        # Looking for what is spelt alike takes time; every paint asks.
        view, state = self._view, self._world.feed.state
        basis = (view.filter, view.progress, state, self._delivered, as_of)
        if self._told[0] != basis:
            said = empty_text(
                self._world.messages,
                view,
                state,
                delivered=self._delivered,
                waited=self._world.clock.now() - self._began,
            )
            self._told = basis, said
        return self._told[1]


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
        f"{messages.live_count:,} without the filter (\\ drops it)."
    )
    try:
        found = list(terms(parse(text).expression))
    except FilterError:
        return said
    if near := _near(messages, found):
        said = f"{said} {near}"
    if any(term.field in RECIPIENT_FIELDS for term in found):
        said += "\nOnly recipients that are not settled yet were looked at."
    return said


def _near(messages: Messages, found: Iterable[Term]) -> str:
    """Ask whether a domain was meant that is spelt alike."""
    for term in found:
        for value in term.values if term.field in _NAMES else ():
            domain = value.text.rpartition("@")[2].strip("*.")
            if value.regex or "." not in domain:
                continue
            for name, count in messages.near(domain)[:1]:
                if name != domain:
                    return f"Did you mean {clean(name)} ({plural(count, 'message')})?"
    return ""
