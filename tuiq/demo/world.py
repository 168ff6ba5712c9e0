"""The world that ``tuiq demo`` delivers to: one relay, seven domains, their manners.

Everything it does wrong is planned: the same recipients meet the same fate in
every run, whatever the timing.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.demo.script import Act, Answer, Peer, Script
from tuiq.demo.server import ScriptedServer

if TYPE_CHECKING:
    from tuiq.demo.dialogue import Dialogue

MAX_RECIPIENTS = 40
"""The relay takes no more in one transaction; the runner begins with 50."""
_LARGE = 20
"""Recipients of a transaction worth dropping."""
STALL = 30.0
"""Seconds without an answer; longer than the runner's patience in the demo."""
_CLOSED = re.compile(rb"emeritus|[a-e]\w+\.(?:quast|zander)\d*")
_FULL = re.compile(rb"cfo|[x-z]\w+\.young\d*")
_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """One domain, for people."""

    name: str
    manner: str
    """What it does to mail, in up to 17 characters."""


DOMAINS = (
    Domain(name="bigmail.example", manner="takes everything"),
    Domain(name="postbox.example", manner="greylists"),
    Domain(name="uni.example", manner="closed mailboxes"),
    Domain(name="startup.example", manner="full mailboxes"),
    Domain(name="museum.example", manner="slow, hangs once"),
    Domain(name="flaky.example", manner="hangs up twice"),
    Domain(name="harbor.example", manner="home of senders"),
)


class World(ScriptedServer):
    """The relay, and the count of every copy that it took responsibility for."""

    def __init__(self) -> None:
        """Behave as the domains do."""
        super().__init__(
            Script(
                rcpt=self._rcpt,
                data=self._data,
                dot=self._dot,
                verdict=self._verdict,
                max_recipients=MAX_RECIPIENTS,
            ),
            keep=False,
        )
        self.copies: Counter[tuple[str, str]] = Counter()
        """How often a recipient got a message: by Message-ID and address."""
        self.is_crowded = False
        """Whether a transaction had more recipients than the relay takes."""
        self._chance = random.Random(3)
        self._met: set[bytes] = set()
        self._stalled = False
        self._dropped = 0

    def record(self, connection: Dialogue, data: bytes) -> int:
        """Count the copies of an accepted message."""
        match = _MESSAGE_ID.search(data.partition(b"\r\n\r\n")[0])
        message_id = match[1].decode("utf-8", "backslashreplace") if match else ""
        for raw, _ in connection.peer.recipients:
            self.copies[message_id, raw.decode("utf-8", "backslashreplace")] += 1
        return super().record(connection, data)

    def _rcpt(self, address: bytes) -> Answer:
        local, _, domain = address.partition(b"@")
        if domain == b"postbox.example" and address not in self._met:
            self._met.add(address)
            return b"451 4.7.1 Greylisted, please come back later"
        if domain == b"uni.example" and _CLOSED.fullmatch(local):
            return b"550 5.1.1 No such user here"
        if domain == b"startup.example" and _FULL.fullmatch(local):
            return b"452 4.2.2 Mailbox full"
        return None

    def _data(self, peer: Peer) -> Answer:
        if len(peer.recipients) >= MAX_RECIPIENTS:
            self.is_crowded = True
        if not _is_for(peer, b"museum.example"):
            return None
        if not self._stalled:
            self._stalled = True
            return Act(delay=STALL)
        return Act(delay=self._chance.uniform(0.5, 1.0))

    def _dot(self, peer: Peer) -> Answer:
        return self._hang_up(peer, turn=0)

    def _verdict(self, peer: Peer) -> Answer:
        hangs_up = self._hang_up(peer, turn=1)
        return hangs_up or Act(delay=self._chance.uniform(0.1, 0.3))

    def _hang_up(self, peer: Peer, *, turn: int) -> Answer:
        """Drop the connection where its time has come.

        The first large transaction of flaky.example is dropped before the message
        is taken, the second one after it: no client can tell which is which.
        """
        if self._dropped != turn or len(peer.recipients) < _LARGE:
            return None
        if not _is_for(peer, b"flaky.example"):
            return None
        self._dropped += 1
        return Act(drop=True)


def _is_for(peer: Peer, domain: bytes) -> bool:
    """Say whether all recipients so far are of one *domain*."""
    return bool(peer.recipients) and all(
        address.endswith(b"@" + domain) for address, _ in peer.recipients
    )
