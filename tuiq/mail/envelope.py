"""The envelope: who sends, who receives, and what the next hop must be told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One envelope recipient."""

    address: bytes
    """``local@domain`` as given, domain in lower case; never CR, LF, NUL or C0."""
    orcpt: bytes = b""
    """RFC 3461 ORCPT value, ``addr-type;xtext``; empty when none was given."""
    notify: bytes = b""
    """RFC 3461 NOTIFY value, upper case (``NEVER`` or a comma list); empty: default."""

    @property
    def domain(self) -> bytes:
        """Return the part after the last ``@``, lower case; empty without one."""
        return self.address.rpartition(b"@")[2].lower() if b"@" in self.address else b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Everything about a message that is not its data."""

    sender: bytes
    """The reverse-path without angle brackets; empty = the null reverse-path."""
    recipients: tuple[Recipient, ...]
    ret: bytes = b""
    """RFC 3461 RET: ``FULL``, ``HDRS`` or empty."""
    envid: bytes = b""
    """RFC 3461 ENVID in xtext, or empty."""
    body: bytes = b""
    """``7BIT``, ``8BITMIME`` or empty (= look at the data)."""
    smtputf8: bool = False
    """The message needs RFC 6531."""
    uid: int | None = None
    """The uid that submitted it; None when the system itself did."""
    via: bytes = b""
    """How it came in: ``sendmail``, ``api``, ``drop``, ``dsn``."""
