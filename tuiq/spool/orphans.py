"""Sequence GC: files without their message, told apart from ones being written.

A submitter keeps its df and tf locked while it lives, so a lock that can be
taken proves that nobody is coming back for the file.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, TypeAlias

from tuiq.spool.layout import ALPHABET, is_queue_id
from tuiq.spool.status import sweep_statuses

if TYPE_CHECKING:
    from tuiq.spool.fs import Fs
    from tuiq.spool.layout import QueueDirectory

ATTACHED = ("tf", "df", "bf", "xf")


class NamesNotSynced(OSError):
    """What is gone from a directory may be back after a power loss."""


Share: TypeAlias = tuple[int, int]
"""(part, parts), up to 32: the messages whose ids end in every parts-th character."""


def discard_orphan(directory: QueueDirectory, prefix: str, queue_id: str) -> bool:
    """Unlink a file of a message that does not exist; say whether it is gone.

    False when somebody is writing it, or when its message exists after all.
    """
    fs, name = directory.fs, prefix + queue_id
    try:
        fd = fs.open(name, os.O_RDWR | os.O_NONBLOCK, dir_fd=directory.fd_of(prefix))
    except FileNotFoundError:
        return True
    except OSError:
        return False  # not a regular file of ours: for a person
    try:
        fs.flock(fd)
        is_orphan = _is_orphan(directory, prefix, queue_id, fd)
        if is_orphan:
            with contextlib.suppress(FileNotFoundError):
                fs.unlink(name, dir_fd=directory.fd_of(prefix))
    except BlockingIOError:
        return False
    finally:
        fs.close(fd)
    return is_orphan


def _is_orphan(directory: QueueDirectory, prefix: str, queue_id: str, fd: int) -> bool:
    """Say whether the locked file *fd* has its name and no message."""
    if not _is_named(directory, prefix, queue_id, fd):
        return False  # removed meanwhile; the name may be a new submission's
    if has_control(directory, queue_id):
        return False
    return prefix == "tf" or not _is_being_written(directory, queue_id)


def _is_named(directory: QueueDirectory, prefix: str, queue_id: str, fd: int) -> bool:
    """Say whether the name still leads to the file behind *fd*."""
    held = directory.fs.fstat(fd)
    try:
        named = directory.fs.stat(prefix + queue_id, dir_fd=directory.fd_of(prefix))
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)


def has_control(directory: QueueDirectory, queue_id: str) -> bool:
    """Say whether the message has a control file."""
    try:
        directory.fs.stat("qf" + queue_id, dir_fd=directory.qf_fd)
    except FileNotFoundError:
        return False
    return True


def _is_being_written(directory: QueueDirectory, queue_id: str) -> bool:
    """Say whether a submitter holds the message's tf: its rename may come."""
    fs = directory.fs
    try:
        fd = fs.open("tf" + queue_id, os.O_RDWR | os.O_NONBLOCK, dir_fd=directory.qf_fd)
    except FileNotFoundError:
        # The rename may have happened between the two looks.
        return has_control(directory, queue_id)
    except OSError:
        return False
    try:
        fs.flock(fd)
    except BlockingIOError:
        return True
    finally:
        fs.close(fd)
    return False


def find_orphans(
    directory: QueueDirectory, *, now: float, age: float, share: Share = (0, 1)
) -> list[tuple[str, str]]:
    """Return (prefix, queue id) of old files whose message has no control file.

    Only the files of one *share* of the messages are looked at: memory is needed
    for those alone.
    """
    fs = directory.fs
    part, parts = share
    chosen = frozenset(ALPHABET[part::parts])
    attached: dict[str, list[tuple[str, int]]] = {}
    present: set[str] = set()
    for fd in {directory.df_fd, directory.xf_fd, directory.qf_fd}:
        for name in fs.names(fd):
            if name[-1] not in chosen:
                continue
            prefix, queue_id = name[:2], name[2:]
            if prefix == "qf":
                present.add(queue_id)
            elif prefix in ATTACHED and is_queue_id(queue_id):
                attached.setdefault(queue_id, []).append((prefix, fd))
    found = [
        (prefix, queue_id)
        for queue_id in attached.keys() - present
        # It may have come after its directory was listed.
        if not has_control(directory, queue_id)
        for prefix, fd in attached[queue_id]
        if _is_old(fs, prefix + queue_id, fd, now - age)
    ]
    return sorted(found, key=lambda file: (ATTACHED.index(file[0]), file[1]))


def _is_old(fs: Fs, name: str, dir_fd: int, limit: float) -> bool:
    try:
        return fs.stat(name, dir_fd=dir_fd).st_mtime_ns <= limit * 1e9
    except FileNotFoundError:
        return False


def collect(
    directory: QueueDirectory, *, now: float, age: float, share: Share = (0, 1)
) -> list[str]:
    """Remove orphans older than *age* seconds; return their names.

    Their control files may have been unlinked just now, by somebody who waits for
    the sync of that, or was killed before it.  Raises NamesNotSynced.
    """
    found = find_orphans(directory, now=now, age=age, share=share)
    if found:
        try:
            directory.fs.fsync(directory.qf_fd)
        except OSError as error:
            raise NamesNotSynced(error.errno, error.strerror) from None
    return [
        prefix + queue_id
        for prefix, queue_id in found
        if discard_orphan(directory, prefix, queue_id)
    ]


def collect_services(
    fs: Fs, run_fd: int, pauses_fd: int, *, now: float, age: float
) -> list[str]:
    """Remove what dead processes left beside the queues; return their paths.

    Status files without a runner, and temporary files in run/ and pauses/; those in
    drop/ are the ingester's to judge.
    """
    swept = sweep_statuses(fs, run_fd, now=now, age=age)
    swept += _sweep_names(fs, run_fd, now=now, age=age)
    removed = [f"run/{name}" for name in swept]
    for name, mtime_ns in list(fs.scan(pauses_fd)):
        if name.endswith(".tmp") and mtime_ns <= (now - age) * 1e9:
            with contextlib.suppress(FileNotFoundError):
                fs.unlink(name, dir_fd=pauses_fd)
                removed.append(f"pauses/{name}")
    return removed


def _sweep_names(fs: Fs, run_fd: int, *, now: float, age: float) -> list[str]:
    """Remove the locks of single passes that were killed; nobody uses a name twice."""
    removed = []
    for name, mtime_ns in list(fs.scan(run_fd)):
        if not (name.startswith("once-") and name.endswith(".lock")):
            continue
        if mtime_ns > (now - age) * 1e9:
            continue
        try:
            fd = fs.open(name, os.O_RDWR, dir_fd=run_fd)
        except FileNotFoundError:
            continue
        try:
            fs.flock(fd)
            fs.unlink(name, dir_fd=run_fd)
            removed.append(name)
        except (BlockingIOError, FileNotFoundError):
            continue
        finally:
            fs.close(fd)
    return removed
