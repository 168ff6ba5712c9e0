"""The audit log: one file per action in ``<spool>/audit/``, written as it happens.

A file is named by its action's id, ``<UTC date>-<UTC time>-<6 random>.jsonl``; names
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

import json
import os
import re
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tuiq.actions.actor import Actor
from tuiq.actions.selection import Item
from tuiq.actions.slots import decode_slots, encode_slots
from tuiq.errors import UsageError
from tuiq.log import printable
from tuiq.spool.layout import base32
from tuiq.spool.verbs import Answer, Result, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tuiq.clock import Clock

SUFFIX = ".jsonl"
_ACTION = re.compile(r"\d{8}-\d{6}-[0-9a-z]{6}")
_SYNC_EVERY = 1000
_NEW = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_MORE = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_COUNTED = {
    Result.ACTED: "acted",
    Result.GONE: "gone",
    Result.IN_FLIGHT: "in_flight",
    Result.REFUSED: "refused",
}


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

    def __init__(self, directory: Path, clock: Clock, *, mode: int = 0o600) -> None:
        """Create the file; the directory is made when it is missing."""
        self._clock = clock
        directory.mkdir(mode=0o700, exist_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(clock.now()))
        unique = base32(int.from_bytes(os.urandom(4), "big") >> 2, 6).lower()
        self.action = f"{stamp}-{unique}"
        self._fd = os.open(directory / (self.action + SUFFIX), _NEW, mode)
        os.fchmod(self._fd, mode)
        _sync_directory(directory)
        # Counts of answers, and how many were not synced yet.
        self._counts: Counter[Result] = Counter()
        self._unsynced = 0

    def start(self, start: Start, items: Iterable[Item] = ()) -> None:
        """Write down, durably, what is about to be done."""
        targets = [_target_line(item) for item in items]
        head = asdict(start)
        actor = head.pop("actor")
        head |= {"action": self.action, "at": self._clock.now(), "count": len(targets)}
        self._write([{"event": "started", **head, **actor}, *targets])
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
        counts = {name: self._counts[result] for result, name in _COUNTED.items()}
        line = {"event": "finished", "at": self._clock.now(), "complete": complete}
        try:
            self._write([line | counts])
            os.fsync(self._fd)
        finally:
            os.close(self._fd)

    def _write(self, lines: list[dict[str, Any]]) -> None:
        _write_lines(self._fd, lines)


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


def _write_lines(fd: int, lines: list[dict[str, Any]]) -> None:
    # DEL is the one control character that JSON leaves as it is.
    text = "".join(json.dumps(line).replace("\x7f", "\\u007f") + "\n" for line in lines)
    data = memoryview(text.encode("ascii"))
    while data:
        data = data[os.write(fd, data) :]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the file of one action says."""

    start: Start
    counts: dict[str, int] | None = None
    """By ``acted``, ``gone``, ``in_flight``, ``refused``; None: not finished."""
    complete: bool = False
    """Every target got an answer."""
    undone_by: str = ""
    """The last action that took this one back; empty: none."""
    items: dict[str, Item] = field(default_factory=dict)
    """Targets by queue id; empty in listings."""
    answers: tuple[Answer, ...] = ()
    """Empty in listings."""


def read_action(directory: Path, action: str) -> Record:
    """Read one action whole; raise UsageError when there is no such action."""
    unknown = UsageError(f"{printable(action)}: no such action in {directory}")
    if not is_action(action):
        raise unknown
    try:
        data = (directory / (action + SUFFIX)).read_bytes()
    except FileNotFoundError:
        raise unknown from None
    record = _record(data, whole=True)
    if record is None:
        raise UsageError(f"{action}: its file in {directory} cannot be read")
    return record


def list_actions(directory: Path) -> Iterator[Record]:
    """Yield the actions, newest first, without targets and answers.

    A file that cannot be understood is left out.
    """
    try:
        names = sorted(os.listdir(directory), reverse=True)
    except FileNotFoundError:
        return
    for name in names:
        if name.endswith(SUFFIX) and is_action(name.removesuffix(SUFFIX)):
            record = _record((directory / name).read_bytes(), whole=False)
            if record is not None:
                yield record


_SKIPPED = (b'{"event": "target"', b'{"event": "answer"')


def _record(data: bytes, *, whole: bool) -> Record | None:
    """Decode a file; a last line that was cut short does not count."""
    lines = []
    for line in data.split(b"\n")[:-1]:
        if whole or not line.startswith(_SKIPPED):
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
    head = next((line for line in lines if line.get("event") == "started"), None)
    if head is None:
        return None
    last = next((line for line in lines if line["event"] == "finished"), None)
    undone = [line["by"] for line in lines if line["event"] == "undone"]
    items = [_item(line) for line in lines if line["event"] == "target"]
    by_id = {item.target.queue_id: item for item in items}
    answers = [_answer(x, by_id) for x in lines if x["event"] == "answer"]
    return Record(
        start=_start(head),
        counts=None if last is None else {key: last[key] for key in _COUNTED.values()},
        complete=last is not None and last["complete"],
        undone_by=undone[-1] if undone else "",
        items=by_id,
        answers=tuple(answers),
    )


_ACTOR = Actor.__slots__


def _start(head: dict[str, Any]) -> Start:
    actor = Actor(**{name: head[name] for name in _ACTOR})
    rest = {name: head[name] for name in Start.__slots__ if name != "actor"}
    return Start(actor=actor, **rest)


def _slots(text: str | None) -> tuple[int, ...] | None:
    return None if text is None else decode_slots(text)


def _item(line: dict[str, Any]) -> Item:
    return Item(
        target=Target(
            queue_id=line["id"],
            birth=line["birth"],
            recipients=_slots(line["recipients"]),
        ),
        unsettled=line["unsettled"],
        hold=line["hold"],
        held=line["held"],
    )


def _answer(line: dict[str, Any], items: dict[str, Item]) -> Answer:
    item = items.get(line["id"])
    return Answer(
        target=Target(
            queue_id=line["id"],
            birth=item.target.birth if item else None,
            recipients=_slots(line["recipients"]),
        ),
        result=Result(line["result"]),
        text=line["text"],
        changed=decode_slots(line["changed"]),
    )
