"""Reading the audit log: what ``audit`` wrote, as values.

A file whose writer died in the middle is read as far as it goes.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiq.actions.actor import Actor
from tuiq.actions.audit import COUNTED, SUFFIX, Start, is_action
from tuiq.actions.items import Item
from tuiq.actions.slots import decode_slots
from tuiq.errors import UsageError
from tuiq.log import printable
from tuiq.spool.answers import Answer, Result, Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Key = tuple[str, tuple[int, ...] | None]


def key_of(target: Target) -> Key:
    """Return what ties an answer to its target: the id and the slots meant."""
    return target.queue_id, target.recipients


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the file of one action says."""

    start: Start
    counts: dict[str, int] | None = None
    """By ``acted``, ``gone``, ``in_flight``, ``refused``; None: not finished."""
    done: int | None = None
    """Messages answered so far, where somebody counts with a ``Tally``."""
    complete: bool = False
    """Every target got an answer."""
    undone_by: str = ""
    """The last action that took this one back; empty: none."""
    items: dict[Key, Item] = field(default_factory=dict)
    """By ``key_of`` their targets; empty in listings."""
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
        action = name.removesuffix(SUFFIX)
        if name.endswith(SUFFIX) and is_action(action):
            record = glance(directory, action)
            if record is not None:
                yield record


def glance(directory: Path, action: str) -> Record | None:
    """Return one action without targets and answers; None: not understood.

    Raises OSError.
    """
    return _record(_ends(directory / (action + SUFFIX)), whole=False)


_END = 16 * 1024


def _ends(path: Path) -> bytes:
    """Return the first and the last lines of a file; all of a small one."""
    with path.open("rb") as file:
        head = file.read(_END)
        length = file.seek(0, os.SEEK_END)
        if length <= 2 * _END or b"\n" not in head:
            file.seek(0)
            return file.read()
        file.seek(length - _END)
        tail = file.read()
    return head[: head.rindex(b"\n") + 1] + tail[tail.index(b"\n") + 1 :]


_SKIPPED = (b'{"event": "target"', b'{"event": "answer"')


def _record(data: bytes, *, whole: bool) -> Record | None:
    """Decode a file; a last line that was cut short does not count."""
    found = _Found()
    for line in data.split(b"\n")[:-1]:
        if not whole and line.startswith(_SKIPPED):
            continue
        try:
            said = json.loads(line)
        except ValueError:
            continue
        found.take(said)
    head, last = found.head, found.last
    if head is None:
        return None
    return Record(
        start=_start(head),
        counts=None if last is None else {key: last[key] for key in COUNTED.values()},
        complete=last is not None and last["complete"],
        undone_by=found.undone_by,
        items=found.items,
        answers=tuple(found.answers),
    )


@dataclass(slots=True)
class _Found:
    """What the lines read so far say; those of messages become values at once."""

    head: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    undone_by: str = ""
    items: dict[Key, Item] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)

    def take(self, line: dict[str, Any]) -> None:
        match line.get("event"):
            case "started" if self.head is None:
                self.head = line
            case "finished" if self.last is None:
                self.last = line
            case "undone":
                self.undone_by = line["by"]
            case "target":
                item = _item(line)
                self.items[key_of(item.target)] = item
            case "answer":
                self.answers.append(_answer(line, self.items))


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


def _answer(line: dict[str, Any], items: dict[Key, Item]) -> Answer:
    target = Target(queue_id=line["id"], recipients=_slots(line["recipients"]))
    item = items.get(key_of(target))
    return Answer(
        target=item.target if item else target,
        result=Result(line["result"]),
        text=line["text"],
        changed=decode_slots(line["changed"]),
    )
