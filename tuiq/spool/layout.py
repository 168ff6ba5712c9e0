"""Names and places: queue ids, queue directories, the files of one message.

A queue directory (``q.1``; a directory or a symlink to one) has optional
``qf/``, ``df/`` and ``xf/``; bf files lie beside the qf.  Directories are opened
once, resolved once, and every file is reached through their descriptors.
"""

from __future__ import annotations

import errno
import glob
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq.errors import ConfigError, NotQueueUser, SpoolUnavailable, SpoolUnsafe
from tuiq.spool.fs import OsFs

if TYPE_CHECKING:
    from tuiq.clock import Clock
    from tuiq.spool.fs import Fs

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32; sorts like the numbers it encodes."""
TIME_LENGTH = 11
RANDOM_LENGTH = 8
ID_LENGTH = TIME_LENGTH + RANDOM_LENGTH
PREFIXES = ("qf", "df", "tf", "bf", "xf")
FOLDERS = ("qf", "df", "xf")
"""What a queue directory may be divided into; new ones are."""
DROP = "drop"
"""Directory of a spool through which users who may not touch the queue send."""
FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
"""Mail is the queue user's alone."""
UUID_FILE = ".tuiq-id"
LOCK_FILE = ".lock"
PROBE_FILE = ".lockprobe"
RESERVE_FILE = ".reserve"
RESERVE_BYTES = 1024 * 1024
SERVICE_FILES = frozenset({UUID_FILE, LOCK_FILE, PROBE_FILE, RESERVE_FILE})


def base32(number: int, length: int) -> str:
    """Return *number* in *length* characters of base 32, most significant first."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def base32_bytes(data: bytes, length: int = RANDOM_LENGTH) -> str:
    """Return the first *length* base 32 characters of a digest."""
    bits = 5 * length
    number = int.from_bytes(data[: (bits + 7) // 8], "big") >> (-bits % 8)
    return base32(number, length)


def make_id(birth_us: int, suffix: str | None = None) -> str:
    """Return a queue id: 11 characters of time, 8 random ones unless given."""
    return base32(birth_us, TIME_LENGTH) + (suffix or base32_bytes(os.urandom(5)))


def id_birth(queue_id: str) -> float:
    """Return the time in a queue id in epoch seconds."""
    return int(queue_id[:TIME_LENGTH].translate(_DIGITS), 32) / 1e6


_ALPHABET_SET = frozenset(ALPHABET)
_DIGITS = str.maketrans(ALPHABET, "0123456789abcdefghijklmnopqrstuv")


def is_queue_id(text: str) -> bool:
    """Say whether *text* has the shape of a queue id."""
    return len(text) == ID_LENGTH and _ALPHABET_SET.issuperset(text)


def split_name(name: str) -> tuple[str, str] | None:
    """Return (prefix, queue id) of a queue file's name; None for a foreign one."""
    if name[:2] in PREFIXES and is_queue_id(name[2:]):
        return name[:2], name[2:]
    return None


@dataclass(slots=True, kw_only=True, eq=False)
class QueueDirectory:
    """One open queue directory: the fds that all its files are reached through."""

    name: str
    """Last component of the path, as configured: ``q.1``."""
    path: Path
    uuid: str
    """Content of ``.tuiq-id``: proves that the right disk is mounted."""
    uid: int
    """The queue user: owner of the directory."""
    gid: int
    fs: Fs
    top_fd: int
    qf_fd: int
    df_fd: int
    xf_fd: int
    blocked: str = ""
    """Why no new attempt may start here (a mark failed, suspect); empty: none."""
    _closed: bool = field(default=False, repr=False)
    # Prefix -> path of the directory that holds its files.
    _bases: dict[str, str] = field(default_factory=dict, repr=False)

    def fd_of(self, prefix: str) -> int:
        """Return the descriptor of the directory that holds files of *prefix*."""
        if prefix == "df":
            return self.df_fd
        return self.xf_fd if prefix == "xf" else self.qf_fd

    def path_of(self, name: str) -> str:
        """Return the path of a queue file for people."""
        base = self._bases.get(name[:2])
        if base is None:
            sub = self.path / (name[:2] if name[:2] in {"df", "xf"} else "qf")
            base = f"{sub if sub.is_dir() else self.path}/"
            self._bases[name[:2]] = base
        return base + name

    def ids(self) -> list[str]:
        """Return all queue ids that have a control file, unordered."""
        names = self.fs.listdir(self.qf_fd)
        return [n[2:] for n in names if n[:2] == "qf" and is_queue_id(n[2:])]

    def free_reserve(self) -> bool:
        """Give the ballast file's blocks back; say whether there was one."""
        try:
            self.fs.unlink(RESERVE_FILE, dir_fd=self.top_fd)
        except FileNotFoundError:
            return False
        return True

    def close(self) -> None:
        """Close the descriptors; locks held through other ones stay."""
        if not self._closed:
            self._closed = True
            for fd in {self.top_fd, self.qf_fd, self.df_fd, self.xf_fd}:
                self.fs.close(fd)


def expand_queues(pattern: str) -> list[Path]:
    """Return the queue directories that *pattern* names, sorted.

    Raises ConfigError when there is none, SpoolUnavailable when nobody can look.
    """
    paths = sorted(Path(match) for match in glob.glob(pattern))
    found = [path for path in paths if path.is_dir()]
    if not found:
        _explain_absence(Path(pattern).parent)
        raise ConfigError(
            "[spool]",
            "queues",
            f"{pattern} matches no directory; make one with: tuiq init DIR",
        )
    return found


def _explain_absence(parent: Path) -> None:
    """Raise SpoolUnavailable when nothing was found because nobody could look."""
    try:
        os.close(os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except FileNotFoundError:
        return
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO).lower()
        raise SpoolUnavailable(f"{parent}: cannot be listed: {reason}") from None


def refuse_closed(spool: Path) -> None:
    """Raise NotQueueUser when this user is kept out of the spool."""
    try:
        os.close(os.open(spool, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except PermissionError:
        raise NotQueueUser(
            f"{spool}: not open to uid {os.geteuid()}; run this as root or as the "
            "queue user"
        ) from None
    except OSError:
        return


def open_queue_directory(path: Path, *, fs: Fs | None = None) -> QueueDirectory:
    """Open and check one queue directory.

    Raises SpoolUnsafe for an untrustworthy owner or mode, SpoolUnavailable when
    it cannot be entered or its disk is not mounted.
    """
    calls = fs or OsFs()
    real = path.resolve()
    fds: dict[str, int] = {}
    try:
        top = fds[""] = _open_directory(real, path)
        info = os.fstat(top)
        _check_mode(path, info)
        for sub in FOLDERS:
            fds[sub] = _open_sub(real / sub, info, top)
        uuid = _read_uuid(path, top)
    except BaseException:
        for fd in set(fds.values()):
            os.close(fd)
        raise
    return QueueDirectory(
        name=path.name,
        path=path,
        uuid=uuid,
        uid=info.st_uid,
        gid=info.st_gid,
        fs=calls,
        top_fd=top,
        qf_fd=fds["qf"],
        df_fd=fds["df"],
        xf_fd=fds["xf"],
    )


def _open_directory(real: Path, path: Path) -> int:
    try:
        return os.open(real, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        raise SpoolUnavailable(
            f"{path}: permission denied for uid {os.geteuid()}; "
            "run this as root or as the queue user"
        ) from None
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO).lower()
        raise SpoolUnavailable(f"{path}: cannot open: {reason}") from None


def _open_sub(sub: Path, top_info: os.stat_result, top: int) -> int:
    """Open qf/, df/ or xf/ where it exists, else use the directory itself."""
    try:
        fd = os.open(sub, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.dup(top)
    try:
        _check_sub(sub, os.fstat(fd), top_info)
    except SpoolUnsafe:
        os.close(fd)
        raise
    return fd


def _check_sub(sub: Path, info: os.stat_result, top_info: os.stat_result) -> None:
    if info.st_uid != top_info.st_uid:
        raise SpoolUnsafe(
            str(sub),
            f"belongs to uid {info.st_uid}, its directory to {top_info.st_uid}",
            f"chown -R {top_info.st_uid} {sub}",
        )
    _check_mode(sub, info)


def _check_mode(path: Path, info: os.stat_result) -> None:
    """Refuse what others could write, and what is looser than its parent."""
    mode = stat.S_IMODE(info.st_mode)
    if mode & 0o022:
        raise SpoolUnsafe(
            str(path), f"is writable by others (mode {mode:04o})", f"chmod 0700 {path}"
        )
    parent = stat.S_IMODE(path.parent.stat().st_mode)
    if mode & 0o077 & ~parent:
        raise SpoolUnsafe(
            str(path),
            f"mode {mode:04o} is looser than its parent's {parent:04o}",
            f"chmod 0700 {path}",
        )


def _read_uuid(path: Path, top: int) -> str:
    try:
        fd = os.open(UUID_FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=top)
    except FileNotFoundError:
        raise SpoolUnavailable(
            f"{path}: has no {UUID_FILE}: not a queue directory, or its disk is not "
            "mounted; mount it, or make it one with: tuiq init"
        ) from None
    with os.fdopen(fd, "rb") as file:
        return file.read(64).decode("ascii", "replace").strip()


def birth_now(clock: Clock) -> int:
    """Return the time in microseconds since the epoch."""
    return clock.now_ns() // 1000
