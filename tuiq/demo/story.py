"""What is worth saying about the events of a demo: each kind once, in a sentence.

Pure.  Journal text is escaped when it is read; only escaped text gets into here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.actions.words import plural
from tuiq.spool.journal import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.spool.trace import Record

RETRY = 6.0
"""Seconds between two attempts in the demo; see ``lifecycle.next_attempt``."""
NOTICE = 15.0
"""Seconds after which a sender is told about a delay."""
_AGAIN = f"tried again in {RETRY:.0f} s"
_FAST = f"time runs fast here: a retry waits {RETRY:.0f} s, in real life 7 min or more"


class Narrator:
    """Tells every kind of event once."""

    def __init__(self) -> None:
        """Begin with nothing told."""
        self._told: set[str] = set()
        self._greylisted: set[tuple[str, int]] = set()

    def once(self, key: str, sentence: str) -> list[str]:
        """Return *sentence* in a list, the first time for *key*; else nothing."""
        if key in self._told:
            return []
        self._told.add(key)
        return [sentence]

    def tell(self, record: Record) -> list[str]:
        """Return what is to be said about *record*: a sentence, or nothing."""
        teller = _TELLERS.get(record.event)
        if teller is None:
            return []
        told = self.once(*teller(record))
        if record.event == Kind.DEFERRED:
            self._remember(record)
            told += self.once("fast", _FAST)
        elif record.event == Kind.DELIVERED and self._was_greylisted(record):
            told += self.once(
                "second try",
                f"{_domain(record)} knows us now: accepted on the second try",
            )
        return told

    def _remember(self, record: Record) -> None:
        if record.status == "4.7.1":
            self._greylisted.update(_places(record))

    def _was_greylisted(self, record: Record) -> bool:
        return not self._greylisted.isdisjoint(_places(record))


def _places(record: Record) -> set[tuple[str, int]]:
    return {(record.queue_id, number) for number, _ in record.recipients}


def _queued(_: Record) -> tuple[str, str]:
    return "queued", "mail counts as queued once it is safe on the disk"


def _delivered(record: Record) -> tuple[str, str]:
    address = record.recipients[0][1]
    return "delivered", f"{address}: delivered, {record.code} {record.text}"


def _deferred(record: Record) -> tuple[str, str]:
    domain, said = _domain(record), f"{record.code} {record.status}"
    if record.status == "4.7.1":
        return "greylisted", f"greylisted by {domain} ({said}): {_AGAIN}"
    if record.status == "4.2.2":
        address = record.recipients[0][1]
        return "full", f"{address}: mailbox full ({said}): tried for up to 5 days"
    if "timed out" in record.text:
        return "stalled", f"{domain} hangs before the dot: given up, {_AGAIN}"
    return "deferred", f"{domain}: {said} {record.text}: {_AGAIN}"


def _failed(record: Record) -> tuple[str, str]:
    address, said = record.recipients[0][1], f"{record.code} {record.text}"
    return "failed", f"{address}: {said}: failed, its sender is told"


def _bounced(record: Record) -> tuple[str, str]:
    count = plural(len(record.recipients), "recipient")
    return "bounced", f"{count} bounced: the notice is stored before that is final"


def _in_doubt(record: Record) -> tuple[str, str]:
    count = plural(len(record.recipients), "recipient")
    return "in doubt", f"{_domain(record)} hung up after the dot: {count} in doubt"


def _possible_duplicate(record: Record) -> tuple[str, str]:
    count = f"{len(record.recipients):,}"
    return (
        "possible duplicate",
        f"{count} in doubt are sent again, each named as a possible duplicate",
    )


def _delay_notice(_: Record) -> tuple[str, str]:
    return (
        "delay notice",
        f"a sender is told about a delay (after {NOTICE:.0f} s, in real life 4 h)",
    )


def _connection(record: Record) -> tuple[str, str]:
    return "connection", f"{record.relay}: {record.text}: it gets a short rest"


def _domain(record: Record) -> str:
    if not record.recipients:
        return record.relay
    return record.recipients[0][1].rpartition("@")[2]


_TELLERS: dict[str, Callable[[Record], tuple[str, str]]] = {
    Kind.QUEUED: _queued,
    Kind.DELIVERED: _delivered,
    Kind.DEFERRED: _deferred,
    Kind.FAILED: _failed,
    Kind.BOUNCED: _bounced,
    Kind.IN_DOUBT: _in_doubt,
    Kind.POSSIBLE_DUPLICATE: _possible_duplicate,
    Kind.DELAY_NOTICE: _delay_notice,
    Kind.CONNECTION: _connection,
}
