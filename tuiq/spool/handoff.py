"""Sequence I, the outside in full: a file for ``drop/``, from its name to its END.

``tuiq-sendmail`` needs no other module of the spool, so this one imports what costs
nothing.  What the bytes mean is told in ``dropfile``, what becomes of them in ``drop``.
"""

import posix
import zlib

TYPE_CHECKING = False  # the module typing takes longer to load than all that is here
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    class WritingFs(Protocol):
        """The few calls of ``tuiq.spool.fs.Fs`` that hand in a message."""

        def open(  # noqa: D102
            self, name: str, flags: int, mode: int = 0o600, *, dir_fd: int
        ) -> int: ...
        def close(self, fd: int) -> None: ...  # noqa: D102
        def write(self, fd: int, data: bytes | memoryview) -> int: ...  # noqa: D102
        def fsync(self, fd: int) -> None: ...  # noqa: D102
        def flock(self, fd: int) -> None: ...  # noqa: D102
        def rename(self, old: str, new: str, *, dir_fd: int) -> None: ...  # noqa: D102
        def unlink(self, name: str, *, dir_fd: int) -> None: ...  # noqa: D102
        def fchmod(self, fd: int, mode: int) -> None: ...  # noqa: D102

    class Space(Protocol):
        """The members of ``os.statvfs_result`` that a floor looks at."""

        @property
        def f_frsize(self) -> int: ...  # noqa: D102
        @property
        def f_blocks(self) -> int: ...  # noqa: D102
        @property
        def f_files(self) -> int: ...  # noqa: D102


MAGIC = b"TUIQDR01"
HEAD = len(MAGIC) + 10
"""Length of the first line."""
END = 30
"""Length of the last line."""


class PosixFs:
    """The real system calls, as ``tuiq.spool.fs.OsFs`` makes them."""

    def open(self, name: str, flags: int, mode: int = 0o600, *, dir_fd: int) -> int:
        """See ``Fs``."""
        flags |= posix.O_CLOEXEC | posix.O_NOFOLLOW
        return posix.open(name, flags, mode, dir_fd=dir_fd)

    def close(self, fd: int) -> None:
        """See ``Fs``."""
        posix.close(fd)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """See ``Fs``."""
        return posix.write(fd, data)

    def fsync(self, fd: int) -> None:
        """See ``Fs``."""
        posix.fsync(fd)

    def flock(self, fd: int) -> None:
        """See ``Fs``."""
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def rename(self, old: str, new: str, *, dir_fd: int) -> None:
        """See ``Fs``."""
        posix.rename(old, new, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)

    def unlink(self, name: str, *, dir_fd: int) -> None:
        """See ``Fs``."""
        posix.unlink(name, dir_fd=dir_fd)

    def fchmod(self, fd: int, mode: int) -> None:
        """See ``Fs``."""
        posix.fchmod(fd, mode)


def leave(fs: "WritingFs", drop_fd: int, blocks: "Iterable[bytes]") -> str:
    """Write *blocks*, a head and data, as a drop file, durably; return its name.

    Whatever goes wrong is raised, and nothing is left behind.
    """
    token = posix.urandom(16).hex()
    names = [f"t.{token}"]
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL
    fd = fs.open(names[0], flags, dir_fd=drop_fd)
    try:
        fs.flock(fd)
        fs.fchmod(fd, 0o640)  # whatever the umask: the ingester reads it by its group
        write(fs, fd, blocks)
        fs.fsync(fd)
        names.append(f"m.{token}")
        fs.rename(*names, dir_fd=drop_fd)
        fs.fsync(fd)  # of the file: the directory cannot be opened for it
    except BaseException:
        import contextlib

        for name in names:
            with contextlib.suppress(OSError):
                fs.unlink(name, dir_fd=drop_fd)
        raise
    finally:
        fs.close(fd)
    return names[1]


def write(fs: "WritingFs", fd: int, blocks: "Iterable[bytes]") -> None:
    """Write *blocks* and the END line that belongs to them."""
    length, crc = 0, 0
    for block in blocks:
        write_all(fs, fd, block)
        length += len(block)
        crc = zlib.crc32(block, crc)
    write_all(fs, fd, b"END %016X %08X\n" % (length, crc))


def head(fields: list[bytes]) -> bytes:
    """Return what stands before the data; no field has a NUL."""
    raw = b"\0".join(fields) + b"\0"
    return MAGIC + b" %08X\n" % len(raw) + raw


def write_all(fs: "WritingFs", fd: int, data: bytes) -> None:
    """Write all of *data* at the file position, however short the writes are."""
    view = memoryview(data)
    while view:
        view = view[fs.write(fd, view) :]


def floors(
    space: "Space", percent: float, most_bytes: int, most_inodes: int
) -> tuple[int, int]:
    """Return the free bytes and free inodes below which no mail is taken.

    The settings ``min_free_*``; a file system that counts no inodes has no floor.
    """
    share = percent / 100
    return (
        int(min(share * space.f_blocks * space.f_frsize, most_bytes)),
        int(min(share * space.f_files, most_inodes)),
    )
