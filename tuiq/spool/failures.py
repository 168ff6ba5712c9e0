"""Failures on their way to F: first the reason, durably, then the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.spool.flags import RState
from tuiq.spool.texts import Line, TextLog, escape, format_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiq.mail.reply import Reply
    from tuiq.spool.claim import Claim
    from tuiq.spool.site import Site


class Failures:
    """Failures whose reasons are on their way to the bf file."""

    def __init__(self, claim: Claim, site: Site) -> None:
        """Write for the holder of *claim*."""
        self._claim = claim
        self._site = site
        self._log: TextLog | None = None
        self.staged: list[int] = []
        self._marked = 0

    def stage(self, indexes: Sequence[int], reply: Reply) -> None:
        """Append the reason; the slots stay as they are until ``mark``."""
        if not indexes:
            return
        claim = self._claim
        if self._log is None:
            claim.has_texts = True
            self._log = TextLog(claim.directory, "bf", claim.queue_id)
        now = int(self._site.clock.now())
        code = b"%03d" % reply.code + (b"-" + reply.enhanced if reply.enhanced else b"")
        text = escape(reply.text)
        self._log.append(
            format_line(Line(index=index, time=now, code=code, text=text))
            for index in indexes
        )
        self.staged.extend(indexes)

    def sync(self) -> None:
        """Make the reasons durable."""
        if self._log is not None:
            self._log.sync()

    @property
    def ticket(self) -> int:
        """Return how many failures were ever staged: what a sync begun now covers."""
        return self._marked + len(self.staged)

    def mark(self, ticket: int | None = None) -> None:
        """Write F for every failure staged before *ticket* was drawn (None: all)."""
        end = len(self.staged) if ticket is None else max(0, ticket - self._marked)
        done, self.staged = self.staged[:end], self.staged[end:]
        self._marked += len(done)
        self._claim.mark(done, RState.FAILED)

    def close(self) -> None:
        """Close the file, unless failures are still staged."""
        if self._log is not None and not self.staged:
            log, self._log = self._log, None
            log.close()
