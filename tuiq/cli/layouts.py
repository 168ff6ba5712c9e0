"""The layouts of ``tuiq mailq``: sendmail's, Postfix's and JSON lines.

Scripts read these; what is printed here changes only with a note in the
change log.
"""

from __future__ import annotations

from itertools import groupby
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING

from tuiq.actions.words import arrival, plural, span
from tuiq.cli.render import json_line, text
from tuiq.log import printable
from tuiq.spool.entry import State
from tuiq.spool.flags import MReq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.actions.circumstances import Circumstances
    from tuiq.cli.listing import Listed, Listing
    from tuiq.spool.entry import QueueEntry, RecipientView

_HELD_BACK = 32 * 1024 * 1024
"""Bytes of a directory's listing that stay in memory before they go to a file."""
_STANDING = frozenset({State.DAMAGED, State.TRASHED, State.HELD})
"""States in which nothing is attempted, whatever the time."""
_QUEUE_NAMES = {
    State.DAMAGED: "corrupt",
    State.TRASHED: "trash",
    State.HELD: "hold",
    State.ACTIVE: "active",
    State.DUE: "incoming",
}
"""Postfix's word for the queue a message would be in; ``deferred`` for the rest."""


def as_json(listing: Listing) -> Iterator[str]:
    """Yield one object per message; the README documents the members."""
    around = listing.around
    for listed in listing:
        entry, state = listed.entry, listed.state
        yield json_line(
            {
                "queue_name": _QUEUE_NAMES.get(state, "deferred"),
                "queue_id": entry.queue_id,
                "arrival_time": int(entry.birth),
                "message_size": entry.size,
                "forced_expire": entry.request == MReq.BOUNCE,
                "sender": text(entry.sender) or "MAILER-DAEMON",
                "recipients": [
                    _json_recipient(view, listed) for view in listed.recipients
                ],
                "attempts": entry.tries,
                "next_attempt": next_attempt(around, entry, state),
                "expires": around.expires(entry),
                "state": state.value,
                "holder": holder_json(around, entry.queue_id),
                "directory": entry.directory,
            }
        )


def next_attempt(around: Circumstances, entry: QueueEntry, state: State) -> int | None:
    """Return the epoch second from which a message is due; None: it waits for a person.

    Never 0: what is due since its submission is due since then.
    """
    if state in _STANDING or (state is State.DOUBT and around.in_doubt == "hold"):
        return None
    return max(entry.next_attempt, int(entry.birth))


def _json_recipient(view: RecipientView, listed: Listed) -> dict[str, str]:
    member = {"address": text(view.address)}
    reason = listed.reasons.get(view.index)
    if reason:
        member["delay_reason"] = text(reason)
    return member


def holder_json(around: Circumstances, queue_id: str) -> dict[str, object] | None:
    """Return who works on a message as a JSON value; None when nobody does."""
    work = around.work(queue_id)
    if work is None:
        return None
    return {
        "pid": work.pid,
        "program": printable(work.program),
        "since": int(work.since) or None,
        "phase": work.phase or None,
        "destination": work.destination or None,
    }


def as_postfix(listing: Listing) -> Iterator[str]:
    """Yield the layout of ``postqueue -p`` with long queue ids."""
    count = size = 0
    for listed in listing:
        entry = listed.entry
        if count:
            yield ""
        else:
            yield (
                "-----Queue ID------- --Size-- ---Arrival Time---- "
                "--Sender/Recipient------"
            )
        count += 1
        size += entry.size
        mark = {State.ACTIVE: "*", State.HELD: "!"}.get(listed.state, "")
        mark += "#" if entry.request == MReq.BOUNCE else ""
        yield (
            f"{entry.queue_id + mark:<20} {entry.size:>8} {arrival(entry.birth)} "
            f"{_sender(entry)}"
        )
        yield from _postfix_recipients(listed)
    if not count:
        yield "Mail queue is empty"
        return
    requests = "Request" if count == 1 else "Requests"
    yield ""
    yield f"-- {size // 1024} Kbytes in {count} {requests}."


def _postfix_recipients(listed: Listed) -> Iterator[str]:
    """Yield a reason wherever it changes, then who it is about."""
    last = ""
    for view in listed.recipients:
        reason = printable(listed.reasons.get(view.index, b""))
        if reason != last:
            last = reason
            yield f"({reason or 'reason unavailable'})".rjust(78)
        yield f"{'':49} {printable(view.address)}"


def as_sendmail(
    listing: Listing, paths: dict[str, str], *, verbose: bool = False
) -> Iterator[str]:
    """Yield sendmail's mailq: each directory of *paths* (name -> path), then a sum."""
    total = 0
    groups = groupby(listing, key=lambda listed: listed.entry.directory)
    empty = iter(paths)
    for name, messages in groups:
        yield from _empty_before(name, empty, paths)
        with SpooledTemporaryFile(_HELD_BACK, "w+", encoding="utf-8") as held:
            count = 0
            for listed in messages:
                count += 1
                for line in _sendmail_message(listed, listing.around, verbose=verbose):
                    held.write(line + "\n")
            held.seek(0)
            requests = "request" if count == 1 else "requests"
            yield f"\t\t{printable(paths[name])} ({count} {requests})"
            yield (
                "------Q-ID--------- --Size-- -----Q-Time----- "
                "------------Sender/Recipient-----------"
            )
            for line in held:
                yield line.rstrip("\n")
        total += count
    yield from _empty_before(None, empty, paths)
    if listing.trash:
        yield f"\t\tTrash: {plural(listing.trash, 'message')}, see mailq --trashed"
    yield f"\t\tTotal requests: {total}"


def _empty_before(
    name: str | None, names: Iterator[str], paths: dict[str, str]
) -> Iterator[str]:
    """Say of each directory before *name* that it is empty; None: of all the rest."""
    for passed in names:
        if passed == name:
            return
        yield f"{printable(paths[passed])} is empty"


def _sendmail_message(
    listed: Listed, around: Circumstances, *, verbose: bool
) -> Iterator[str]:
    entry = listed.entry
    mark = _mark(listed, around)
    warned = "+" if verbose and entry.warned else " "
    yield (
        f"{entry.queue_id}{mark}{entry.size:>8}{warned}{arrival(entry.birth)[:16]} "
        f"{_sender(entry)}"
    )
    if listed.state is State.HELD:
        yield f"     QUARANTINE: held by an operator; tuiq release {entry.queue_id}"
    if verbose:
        yield f"     {_details(listed, around)}"
    if listed.state is State.DAMAGED:
        yield f"{'':17}({printable(entry.damage) or 'refused by a runner'})"
    last = b""
    for view in listed.recipients:
        reason = listed.reasons.get(view.index, b"")
        if reason and reason != last:
            last = reason
            yield f"{'':17}({printable(reason)})"
        yield f"{'':46}{printable(view.address)}"


def _mark(listed: Listed, around: Circumstances) -> str:
    """Return sendmail's status character, the first that fits."""
    entry = listed.entry
    if listed.state is State.DAMAGED:
        return "?"
    if entry.queue_id in around.locks.messages:
        return "*"
    if listed.state is State.PAUSED or entry.directory in around.low_disk:
        return "X"
    waits = entry.next_attempt > around.now and listed.state not in _STANDING
    return "-" if waits else " "


def _details(listed: Listed, around: Circumstances) -> str:
    entry = listed.entry
    tries = "never tried" if not entry.tries else plural(entry.tries, "try")
    tries = tries.replace("trys", "tries")
    wait = entry.next_attempt - around.now
    when = f", next in {span(wait)}" if wait > 0 else ""
    left = f", {len(listed.recipients)} of {plural(entry.count, 'recipient')} left"
    return f"[{listed.state.value}, {tries}{when}{left}]"


def _sender(entry: QueueEntry) -> str:
    return printable(entry.sender) or "MAILER-DAEMON"
