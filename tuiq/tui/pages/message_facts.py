"""What the files of one message say; read in a thread, shown by pane and view."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiq.actions.explain import recipient_reasons
from tuiq.actions.filter_text import domain_of
from tuiq.actions.recipient_words import STATE_WORDS, state_word
from tuiq.errors import MessageGone, SpoolError
from tuiq.mail import headers
from tuiq.spool.entry import State
from tuiq.spool.flags import RReq, RState
from tuiq.spool.journal import FILE, OUTCOMES, Kind
from tuiq.spool.reading import read_entry
from tuiq.spool.trace import Record, open_all, parse, trace
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuiq.actions.circumstances import Circumstances
    from tuiq.spool.entry import QueueEntry, RecipientView
    from tuiq.spool.spool import Spool

HEAD_BYTES = 4 * 1024
"""What is read of a message for its subject."""
DATA_BYTES = 64 * 1024
"""What is read of a message for the preview of its body and for Raw."""
QUICK_JOURNAL = 8 * 1024 * 1024
"""Bytes of the journal that the pane looks through; the view looks through all."""
_TAIL = 64 * 1024
_TOGETHER = 1.0
"""Seconds between outcomes, to several servers perhaps, that were one attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One message at one moment."""

    entry: QueueEntry
    recipients: Sequence[RecipientView]
    reasons: dict[int, bytes]
    """Slot -> what was last said about it."""
    data: bytes
    """The beginning of the message as it is sent."""
    trouble: str = ""
    """Why the data cannot be read; clean."""
    attempts: tuple[float, ...] = ()
    """When it was tried, as ``History`` has it; empty without the journal."""

    @property
    def head(self) -> bytes:
        """Return the header block, or what was read of it."""
        return split_head(self.data)[0]

    @property
    def subject(self) -> str:
        """Return the decoded Subject, clean; empty without one."""
        found = headers.values(self.head, b"subject")
        return clean(headers.decode(found[0])) if found else ""

    def destination(self, view: RecipientView, around: Circumstances) -> str:
        """Return where a recipient's mail goes next, as pauses name it."""
        return around.routes.key(self.entry.sender, domain_of(view.address)).name


def split_head(data: bytes) -> tuple[bytes, bytes]:
    """Return header block and body; either line end serves, all else is body."""
    if data.startswith((b"\r\n", b"\n")):
        return b"", data.lstrip(b"\r").removeprefix(b"\n")
    ends = [(at, end) for end in (b"\r\n\r\n", b"\n\n") if (at := data.find(end)) >= 0]
    if not ends:
        return data, b""
    at, end = min(ends)
    return data[:at] + end[: len(end) // 2], data[at + len(end) :]


def read_facts(
    spool: Spool, queue_id: str, directory: str = "", *, limit: int = HEAD_BYTES
) -> Facts | None:
    """Read a message and *limit* bytes of its data, 0: none; None when it is gone.

    Nothing is raised: what cannot be read is told in ``trouble``.
    """
    entry = _entry(spool, queue_id, directory)
    if entry is None:
        return None
    data, trouble = b"", ""
    try:
        data = spool.read_data(entry, limit=limit) if limit else b""
    except MessageGone:
        name = spool.directory(entry.directory).path_of("df" + queue_id)
        trouble = f"{clean(name)}: cannot be read; see tuiq check"
    except OSError as error:
        trouble = f"its data cannot be read: {clean(str(error.strerror)).lower()}"
    views = entry.recipients()
    home = spool.directory(entry.directory)
    return Facts(
        entry=entry,
        recipients=views,
        reasons=recipient_reasons(home, entry, views),
        data=data,
        trouble=trouble,
    )


def _entry(spool: Spool, queue_id: str, directory: str) -> QueueEntry | None:
    """Return a message, looked for in *directory* first."""
    try:
        found = read_entry(spool.directory(directory), queue_id) if directory else None
        return found or spool.entry(queue_id)
    except (SpoolError, OSError):
        return None


@dataclass(slots=True)
class History:
    """What the journal tells about one message."""

    records: list[Record] = field(default_factory=list)
    trouble: str = ""
    """Why the journal cannot be read; clean."""

    @property
    def outcomes(self) -> list[Record]:
        """Return how attempts ended: of one as many as there were different replies."""
        return [record for record in self.records if record.event in OUTCOMES]

    @property
    def attempts(self) -> tuple[float, ...]:
        """Return when it was tried: the journal tells of attempts by their ends."""
        times: list[float] = []
        last = float("-inf")
        for record in self.outcomes:
            if record.time - last > _TOGETHER:
                times.append(record.time)
            last = record.time
        return tuple(times)


def read_history(
    journal: Path, queue_id: str, *, stop: Callable[[], bool] = lambda: False
) -> History:
    """Read what the journal says about a message, until *stop*."""
    history = History()
    try:
        for record in trace(journal, queue_id):
            history.records.append(record)
            if stop():
                break
    except OSError as error:
        history.trouble = f"{clean(str(journal))}: {clean(str(error.strerror)).lower()}"
    return history


def journal_size(journal: Path) -> int:
    """Return the bytes of all journal files."""
    try:
        return sum(path.stat().st_size for path in journal.glob(FILE + "*"))
    except OSError:
        return 0


def last_delivery(journal: Path) -> float | None:
    """Return when a message was delivered last, as far as the journal's end tells."""
    try:
        files = open_all(journal)
    except OSError:
        return None
    latest = None
    for file in files:
        with file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            records = map(parse, file.read().split(b"\n"))
            times = [r.time for r in records if r and r.event == Kind.DELIVERED]
            latest = times[-1] if times else latest
    return latest


# The words and signs for recipients.

_SIGNS = {
    RState.TODO.value: ("…", Role.DEFERRED),
    RState.ATTEMPT.value: ("▶", Role.ACTIVE),
    RState.UNKNOWN.value: ("?", Role.DOUBT),
    RState.DELIVERED.value: ("✓", Role.GOOD),
    RState.FAILED.value: ("✗", Role.FAILED),
    RState.BOUNCED.value: ("✗", Role.FAILED),
    RState.CANCELLED.value: ("-", Role.TRASHED),
}


def recipient_word(view: RecipientView, message: State | None = None) -> str:
    """Return the state of a recipient in words, with what was asked for it.

    *message* is the state of its message, which may keep it from being tried.
    """
    word = state_word(view)
    if word != STATE_WORDS[RState.TODO.value]:
        return word
    if message in (State.HELD, State.PAUSED):
        return message.value
    return "deferred" if view.tries else word


def recipient_sign(view: RecipientView) -> tuple[str, Role]:
    """Return the sign of a recipient's state and its role."""
    if view.state == RState.TODO and view.request == RReq.HOLD:
        return "=", Role.HELD
    return _SIGNS.get(view.state, ("!", Role.DAMAGED))
