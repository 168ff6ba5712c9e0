"""What the scanner sends: messages packed into bytes, without an object per message.

A ``Block`` is what one round of reading found in one queue directory: a fixed record
per message and, once each, the texts that records name by number.  Plain bytes and
lists: it crosses a pipe, and its reader takes it in with a few array operations.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiq.actions.filter_match import codes_of, has_codes, open_recipients
from tuiq.actions.filter_text import domain_of
from tuiq.spool.entry import State
from tuiq.spool.flags import OPEN, MState
from tuiq.tui.index.reasons import classify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiq.spool.entry import QueueEntry, RecipientView

STATES = tuple(State)
"""The state words by their numbers in columns."""
STATE_NUMBERS = {state: number for number, state in enumerate(STATES)}
ELSEWHERE = frozenset(
    state.value for state in (MState.PENDING, MState.MOVED, MState.FINISHED)
)
"""What lies in a directory and is no message of it."""

RECORD = struct.Struct("<19sBHqqQ14I")
"""One message; the fields are those of ``RECORD_FIELDS``."""
RECORD_FIELDS = (
    ("id", "S19"),
    ("rest", "u1"),  # the state when it is neither locked nor paused
    ("flags", "u2"),
    ("birth", "i8"),
    ("ctime", "i8"),
    ("size", "u8"),
    ("count", "u4"),
    ("left", "u4"),
    ("tries", "u4"),
    ("next", "u4"),
    ("last", "u4"),
    ("base", "u4"),
    ("sender", "u4"),
    ("sdomain", "u4"),  # the sender's domain
    ("domain", "u4"),
    ("reply", "u4"),
    ("reason", "u4"),  # the class of the reply
    ("codes", "u4"),
    ("mix", "u4"),  # where its domains stand in ``mixes``, from 1; 0 = only one
    ("length", "u4"),  # of its recipient in ``recipients``
)
TEXT_TABLES = ("sender", "sdomain", "domain", "reply", "reason", "codes")
"""Fields of a record that are numbers of texts."""

DAMAGE, CORRUPT, HELD, TODO, FLUSH = 1, 2, 4, 8, 16
FOREIGN = 32
WAITING = 64
"""Some recipient waits for an attempt, or is in one."""
ODD = 128
"""Its header carries another id than its file's name."""
LIVE = 256
MANY = 512
"""More than one recipient counts for filters; the row shows the first."""
CODES_DIFFER = 1024
NOBODY = 2048
"""No recipient can be read."""


@dataclass(slots=True, kw_only=True)
class Block:
    """What was found in one queue directory."""

    directory: str
    records: bytes = b""
    recipients: bytes = b""
    """One after the other, cut by the records' lengths."""
    texts: dict[str, list[bytes]] = field(default_factory=dict)
    """By the name of the field whose numbers point into it."""
    mixes: bytes = b""
    """32 bit numbers: how many, then (domain, open, waiting) for each."""
    gone: bytes = b""
    """Ids that were looked for and are no messages of the directory (any more)."""
    background: bool = False
    """Whether nobody asked for it and nothing told of a change."""


@dataclass(slots=True, kw_only=True)
class Names:
    """A piece of a directory's list."""

    directory: str
    scan: int
    """The number of the scan; grows."""
    ids: bytes
    """19 characters each."""
    whole: bool = False
    """Whether the scanner goes on to read them all by itself."""
    last: bool = False
    """Whether the list ends with it."""


@dataclass(slots=True, kw_only=True)
class Vanished:
    """A queue directory is not there any more."""

    directory: str


@dataclass(slots=True, kw_only=True)
class Verdicts:
    """What reading said about one term of a filter."""

    number: int
    """The number of the question."""
    ids: bytes
    fits: bytes
    """One byte per id: 1 or 0."""


@dataclass(slots=True, kw_only=True)
class Told:
    """How the scanner is doing."""

    scanning: bool = False
    share: float = 0.0
    """Part of what has to be read that was read; 0 while that is not known."""
    read: int = 0
    """Messages read since the scan began."""
    backlog: int = 0
    interval: float = 0.0
    """Seconds between two lists of directories that tell of no changes; 0: all do."""
    polled: str = ""
    """Why they tell of none, in a word or two: ``nfs4``."""
    lists: int = 0
    """How often all directories were listed."""
    notes: tuple[str, ...] = ()
    """One sentence per directory with trouble."""
    ill: bool = False
    """Whether some directory cannot be read."""


Report = Block | Names | Vanished | Verdicts | Told


class Packer:
    """Fills one block."""

    def __init__(self, directory: str) -> None:
        """Begin a block of *directory*."""
        self.directory = directory
        self.count = 0
        self._records: list[bytes] = []
        self._recipients: list[bytes] = []
        self._texts: dict[str, dict[bytes, int]] = {name: {} for name in TEXT_TABLES}
        self._mixes = array("I")
        self._gone: list[str] = []

    def add_gone(self, queue_id: str) -> None:
        """Note that there is no such message."""
        self._gone.append(queue_id)

    def add(self, name: str, entry: QueueEntry, ctime_ns: int) -> None:
        """Take in the message whose control file is called by *name*."""
        views = open_recipients(entry)
        first = views[0].address if views else b""
        flags = _flags(entry, name, len(views))
        codes = [_codes(entry, view) for view in views] if has_codes(entry) else []
        if codes and codes.count(codes[0]) != len(codes):
            flags |= CODES_DIFFER
        self._recipients.append(first)
        self.count += 1
        self._records.append(
            RECORD.pack(
                name.encode(),
                STATE_NUMBERS[entry.state()],
                flags,
                min(entry.header.birth_us, _LATEST),
                ctime_ns,
                entry.size,
                entry.count,
                entry.left,
                _soft(entry.tries),
                _soft(entry.next_attempt),
                _soft(entry.last_attempt),
                _soft(entry.base),
                self._text("sender", entry.sender),
                self._text("sdomain", domain_of(entry.sender)),
                self._text("domain", domain_of(first)),
                self._text("reply", entry.last_reply),
                self._text("reason", _class_of(entry.last_reply)),
                self._text("codes", codes[0] if codes else b""),
                self._mix(views) if len(views) > 1 else 0,
                len(first),
            )
        )

    def _text(self, table: str, text: bytes) -> int:
        known = self._texts[table]
        return known.setdefault(text, len(known))

    def _mix(self, views: Sequence[RecipientView]) -> int:
        """Note the domains of several recipients; 0 when they have one together."""
        found: dict[bytes, list[int]] = {}
        for view in views:
            counts = found.setdefault(domain_of(view.address), [0, 0])
            counts[0] += view.state in OPEN
            counts[1] |= view.state in b"TA"
        if len(found) == 1:
            return 0
        at = len(self._mixes) + 1
        self._mixes.append(len(found))
        for domain, (still_open, waiting) in found.items():
            self._mixes.extend((self._text("domain", domain), still_open, waiting))
        return at

    def block(self, *, background: bool = False) -> Block:
        """Return what was taken in."""
        return Block(
            directory=self.directory,
            records=b"".join(self._records),
            recipients=b"".join(self._recipients),
            texts={name: list(known) for name, known in self._texts.items()},
            mixes=self._mixes.tobytes(),
            gone="".join(self._gone).encode(),
            background=background,
        )


_LATEST = 2**63 - 1


def _soft(number: int) -> int:
    """Return a number that a file may make up as one that fits a column."""
    return min(max(number, 0), 0xFFFFFFFF)


def _class_of(reply: bytes) -> bytes:
    return classify(reply).pattern.encode("utf-8", "surrogateescape")


def _codes(entry: QueueEntry, view: RecipientView) -> bytes:
    return " ".join(codes_of(entry, view)).encode("utf-8", "surrogateescape")


def _flags(entry: QueueEntry, name: str, recipients: int) -> int:
    states = entry.states
    conditions = (
        (DAMAGE, bool(entry.damage)),
        (CORRUPT, bool(entry.damage) or entry.mstate == b"C"),
        (HELD, entry.is_held),
        (TODO, b"T" in states),
        (FLUSH, entry.flush_pending),
        (FOREIGN, entry.mstate == b"?"),
        (WAITING, b"T" in states or b"A" in states),
        (ODD, entry.queue_id != name),
        (LIVE, entry.is_live),
        (MANY, recipients > 1),
        (NOBODY, not recipients),
    )
    return sum(flag for flag, holds in conditions if holds)
