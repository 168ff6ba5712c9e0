"""The reply parser of a pipelined session: bytes in, replies out (RFC 5321 §4.2).

No I/O.  A server that says the same thing to every recipient costs one dictionary
look-up a line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuiq.mail.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, MutableSequence

MAX_LINE = 8192
"""Longest reply line in bytes; RFC 5321 asks for 512."""
MAX_REPLY = 4 * MAX_LINE
"""Longest reply in bytes, all its lines together."""
_CACHE_LIMIT = 512
_SAMPLE = 80
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)


class Garbage(ValueError):
    """The server does not speak SMTP; the connection cannot be used any more."""

    def __init__(self, sample: bytes) -> None:
        """Keep a *sample* of what it said, escaped."""
        self.sample = escaped(sample)
        super().__init__(self.sample)


def escaped(text: bytes) -> bytes:
    r"""Return the beginning of *text* in printable ASCII."""
    return ascii(text[:_SAMPLE])[2:-1].encode("ascii")


def protocol_error(sample: bytes) -> Reply:
    """Return what a recipient is told about *sample*, an escaped piece of garbage."""
    return Reply(code=451, enhanced=b"4.5.0", text=b"protocol error: " + sample)


class ReplyReader:
    """Cuts a byte stream into replies."""

    def __init__(self, heard: Callable[[bytes], None] | None) -> None:
        """Tell *heard*, if anybody, about each complete line."""
        self._heard = heard
        self._rest = b""
        # The lines so far of a reply that goes on, and their length in bytes.
        self._lines: list[bytes] = []
        self._length = 0
        self._known: dict[bytes, Reply] = {}

    def feed(self, data: bytes, replies: MutableSequence[Reply]) -> None:
        """Append the replies completed by *data* to *replies*.

        Raises: Garbage, after what came before it was appended
        """
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        known = self._known
        for line in lines:
            reply = None if self._lines else known.get(line)
            if reply is None:
                reply = self._parse(line)
            if self._heard is not None:
                self._heard(line.removesuffix(b"\r"))
            if reply is not None:
                replies.append(reply)
        if len(self._rest) > MAX_LINE:
            raise Garbage(self._rest)

    def _parse(self, raw: bytes) -> Reply | None:
        """Take one line; return the reply it completes, if it does."""
        line = raw.removesuffix(b"\r")
        match = _LINE.fullmatch(line)
        self._length += len(raw)
        if match is None or len(raw) > MAX_LINE or self._length > MAX_REPLY:
            raise Garbage(line)
        code, mark, text = match.groups(b"")
        self._lines.append(text.rstrip(b" \t"))
        if mark == b"-":
            return None
        # Where the codes of the lines differ the last one counts, as in Postfix.
        reply = Reply.parse(int(code), self._lines)
        if len(self._lines) == 1 and len(self._known) < _CACHE_LIMIT:
            self._known[raw] = reply
        self._lines = []
        self._length = 0
        return reply
