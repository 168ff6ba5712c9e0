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
_AGAIN = f"tried again in {RETRY:.0f} s here, in 7 min or more elsewhere"


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
        key, sentence = teller(record)
        told = self.once(key, sentence) if key else []
        return told or self._second_try(record)

    def _second_try(self, record: Record) -> list[str]:
        """Tell when what was greylisted has been accepted."""
        places = [(record.queue_id, number) for number, _ in record.recipients]
        if record.status == "4.7.1":
            self._greylisted.update(places)
        elif record.event == Kind.DELIVERED and self._greylisted.intersection(places):
            domain = _domain(record)
            return self.once(
                "second try", f"{domain} knows us now: accepted on the second try"
            )
        return []


def _queued(record: Record) -> tuple[str, str]:
    return "queued", "mail is queued once it is synced to the disk, not before"


def _delivered(record: Record) -> tuple[str, str]:
    _, address = record.recipients[0]
    said = f"{record.code} {record.text}"
    return "delivered", f"{address} delivered: the server said {said}"


def _deferred(record: Record) -> tuple[str, str]:
    domain, said = _domain(record), f"{record.code} {record.status}"
    if record.status == "4.7.1":
        return "greylisted", f"greylisted by {domain} ({said}): {_AGAIN}"
    if record.status == "4.2.2":
        address = record.recipients[0][1]
        return "full", f"{address}: mailbox full ({said}): deferred, up to 5 days"
    if "timed out" in record.text:
        return (
            "stalled",
            f"{domain} stalled before the dot: nothing was sent, {_AGAIN}",
        )
    return "deferred", f"{domain}: {said} {record.text}: {_AGAIN}"


def _failed(record: Record) -> tuple[str, str]:
    address = record.recipients[0][1]
    said = f"{record.code} {record.text}"
    return "failed", f"{address} failed for good: {said}; its sender will be told"


def _bounced(record: Record) -> tuple[str, str]:
    count = plural(len(record.recipients), "recipient")
    return "bounced", f"bounce queued for {count}: stored before the failure is closed"


def _in_doubt(record: Record) -> tuple[str, str]:
    count = plural(len(record.recipients), "recipient")
    return (
        "in doubt",
        f"{_domain(record)} hung up after the final dot: {count} in doubt, not "
        "called delivered",
    )


def _possible_duplicate(record: Record) -> tuple[str, str]:
    return (
        "possible duplicate",
        "in doubt, so sent again: possible duplicates, written down by name first",
    )


def _delay_notice(record: Record) -> tuple[str, str]:
    return (
        "delay notice",
        "the sender of mail that waits is told (after 15 s here, 4 h elsewhere)",
    )


def _connection(record: Record) -> tuple[str, str]:
    return (
        "connection",
        f"{record.relay} could not be used: {record.text}; it gets a rest, then a try",
    )


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
