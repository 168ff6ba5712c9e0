"""The envelope: who sends, who receives, and what the next hop must be told."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tuiq.errors import InputError
from tuiq.mail import address

_WORD = re.compile(rb"[!-~]{0,1000}")
_CONDITION = rb"(?:SUCCESS|FAILURE|DELAY)"
_NOTIFY = re.compile(rb"|NEVER|%b(?:,%b)*" % (_CONDITION, _CONDITION))
_ALLOWED = {
    "ret": re.compile(rb"|FULL|HDRS"),
    "envid": _WORD,
    "body": re.compile(rb"|7BIT|8BITMIME"),
    "via": re.compile(rb"[a-z]*"),
}


@dataclass(slots=True, unsafe_hash=True)
class Recipient:
    """One envelope recipient; nobody changes one.

    Neither this nor an envelope is frozen: both are made for every delivery.
    """

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


@dataclass(slots=True, unsafe_hash=True)
class Envelope:
    """Everything about a message that is not its data; nobody changes one."""

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

    def check(self) -> None:
        """Raise InputError unless all of it can be stored and sent as it is.

        For envelopes from outside: with this nothing in one can be taken for
        another field of the control file, or for another SMTP command.
        """
        if not self.recipients:
            raise InputError("envelope: read recipients: there are none; name one")
        if self.sender:
            _check_address(self.sender, smtputf8=self.smtputf8)
        for key, allowed in _ALLOWED.items():
            if not allowed.fullmatch(getattr(self, key)):
                raise InputError(f"envelope: read {key}: not a value it can have")
        for recipient in self.recipients:
            _check_address(recipient.address, smtputf8=self.smtputf8)
            if not _WORD.fullmatch(recipient.orcpt):
                raise InputError("envelope: read orcpt: not xtext; encode it")
            if not _NOTIFY.fullmatch(recipient.notify):
                raise InputError("envelope: read notify: not a value of RFC 3461")


def _check_address(raw: bytes, *, smtputf8: bool) -> None:
    """Raise InputError unless *raw* is a canonical address with a domain."""
    if not smtputf8 and not raw.isascii():
        raise InputError(
            f"{address.shown(raw)}: read address: not ASCII; say that the message "
            "needs SMTPUTF8"
        )
    if address.parse(raw, b"") != raw or raw.endswith(b"@"):
        raise InputError(
            f"{address.shown(raw)}: read address: not in its plain form; "
            "give local@domain, the domain in lower case"
        )
