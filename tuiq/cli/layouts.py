"""The layouts of ``tuiq mailq``: sendmail's, Postfix's and JSON lines.

Scripts read these; what is printed here changes only with a note in the
change log.  Each yields text of any length, line ends included.
"""

from __future__ import annotations

import os
from functools import lru_cache, partial
from io import TextIOWrapper
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING

from tuiq.actions.words import arrival, plural, span
from tuiq.cli.render import json_line, quoted, text, without_delete
from tuiq.log import printable
from tuiq.spool.entry import State
from tuiq.spool.flags import MReq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.actions.circumstances import Circumstances
    from tuiq.cli.listing import Listed, Listing
    from tuiq.spool.entry import QueueEntry

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
    render = partial(_json_message, listing.around)
    for directory in listing.directories.values():
        for piece in listing.pieces(directory, render):
            yield "".join(piece.texts)


def _json_message(around: Circumstances, listed: Listed) -> str:
    """Return what ``json_line`` makes of a dict, by hand: several times as fast."""
    entry, state = listed.entry, listed.state
    when = next_attempt(around, entry, state)
    holder = holder_json(around, entry.queue_id)
    return without_delete(
        f'{{"queue_name": "{_QUEUE_NAMES.get(state, "deferred")}", '
        f'"queue_id": {quoted(entry.queue_id)}, '
        f'"arrival_time": {entry.header.birth_us // 1_000_000}, '
        f'"message_size": {entry.size}, '
        f'"forced_expire": {"true" if entry.request == b"B" else "false"}, '
        f'"sender": {_often(entry.sender or b"MAILER-DAEMON")}, '
        f'"recipients": [{_json_recipients(listed)}], '
        f'"attempts": {entry.tries}, '
        f'"next_attempt": {"null" if when is None else when}, '
        f'"expires": {around.expires(entry)}, '
        f'"state": "{str(state)}", '  # noqa: RUF010 - formatting an enum is slow
        f'"holder": {"null" if holder is None else json_line(holder)}, '
        f'"directory": {_often(os.fsencode(entry.directory))}}}\n'
    )


@lru_cache(maxsize=256)
def _often(raw: bytes) -> str:
    """Return bytes that recur, senders and replies, as a JSON string."""
    return quoted(text(raw))


def next_attempt(around: Circumstances, entry: QueueEntry, state: State) -> int | None:
    """Return the epoch second from which a message is due; None: it waits for a person.

    Never 0: what is due since its submission is due since then.
    """
    if state in _STANDING or (around.in_doubt == "hold" and state == State.DOUBT):
        return None
    return max(entry.next_attempt, entry.header.birth_us // 1_000_000)


def _json_recipients(listed: Listed) -> str:
    members = []
    reasons = listed.reasons
    for view in listed.recipients:
        member = f'{{"address": {quoted(text(view.address))}'
        reason = reasons.get(view.index)
        if reason:
            member += f', "delay_reason": {_often(reason)}'
        members.append(member + "}")
    return ", ".join(members)


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
    for directory in listing.directories.values():
        for piece in listing.pieces(directory, _postfix_message):
            if piece.texts and not count:
                yield (
                    "-----Queue ID------- --Size-- ---Arrival Time---- "
                    "--Sender/Recipient------\n"
                )
            count += len(piece.texts)
            size += piece.size
            yield "".join(piece.texts)
    if not count:
        yield "Mail queue is empty\n"
        return
    requests = "Request" if count == 1 else "Requests"
    yield f"-- {size // 1024} Kbytes in {count} {requests}.\n"


def _postfix_message(listed: Listed) -> str:
    entry = listed.entry
    mark = {State.ACTIVE: "*", State.HELD: "!"}.get(listed.state, "")
    mark += "#" if entry.request == MReq.BOUNCE else ""
    head = (
        f"{entry.queue_id + mark:<20} {entry.size:>8} {arrival(entry.birth)} "
        f"{_sender(entry)}"
    )
    return "\n".join((head, *_postfix_recipients(listed), "", ""))


def _postfix_recipients(listed: Listed) -> Iterator[str]:
    """Yield a reason wherever it changes, then who it is about."""
    last = ""
    for view in listed.recipients:
        reason = printable(listed.reasons.get(view.index, b""))
        if reason != last:
            last = reason
            yield f"({reason or 'reason unavailable'})".rjust(78)
        yield f"{'':49} {printable(view.address)}"


def as_sendmail(listing: Listing, *, verbose: bool = False) -> Iterator[str]:
    """Yield sendmail's mailq: each directory by its path, then a sum."""
    total = 0

    def render(listed: Listed) -> str:
        lines = _sendmail_message(listed, listing.around, verbose=verbose)
        return "\n".join((*lines, ""))

    for directory in listing.directories.values():
        path = printable(str(directory.path))
        count = 0
        with SpooledTemporaryFile(_HELD_BACK) as held:
            for piece in listing.pieces(directory, render):
                count += len(piece.texts)
                held.write("".join(piece.texts).encode())
            held.seek(0)
            if count:
                requests = "request" if count == 1 else "requests"
                yield f"\t\t{path} ({count} {requests})\n{_SENDMAIL_HEAD}"
            else:
                yield f"{path} is empty\n"
            yield from TextIOWrapper(held, "utf-8", newline="")
        total += count
    if listing.trash:
        yield f"\t\tTrash: {plural(listing.trash, 'message')}, see mailq --trashed\n"
    yield f"\t\tTotal requests: {total}\n"


_SENDMAIL_HEAD = (
    "------Q-ID--------- --Size-- -----Q-Time----- "
    "------------Sender/Recipient-----------\n"
)


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
