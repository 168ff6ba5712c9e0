"""``check``: everything that can be wrong with a spool, found from outside.

Opens nothing through the façade, because the façade refuses what this is there
to explain.  Reading only; repairs are carried by the findings (``mend``).
"""

from __future__ import annotations

import glob
import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq.errors import ConfigError
from tuiq.log import printable
from tuiq.spool import mend
from tuiq.spool.check_directory import check_directory
from tuiq.spool.check_files import FileCheck
from tuiq.spool.check_place import CheckedPlace, unreadable
from tuiq.spool.check_services import check_services
from tuiq.spool.disk import low_disk, refusal
from tuiq.spool.finding import Finding, Kind
from tuiq.spool.layout import UUID_FILE, refuse_closed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.clock import Clock
    from tuiq.config import Config, SpoolConfig


def check_spool(config: Config, clock: Clock) -> Iterator[Finding]:
    """Yield every finding.

    Raises ConfigError when there is no queue directory, NotQueueUser when this user
    cannot see.
    """
    spool = config.spool_path
    refuse_closed(spool)
    yield from _check_top(spool)
    queues = list(_queue_directories(config))
    if not any(isinstance(queue, Path) for queue in queues):
        raise ConfigError(
            str(config.source or "[spool]"),
            "queues",
            f"{config.spool.queues} matches no directory; make one: tuiq init DIR",
        )
    directories = [queue for queue in queues if isinstance(queue, Path)]
    yield from (queue for queue in queues if isinstance(queue, Finding))
    yield from _check_owners(directories)
    yield from _check_ids(directories)
    live: dict[str, Path] = {}
    for directory in directories:
        try:
            yield from _check_queue(config, clock, directory, live)
        except PermissionError as error:
            yield unreadable(Path(error.filename or directory), error)
    yield from check_services(config, clock, directories[0].stat())


def _queue_directories(config: Config) -> Iterator[Path | Finding]:
    """Yield what the setting matches: directories, or what stands in their place."""
    for name in sorted(glob.glob(config.spool.queues)):
        path = Path(name)
        if path.is_dir():
            yield path
        else:
            yield Finding(
                kind=Kind.UNREADABLE,
                path=printable(name),
                reason="is named like a queue directory and is none",
                remedy="mount what its symlink leads to, or remove it",
            )


def _check_queue(
    config: Config, clock: Clock, directory: Path, live: dict[str, Path]
) -> Iterator[Finding]:
    """Check one queue directory; *live* collects queue ids over all of them."""
    yield from check_directory(directory)
    yield from _check_disk(config.spool, directory)
    info = directory.stat()
    files = FileCheck(
        place=CheckedPlace(
            spool=config.spool_path,
            directory=directory.resolve(),
            uid=info.st_uid,
            gid=info.st_gid,
            now=clock.now(),
            orphan_age=config.spool.orphan_age,
        )
    )
    yield from files.run()
    for queue_id in sorted(files.live):
        first = live.setdefault(queue_id, directory)
        if first is not directory:
            yield Finding(
                kind=Kind.DUPLICATE_MESSAGE,
                path=str(files.messages[queue_id]),
                reason=f"is live in {first} too, and both would be delivered",
                remedy=f"compare them, then move one away: tuiq show {queue_id}",
            )


def _check_disk(config: SpoolConfig, directory: Path) -> Iterator[Finding]:
    """Report a file system that cannot hold a queue, or is nearly full."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        refused = refusal(directory, fd)
        low = low_disk(os.fstatvfs(fd), config)
    finally:
        os.close(fd)
    if refused is not None:
        reason, _, remedy = refused.removeprefix(f"{directory}: ").rpartition("; ")
        yield Finding(
            kind=Kind.FILE_SYSTEM, path=str(directory), reason=reason, remedy=remedy
        )
    if low is not None:
        yield Finding(
            kind=Kind.LOW_DISK,
            path=str(directory),
            reason=str(low),
            remedy="free some space; until then nothing is taken or sent here",
        )


def _check_top(spool: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(spool.stat().st_mode)
    if mode & 0o022:
        yield Finding(
            kind=Kind.WRONG_MODE,
            path=str(spool),
            reason=f"is writable by others (mode {mode:04o})",
            remedy=f"chmod {mode & ~0o022:04o} {spool}",
            repair=partial(mend.set_mode, spool, mode & ~0o022),
        )


def _check_owners(directories: list[Path]) -> Iterator[Finding]:
    """All queue directories have one owner: the queue user."""
    first = directories[0].stat().st_uid
    for directory in directories[1:]:
        owner = directory.stat().st_uid
        if owner != first:
            yield Finding(
                kind=Kind.WRONG_OWNER,
                path=str(directory),
                reason=f"belongs to uid {owner}, but {directories[0]} to {first}",
                remedy="give all queue directories to the queue user: "
                f"chown -R {first} {directory.resolve()}/",
            )


def _check_ids(directories: list[Path]) -> Iterator[Finding]:
    seen: dict[str, Path] = {}
    for directory in directories:
        try:
            uuid = (directory / UUID_FILE).read_text("ascii", "replace").strip()
        except (FileNotFoundError, PermissionError):
            continue
        first = seen.setdefault(uuid, directory)
        if first is not directory:
            yield Finding(
                kind=Kind.DUPLICATE_ID,
                path=str(directory / UUID_FILE),
                reason=f"is the same as that of {first}: one is a copy of the other",
                remedy="unmount the copy; if both hold their own mail, remove this "
                "file and run tuiq check --repair",
            )
