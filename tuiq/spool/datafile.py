"""The data file of a claimed message: opened and checked once per pass (C10)."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, NoReturn

from tuiq.errors import MessageDamaged
from tuiq.spool.flags import MState
from tuiq.spool.fs import pread_all
from tuiq.spool.lock import open_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tuiq.spool.claim import Claim

BLOCK = 256 * 1024
"""Bytes of data read at once."""
SMALL = 1024 * 1024
"""Data up to this size is read once and kept for the pass."""


class DataFile:
    """Reads the data of one message."""

    __slots__ = ("_claim", "_fd", "_is_verified", "_whole")

    def __init__(self, claim: Claim) -> None:
        """Prepare; nothing is opened yet."""
        self._claim = claim
        self._fd = -1
        self._whole: bytes | None = None
        self._is_verified = False

    def open(self) -> None:
        """Open the file and compare its length; see ``verify`` for the rest.

        Raises SpoolUnsafe for a file that others could have changed, and
        MessageDamaged when it is not what the control file says; MSTATE is C then,
        durably: an empty or foreign body is never sent.
        """
        claim, directory = self._claim, self._claim.directory
        try:
            self._fd, info = open_file(directory, "df" + claim.queue_id, os.O_RDONLY)
        except FileNotFoundError:
            self._condemn("is gone")
        length, wanted = info.st_size, claim.header.data_length
        if length != wanted:
            self._condemn(f"has {length} bytes instead of {wanted}")

    def verify(self) -> None:
        """Compare the checksum once, before a byte is sent; raise MessageDamaged."""
        if self._is_verified:
            return
        if self._checksum() != self._claim.header.data_crc:
            self._condemn("does not match its checksum")
        self._is_verified = True

    def _condemn(self, reason: str) -> NoReturn:
        claim = self._claim
        claim.set_message(MState.CORRUPT)
        claim.sync()
        raise MessageDamaged(
            claim.directory.path_of("df" + claim.queue_id),
            reason,
            "put the right file back and tuiq requeue, or tuiq purge the message",
        )

    def _checksum(self) -> int:
        """Return the crc32 of the data; keep the data if it is small."""
        claim = self._claim
        size = claim.header.data_length
        if size <= SMALL:
            self._whole = pread_all(claim.fs, self._fd, size, 0)
            return zlib.crc32(self._whole)
        crc = 0
        for block in self.blocks():
            crc = zlib.crc32(block, crc)
        return crc

    def blocks(self) -> Iterable[bytes]:
        """Return the data in wire form, not dot-stuffed."""
        return self._read() if self._whole is None else (self._whole,)

    def _read(self) -> Iterator[bytes]:
        fs, size = self._claim.directory.fs, self._claim.header.data_length
        for offset in range(0, size, BLOCK):
            yield pread_all(fs, self._fd, min(BLOCK, size - offset), offset)

    def close(self) -> None:
        """Close the file and forget the data."""
        self._whole = None
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            self._claim.fs.close(fd)
