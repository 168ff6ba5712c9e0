"""Who holds which lock: the kernel's word, read from ``/proc/locks``.

Nobody's lock is tried to find out: a probe would make a runner's claim fail.  One
read of ``/proc/locks`` gives (device, inode, pid); names come from the inode
numbers that listing a directory yields, without a stat(2) per file.

``/proc/locks`` names the device of the superblock, which on btrfs is not the
``st_dev`` of its files.  So each device is calibrated once: a shared lock on the
directory itself, which nobody locks otherwise, shows in ``/proc/self/fdinfo``
under which device the kernel lists it.  (Subvolumes of one btrfs share that
device and may repeat inode numbers; then a lock can be told for both.)

From inside a pid namespace only locks of processes visible there are listed, and
a lock whose taker died while a child keeps the file open shows the dead pid.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq.spool.layout import split_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiq.spool.layout import QueueDirectory

NOT_VISIBLE = "holder not visible from here"
"""Said of a lock that is busy although no visible process holds it."""
_FIRST_PID_NAMESPACE = 0xEFFFFFFC
"""Inode of the initial pid namespace (PROC_PID_INIT_INO)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A directory whose files may be locked."""

    name: str
    """What people call it: ``q.1``, ``run``."""
    fd: int
    """An open descriptor of the directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that took a lock; text as the process chose it, unescaped."""

    pid: int
    program: str = ""
    """Its name (comm); empty when it cannot be known."""
    command: str = ""
    """Its arguments, joined by spaces."""
    since: float = 0.0
    """When the process started, epoch seconds; 0 = unknown."""
    uid: int | None = None
    gone: bool = False
    """It died; a process that inherited the open file keeps the lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLock:
    """One lock that is held, and by whom."""

    place: str
    """The directory's name."""
    file: str
    """The locked file's name in it."""
    inode: int
    holder: Holder

    @property
    def queue_id(self) -> str:
        """Return the message whose control file it is, else an empty string."""
        parts = split_name(self.file)
        return parts[1] if parts and parts[0] == "qf" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTable:
    """Every lock held on the files of some places, at one moment."""

    locks: tuple[HeldLock, ...] = ()
    """In the order of the places, then by file name."""
    complete: bool = True
    """False: inside a pid namespace, where holders outside are invisible."""
    messages: dict[str, HeldLock] = field(default_factory=dict)
    """Queue id -> the lock on its control file."""

    def find(self, place: str, file: str) -> HeldLock | None:
        """Return the lock on one file."""
        for lock in self.locks:
            if lock.file == file and lock.place == place:
                return lock
        return None


def queue_places(directories: Iterable[QueueDirectory]) -> list[Place]:
    """Return the places in which messages, submissions and workers hold locks."""
    places = []
    for directory in directories:
        fds = dict.fromkeys((directory.qf_fd, directory.df_fd, directory.top_fd))
        places += [Place(name=directory.name, fd=fd) for fd in fds]
    return places


class LockReader:
    """Reads the kernel's table of locks; keeps what it learned of each device."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        """Read the proc file system at *proc*."""
        self._proc = proc
        # st_dev -> "major:minor" in /proc/locks; a device never changes its answer.
        self._devices: dict[int, str] = {}

    def read(self, places: Iterable[Place]) -> LockTable:
        """Return the locks held on files of *places* just now.

        Directories on devices without any lock are not even listed.
        """
        table = parse_locks((self._proc / "locks").read_text("ascii", "replace"))
        found: dict[tuple[str, int], HeldLock] = {}
        for place in places:
            for lock in self._held_in(place, table):
                found.setdefault((lock.place, lock.inode), lock)
        locks = tuple(found.values())
        return LockTable(
            locks=locks,
            complete=self.sees_everybody(),
            messages={lock.queue_id: lock for lock in locks if lock.queue_id},
        )

    def held_inodes(self, fd: int) -> frozenset[int]:
        """Return the inodes of locked files on the device of the directory *fd*."""
        return frozenset(self.pids([fd])[0])

    def pids(self, fds: Iterable[int]) -> list[dict[int, int]]:
        """Return inode -> pid of what is locked on the device of each directory."""
        table = parse_locks((self._proc / "locks").read_text("ascii", "replace"))
        return [table.get(self._device_of(fd), {}) for fd in fds]

    def sees_everybody(self) -> bool:
        """Say whether every lock of this machine is listed (no pid namespace)."""
        try:
            inode = (self._proc / "self/ns/pid").stat().st_ino
        except OSError:
            return False
        return inode == _FIRST_PID_NAMESPACE

    def _held_in(
        self, place: Place, table: dict[str, dict[int, int]]
    ) -> list[HeldLock]:
        """Return the locks on files of one directory, by file name."""
        # A descriptor of its own: listing moves the position of the open file.
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place.fd)
        try:
            pids = table.get(self._device_of(fd), {})
            if not pids:
                return []
            with os.scandir(fd) as entries:
                hits = [(e.name, e.inode()) for e in entries if e.inode() in pids]
        finally:
            os.close(fd)
        return [
            HeldLock(
                place=place.name,
                file=name,
                inode=inode,
                holder=self.holder(pids[inode]),
            )
            for name, inode in sorted(hits)
        ]

    def _device_of(self, fd: int) -> str:
        """Return how /proc/locks names the device of the directory *fd*."""
        st_dev = os.fstat(fd).st_dev
        if st_dev not in self._devices:
            shown = self._calibrate(fd)
            if not shown:
                return f"{os.major(st_dev):02x}:{os.minor(st_dev):02x}"
            self._devices[st_dev] = shown
        return self._devices[st_dev]

    def _calibrate(self, fd: int) -> str:
        """Lock the directory itself for a moment; empty when that cannot be done."""
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            info = (self._proc / f"self/fdinfo/{fd}").read_text("ascii", "replace")
        except OSError:
            return ""
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)
        lines = [line[5:] for line in info.splitlines() if line.startswith("lock:")]
        return next(iter(parse_locks("\n".join(lines))), "")

    def holder(self, pid: int) -> Holder:
        """Return what /proc tells about process *pid*."""
        home = self._proc / str(pid)
        try:
            stat = (home / "stat").read_text("utf-8", "surrogateescape")
            command = (home / "cmdline").read_bytes().rstrip(b"\0")
            uid = home.stat().st_uid
        except OSError:
            return Holder(pid=pid, gone=not _is_alive(pid))
        program, _, numbers = stat.partition("(")[2].rpartition(")")
        ticks = int(numbers.split()[19])  # starttime, proc_pid_stat(5) field 22
        return Holder(
            pid=pid,
            program=program,
            command=command.replace(b"\0", b" ").decode("utf-8", "surrogateescape"),
            since=self._boot_time() + ticks / os.sysconf("SC_CLK_TCK"),
            uid=uid,
        )

    def _boot_time(self) -> float:
        """Return when the machine was started, epoch seconds."""
        for line in (self._proc / "stat").read_text("ascii").splitlines():
            if line.startswith("btime "):
                return float(line.split()[1])
        return 0.0


def parse_locks(text: str) -> dict[str, dict[int, int]]:
    """Return device -> inode -> pid of the flock(2) locks that are held.

    Lines look like ``1: FLOCK  ADVISORY  WRITE 6536 fe:00:260072 0 EOF``; those with
    ``->`` are processes that wait.
    """
    table: dict[str, dict[int, int]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 6 or words[1] != "FLOCK":
            continue
        device, _, inode = words[5].rpartition(":")
        try:
            table.setdefault(device, {})[int(inode)] = int(words[4])
        except ValueError:
            continue
    return table


def _is_alive(pid: int) -> bool:
    """Say whether *pid* exists although /proc may hide it (hidepid)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
