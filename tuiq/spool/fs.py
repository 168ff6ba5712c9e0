"""The file system calls of the protocol, behind one object.

Every sequence of FORMAT.md goes through an ``Fs``, so that the crash and
interleaving explorers (tests/crash/) run the shipped functions on a simulated
disk: each method is one system call, one crash point, one scheduling point.
Nothing in ``tuiq.spool`` that touches a queue file calls ``os`` directly.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class StatResult(Protocol):
    """The members of ``os.stat_result`` that the protocol looks at."""

    @property
    def st_mode(self) -> int: ...  # noqa: D102
    @property
    def st_ino(self) -> int: ...  # noqa: D102
    @property
    def st_dev(self) -> int: ...  # noqa: D102
    @property
    def st_nlink(self) -> int: ...  # noqa: D102
    @property
    def st_uid(self) -> int: ...  # noqa: D102
    @property
    def st_gid(self) -> int: ...  # noqa: D102
    @property
    def st_size(self) -> int: ...  # noqa: D102
    @property
    def st_mtime_ns(self) -> int: ...  # noqa: D102
    @property
    def st_ctime_ns(self) -> int: ...  # noqa: D102


class StatvfsResult(Protocol):
    """The members of ``os.statvfs_result`` that the low-disk floor looks at."""

    @property
    def f_frsize(self) -> int: ...  # noqa: D102
    @property
    def f_blocks(self) -> int: ...  # noqa: D102
    @property
    def f_bavail(self) -> int: ...  # noqa: D102
    @property
    def f_files(self) -> int: ...  # noqa: D102
    @property
    def f_favail(self) -> int: ...  # noqa: D102


class Fs(Protocol):
    """The system calls; names are single path components relative to *dir_fd*."""

    def open(self, name: str, flags: int, mode: int = 0o600, *, dir_fd: int) -> int:
        """openat(2), always with O_CLOEXEC and O_NOFOLLOW added."""
        ...

    def close(self, fd: int, /) -> None:
        """close(2); drops a lock held through *fd*."""
        ...

    def pread(self, fd: int, size: int, offset: int, /) -> bytes:
        """pread(2)."""
        ...

    def pwrite(self, fd: int, data: bytes, offset: int, /) -> int:
        """pwrite(2); may write less than asked."""
        ...

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """write(2) at the file position; may write less than asked."""
        ...

    def truncate(self, fd: int, size: int) -> None:
        """ftruncate(2)."""
        ...

    def fsync(self, fd: int) -> None:
        """fsync(2), of a file or a directory."""
        ...

    def fdatasync(self, fd: int) -> None:
        """fdatasync(2): data and size, not necessarily mtime."""
        ...

    def syncfs(self, fd: int) -> None:
        """syncfs(2) of the file system that holds *fd*."""
        ...

    def begin_writing(self, fd: int) -> None:
        """posix_fadvise(2) DONTNEED: hint that the data should be on its way."""
        ...

    def is_cached(self, fd: int) -> bool:
        """preadv2(2) RWF_NOWAIT: say whether the first byte can be had without a disk.

        True as well where that cannot be told.
        """
        ...

    def begin_reading(self, fd: int, size: int) -> None:
        """posix_fadvise(2) WILLNEED: hint that *size* bytes will be wanted soon."""
        ...

    def flock(self, fd: int) -> None:
        """flock(2) LOCK_EX|LOCK_NB; BlockingIOError when somebody else holds it."""
        ...

    def fstat(self, fd: int, /) -> StatResult:
        """fstat(2)."""
        ...

    def stat(self, name: str, *, dir_fd: int) -> StatResult:
        """fstatat(2) with AT_SYMLINK_NOFOLLOW."""
        ...

    def rename(self, old: str, new: str, *, dir_fd: int) -> None:
        """renameat(2) within one directory."""
        ...

    def unlink(self, name: str, *, dir_fd: int) -> None:
        """unlinkat(2)."""
        ...

    def futimens(self, fd: int, mtime_ns: int) -> None:
        """futimens(2): set atime and mtime of *fd*."""
        ...

    def fchmod(self, fd: int, mode: int) -> None:
        """fchmod(2)."""
        ...

    def listdir(self, dir_fd: int) -> list[str]:
        """getdents(2): all names in the directory, unordered."""
        ...

    def names(self, dir_fd: int) -> Iterator[str]:
        """Yield the names that ``listdir`` returns, without keeping them all."""
        ...

    def scan(self, dir_fd: int) -> Iterator[tuple[str, int]]:
        """Yield (name, mtime_ns) of each entry; one that vanishes is left out."""
        ...

    def statvfs(self, fd: int) -> StatvfsResult:
        """fstatvfs(2)."""
        ...


_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


class OsFs:
    """The real system calls."""

    # Those that need no word more, and that a delivery makes twenty times.
    close = staticmethod(os.close)
    pread = staticmethod(os.pread)
    pwrite = staticmethod(os.pwrite)
    fstat = staticmethod(os.fstat)

    def open(self, name: str, flags: int, mode: int = 0o600, *, dir_fd: int) -> int:
        """See ``Fs``."""
        return os.open(name, flags | _FLAGS, mode, dir_fd=dir_fd)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """See ``Fs``."""
        return os.write(fd, data)

    def truncate(self, fd: int, size: int) -> None:
        """See ``Fs``."""
        os.ftruncate(fd, size)

    def fsync(self, fd: int) -> None:
        """See ``Fs``."""
        os.fsync(fd)

    def fdatasync(self, fd: int) -> None:
        """See ``Fs``."""
        os.fdatasync(fd)

    def syncfs(self, fd: int) -> None:
        """See ``Fs``."""
        import ctypes  # the standard library does not offer this call

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(fd) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def begin_writing(self, fd: int) -> None:
        """See ``Fs``."""
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def is_cached(self, fd: int) -> bool:
        """See ``Fs``."""
        try:
            os.preadv(fd, (bytearray(1),), 0, os.RWF_NOWAIT)
        except BlockingIOError:
            return False
        except OSError:  # a file system that does not know the flag
            return True
        return True

    def begin_reading(self, fd: int, size: int) -> None:
        """See ``Fs``."""
        os.posix_fadvise(fd, 0, size, os.POSIX_FADV_WILLNEED)

    def flock(self, fd: int) -> None:
        """See ``Fs``."""
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def stat(self, name: str, *, dir_fd: int) -> os.stat_result:
        """See ``Fs``."""
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)

    def rename(self, old: str, new: str, *, dir_fd: int) -> None:
        """See ``Fs``."""
        os.rename(old, new, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)

    def unlink(self, name: str, *, dir_fd: int) -> None:
        """See ``Fs``."""
        os.unlink(name, dir_fd=dir_fd)

    def futimens(self, fd: int, mtime_ns: int) -> None:
        """See ``Fs``."""
        os.utime(fd, ns=(mtime_ns, mtime_ns))

    def fchmod(self, fd: int, mode: int) -> None:
        """See ``Fs``."""
        os.fchmod(fd, mode)

    def listdir(self, dir_fd: int) -> list[str]:
        """See ``Fs``."""
        own = _reopen(dir_fd)
        try:
            return os.listdir(own)
        finally:
            os.close(own)

    def names(self, dir_fd: int) -> Iterator[str]:
        """See ``Fs``."""
        own = _reopen(dir_fd)
        try:
            with os.scandir(own) as entries:
                for entry in entries:
                    yield entry.name
        finally:
            os.close(own)

    def scan(self, dir_fd: int) -> Iterator[tuple[str, int]]:
        """See ``Fs``."""
        for name in self.names(dir_fd):
            try:
                info = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield name, info.st_mtime_ns

    def statvfs(self, fd: int) -> os.statvfs_result:
        """See ``Fs``."""
        return os.fstatvfs(fd)


def _reopen(dir_fd: int) -> int:
    """Open a directory anew: two threads that list through one open file share its
    position, and each misses what the other read."""
    return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)


def write_all(fs: Fs, fd: int, data: bytes) -> None:
    """Write all of *data* at the file position, however short the writes are."""
    view = memoryview(data)
    while view:
        view = view[fs.write(fd, view) :]


def pwrite_all(fs: Fs, fd: int, data: bytes, offset: int) -> None:
    """Write all of *data* at *offset*, however short the writes are."""
    done = fs.pwrite(fd, data, offset)
    while done < len(data):
        done += fs.pwrite(fd, data[done:], offset + done)


def pread_all(fs: Fs, fd: int, size: int, offset: int) -> bytes:
    """Read up to *size* bytes at *offset*; less only at the end of the file."""
    chunk = fs.pread(fd, size, offset)
    if len(chunk) == size or not chunk:
        return chunk
    parts = [chunk]
    have = len(chunk)
    while have < size and chunk:
        chunk = fs.pread(fd, size - have, offset + have)
        parts.append(chunk)
        have += len(chunk)
    return b"".join(parts)
