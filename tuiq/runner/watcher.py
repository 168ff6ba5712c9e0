"""What connections are doing, for the status file and for ``-v``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tuiq.log import printable
from tuiq.spool.status import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.clock import Clock
    from tuiq.spool.claim import Claim


class ConnectionWatcher:
    """Follows one session; implements ``delivery.SessionWatcher``."""

    def __init__(
        self,
        destination: str,
        clock: Clock,
        *,
        verbose: bool,
        on_note: Callable[[str, str], None],
    ) -> None:
        """Print the dialogue when *verbose*; give notes to *on_note*."""
        self.destination = destination
        self.relay = destination
        """The server itself, where the destination has several."""
        self._clock = clock
        self.wants_lines = verbose
        self._on_note = on_note
        self.phase_name = "connect"
        self.opened = self.since = clock.now()
        self.message = ""
        self.directory = ""
        self.recipients = 0
        self.transactions = 0
        # What was begun, and comes up when those before it have had their answers.
        self._next: tuple[Claim, int] | None = None

    def approach(self, relay: str) -> None:
        """Turn to another server of the destination."""
        self.relay = relay
        self.phase("connect")

    def phase(self, name: str) -> None:
        """Enter a phase."""
        self.phase_name = name
        self.since = self._clock.now()
        if name == "idle":
            self.message = self.directory = ""
            self.recipients = 0
        elif name == "mail" and self._next is not None:
            claim, self.recipients = self._next
            self._next = None
            self.message = claim.queue_id
            self.directory = claim.directory.name
            self.transactions += 1

    def transaction(self, claim: Claim, recipients: int) -> None:
        """Note which message the session works on from its next MAIL on."""
        self._next = claim, recipients

    def sent(self, line: bytes) -> None:
        """Show a command line."""
        print(f">>> {printable(line)}", file=sys.stderr, flush=True)

    def received(self, line: bytes) -> None:
        """Show a reply line."""
        print(f"<<< {printable(line)}", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Pass on something worth a journal line."""
        self._on_note(self.destination, text)
        if self.wants_lines:
            print(f"--- {printable(text)}", file=sys.stderr, flush=True)

    def snapshot(self) -> Connection:
        """Return what the status file says about the connection."""
        return Connection(
            destination=self.destination,
            phase=self.phase_name,
            since=self.since,
            opened=self.opened,
            message=self.message,
            directory=self.directory,
            recipients=self.recipients,
            transactions=self.transactions,
        )
