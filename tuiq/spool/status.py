"""Runner status: what a runner is doing, for everybody who only looks.

``run/<name>.lock`` is flocked while the runner lives and is never replaced;
``run/<name>.status`` beside it is one JSON object, replaced by rename a few times
a second, never synced.  A reader takes no lock: whether a runner is alive is the
kernel's word (``holders``), not the file's.

The members of the object are the fields of ``RunnerStatus`` (without ``alive``)
and, in ``connections`` and ``destinations``, those of ``Connection`` and
``DestinationStatus``.  Readers ignore members they do not know and use the default
for missing ones: runner and reader may be of different versions.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tuiq.errors import SpoolUnavailable
from tuiq.log import printable
from tuiq.spool.fs import write_all
from tuiq.spool.holders import LockReader, Place
from tuiq.spool.totals import added, fold, identity, read_totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tuiq.clock import Clock
    from tuiq.spool.fs import Fs
    from tuiq.spool.holders import LockTable

RUN_DIRECTORY = "run"
DESTINATION_STATES = ("ok", "slow", "dead")
"""From good to bad."""
_LARGEST = 4 * 1024 * 1024
_LARGEST_NUMBER = 1e15
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One SMTP connection of a runner."""

    destination: str
    phase: str
    """As ``SessionWatcher.phase`` names it: connect, ehlo, mail, data, dot, idle …"""
    since: float
    """Epoch seconds at which the phase began."""
    opened: float = 0.0
    """Epoch seconds at which the connection was begun."""
    message: str = ""
    """Queue id; empty between transactions."""
    directory: str = ""
    """The message's queue directory."""
    recipients: int = 0
    """Recipients of the running transaction."""
    transactions: int = 0
    """Transactions finished on this connection."""
    rate: float = 0.0
    """Recipients a second, lately."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationStatus:
    """What a runner knows about one destination: its limit, and why it is that."""

    name: str
    """For people and pauses: ``mx.example.org:25``, ``example.com``, ``pool:out``."""
    limit: int = 0
    """Connections it may have just now."""
    ceiling: int = 0
    """Connections it may have when all goes well."""
    connections: int = 0
    """Open ones, of all workers."""
    waiting: int = 0
    """Units of mail in memory that wait for a connection."""
    state: str = "ok"
    """``ok``, ``slow`` (limited below what its mail wants) or ``dead`` (left alone)."""
    until: float = 0.0
    """Epoch seconds at which that ends by itself; 0: not by the clock."""
    reason: str = ""
    """Why it is slow or dead: the server's words, or a sentence; escaped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerStatus:
    """What one runner process said about itself."""

    name: str
    """``supervisor``, ``worker-1`` …; names its two files."""
    pid: int = 0
    """As the runner sees it; another number outside its pid namespace."""
    program: str = ""
    host: str = ""
    pid_namespace: int = 0
    """Inode of the runner's pid namespace; 0 = unknown."""
    version: str = ""
    """The tuiq version."""
    mode: str = "daemon"
    """``daemon`` or ``once``."""
    phase: str = "running"
    """``starting``, ``running`` or ``draining``."""
    started: float = 0.0
    """Epoch seconds."""
    written: float = 0.0
    """Epoch seconds of this status."""
    directories: tuple[str, ...] = ()
    """Names of the queue directories it serves."""
    counters: dict[str, int] = field(default_factory=dict)
    """Totals since start: delivered, deferred, failed, in_doubt …"""
    rates: dict[str, float] = field(default_factory=dict)
    """Per second, lately, under the counters' names."""
    fd_used: int = 0
    fd_limit: int = 0
    idle: str = ""
    """Why nothing is being sent; empty while something is."""
    notes: tuple[str, ...] = ()
    """Sentences an operator should read (low disk, suspect directory)."""
    connections: tuple[Connection, ...] = ()
    destinations: tuple[DestinationStatus, ...] = ()
    """Those with mail, connections or trouble; told by whoever sets their limits."""
    alive: bool | None = None
    """The kernel's word; None: holder not visible from here."""


class StatusWriter:
    """A running runner's name: holds its lock, replaces its status file."""

    def __init__(self, fs: Fs, run_fd: int, name: str, clock: Clock) -> None:
        """Take ``<name>.lock`` in the directory *run_fd*.

        Raises SpoolUnavailable, naming the pid, when that runner is alive.
        """
        self._fs = fs
        self._run_fd = run_fd
        self._clock = clock
        self.name = name
        flags = os.O_RDWR | os.O_CREAT
        self._lock_fd = fs.open(f"{name}.lock", flags, dir_fd=run_fd)
        try:
            fs.flock(self._lock_fd)
        except OSError as error:
            fs.close(self._lock_fd)
            if isinstance(error, BlockingIOError):
                raise SpoolUnavailable(_busy(run_fd, name)) from None
            raise
        self._last: RunnerStatus | None = None
        _retire(fs, run_fd, _read_one(run_fd, name))  # it was killed

    def write(self, status: RunnerStatus) -> bool:
        """Replace the status file; False when that failed (delivery goes on)."""
        self._last = replace(status, name=self.name, written=self._clock.now())
        data = encode(self._last)
        temporary = f"{self.name}.status.tmp"
        try:
            self._create(temporary, data)
            self._fs.rename(temporary, f"{self.name}.status", dir_fd=self._run_fd)
        except OSError:
            return False
        return True

    def _create(self, name: str, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        fd = self._fs.open(name, flags, dir_fd=self._run_fd)
        try:
            write_all(self._fs, fd, data)
        finally:
            self._fs.close(fd)

    def close(self) -> None:
        """Add the counters to the totals, remove the status file, give the name back.

        What counts is the last status, whether or not it could be written.
        """
        if self._last is not None:
            _retire(self._fs, self._run_fd, self._last)
        with suppress(OSError):
            self._fs.unlink(f"{self.name}.status", dir_fd=self._run_fd)
        self._fs.close(self._lock_fd)


def _retire(fs: Fs, run_fd: int, status: RunnerStatus) -> None:
    """Keep what a runner counted that has ended."""
    if status.started and any(status.counters.values()):
        runner = identity(status.name, status.started)
        fold(fs, run_fd, runner, status.counters)


def _busy(run_fd: int, name: str) -> str:
    """Say who runs under *name*."""
    table = LockReader().read([Place(name=RUN_DIRECTORY, fd=run_fd)])
    lock = table.find(RUN_DIRECTORY, f"{name}.lock")
    who = f"pid {lock.holder.pid}" if lock else "a process not visible from here"
    return (
        f"run/{name}.lock: another runner serves this spool ({who}); "
        "stop it first, or let it do the work"
    )


def own_pid_namespace() -> int:
    """Return the inode of this process's pid namespace; 0 = unknown."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0


def encode(status: RunnerStatus) -> bytes:
    """Return the content of a status file."""
    members = asdict(status)
    del members["alive"]
    return json.dumps(members, separators=(",", ":")).encode() + b"\n"


def decode(data: bytes, name: str) -> RunnerStatus:
    """Return the status in *data*; what cannot be used has its default."""
    try:
        members = json.loads(data)
    except ValueError:
        members = {}
    if not isinstance(members, dict):
        members = {}
    blank = Connection(destination="", phase="", since=0.0)
    connections = _build_all(blank, members.pop("connections", []))
    unknown = DestinationStatus(name="")
    destinations = _build_all(unknown, members.pop("destinations", []))
    status = _build(RunnerStatus(name=name), {**members, "name": name, "alive": None})
    return replace(status, connections=connections, destinations=destinations)


def _build_all(default: _T, items: object) -> tuple[_T, ...]:
    """Return *default* changed by each object of a list; no list: none."""
    if not isinstance(items, list):
        return ()
    return tuple(_build(default, item) for item in items if isinstance(item, dict))


def _build(default: _T, members: dict[str, Any]) -> _T:
    """Return *default* changed by those *members* that have the right type."""
    changes = {}
    for spec in fields(default):  # type: ignore[arg-type]
        value = members.get(spec.name)
        old = getattr(default, spec.name)
        if isinstance(value, int | float) and not _is_sane(value):
            continue
        if isinstance(old, tuple) and isinstance(value, list):
            value = tuple(printable(item) for item in value if isinstance(item, str))
        elif isinstance(old, float) and type(value) is int:
            value = float(value)
        elif isinstance(old, dict) and isinstance(value, dict):
            value = {printable(k): v for k, v in value.items() if _is_number(v)}
        elif isinstance(value, str):
            value = printable(value)
        if type(value) is type(old):
            changes[spec.name] = value
    return replace(default, **changes)  # type: ignore[type-var]


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return _is_sane(value)


def _is_sane(value: float) -> bool:
    """Refuse NaN, infinity, and what no clock and no counter comes to."""
    return abs(value) < _LARGEST_NUMBER


def read_statuses(spool: Path, reader: LockReader | None = None) -> list[RunnerStatus]:
    """Return all runners of the spool, alive or not, by name; takes no lock."""
    try:
        fd = os.open(spool / RUN_DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        names = {n.removesuffix(".status") for n in os.listdir(fd) if _is_status(n)}
        reader = reader or LockReader()
        table = reader.read([Place(name=RUN_DIRECTORY, fd=fd)])
        locks = {
            lock.file.removesuffix(".lock"): lock.holder.pid
            for lock in table.locks
            if lock.file.endswith(".lock")
        }
        seen = [_read_one(fd, name) for name in sorted(names | locks.keys())]
        return [
            replace(
                status,
                pid=locks.get(status.name, status.pid),
                alive=True if status.name in locks else _unless_hidden(status, table),
            )
            for status in seen
        ]
    finally:
        os.close(fd)


def read_counters(
    fs: Fs, run_fd: int, look: Callable[[], list[RunnerStatus]]
) -> tuple[list[RunnerStatus], dict[str, int]]:
    """Return the statuses that *look* reads, and all that was counted in the spool.

    That is what runners count, and what those counted that have ended: it only ever
    grows.
    """
    before = read_totals(fs, run_fd)
    while True:
        statuses = look()
        totals = read_totals(fs, run_fd)
        if totals.ended == before.ended:
            break
        before = totals  # somebody ended meanwhile: counted twice, or not at all
    counters = dict(totals.counters)
    for status in statuses:
        if identity(status.name, status.started) not in totals.ended:
            counters = added(counters, status.counters)
    return statuses, counters


def all_destinations(statuses: Iterable[RunnerStatus]) -> list[DestinationStatus]:
    """Return what runners say together about each destination, by name.

    Connections to one that nobody describes make up a description.
    """
    found: dict[str, DestinationStatus] = {}
    opened: dict[str, int] = {}
    for status in statuses:
        for told in status.destinations:
            known = found.get(told.name)
            found[told.name] = told if known is None else _joined(known, told)
        for connection in status.connections:
            name = connection.destination
            opened[name] = opened.get(name, 0) + 1
    for name, number in opened.items():
        if name not in found:
            found[name] = DestinationStatus(name=name, connections=number)
    return [found[name] for name in sorted(found)]


def _joined(one: DestinationStatus, other: DestinationStatus) -> DestinationStatus:
    """Return what two runners that know nothing of each other say together."""
    worse = max(one, other, key=lambda told: _STATES.get(told.state, 0))
    return replace(
        worse,
        limit=one.limit + other.limit,
        ceiling=one.ceiling + other.ceiling,
        connections=one.connections + other.connections,
        waiting=one.waiting + other.waiting,
    )


_STATES = {state: rank for rank, state in enumerate(DESTINATION_STATES)}


def _is_status(name: str) -> bool:
    return name.endswith(".status") and not name.startswith(".")


def _unless_hidden(status: RunnerStatus, table: LockTable) -> bool | None:
    """Return False for a dead runner, None if its lock would be invisible here."""
    if table.complete or status.pid_namespace == own_pid_namespace():
        return False
    return None


def _read_one(run_fd: int, name: str) -> RunnerStatus:
    """Read one status file; without one, a status that knows only its name."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(f"{name}.status", flags, dir_fd=run_fd)
    except OSError:
        return RunnerStatus(name=name)
    try:
        return decode(os.read(fd, _LARGEST), name)
    except OSError:
        return RunnerStatus(name=name)
    finally:
        os.close(fd)


def sweep_statuses(fs: Fs, run_fd: int, *, now: float, age: float) -> list[str]:
    """Remove status files of dead runners and ``*.tmp`` older than *age* seconds.

    Locks are never removed.  Only for a runner or ``tuiq check``: it tries locks.
    """
    swept = []
    for name, mtime_ns in list(fs.scan(run_fd)):
        if now - mtime_ns / 1e9 < age:
            continue
        if name.endswith(".tmp") or (_is_status(name) and _is_dead(fs, run_fd, name)):
            if _is_status(name):
                runner = name.removesuffix(".status")
                _retire(fs, run_fd, _read_one(run_fd, runner))
            with suppress(FileNotFoundError):
                fs.unlink(name, dir_fd=run_fd)
                swept.append(name)
    return sorted(swept)


def _is_dead(fs: Fs, run_fd: int, status_name: str) -> bool:
    """Say whether nobody holds the lock beside a status file."""
    lock = status_name.removesuffix(".status") + ".lock"
    try:
        fd = fs.open(lock, os.O_RDWR, dir_fd=run_fd)
    except FileNotFoundError:
        return True
    try:
        fs.flock(fd)
    except BlockingIOError:
        return False
    finally:
        fs.close(fd)
    return True
