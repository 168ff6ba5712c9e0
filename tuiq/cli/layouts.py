"""The layouts of ``tuiq mailq``: sendmail's, Postfix's and JSON lines.

Scripts read these; what is printed here changes only with a note in the
change log.  Each yields text of any length, line ends included.
"""

from __future__ import annotations

from functools import partial
from io import TextIOWrapper
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING

from tuiq.actions.mail_json import STANDING, message_json
from tuiq.actions.words import arrival, plural, span
from tuiq.log import printable
from tuiq.spool.entry import State
from tuiq.spool.flags import MReq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.actions.circumstances import Circumstances
    from tuiq.actions.listed import Listed
    from tuiq.cli.listing import Listing
    from tuiq.spool.entry import QueueEntry

_HELD_BACK = 32 * 1024 * 1024
"""Bytes of a directory's listing that stay in memory before they go to a file."""


def as_json(listing: Listing) -> Iterator[str]:
    """Yield one object per message; the README documents the members."""
    render = partial(message_json, listing.around)
    for directory in listing.directories.values():
        for piece in listing.pieces(directory, render):
            yield "".join(piece.texts)


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
    waits = entry.next_attempt > around.now and listed.state not in STANDING
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
