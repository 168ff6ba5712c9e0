r"""The delivery journal: what happened to which recipient, for people and tools.

``journal/delivery.jsonl`` holds one JSON object per line (UTF-8, text escaped by
``printable``, so that no line can act on a terminal).  Members, always in this
order; those that say nothing are left out:

    time         epoch seconds, a float
    event        one word of ``Kind``
    id           queue id of the message
    directory    its queue directory
    sender       envelope sender; ``<>`` for a notice
    relay        next hop or server; of ``bounced`` and notices: the notice's id
    code         SMTP reply code, a number
    status       enhanced status (RFC 3463)
    text         reply text, reason or sentence
    recipients   list of [number, address]; numbers count from 1, as ``tuiq show``
    size         message size in bytes
    pid          process that wrote the line
    who          operator who asked for it

Recipients with one outcome in one transaction share a line, and all lines of a
transaction are one write(2) with O_APPEND: several processes may write.  At
``max_bytes`` the file becomes ``delivery.jsonl.1`` and so on up to ``keep``, under
a flock on ``.lock``; other writers notice within a second.  Lines are in the order
of writing, which may differ from that of ``time`` by as much.

The journal serves explanations, never decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from json.encoder import encode_basestring
from typing import TYPE_CHECKING

from tuiq.log import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tuiq.mail.reply import Reply

FILE = "delivery.jsonl"
_PREFIX = FILE + "."
LINE_START = b'{"time":'
"""How every line begins; JSON escapes quotes, so no text can contain it."""


class Kind(StrEnum):
    """What a line tells."""

    QUEUED = "queued"
    """The message was accepted into the queue."""
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    """The final dot left and no verdict came."""
    POSSIBLE_DUPLICATE = "possible_duplicate"
    """A recipient in doubt is tried again: it may get the message twice."""
    BOUNCED = "bounced"
    """The failure was reported to the sender."""
    DELAY_NOTICE = "delay_notice"
    """The sender was told about a delay."""
    RELAYED_NOTICE = "relayed_notice"
    """The sender was told that the next hop sends no success notices."""
    NOTICE_NOT_STORED = "notice_not_stored"
    """A notice could not be queued and is made later."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """By an operator."""
    FINISHED = "finished"
    """Nothing is left to do; the message's files are removed."""
    CONNECTION = "connection"
    """A next hop could not be used; ``text`` says why."""
    TLS_FALLBACK = "tls_fallback"
    """A TLS handshake failed; the mail goes in the clear."""
    OPERATOR = "operator"
    """An operator's verb; ``text`` names it."""
    PURGED = "purged"
    """Trash was removed for good."""
    DAMAGED = "damaged"
    """A file that a person has to look at."""
    RUNNER = "runner"
    """A runner started, drained or ended."""

    __hash__ = str.__hash__  # the one of enums is no C function


OUTCOMES = (Kind.DELIVERED, Kind.DEFERRED, Kind.FAILED, Kind.IN_DOUBT)
"""How an attempt ends: of its beginning nothing is written.  Counters' names, too."""


@dataclass(slots=True, kw_only=True)
class Event:
    """One line to be written, with text escaped on the way; nobody changes one.

    Not frozen: that costs as much as writing it, which is done for every message that
    is taken in.
    """

    kind: Kind | str
    time: float | None = None
    """Epoch seconds; None = now."""
    queue_id: str = ""
    directory: str = ""
    sender: bytes | None = None
    """None: not told."""
    relay: str = ""
    code: int = 0
    status: bytes = b""
    text: bytes | str = b""
    recipients: Sequence[tuple[int, bytes]] = ()
    """(number from 1, address)."""
    size: int | None = None
    who: str = ""

    def encode(self, now: float, pid: int) -> bytes:
        """Return the line, LF included."""
        # By hand, as ``outcome`` is: a JSON encoder takes three times as long, and
        # this is done for every message that is taken in.
        line = opening(now if self.time is None else self.time, self.kind)
        if self.queue_id:
            line += f',"id":{_name(self.queue_id)}'
        if self.directory:
            line += f',"directory":{_name(self.directory)}'
        if self.sender is not None:
            line += f',"sender":{_json(self.sender or b"<>")}'
        line += _said(self.relay, self.code, self.status, self.text)
        if self.recipients:
            line += f',"recipients":{_pairs(self.recipients)}'
        if self.size:
            line += f',"size":{self.size}'
        line += f',"pid":{pid}'
        if self.who:
            line += f',"who":{_name(self.who)}'
        return f"{line}}}\n".encode()


def opening(time: float, kind: str) -> str:
    """Return how a line begins."""
    return f'{{"time":{round(time, 3)!r},"event":{_name(kind)}'


def outcome(
    line: str,
    pid: int,
    queue_id: str,
    recipients: Sequence[tuple[int, bytes]],
    reply: Reply,
    relay: str,
) -> bytes:
    """Complete a *line*, see ``opening``, about (number from 0, address) of a message.

    What ``Event`` would make of them, only quicker: each delivery has one.
    """
    if queue_id:
        line += f',"id":{_name(queue_id)}'
    line += _said(relay, reply.code, reply.enhanced, reply.text)
    if recipients:
        line += f',"recipients":{_pairs(recipients, first=0)}'
    return f'{line},"pid":{pid}}}\n'.encode()


def endings(
    messages: Iterable[tuple[str, str]], now: float, pid: int
) -> Iterator[bytes]:
    """Yield lines that tell of *messages*, (queue id, directory), as finished.

    What ``Event`` would make of them, in a third of the time: each message has one.
    """
    begin = opening(now, Kind.FINISHED)
    for queue_id, directory in messages:
        yield (
            f'{begin},"id":{_name(queue_id)},"directory":{_name(directory)}'
            f',"pid":{pid}}}\n'
        ).encode()


def _json(text: bytes | str) -> str:
    """Return text, escaped."""
    return encode_basestring(printable(text))


_name = lru_cache(maxsize=2048)(_json)  # for what comes again and again, or once more


def _said(relay: str, code: int, status: bytes, text: bytes | str) -> str:
    """Return the members about who said what."""
    said = f',"relay":{_name(relay)}' if relay else ""
    if code:
        said += f',"code":{code}'
    if status:
        said += f',"status":{_name(status)}'
    if text:
        said += f',"text":{_json(text)}'
    return said


def _pairs(recipients: Sequence[tuple[int, bytes]], *, first: int = 1) -> str:
    """Return numbers from 1 and addresses; those of *recipients* begin at *first*."""
    more = 1 - first
    return f"[{','.join([f'[{n + more},{_json(a)}]' for n, a in recipients])}]"


def numbers(names: Iterable[str]) -> list[int]:
    """Return the numbers of the rotated files among *names*, oldest file first."""
    ends = [n.removeprefix(_PREFIX) for n in names if n.startswith(_PREFIX)]
    return sorted(map(int, filter(str.isdecimal, ends)), reverse=True)


def numbered(number: int) -> str:
    """Return the name of the file with *number*; 0 is the current one."""
    return f"{_PREFIX}{number}" if number else FILE
