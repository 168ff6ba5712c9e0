"""Checks what lies beside the queue directories: run/, pauses/, drop/ and others."""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import TYPE_CHECKING

from tuiq.log import printable
from tuiq.spool import mend
from tuiq.spool.check_place import check_mode, check_owner
from tuiq.spool.drop import is_drop_name
from tuiq.spool.finding import Finding, Kind
from tuiq.spool.fs import OsFs
from tuiq.spool.layout import FILE_MODE, LOCK_FILE
from tuiq.spool.pauses import Pauses
from tuiq.spool.status import read_statuses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiq.clock import Clock
    from tuiq.config import Config, DeliveryConfig

DROP_MODE = 0o3733
"""Everybody may put files in, nobody but the queue user may see or take them."""
PRIVATE = ("run", "pauses", "journal", "audit", "reject")
"""Directories of the spool that are the queue user's alone."""


def check_services(
    config: Config, clock: Clock, owner: os.stat_result
) -> Iterator[Finding]:
    """Yield what is wrong beside the queue directories; *owner* is their stat."""
    spool = config.spool_path
    for name in PRIVATE:
        path = spool / name
        if path.is_dir():
            yield from check_owner(path, path.stat(), owner.st_uid, owner.st_gid)
            yield from check_mode(path)
    now, age = clock.now(), config.spool.orphan_age
    for name in ("run", "pauses"):
        if (spool / name).is_dir():
            yield from _leftovers(spool / name, now - age)
    if (spool / "run").is_dir():
        yield from _run(spool / "run")
    if (spool / "pauses").is_dir():
        yield from _pauses(spool / "pauses", clock)
    if (spool / "drop").is_dir():
        yield from _drop(spool, owner)
    yield from _passwords(config.delivery, owner)


def _leftovers(directory: Path, before: float) -> Iterator[Finding]:
    """Find temporary files whose writer did not come to the rename."""
    for path in sorted(directory.glob("*.tmp")):
        if path.lstat().st_mtime <= before:
            yield _stale(path, "was left by a process that died while writing")


def _run(run: Path) -> Iterator[Finding]:
    for status in read_statuses(run.parent):
        path = run / f"{status.name}.status"
        if status.alive is False and path.exists():
            yield _stale(path, "belongs to a runner that is not alive")
    for path in sorted(run.glob("suspect.*")):
        yield Finding(
            kind=Kind.SUSPECT,
            path=printable(str(path)),
            reason="says that a sync failed in this queue directory, so nothing is "
            "sent from it",
            remedy="check the disk and the kernel's log, then restart the runner: it "
            "writes everything again and removes this file",
        )


def _stale(path: Path, reason: str) -> Finding:
    return Finding(
        kind=Kind.STALE,
        path=printable(str(path)),
        reason=reason,
        remedy=f"rm {printable(str(path))}",
        repair=partial(mend.remove_garbage, path),
    )


def _pauses(directory: Path, clock: Clock) -> Iterator[Finding]:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = Pauses(OsFs(), fd, clock).current().pauses
    finally:
        os.close(fd)
    for pause in found:
        if pause.damage:
            yield Finding(
                kind=Kind.DAMAGED_PAUSE,
                path=printable(str(directory / pause.file)),
                reason="cannot be understood, so it pauses until it is gone",
                remedy="if nothing should be paused, remove the file "
                f"(--repair: to {directory.parent}/reject)",
                repair=partial(mend.reject, directory.parent, [directory / pause.file]),
            )


def _drop(spool: Path, owner: os.stat_result) -> Iterator[Finding]:
    """Look at drop/, where strangers may put things."""
    drop = spool / "drop"
    yield from check_owner(drop, drop.stat(), owner.st_uid, owner.st_gid)
    mode = stat.S_IMODE(drop.stat().st_mode)
    if mode != DROP_MODE:
        yield Finding(
            kind=Kind.WRONG_MODE,
            path=str(drop),
            reason=f"has mode {mode:04o} instead of {DROP_MODE:04o}",
            remedy=f"chmod {DROP_MODE:04o} {drop}",
            repair=partial(mend.set_mode, drop, DROP_MODE),
        )
    for path in sorted(drop.iterdir()):
        try:
            info = path.lstat()
        except FileNotFoundError:
            continue  # taken in by now
        if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
            kind, wrong = Kind.NOT_A_FILE, "is no plain file with one name"
        elif path.name != LOCK_FILE and not is_drop_name(path.name):
            kind, wrong = Kind.FOREIGN, "is not named like a message"
        else:
            continue
        yield Finding(
            kind=kind,
            path=printable(str(path)),
            reason=f"put there by uid {info.st_uid}, {wrong}, and is not taken as mail",
            remedy=f"ask them, then remove it (--repair: to {spool}/reject)",
            repair=partial(mend.reject, spool, [path]),
        )


def _passwords(delivery: DeliveryConfig, owner: os.stat_result) -> Iterator[Finding]:
    """Look at the password files: only the queue user may read them, and must."""
    routes = (route.options.password_file for route in delivery.routes)
    named = {delivery.password_file, *routes} - {None}
    for path in sorted(filter(None, named)):
        try:
            info = path.stat()
        except OSError as error:
            reason = (error.strerror or "cannot be read").lower()
            yield Finding(
                kind=Kind.UNREADABLE,
                path=printable(str(path)),
                reason=f"{reason}, and no password is sent without it",
                remedy="write the password there, or mend password_file in tuiq.toml",
            )
            continue
        real = path.resolve()
        yield from check_owner(real, info, owner.st_uid, owner.st_gid)
        mode = stat.S_IMODE(info.st_mode)
        if mode & 0o077:
            yield Finding(
                kind=Kind.WRONG_MODE,
                path=printable(str(path)),
                reason=f"has mode {mode:04o}: others can read the password, so it is "
                "not used",
                remedy=f"chmod {FILE_MODE:04o} {printable(str(real))}, and choose "
                "another password if they may have",
                repair=partial(mend.set_mode, real, FILE_MODE),
            )
