"""Values of pauses: what one stops, the set that counts, the content of a file.

Nothing here does I/O; the files are the business of ``pauses``, which describes
their format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from tuiq.errors import InputError
from tuiq.log import printable

_UUID = re.compile(rb"[0-9A-Za-z-]{1,64}")


class Scope(StrEnum):
    """What a pause stops; the value is how its file name begins."""

    SPOOL = "spool"
    DIRECTORY = "dir."
    DESTINATION = "dom."


def file_name(scope: Scope, name: bytes | str = b"") -> str:
    """Return the file's name; *name* is a UUID, a domain or a next hop."""
    if scope is Scope.SPOOL:
        return scope.value
    raw = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    if scope is Scope.DIRECTORY:
        if not _UUID.fullmatch(raw):
            raise InputError(f"{printable(name)}: is no UUID of a queue directory")
        return scope.value + raw.decode("ascii")
    return scope.value + sha256(raw.lower()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One pause that counts."""

    scope: Scope
    file: str
    """Its name in ``pauses/``."""
    name: str = ""
    """What is paused, escaped; empty for the spool or when it cannot be read."""
    until: int = 0
    """Epoch seconds; 0 = until somebody resumes it."""
    since: int = 0
    """Epoch seconds; 0 = unknown."""
    who: str = ""
    reason: str = ""
    damage: str = ""
    """One sentence when the file cannot be understood (it pauses all the same)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSet:
    """All pauses that count at one moment; lookups do no I/O."""

    pauses: tuple[Pause, ...] = ()
    """Sorted by file name."""
    by_file: dict[str, Pause] = field(default_factory=dict)
    spool: Pause | None = None
    """The pause of the whole spool."""

    def directory(self, uuid: str) -> Pause | None:
        """Return the pause of the queue directory with this UUID."""
        return self.by_file.get(Scope.DIRECTORY.value + uuid) if self.by_file else None

    def destination(self, name: bytes | str) -> Pause | None:
        """Return the pause of this recipient domain or next hop."""
        if not self.by_file:
            return None
        return self.by_file.get(file_name(Scope.DESTINATION, name))

    def first(
        self, *, uuid: str, domain: bytes | str, next_hop: bytes | str
    ) -> Pause | None:
        """Return the widest pause in the way of mail to *domain*, if any."""
        if not self.by_file:
            return None
        return (
            self.spool
            or self.directory(uuid)
            or self.destination(next_hop)
            or self.destination(domain)
        )


NOTHING = PauseSet()


def scope_of(file: str) -> Scope | None:
    """Return what *file* pauses; None for ``.lock``, ``*.tmp``, foreign names."""
    if file == Scope.SPOOL.value:
        return Scope.SPOOL
    if file.endswith(".tmp"):
        return None
    scopes = (Scope.DIRECTORY, Scope.DESTINATION)
    return next((scope for scope in scopes if file.startswith(scope.value)), None)


def encode(pause: Pause) -> bytes:
    """Return the content of a pause file."""
    fields = (pause.until, pause.since, pause.who, pause.name, pause.reason)
    return ("H\n" + "".join(f"{value}\n" for value in fields)).encode()


def decode(file: str, content: bytes) -> Pause | None:
    """Return the pause in *content*; None when it was resumed."""
    if content[:1] == b"-":
        return None
    lines = _lines(content)
    if lines is None or lines[0] != "H":
        return damaged(file, "is not a pause file of this tuiq, or damaged")
    try:
        until, since = int(lines[1]), int(lines[2])
    except ValueError:
        return damaged(file, "has a time that cannot be read")
    if until < 0:
        return damaged(file, "has a time that cannot be read")
    return Pause(
        scope=scope_of(file) or Scope.SPOOL,
        file=file,
        until=until,
        since=since,
        who=lines[3],
        name=lines[4],
        reason=lines[5],
    )


def _lines(content: bytes) -> list[str] | None:
    """Return the six lines, escaped again; None unless there are six whole ones."""
    *lines, rest = content.split(b"\n")
    if rest or len(lines) != 6:
        return None
    return [printable(line) for line in lines]


def damaged(file: str, reason: str) -> Pause:
    """Return the pause that a file counts as which nobody understands."""
    scope = scope_of(file) or Scope.SPOOL
    return Pause(
        scope=scope,
        file=file,
        name=file.removeprefix(Scope.DIRECTORY.value)
        if scope is Scope.DIRECTORY
        else "",
        damage=f"pauses/{printable(file)}: {reason}; it pauses until you remove it",
    )
