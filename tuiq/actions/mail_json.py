"""One message as a JSON line: what ``tuiq mailq --json`` prints and the UI exports.

The README documents the members.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from tuiq.actions.json_text import json_line, quoted, text, without_delete
from tuiq.log import printable
from tuiq.spool.entry import State

if TYPE_CHECKING:
    from tuiq.actions.circumstances import Circumstances
    from tuiq.actions.listed import Listed
    from tuiq.spool.entry import QueueEntry

STANDING = frozenset({State.DAMAGED, State.TRASHED, State.HELD})
"""States in which nothing is attempted, whatever the time."""
_QUEUE_NAMES = {
    State.DAMAGED: "corrupt",
    State.TRASHED: "trash",
    State.HELD: "hold",
    State.ACTIVE: "active",
    State.DUE: "incoming",
}
"""Postfix's word for the queue a message would be in; ``deferred`` for the rest."""


def message_json(around: Circumstances, listed: Listed) -> str:
    """Return a line, its end included.

    By hand what ``json_line`` makes of a dict: several times as fast.
    """
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
    if state in STANDING or (around.in_doubt == "hold" and state == State.DOUBT):
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
