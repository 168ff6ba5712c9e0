"""What every check starts from: where it looks, whose it must be, how open it is."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tuiq.spool import mend
from tuiq.spool.finding import Finding, Kind
from tuiq.spool.layout import DIRECTORY_MODE, FOLDERS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPlace:
    """A queue directory and what its files are measured by."""

    spool: Path
    directory: Path
    """The queue directory, resolved."""
    uid: int
    """The queue user."""
    gid: int
    now: float
    orphan_age: float

    def home(self, prefix: str) -> Path:
        """Return where files of *prefix* belong: bf and tf lie beside the qf."""
        sub = self.directory / (prefix if prefix in FOLDERS else "qf")
        return sub if sub.is_dir() else self.directory


def check_owner(
    path: Path, info: os.stat_result, uid: int, gid: int
) -> Iterator[Finding]:
    """Yield a finding when *path* is not the queue user's."""
    if info.st_uid != uid:
        yield Finding(
            kind=Kind.WRONG_OWNER,
            path=str(path),
            reason=f"belongs to uid {info.st_uid} instead of {uid}",
            remedy=f"as root: chown {uid}:{gid} {path}",
            repair=partial(mend.set_owner, path, uid, gid),
        )


def check_mode(path: Path) -> Iterator[Finding]:
    """Yield a finding when a directory is open to others than the queue user."""
    found = stat.S_IMODE(path.stat().st_mode)
    if found & ~DIRECTORY_MODE & ~stat.S_ISGID:
        yield Finding(
            kind=Kind.WRONG_MODE,
            path=str(path),
            reason=f"has mode {found:04o} instead of {DIRECTORY_MODE:04o}",
            remedy=f"chmod {DIRECTORY_MODE:04o} {path}",
            repair=partial(mend.set_mode, path.resolve(), DIRECTORY_MODE),
        )


def unreadable(path: Path, error: OSError) -> Finding:
    """Return the finding for what the caller may not look at."""
    return Finding(
        kind=Kind.UNREADABLE,
        path=str(path),
        reason=f"cannot be read: {(error.strerror or str(error)).lower()}",
        remedy="run tuiq check as root or as the queue user",
    )
