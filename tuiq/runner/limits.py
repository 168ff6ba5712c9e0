"""How much a destination can take: a window that adapts, and a pace.

Pure: told what happened and what time it is, it says how many connections there may
be and when the next transaction may begin.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiq.config.routes import Rate
    from tuiq.mail.reply import Reply

MEMORY = 20
"""Transactions over which the share of those put off is remembered."""
STORM = 0.6
"""Share of transactions put off from which a destination counts as overloaded."""
FIRST_GAP = 0.05
MAX_GAP = 1.0
"""Seconds between transactions at an overloaded destination, at most."""


_PERSONAL = re.compile(rb"4\.(?:[126]\.|7\.1$)")


def means_overload(reply: Reply) -> bool:
    """Say whether a temporary refusal is about the server, not about a recipient.

    Full or disabled mailboxes, unknown addresses and greylisting are no reason to
    try others later (RFC 3463: subjects 1, 2 and 6; 4.7.1 is what greylisting says).
    """
    return reply.code == 421 or not _PERSONAL.match(reply.enhanced)


class Pace:
    """Spaces transactions by a route's rate; up to a second's worth may be in a row."""

    def __init__(self, rate: Rate | None) -> None:
        """Keep to *rate*; None: as fast as it goes."""
        self.gap = 0.0
        """Seconds to leave between transactions, whatever the rate allows."""
        self._interval = rate.seconds / rate.count if rate else 0.0
        self._due = 0.0  # when the next one would come at an even pace

    @property
    def is_limited(self) -> bool:
        """Say whether transactions have to wait for their turns."""
        return bool(self._interval or self.gap)

    @property
    def next_time(self) -> float:
        """Return when the next transaction may begin, epoch seconds."""
        if not self.is_limited:
            return 0.0
        slack = 0.0 if self.gap else max(0.0, 1.0 - self._interval)
        return self._due - slack

    def is_even(self, now: float) -> bool:
        """Say whether nothing would be lost by beginning anew."""
        return now >= self._due

    def spend(self, now: float) -> None:
        """Take note that a transaction begins."""
        if self.is_limited:
            self._due = max(self._due, now) + max(self._interval, self.gap)


class Window:
    """How many connections a destination gets, by what became of the last ones.

    As in Postfix's scheduler it begins small, and a window full of good answers makes
    room for one more.  Unlike there, an answer is also held against the destination
    when it puts everybody off for its own sake: if most do, the window closes down to
    one connection, and then the transactions on that one are spaced out.
    """

    def __init__(self, start: int, ceiling: int) -> None:
        """Begin with *start* connections; never have more than *ceiling*."""
        self.start = min(start, ceiling)
        self.ceiling = ceiling
        self._size = float(self.start)
        self._storm = 0.0
        self.gap = 0.0
        """Seconds to leave between transactions."""

    @property
    def size(self) -> int:
        """Return how many connections there may be, at least one."""
        return int(self._size)

    @property
    def is_storm(self) -> bool:
        """Say whether most transactions are being put off."""
        return self._storm > STORM

    @property
    def share_put_off(self) -> float:
        """Return the share of the last transactions that were put off, 0 to 1."""
        return self._storm

    def settled(self, count: int, *, is_full: bool) -> None:
        """Take note of *count* transactions that went well.

        Unless it *is_full*, a window says nothing about a larger one.
        """
        self._storm *= (1 - 1 / MEMORY) ** count
        self.gap *= 0.5**count
        if self.gap < FIRST_GAP:
            self.gap = 0.0
        if is_full and not self.is_storm:
            self._size = min(self.ceiling, self._size + count / self._size)

    def put_off(self, count: int) -> None:
        """Take note of *count* transactions in which everybody was put off."""
        self._storm = 1 - (1 - self._storm) * (1 - 1 / MEMORY) ** count
        if not self.is_storm:
            return
        if self.size > 1:
            self._size = max(1.0, self._size - count / self._size)
        else:
            self.gap = min(MAX_GAP, max(FIRST_GAP, self.gap * 1.5))

    def turned_down(self, *, connections: int) -> None:
        """Take note that beside *connections* another one was not to be had."""
        self._size = float(max(1, min(self.size, connections)))

    def sent_away(self) -> None:
        """Take note that the server ended a session that it had served.

        It weighs no more than one good answer: many servers take so many messages
        over a connection, and mean nothing by it.
        """
        self._size = max(1.0, self._size - 1 / self._size)

    def restart(self) -> None:
        """Begin as at first: what was known says nothing about now."""
        self._size = float(self.start)
        self._storm = self.gap = 0.0

    def resize(self, start: int, ceiling: int) -> None:
        """Take over new settings."""
        if (self.ceiling, self.start) != (ceiling, min(start, ceiling)):
            self.start, self.ceiling = min(start, ceiling), ceiling
            self._size = min(max(self._size, self.start), float(ceiling))
