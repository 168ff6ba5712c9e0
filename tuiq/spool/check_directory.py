"""Checks a queue directory itself: owner, modes, service files, file system."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq.spool import layout, mend
from tuiq.spool.check_place import check_mode, check_owner
from tuiq.spool.finding import Finding, Kind
from tuiq.spool.setup import Owner, create_queue_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

_REMADE = (layout.LOCK_FILE, layout.PROBE_FILE, layout.RESERVE_FILE)


def check_directory(path: Path) -> Iterator[Finding]:
    """Yield what is wrong with the queue directory *path*, not with its files."""
    real = path.resolve()
    info = real.stat()
    yield from _check_looseness(path, real)
    for place in (real, *(real / sub for sub in layout.FOLDERS)):
        if not place.is_dir():
            continue
        yield from check_owner(place, place.stat(), info.st_uid, info.st_gid)
        yield from check_mode(place)
    yield from _check_service_files(real, Owner(uid=info.st_uid, gid=info.st_gid))


def _check_looseness(path: Path, real: Path) -> Iterator[Finding]:
    """A queue directory elsewhere must not be easier to reach than the spool."""
    if not path.is_symlink():
        return
    target = stat.S_IMODE(real.stat().st_mode)
    parent = stat.S_IMODE(path.parent.stat().st_mode)
    if target & 0o077 & ~parent:
        yield Finding(
            kind=Kind.LOOSE_TARGET,
            path=str(path),
            reason=f"leads to {real}, whose mode {target:04o} is looser than "
            f"{parent:04o} of {path.parent}",
            remedy=f"chmod {layout.DIRECTORY_MODE:04o} {real}",
            repair=partial(mend.set_mode, real, layout.DIRECTORY_MODE),
        )


def _check_service_files(real: Path, owner: Owner) -> Iterator[Finding]:
    """Look for what ``tuiq init`` puts into each queue directory.

    A directory without id and without mail may be the mount point of a disk that
    is not there: nothing must be made in it.
    """
    inside = [name for place in (real, real / "qf") for name in _names(place)]
    has_mail = any(layout.split_name(name) for name in inside)
    has_id = layout.UUID_FILE in inside
    if not has_id:
        yield Finding(
            kind=Kind.MISSING_FILE,
            path=str(real / layout.UUID_FILE),
            reason="is missing, so nothing proves that the right disk is mounted",
            remedy=(
                "tuiq check --repair gives the directory a new one, as it holds mail"
                if has_mail
                else "mount the disk, or make it a queue directory with: tuiq init"
            ),
            repair=partial(_fill, real, owner) if has_mail else None,
        )
    for name in _REMADE if has_id or has_mail else ():
        if name not in inside:
            yield Finding(
                kind=Kind.MISSING_FILE,
                path=str(real / name),
                reason="is missing",
                remedy="tuiq check --repair makes it",
                repair=partial(_fill, real, owner),
            )


def _fill(real: Path, owner: Owner) -> str:
    create_queue_directory(real, owner=owner)
    return "made"


def _names(place: Path) -> list[str]:
    return os.listdir(place) if place.is_dir() else []
