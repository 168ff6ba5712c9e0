"""Pausing and resuming: the spool, a queue directory, a destination."""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.audit import Start, mark_undone, open_log
from tuiq.errors import UsageError
from tuiq.log import printable
from tuiq.spool.pauses import Scope, file_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.actions.actor import Actor
    from tuiq.spool import Spool

WORDS = {
    "spool": Scope.SPOOL,
    "queue": Scope.DIRECTORY,
    "destination": Scope.DESTINATION,
}
"""What an operator calls each scope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is paused: the spool, a queue directory or a destination."""

    scope: Scope
    name: str = ""
    """The directory's name, the domain or the next hop; empty for the spool."""
    key: str = ""
    """What the pause file goes by: the directory's UUID, else the name."""

    def __str__(self) -> str:
        """Return ``spool``, ``queue q.1`` or ``destination example.org``."""
        word = next(word for word, scope in WORDS.items() if scope is self.scope)
        return printable(f"{word} {self.name}".rstrip())


def place(spool: Spool, words: list[str]) -> Place:
    """Return what *words* name; nothing at all is the spool; raise UsageError."""
    word, *rest = words or ["spool"]
    scope = WORDS.get(word)
    if scope is None or len(rest) != (scope is not Scope.SPOOL):
        raise UsageError(
            f"{printable(' '.join(words))}: say spool, queue NAME or destination NAME"
        )
    if scope is Scope.SPOOL:
        return Place(scope=scope)
    if scope is Scope.DESTINATION:
        name = rest[0].lower()
        return Place(scope=scope, name=name, key=name)
    uuids = {directory.name: directory.uuid for directory in spool.directories}
    if rest[0] not in uuids:
        near = difflib.get_close_matches(rest[0], uuids, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(uuids)}"
        raise UsageError(f"{printable(rest[0])}: no such queue directory; {hint}")
    return Place(scope=scope, name=rest[0], key=uuids[rest[0]])


def pause(
    spool: Spool,
    where: Place,
    *,
    actor: Actor,
    until: int = 0,
    reason: str = "",
    undoes: str = "",
) -> str:
    """Start no further transaction there; return the action's id.

    *until* is in epoch seconds, 0 = until somebody resumes it.
    """
    details = {"scope": where.scope.value, "name": where.name, "until": until}
    start = Start(
        verb="pause",
        actor=actor,
        scope=str(where),
        reason=reason,
        undoes=undoes,
        details=details,
    )
    with logged(spool, start) as action:
        spool.pauses.pause(
            where.scope, where.key, who=actor.who, reason=reason, until=until
        )
    return action


def resume(
    spool: Spool, where: Place, *, actor: Actor, reason: str = "", undoes: str = ""
) -> str:
    """End a pause; return the action's id; raise UsageError when there is none."""
    file = file_name(where.scope, where.key)
    ended = spool.pauses.current().by_file.get(file)
    if ended is None:
        raise UsageError(f"{where}: is not paused; see tuiq status")
    details = {
        "scope": where.scope.value,
        "name": where.name,
        "until": ended.until,
        "who": ended.who,
        "reason": ended.reason,
    }
    start = Start(
        verb="resume",
        actor=actor,
        scope=str(where),
        reason=reason,
        undoes=undoes,
        details=details,
    )
    with logged(spool, start) as action:
        spool.pauses.resume(where.scope, where.key)
    return action


@contextmanager
def logged(spool: Spool, start: Start) -> Iterator[str]:
    """Write down what is done in the block, and that it is done."""
    log = open_log(spool)
    log.start(start)
    complete = False
    try:
        yield log.action
        complete = True
    finally:
        log.finish(complete=complete)
    if start.undoes:
        mark_undone(
            spool.path / "audit", start.undoes, by=log.action, at=spool.clock.now()
        )


def undo_pause(spool: Spool, start: Start, *, actor: Actor, reason: str = "") -> str:
    """Take back a pause or a resume; return the new action's id.

    A pause that would have ended meanwhile is not made again: UsageError.
    """
    details = start.details
    scope = Scope(details["scope"])
    words = [next(word for word, known in WORDS.items() if known is scope)]
    where = place(spool, words + ([details["name"]] if details["name"] else []))
    if start.verb == "pause":
        return resume(spool, where, actor=actor, reason=reason, undoes=start.action)
    if 0 < details["until"] <= spool.clock.now():
        raise UsageError(f"{start.action}: that pause would be over by now")
    return pause(
        spool,
        where,
        actor=actor,
        until=details["until"],
        reason=reason or details["reason"],
        undoes=start.action,
    )
