"""The border between the runner and the wire.

``delivery`` knows no queue file.  It is handed a ``Transaction`` by the runner
and calls back at the three instants that the spool protocol needs to know
about (FORMAT.md, sequence D): *begin*, *dot* and *settle*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tuiq.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuiq.mail.envelope import Envelope, Recipient
    from tuiq.mail.outcome import Outcome
    from tuiq.mail.reply import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class NextHop:
    """Where a session connects to."""

    host: str
    """A host name or address literal; IPv6 without brackets.  The name that a
    certificate must be for."""
    port: int = 25
    address: str = ""
    """The IP address to connect to; empty: *host* is looked up."""
    path: str = ""
    """A unix socket, in the place of host and port; empty: TCP."""
    lmtp: bool = False
    """LMTP (RFC 2033) instead of SMTP."""

    def __str__(self) -> str:
        """Return ``host:port``, ``host[address]:port`` or ``lmtp:…``, for people."""
        if self.path:
            return f"lmtp:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.address and self.address != self.host:
            host += f"[{self.address}]"
        return f"{'lmtp:' if self.lmtp else ''}{host}:{self.port}"


class DestinationFailed(DeliveryError):
    """The next hop could not be reached, or did not let us in; try it later."""

    def __init__(self, next_hop: NextHop, reply: Reply) -> None:
        """Name the *next_hop* and its last words (or ours), a 4xx."""
        self.next_hop = next_hop
        self.reply = reply
        said = bytes(reply).decode("utf-8", "backslashreplace")
        super().__init__(f"{next_hop}: {said}")


class NoDescriptors(DeliveryError):
    """This process or machine has no file descriptor left (EMFILE, ENFILE)."""


class Transaction(Protocol):
    """One MAIL … final dot over a session that is ready for MAIL."""

    @property
    def envelope(self) -> Envelope:
        """The message's envelope; its recipients are those of the whole message."""
        ...

    @property
    def size(self) -> int:
        """Length of the data in bytes, wire form, without dot-stuffing."""
        ...

    @property
    def eight_bit(self) -> bool:
        """Whether the data holds bytes above 127."""
        ...

    def begin(self) -> list[tuple[int, Recipient]]:
        """Mark the batch as attempted, re-read requests, return who is still wanted.

        Called once, right before MAIL.  Empty: no transaction, send nothing.
        MAIL may leave with the dot of another one: then ``settle`` waits for that.
        """
        ...

    def data(self) -> Iterable[bytes]:
        """Return the data in wire form (CRLF, ends in CRLF), not dot-stuffed."""
        ...

    async def dot(self, accepted: Sequence[int]) -> None:
        """Record that the final dot is about to leave for these slots.

        Awaited before the bytes that hold the dot are handed to the kernel.
        May wait: for the group sync's gate, or for a sync under ``in_doubt = hold``.
        """
        ...

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Record what became of slots; each slot of ``begin`` exactly once in all."""
        ...


@dataclass(slots=True)
class Delivered:
    """What a session says after a transaction, beside the outcomes it settled."""

    reusable: bool
    """Whether the session may take another transaction."""
    batch_limit: int | None = None
    """The server takes no more than this many recipients per transaction."""
    lost: Reply | None = None
    """Why the session ended, when it did (421, timeout, connection lost)."""
    begun: bool = True
    """False: the session was found dead before ``begin``, and nothing was called."""
    unheard: bool = False
    """What left in one write with a dot was not answered as it should have been."""


class SessionWatcher(Protocol):
    """Told what a session does, for the status file and ``-v``."""

    wants_lines: bool
    """Whether ``sent`` and ``received`` are to be called."""

    def phase(self, name: str) -> None:
        """Enter an SMTP phase: connect, greeting, ehlo, starttls, auth, idle, mail,
        data, body, dot, rset, quit.  One that takes no time may be left out."""
        ...

    def sent(self, line: bytes) -> None:
        """Sent one command line (never a password, never message data)."""
        ...

    def received(self, line: bytes) -> None:
        """Received one reply line."""
        ...

    def note(self, text: str) -> None:
        """Something worth a journal line, such as TLS being given up."""
        ...
