"""Sequence I, outside: how users who may not touch the queue leave mail in ``drop/``.

The directory (mode 3733) lets anybody leave a file there and nobody but the queue
user see one.  A submitter writes ``t.<random>``, locked, and renames it to
``m.<random>``; ``ingest`` copies it into a queue directory and removes it.  The
copy's queue id follows from the file's name, inode and ctime, so a crash in between
is recognised: the file whose message exists is only removed, and a message whose file
may still be there is not delivered before it is gone (``forget_source``).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.errors import SpoolUnavailable
from tuiq.spool import control, dropfile, handoff
from tuiq.spool.control import Origin
from tuiq.spool.disk import low_disk
from tuiq.spool.fs import OsFs
from tuiq.spool.layout import DROP, base32_bytes, make_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tuiq.config import Config, SpoolConfig
    from tuiq.mail.envelope import Envelope
    from tuiq.spool.claim import Claim
    from tuiq.spool.fs import Fs, StatResult
    from tuiq.spool.layout import QueueDirectory

_NAME = re.compile(r"[tm]\.[0-9a-f]{32}")


def is_drop_name(name: str) -> bool:
    """Say whether *name* has the shape of a drop file's."""
    return _NAME.fullmatch(name) is not None


# -- the submitter, any user ---------------------------------------------------


def submit_to_drop(
    spool: Path,
    envelope: Envelope,
    data: Iterable[bytes],
    floor: SpoolConfig | None = None,
) -> str:
    """Hand in a message durably and return the name of its file in ``drop/``.

    *data* comes in wire form; *floor* has the free space that must be left.  Needs
    no more than the permission to pass through the spool.  Raises InputError,
    SpoolUnavailable; nothing is left behind then.
    """
    envelope.check()
    fs, drop_fd = OsFs(), open_for_submitter(spool)
    try:
        low = low_disk(fs.statvfs(drop_fd), floor) if floor else None
        if low is None:
            return write_drop_file(fs, drop_fd, envelope, data)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SpoolUnavailable(
            f"{spool / DROP}: cannot store the message: {reason}; nothing was queued, "
            "try again"
        ) from error
    finally:
        os.close(drop_fd)
    raise SpoolUnavailable(
        f"{spool / DROP}: {low}; nothing was queued, free some space or try again later"
    )


class DropSubmitter:
    """The drop directory as something that takes mail, as ``Spool`` is."""

    def __init__(self, config: Config) -> None:
        """Hand in mail for the spool of *config*."""
        self._config = config

    def submit(
        self,
        envelope: Envelope,
        data: Iterable[bytes],
        received: Callable[[str], bytes] | None = None,
    ) -> str:
        """Do as ``submit_to_drop``.

        *received* is not used: the queue user makes that line, with the uid that
        the kernel names.
        """
        config = self._config
        return submit_to_drop(config.spool_path, envelope, data, config.spool)


def open_for_submitter(spool: Path) -> int:
    """Open ``drop/`` without the right to read it; raise SpoolUnavailable."""
    path = spool / DROP
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except OSError as error:
        raise SpoolUnavailable(
            f"{path}: cannot hand in mail as uid {os.geteuid()}: "
            f"{(error.strerror or 'error').lower()}; let root or the queue user run: "
            f"tuiq init --drop {spool}"
        ) from None


def write_drop_file(
    fs: Fs, drop_fd: int, envelope: Envelope, data: Iterable[bytes]
) -> str:
    """Write a drop file and give it its name, durably; raise OSError, InputError."""
    return handoff.leave(fs, drop_fd, dropfile.blocks(envelope, data))


# -- which file a message was made from ----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The identity of a drop file, as the control file of its message keeps it.

    Without the device: its number may be another one after a restart, and all
    files of a drop directory lie on one.
    """

    name: str
    inode: int
    ctime_ns: int

    @classmethod
    def of(cls, name: str, info: StatResult) -> Source:
        """Return the identity of a file from its fstat."""
        return cls(name=name, inode=info.st_ino, ctime_ns=info.st_ctime_ns)

    @classmethod
    def decode(cls, reference: bytes) -> Source | None:
        """Return what ``encode`` wrote, None for anything else."""
        words = reference.decode("ascii", "replace").split(" ")
        try:
            name, inode, ctime_ns = words[0], int(words[1], 16), int(words[2], 16)
        except (IndexError, ValueError):
            return None
        if len(words) != 3 or not is_drop_name(name):
            return None
        return cls(name=name, inode=inode, ctime_ns=ctime_ns)

    def encode(self) -> bytes:
        """Return the reference for the control file's header."""
        return f"{self.name} {self.inode:X} {self.ctime_ns:X}".encode()

    @property
    def queue_id(self) -> str:
        """Return the queue id of the message: the same at every attempt.

        The name is part of it: ctime moves in steps of milliseconds, and an inode
        may be in use again within one.
        """
        digest = hashlib.sha256(self.encode()).digest()
        return make_id(self.ctime_ns // 1000, base32_bytes(digest))

    def is_named(self, fs: Fs, drop_fd: int) -> bool:
        """Say whether the file is still there, unchanged and under its name."""
        try:
            info = fs.stat(self.name, dir_fd=drop_fd)
        except FileNotFoundError:
            return False
        return self == Source.of(self.name, info)


def forget_source(claim: Claim, drop_fd: int) -> None:
    """Remove the drop file that a message was made from, if it was left, durably.

    For every first look at a message: its ingester may have died between the two.
    Once a pass has ended (tries > 0) that was done.
    """
    if claim.header.origin != Origin.DROP or claim.number(control.TRIES, 4):
        return
    source = Source.decode(claim.header.reference)
    if source is not None:
        remove_source(claim.directory, source, drop_fd)


def remove_source(directory: QueueDirectory, source: Source, drop_fd: int) -> None:
    """Unlink a drop file whose message is in *directory*, durably (I5-I6).

    The message's name may be that of a process that died before its sync; and so
    may be an unlink found done.
    """
    fs = directory.fs
    if source.is_named(fs, drop_fd):
        fs.fsync(directory.qf_fd)
        unlink_source(fs, source, drop_fd)
    fs.fsync(drop_fd)


def unlink_source(fs: Fs, source: Source, drop_fd: int) -> None:
    """Unlink a drop file whose message's name is durable, if it is still the same."""
    if source.is_named(fs, drop_fd):
        with contextlib.suppress(FileNotFoundError):
            fs.unlink(source.name, dir_fd=drop_fd)
