"""The audit log: one file per action in ``<spool>/audit/``, written as it happens.

A file is named by its action's id, ``<UTC date>-<UTC time>-<6 more>.jsonl``; names
sort by time.  Its lines are JSON objects in ASCII, each with ``event``:

``started``   first: ``action``, ``at``, ``verb``, ``scope`` (what was asked for),
              ``filter`` (canonical, or empty), ``reason``, ``count`` of messages, the
              members of ``Actor`` (``who``, ``uid``, ``user``, ``sudo_user``,
              ``login_user``, ``remote``, ``tty``, ``pid``, ``host``), ``undoes`` (the
              action that this one takes back, or empty) and ``details`` (of a pause:
              ``scope``, ``name``, ``until``; else empty)
``target``    one per message of the frozen selection, before anything is done:
              ``id``, ``birth``, ``recipients`` (slots meant; null = all),
              ``unsettled``, ``held`` (slots), ``hold`` (of the whole message)
``answer``    one per message, when its change is durable: ``at``, ``id``,
              ``recipients``, ``result``, ``text``, ``changed`` (slots)
``finished``  last: ``at``, ``complete`` (false: stopped in between), and how many
              messages were ``acted``, ``gone``, ``in_flight``, ``refused``
``undone``    appended later: ``at``, ``by`` (the action that took this one back)

Instants are epoch seconds; slots count from 0 and are written as ``0-3,7``.  The
lines before the first answer are synced before anything is done, answers every
thousand and at the end.  A file without ``finished`` belongs to an action that
still runs or that died: targets without an answer may or may not have been changed.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tuiq.actions.actor import Actor
from tuiq.actions.items import Item
from tuiq.actions.slots import encode_slots
from tuiq.log import printable
from tuiq.spool.answers import Answer, Result
from tuiq.spool.layout import base32

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuiq.clock import Clock
    from tuiq.spool import Spool

SUFFIX = ".jsonl"
_ACTION = re.compile(r"\d{8}-\d{6}-[0-9a-z]{6}")
_SYNC_EVERY = 1000
"""Lines that are written in one go, and answers that are synced together."""
_NEW = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_MORE = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
COUNTED = {
    Result.ACTED: "acted",
    Result.GONE: "gone",
    Result.IN_FLIGHT: "in_flight",
    Result.REFUSED: "refused",
}


def _new_action(now: float) -> str:
    """Return an id that sorts by time: 30 µs apart, and by chance within that."""
    second = int(now)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(second))
    fraction = base32(int((now - second) * 32**3), 3)
    return f"{stamp}-{fraction}{base32(secrets.randbits(15), 3)}".lower()


def is_action(text: str) -> bool:
    """Say whether *text* has the shape of an action's id."""
    return _ACTION.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Who asked for what: the first line of an action's file."""

    verb: str
    actor: Actor
    scope: str
    filter: str = ""
    reason: str = ""
    undoes: str = ""
    """The action that is taken back; empty: none."""
    details: dict[str, Any] = field(default_factory=dict)
    """What a pause stopped: ``scope``, ``name``, ``until``."""
    action: str = ""
    """Given when the log is opened."""
    at: float = 0.0
    """Epoch seconds; set when the log is opened."""
    count: int = 0


class ActionLog:
    """The open file of one running action."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        make_room: Callable[[], bool] = lambda: False,
    ) -> None:
        """Create the file; the directory is made when it is missing.

        *make_room* is called when the disk is full and says whether it helped: mail
        must be deletable just then.
        """
        self._clock = clock
        self._make_room = make_room
        directory.mkdir(mode=0o700, exist_ok=True)
        self.action = _new_action(clock.now())
        self._fd = os.open(directory / (self.action + SUFFIX), _NEW, 0o600)
        os.fchmod(self._fd, 0o600)
        _sync_directory(directory)
        # Counts of answers, and how many were not synced yet.
        self._counts: Counter[Result] = Counter()
        self._unsynced = 0

    def start(self, start: Start, items: Sequence[Item] = ()) -> None:
        """Write down, durably, what is about to be done."""
        head = asdict(start)
        actor = head.pop("actor")
        head |= {"action": self.action, "at": self._clock.now(), "count": len(items)}
        self._write([{"event": "started", **head, **actor}])
        for at in range(0, len(items), _SYNC_EVERY):
            self._write([_target_line(item) for item in items[at : at + _SYNC_EVERY]])
        os.fsync(self._fd)

    def answer(self, answer: Answer) -> None:
        """Write down what became of one target."""
        self._counts[answer.result] += 1
        slots = answer.target.recipients
        line = {
            "event": "answer",
            "at": self._clock.now(),
            "id": answer.target.queue_id,
            "recipients": None if slots is None else encode_slots(slots),
            "result": answer.result.value,
            "text": printable(answer.text),
            "changed": encode_slots(answer.changed),
        }
        self._write([line])
        self._unsynced += 1
        if self._unsynced >= _SYNC_EVERY:
            self._unsynced = 0
            os.fdatasync(self._fd)

    def finish(self, *, complete: bool) -> None:
        """Write the summary, durably, and close the file."""
        counts = {name: self._counts[result] for result, name in COUNTED.items()}
        line = {"event": "finished", "at": self._clock.now(), "complete": complete}
        try:
            self._write([line | counts])
            os.fsync(self._fd)
        finally:
            os.close(self._fd)

    def _write(self, lines: list[dict[str, Any]]) -> None:
        _write_lines(self._fd, lines, self._make_room)


def open_log(spool: Spool) -> ActionLog:
    """Begin the account of an action on *spool*."""
    return ActionLog(
        spool.path / "audit",
        spool.clock,
        make_room=lambda: any([d.free_reserve() for d in spool.directories]),
    )


def _target_line(item: Item) -> dict[str, Any]:
    slots = item.target.recipients
    return {
        "event": "target",
        "id": item.target.queue_id,
        "birth": item.target.birth,
        "recipients": None if slots is None else encode_slots(slots),
        "unsettled": item.unsettled,
        "hold": item.hold,
        "held": item.held,
    }


def _write_lines(
    fd: int,
    lines: list[dict[str, Any]],
    make_room: Callable[[], bool] = lambda: False,
) -> None:
    # DEL is the one control character that JSON leaves as it is.
    text = "".join(json.dumps(line).replace("\x7f", "\\u007f") + "\n" for line in lines)
    data = memoryview(text.encode("ascii"))
    while data:
        try:
            data = data[os.write(fd, data) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not make_room():
                raise


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def mark_undone(directory: Path, action: str, *, by: str, at: float) -> None:
    """Append to the file of *action* that *by* took it back."""
    fd = os.open(directory / (action + SUFFIX), _MORE)
    try:
        _write_lines(fd, [{"event": "undone", "at": at, "by": by}])
        os.fsync(fd)
    finally:
        os.close(fd)
