"""``tuiq trace``: what the delivery journal knows about a message or an address.

``--json``: the lines of the journal as objects, with the members that
``tuiq.spool.journal`` documents; asked for an address, ``recipients`` holds no other.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuiq.actions.json_text import json_line
from tuiq.actions.words import instant, plural
from tuiq.cli.diagnostics import ExitCode, complain
from tuiq.errors import UsageError
from tuiq.spool.journal import Kind
from tuiq.spool.layout import is_queue_id
from tuiq.spool.trace import Record, trace

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tuiq.config import Config

_NAMED = 3
"""Recipients named on a line; the others are counted."""
_WORDS: dict[str, str] = {
    Kind.IN_DOUBT: "in doubt (the final dot left, no answer came)",
    Kind.POSSIBLE_DUPLICATE: "POSSIBLE DUPLICATE (was in doubt, is tried again)",
    Kind.DELAY_NOTICE: "sender told about a delay",
    Kind.RELAYED_NOTICE: "sender told that it was relayed",
    Kind.NOTICE_NOT_STORED: "notice could not be stored, made later",
    Kind.BOUNCED: "bounced, the sender was told",
    Kind.TLS_FALLBACK: "TLS given up",
    Kind.OPERATOR: "marked delivered by an operator",
}
"""Events whose word does not speak for itself."""
_NOTICES = frozenset({Kind.BOUNCED, Kind.DELAY_NOTICE, Kind.RELAYED_NOTICE})


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tuiq trace``."""
    parser.add_argument(
        "what", metavar="ID|ADDRESS", help="a queue id, or a recipient's or a sender's"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """Print the events, oldest first; 66 when there are none."""
    what: str = args.what
    if "@" not in what and not is_queue_id(what.upper()):
        raise UsageError(
            f"{what!r} is neither a queue id nor an address; "
            "give one of 19 characters as tuiq mailq shows it, or user@domain"
        )
    journal = config_loader().spool_path / "journal"
    found = False
    for record in trace(journal, what):
        found = True
        print(as_json(record) if args.json else as_text(record, with_id="@" in what))
    if found:
        return ExitCode.OK
    complain(f"{what}: the delivery journal in {journal} does not name it{_hint(what)}")
    return ExitCode.NOINPUT


def _hint(what: str) -> str:
    """Say what else may know: a recipient is named when a server was asked."""
    if "@" not in what:
        return ""
    wanted = shlex.quote(f"to:{what}")
    return f"; mail that was not tried yet: tuiq mailq --filter {wanted}"


def as_text(record: Record, *, with_id: bool) -> str:
    """Return one line for people; the journal's text is escaped already."""
    parts = [instant(record.time)]
    if with_id and record.queue_id:
        parts.append(record.queue_id)
    parts.append(_WORDS.get(record.event, record.event.replace("_", " ")))
    if record.recipients:
        parts.append(f"to {_names(record)}")
    if record.sender:
        parts.append(f"from {record.sender}")
    if record.size is not None:
        parts.append(plural(record.size, "byte"))
    if record.relay:
        word = "in message" if record.event in _NOTICES else "via"
        parts.append(f"{word} {record.relay}")
    if record.who:
        parts.append(f"by {record.who}")
    said = " ".join(filter(None, (str(record.code or ""), record.status, record.text)))
    return "  ".join(parts) + (f": {said}" if said else "")


def _names(record: Record) -> str:
    """Return the first recipients and how many more there are."""
    names = ", ".join(address for _, address in record.recipients[:_NAMED])
    more = len(record.recipients) - _NAMED
    return f"{names} and {more:,} more" if more > 0 else names


def as_json(record: Record) -> str:
    """Return the journal's own object, narrowed to the recipients asked for."""
    members = dict(record.members)
    if record.recipients:
        members["recipients"] = [list(pair) for pair in record.recipients]
    return json_line(members)
