"""``tuiq show``: one message, whole: envelope, recipients, header, body, transcript."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.circumstances import Circumstances, look_around
from tuiq.actions.explain import explain, recipient_reasons
from tuiq.actions.json_text import json_line, text
from tuiq.actions.lookup import find_id, split_recipient
from tuiq.actions.mail_json import holder_json, next_attempt
from tuiq.actions.recipient_words import STATE_WORDS, state_word
from tuiq.actions.words import age, exact_volume, instant, plural, span
from tuiq.cli.render import Column, table
from tuiq.errors import MessageGone, UsageError
from tuiq.log import printable
from tuiq.mail import headers
from tuiq.spool.flags import RReq
from tuiq.spool.spool import open_spool

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from tuiq.config import Config
    from tuiq.spool.entry import QueueEntry, RecipientView
    from tuiq.spool.spool import Spool

PREVIEW_BYTES = 64 * 1024
PREVIEW_LINES = 20
"""Lines of the body that are shown unless ``--body`` asks for all."""
_COLUMNS = (
    Column(title="N", right=True),
    Column(title="STATE"),
    Column(title="TRIES", right=True),
    Column(title="NEXT", right=True),
    Column(title="RECIPIENT"),
    Column(title="LAST REPLY"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A message with everything that is told about it."""

    entry: QueueEntry
    around: Circumstances
    recipients: list[RecipientView]
    reasons: dict[int, bytes]
    """Slot -> what was last said about it, escaped."""
    header: bytes
    """The header block in wire form."""
    body: bytes
    """The beginning of the body."""
    cut: bool
    """Whether there is more of it."""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tuiq show``."""
    parser.add_argument(
        "id", metavar="ID", help="a message, part of its id, or ID/N for a recipient"
    )
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--json", action="store_true", help="one JSON object")
    part.add_argument("--headers", action="store_true", help="the decoded header only")
    part.add_argument("--body", action="store_true", help="the whole body only")
    part.add_argument(
        "--raw", action="store_true", help="the data, byte for byte as it will be sent"
    )


def run(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """Show one message."""
    wanted, number = split_recipient(args.id)
    with open_spool(config_loader()) as spool:
        entry = spool.entry(find_id(spool.directories, wanted))
        if args.raw:
            write_raw(spool.read_data(entry))
            return 0
        limit = None if args.body else PREVIEW_BYTES
        shown = examine(spool, entry, number=number, limit=limit)
        for line in _lines(shown, args):
            print(line)
    return 0


def _lines(shown: Shown, args: argparse.Namespace) -> Iterable[str]:
    """Return what was asked for."""
    if args.json:
        return (json_line(as_json(shown)),)
    if args.headers:
        return header_lines(shown)
    return body_lines(shown) if args.body else as_text(shown)


def write_raw(data: bytes) -> None:
    """Write message data as it is, but never to a terminal, which would obey it."""
    if sys.stdout.isatty():
        for line in data.split(b"\r\n"):
            print(printable(line.expandtabs()))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data)


def examine(
    spool: Spool, entry: QueueEntry, *, number: int | None, limit: int | None
) -> Shown:
    """Collect what there is to know about *entry*; *limit* bytes of its data."""
    views = entry.recipients()
    if number is not None and not entry.damage:
        if number >= len(views):
            raise UsageError(
                f"{entry.queue_id}/{number + 1}: the message has "
                f"{plural(len(views), 'recipient')}"
            )
        views = [views[number]]
    try:
        data = spool.read_data(entry, limit=limit)
    except MessageGone:
        data = b""
    header, _, body = data.partition(b"\r\n\r\n")
    return Shown(
        entry=entry,
        around=look_around(spool),
        recipients=views,
        reasons=recipient_reasons(spool.directory(entry.directory), entry, views),
        header=header,
        body=body,
        cut=limit is not None and entry.size > len(data),
    )


def as_text(shown: Shown) -> Iterator[str]:
    """Yield the message for people."""
    yield from _summary(shown)
    yield ""
    yield from table(_COLUMNS, (_recipient_row(shown, v) for v in shown.recipients))
    yield ""
    yield from header_lines(shown)
    yield ""
    lines = list(body_lines(shown))
    yield from lines[:PREVIEW_LINES]
    if shown.cut or len(lines) > PREVIEW_LINES:
        yield f"[more: tuiq show --body {shown.entry.queue_id}]"


def _summary(shown: Shown) -> Iterator[str]:
    entry, around = shown.entry, shown.around
    facts = [
        ("message", f"{entry.queue_id}, {around.state(entry).value}"),
        ("why", explain(entry, around).text),
        ("from", f"<{printable(entry.sender)}>"),
        ("arrived", _arrived(entry, around.now)),
        ("size", exact_volume(entry.size)),
        ("in", entry.directory),
        ("left", f"{entry.left} of {plural(entry.count, 'recipient')}"),
        ("tries", _tries(entry)),
        ("expires", instant(around.expires(entry))),
        ("last reply", printable(entry.last_reply) or "none"),
    ]
    envelope = None if entry.damage else entry.envelope()
    if envelope is not None and (envelope.envid or envelope.ret):
        facts.append(
            ("dsn", printable(b"RET=%b ENVID=%b" % (envelope.ret, envelope.envid)))
        )
    for name, fact in facts:
        yield f"{name:<11}{fact}"


def _arrived(entry: QueueEntry, now: float) -> str:
    who = "the system itself" if entry.uid is None else f"uid {entry.uid}"
    via = f", via {printable(entry.via)}" if entry.via else ""
    return f"{instant(entry.birth)} ({span(now - entry.birth)} ago) from {who}{via}"


def _tries(entry: QueueEntry) -> str:
    if not entry.tries:
        return "none yet"
    return f"{entry.tries}, the last at {instant(entry.last_attempt)}"


def _recipient_row(shown: Shown, view: RecipientView) -> list[str]:
    wait = max(view.next_attempt, shown.entry.next_attempt) - shown.around.now
    is_open = view.state in b"TA"
    return [
        str(view.index + 1),
        state_word(view),
        str(view.tries),
        (f"+{age(wait)}" if wait > 0 else "now") if is_open else "",
        printable(view.address),
        printable(shown.reasons.get(view.index, b"")),
    ]


def header_lines(shown: Shown) -> Iterator[str]:
    """Yield each header field on one line, decoded, then escaped."""
    for name, value in headers.fields(shown.header):
        shown_value = headers.decode(value).replace("\t", " ")
        yield f"{printable(name)}: {printable(shown_value)}"


def body_lines(shown: Shown) -> Iterator[str]:
    """Yield the lines of the body, tabs as spaces, all else escaped."""
    lines = shown.body.split(b"\r\n")
    for line in lines[:-1] if not lines[-1] else lines:
        yield printable(line.expandtabs())


def as_json(shown: Shown) -> dict[str, object]:
    """Return the message as a JSON value; the README documents the members."""
    entry, around = shown.entry, shown.around
    reason, state = explain(entry, around), around.state(entry)
    return {
        "queue_id": entry.queue_id,
        "directory": entry.directory,
        "state": state.value,
        "cause": reason.cause.value,
        "why": reason.text,
        "sender": text(entry.sender),
        "arrival_time": int(entry.birth),
        "message_size": entry.size,
        "attempts": entry.tries,
        "last_attempt": entry.last_attempt or None,
        "next_attempt": next_attempt(around, entry, state),
        "expires": around.expires(entry),
        "trashed": entry.trashed_at or None,
        "holder": holder_json(around, entry.queue_id),
        "uid": entry.uid,
        "via": text(entry.via),
        "origin": text(entry.origin),
        "delay_notice_sent": entry.warned,
        "damage": entry.damage or None,
        "recipients": [_recipient_json(shown, view) for view in shown.recipients],
        "headers": [
            [text(name), headers.decode(value)]
            for name, value in headers.fields(shown.header)
        ],
        "body": text(shown.body),
        "body_cut": shown.cut,
    }


def _recipient_json(shown: Shown, view: RecipientView) -> dict[str, object]:
    return {
        "number": view.index + 1,
        "address": text(view.address),
        "state": STATE_WORDS.get(view.state, "unknown"),
        "held": view.request == RReq.HOLD,
        "attempts": view.tries,
        "next_attempt": view.next_attempt or None,
        "code": text(view.code) or None,
        "status": text(view.status) or None,
        "reply": text(shown.reasons.get(view.index, b"")) or None,
        "notify": text(view.notify) or None,
        "orcpt": text(view.orcpt) or None,
    }
