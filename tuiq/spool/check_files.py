"""Checks the names in one queue directory: kinds, owners, links, company.

Reads everything and changes nothing, takes no message lock.  What it finds may
be gone a moment later: a finding that a running sequence explains is looked at
twice before it is told.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tuiq.log import printable
from tuiq.spool import mend
from tuiq.spool.check_message import check_message
from tuiq.spool.check_place import CheckedPlace, check_owner
from tuiq.spool.finding import Finding, Kind
from tuiq.spool.layout import FILE_MODE, FOLDERS, SERVICE_FILES, split_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REMOVAL = 0.3
"""Seconds within which a runner has removed the data of a message that is over, as a
rule: its control file goes first."""


@dataclass(slots=True, kw_only=True)
class FileCheck:
    """One pass over a queue directory."""

    place: CheckedPlace
    # What the pass has seen; filled by run().
    messages: dict[str, Path] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    others: list[tuple[str, Path]] = field(default_factory=list)

    def run(self) -> Iterator[Finding]:
        """Yield what is wrong; fills ``live`` with the ids whose MSTATE is Q."""
        places = [self.place.directory]
        places += [self.place.directory / sub for sub in FOLDERS]
        for place in places:
            if place.is_dir():
                yield from self._place(place)
        for queue_id, path in sorted(self.messages.items()):
            yield from check_message(self.place, queue_id, path, self.live)
        orphans = [
            (queue_id, path)
            for queue_id, path in self.others
            if queue_id not in self.messages and self._is_left(path)
        ]
        if orphans:
            time.sleep(REMOVAL)
        for queue_id, path in orphans:
            yield from self._orphan(queue_id, path)

    # -- names -----------------------------------------------------------------

    def _place(self, place: Path) -> Iterator[Finding]:
        for name in sorted(os.listdir(place)):
            path = place / name
            try:
                info = path.lstat()
            except FileNotFoundError:
                continue
            yield from self._name(place, path, info)

    def _name(self, place: Path, path: Path, info: os.stat_result) -> Iterator[Finding]:
        top = place == self.place.directory
        if top and path.name in FOLDERS and stat.S_ISDIR(info.st_mode):
            return
        parts = split_name(path.name)
        if parts is None:
            if top and path.name in SERVICE_FILES:
                yield from self._file(path, info)
            else:
                yield self._foreign(path, info)
            return
        bad = list(self._file(path, info))
        yield from bad
        if any(finding.kind is Kind.NOT_A_FILE for finding in bad):
            return
        home = self.place.home(parts[0])
        if place != home:
            yield self._misplaced(path, home)
        elif parts[0] == "qf":
            self.messages[parts[1]] = path
        else:
            self.others.append((parts[1], path))

    def _foreign(self, path: Path, info: os.stat_result) -> Finding:
        if stat.S_ISDIR(info.st_mode):
            return Finding(
                kind=Kind.FOREIGN,
                path=printable(str(path)),
                reason="is a directory that does not belong to tuiq",
                remedy="move it out of the spool",
            )
        return Finding(
            kind=Kind.FOREIGN,
            path=printable(str(path)),
            reason="is not a queue file of tuiq",
            remedy=f"move it out of the spool (--repair: to {self.place.spool}/reject)",
            repair=partial(mend.reject, self.place.spool, [path]),
        )

    def _misplaced(self, path: Path, home: Path) -> Finding:
        return Finding(
            kind=Kind.MISPLACED,
            path=str(path),
            reason=f"is not looked at there: such files belong in {home}",
            remedy=f"mv {path} {home}/",
            repair=partial(mend.move_into_place, path, home / path.name),
        )

    def _file(self, path: Path, info: os.stat_result) -> Iterator[Finding]:
        """Check kind, links, owner and mode of a file of tuiq's."""
        if not stat.S_ISREG(info.st_mode):
            yield Finding(
                kind=Kind.NOT_A_FILE,
                path=str(path),
                reason=f"is {_kind_of(info.st_mode)} instead of a plain file",
                remedy="find out who put it there, and move it out of the spool",
                repair=partial(mend.reject, self.place.spool, self._company(path)),
            )
            return
        if info.st_nlink > 1:
            device = os.path.dirname(self.place.spool)
            yield Finding(
                kind=Kind.HARD_LINK,
                path=str(path),
                reason=f"has {info.st_nlink} names, so others may hold or change it",
                remedy=f"find the others with: find {device} -samefile {path}; "
                "and remove them",
            )
        yield from check_owner(path, info, self.place.uid, self.place.gid)
        mode = stat.S_IMODE(info.st_mode)
        if mode & ~FILE_MODE:
            yield Finding(
                kind=Kind.WRONG_MODE,
                path=str(path),
                reason=f"has mode {mode:04o} instead of {FILE_MODE:04o}",
                remedy=f"chmod {FILE_MODE:04o} {path}",
                repair=partial(mend.set_mode, path, FILE_MODE),
            )

    def _company(self, path: Path) -> list[Path]:
        """Return what goes with *path*: with a control file's name, its data."""
        kind, queue_id = split_name(path.name) or ("", "")
        kinds = ("df", "bf", "xf") if kind == "qf" else ()
        return [*(self.place.home(each) / (each + queue_id) for each in kinds), path]

    def _is_left(self, path: Path) -> bool:
        """Say whether a file is old, and nobody works on it."""
        try:
            old = self.place.now - path.lstat().st_mtime >= self.place.orphan_age
            return old and not mend.is_locked(path)
        except (FileNotFoundError, PermissionError):
            return False

    def _orphan(self, queue_id: str, path: Path) -> Iterator[Finding]:
        """Report a file without its message, unless somebody is making one of it."""
        if not self._is_left(path):
            return
        message = self.place.home("qf") / ("qf" + queue_id)
        if os.path.lexists(message):
            return
        yield Finding(
            kind=Kind.ORPHAN,
            path=str(path),
            reason="has no message, and nobody is working on it",
            remedy="nothing of it was ever accepted or it is delivered already; "
            "a runner removes it at its next start",
            repair=partial(mend.remove_garbage, path, unless=message),
        )


_KINDS = (
    (stat.S_ISLNK, "a symlink"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
)


def _kind_of(mode: int) -> str:
    return next((name for test, name in _KINDS if test(mode)), "a device")
