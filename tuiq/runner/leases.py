"""Leave to connect: what a worker and the governor of all limits tell each other.

A worker leases one connection at a time.  The lease ends with the connection, or
with the worker.  Every message names a destination by its ``ident``: the same in
all processes of one configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.config.routes import Rate
    from tuiq.mail.reply import Reply
    from tuiq.spool.status import DestinationStatus

# -- from a worker ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the configuration says about connections to a destination."""

    name: str
    """For people."""
    start: int
    """Connections at first, and after trouble."""
    ceiling: int
    """Connections at most."""
    rate: Rate | None
    """Transactions, all workers together."""
    rest: float
    """Seconds for which it is left alone when it cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Mail waits: *wanted* further connections would find something to do."""

    ident: str
    terms: Terms
    wanted: int
    """Beside those leased; 0 takes the wish back."""
    waiting: int
    """Messages in the worker's queue for the destination."""
    is_first: bool = False
    """Whether the worker knows nothing of its standing, and is to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskTurn:
    """A transaction would begin, at a destination whose pace is limited."""

    ident: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A leased connection has gone."""

    ident: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Transactions were answered to their ends since the last such message."""

    ident: str
    settled: int
    """Those whose answers say nothing against the server."""
    put_off: int
    """Those in which everybody was told to come back later, for the server's sake."""
    reply: Reply | None
    """The last such answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A leased connection could not be made or was lost; ``Ended`` follows at once.

    *served*: it had been of use before, so nothing is wrong with the destination but
    that it wants to be left in peace.
    """

    ident: str
    reply: Reply
    lost: bool = False
    """Whether a session was lost in a transaction; the second in a row counts."""
    served: bool = False


Said: TypeAlias = Ask | AskTurn | Ended | Answered | Failed

# -- to a worker -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One connection may be made."""

    ident: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One transaction may begin."""

    ident: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """One connection is to end after its transaction.

    There are too many, or another worker has none.
    """

    ident: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What has become of a destination; told to everybody who asked for it."""

    ident: str
    dead_until: float
    """Epoch seconds until which nobody connects; 0: it is not known to be dead."""
    failure: Reply | None
    """Why it could not be used the last time it was tried; None: it could."""
    paced: bool
    """Whether every transaction needs a turn."""
    is_news: bool = False
    """Whether it has just been found dead: what waits for it is to be deferred."""


Told: TypeAlias = Grant | Turn | Recall | Standing


class Leases(Protocol):
    """The way to the governor, from a runner's side; owned by its event loop."""

    def connect(self, hear: Callable[[Told], None]) -> None:
        """Give everything that is told to *hear*, on the loop."""
        ...

    def say(self, said: Said) -> None:
        """Tell the governor; what it answers may be heard before this returns."""
        ...

    def try_again(self) -> None:
        """Ask for every destination to be tried as if nothing were known of it."""
        ...

    def next_time(self) -> float:
        """Return when ``poll`` would bring something; infinity: it comes by itself."""
        ...

    def poll(self) -> None:
        """Hear what has become possible by the clock."""
        ...

    def statuses(self) -> tuple[DestinationStatus, ...]:
        """Return what is known here of the destinations' limits, for people."""
        ...
