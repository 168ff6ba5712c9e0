"""The xf side of a pass: deferral texts that differ between recipients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.spool.flags import RState
from tuiq.spool.fs import pread_all
from tuiq.spool.texts import Line, TextLog, escape, format_line, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiq.mail.outcome import Outcome
    from tuiq.spool.claim import Claim

_LINE = 100
"""Bytes a line has as a rule; decides when a rewrite pays."""
_SLACK = 64 * 1024


class Transcript:
    """Writes the xf file of one claimed message; soft, never synced.

    The first text of a pass goes to the control file's header, so that a message
    whose recipients all hear the same needs no xf file at all.
    """

    def __init__(self, claim: Claim) -> None:
        """Prepare; nothing is opened before the first line."""
        self._claim = claim
        self._log: TextLog | None = None
        self._primary: bytes | None = None
        self._shared: dict[bytes, bytes] = {}

    def note(self, outcomes: Sequence[Outcome], now: int) -> None:
        """Write the texts of deferred recipients, each shared text once."""
        lines: list[bytes] = []
        for outcome in outcomes:
            text = escape(outcome.reply.text)
            if self._primary is None:
                self._primary = text
            if text == self._primary and not self._exists():
                continue
            key = self._shared.get(text)
            if key is None:
                key = self._shared[text] = b"R%d.%d" % (now, len(self._shared))
                lines.append(key + b" " + text)
            code = b"%03d" % outcome.reply.code
            if outcome.reply.enhanced:
                code += b"-" + outcome.reply.enhanced
            line = Line(index=outcome.index, time=now, code=code, text=key)
            lines.append(format_line(line))
        if lines:
            self._open().append(lines)

    def _exists(self) -> bool:
        """Say whether older lines could speak for a recipient."""
        if self._log is not None:
            return True
        directory = self._claim.directory
        try:
            directory.fs.stat("xf" + self._claim.queue_id, dir_fd=directory.xf_fd)
        except FileNotFoundError:
            return False
        return True

    def _open(self) -> TextLog:
        if self._log is None:
            self._claim.has_texts = True
            self._log = TextLog(self._claim.directory, "xf", self._claim.queue_id)
            self._shrink(self._log)
        return self._log

    def _shrink(self, log: TextLog) -> None:
        """Rewrite a file that holds over four times its live lines."""
        live = self._claim.indexes(RState.TODO)
        if log.size < _SLACK or log.size < 4 * _LINE * len(live):
            return
        fs = self._claim.directory.fs
        lines = parse(pread_all(fs, log.fd, log.size, 0))
        wanted = set(live)
        kept = [format_line(line) for i, line in lines.items() if i in wanted]
        log.restart(kept)

    def close(self) -> None:
        """Close the file if it was opened."""
        if self._log is not None:
            log, self._log = self._log, None
            log.close()
