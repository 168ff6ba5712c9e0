"""SMTP replies as values (RFC 5321 §4.2, RFC 3463)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ENHANCED = re.compile(rb"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server (or tuiq in its place) said about a command."""

    code: int
    """Three digits; 4xx temporary, 5xx permanent."""
    enhanced: bytes = b""
    """RFC 3463 status such as ``4.2.2``; empty when none was given."""
    text: bytes = b""
    """The text after code and status; lines joined by a space; hostile."""

    @classmethod
    def parse(cls, code: int, lines: list[bytes]) -> Reply:
        """Take an enhanced status of the code's class off the first line."""
        enhanced = b""
        texts: list[bytes] = []
        for line in lines:
            match = _ENHANCED.match(line)
            if match and int(line[:1]) == code // 100:
                enhanced = enhanced or match.group(1)
                texts.append(line[match.end() :])
            else:
                texts.append(line)
        return cls(code=code, enhanced=enhanced, text=b" ".join(filter(None, texts)))

    @property
    def status(self) -> bytes:
        """Return the enhanced status, or ``<class>.0.0`` where none was given."""
        return self.enhanced or b"%d.0.0" % (self.code // 100)

    @property
    def is_positive(self) -> bool:
        """Say whether the server took the command (2xx or 3xx)."""
        return 200 <= self.code < 400

    @property
    def is_permanent(self) -> bool:
        """Say whether trying again is pointless (5xx)."""
        return 500 <= self.code < 600

    def __bytes__(self) -> bytes:
        """Return ``code status text``, as logs and notices quote it."""
        return b" ".join(
            part for part in (b"%03d" % self.code, self.enhanced, self.text) if part
        )
