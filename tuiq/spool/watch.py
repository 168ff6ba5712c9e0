"""Wake-ups: which queue files were closed after writing or renamed into place.

Closing an fd that was open for writing is the last step of every submission and
operator act, so CLOSE_WRITE and MOVED_TO on qf directories, ``drop/`` and
``pauses/`` tell all that matters.  Events are hints: they go into a bounded set of
names per directory, an overflow becomes the mark "rescan", and the periodic
rescan is the truth.

The only module that imports watchdog.  It uses the inotify thread of watchdog 7
directly (undocumented, hence pinned): through its Observer a burst loses events
without a word.  Where that interface is missing, the Observer serves.
"""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tuiq.errors import SpoolUnavailable
from tuiq.spool.disk import filesystem_type, is_remote

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES_PER_DIRECTORY = 65_536
"""Names kept between two drains; more become a rescan of the directory."""
_IN_CLOSE_WRITE = 0x8
_IN_MOVED_FROM = 0x40
_IN_MOVED_TO = 0x80
_IN_DELETE = 0x200
_IN_DELETE_SELF = 0x400
_IN_MOVE_SELF = 0x800
_IN_UNMOUNT = 0x2000
_IN_EXCL_UNLINK = 0x4000000
"""Ask for nothing about files without a name: a finished message is unlinked
before it is closed, and its end needs no look."""
_WANTED = _IN_CLOSE_WRITE | _IN_MOVED_TO
_DEPARTURES = _IN_DELETE | _IN_MOVED_FROM
_LOST = _IN_DELETE_SELF | _IN_MOVE_SELF | _IN_UNMOUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class Dirty:
    """What happened since the last drain, by the names given to ``add``."""

    names: dict[str, frozenset[str]] = field(default_factory=dict)
    """Directory -> files that were closed after writing or renamed into it, and
    those that left it where departures were asked for."""
    rescan: frozenset[str] = frozenset()
    """Directories of which events were lost: list them anew."""
    lost: frozenset[str] = frozenset()
    """Directories that were deleted, renamed or unmounted: no more events."""

    def __bool__(self) -> bool:
        return bool(self.names or self.rescan or self.lost)


class SpoolWatch:
    """Collects what changed in some directories; safe to use from any thread."""

    def __init__(self, wake: Callable[[], None], *, departures: bool = False) -> None:
        """Call *wake* from the watching thread, once until the next ``drain``.

        *departures*: also tell of files that were unlinked or renamed away.  Who
        delivers need not know; who shows a queue does.
        """
        self._wake = wake
        self._wanted = _WANTED | _DEPARTURES if departures else _WANTED
        self._source = _make_source()
        self._lock = threading.Lock()
        # Under the lock: what drain() returns next, and whether wake() was called.
        self._names: dict[str, set[str]] = {}
        self._rescan: set[str] = set()
        self._lost: set[str] = set()
        self._pending = False
        self._closed = False

    def add(self, name: str, fd: int) -> str | None:
        """Watch the directory open as *fd*, told as *name*; one call per name.

        Returns None, or the sentence why it has to be polled.  It may have changed
        before the watch began: list it afterwards.  Deleting it is told only when
        nobody holds it open any more; until then its link count says so.
        """
        kind = filesystem_type(fd)
        if is_remote(kind):
            return f"{name}: is on {kind}, which tells of no remote writers; polling"
        try:
            self._source.add(fd, _Target(self, name, self._wanted))
        except OSError as error:
            return (
                f"{name}: cannot be watched ({error.strerror or error}); polling; "
                "raise fs.inotify.max_user_watches and max_user_instances"
            )
        return None

    def drain(self) -> Dirty:
        """Return and forget what happened; the next event wakes again."""
        with self._lock:
            dirty = Dirty(
                names={name: frozenset(files) for name, files in self._names.items()},
                rescan=frozenset(self._rescan),
                lost=frozenset(self._lost),
            )
            self._names.clear()
            self._rescan.clear()
            self._lost.clear()
            self._pending = False
        return dirty

    def close(self) -> None:
        """Stop watching; *wake* is not called any more."""
        with self._lock:
            self._closed = True
        self._source.close()

    def changed(self, name: str, file: str) -> None:
        """Note one changed file."""
        with self._lock:
            if name in self._rescan:  # which will see it
                return
            files = self._names.setdefault(name, set())
            files.add(file)
            if len(files) > NAMES_PER_DIRECTORY:
                del self._names[name]
                self._rescan.add(name)
            wake = self._must_wake()
        if wake:
            self._wake()

    def overflowed(self, name: str) -> None:
        """Note that events of one directory were lost."""
        with self._lock:
            self._rescan.add(name)
            self._names.pop(name, None)
            wake = self._must_wake()
        if wake:
            self._wake()

    def vanished(self, name: str) -> None:
        """Note that one directory cannot be watched any more."""
        with self._lock:
            self._lost.add(name)
            wake = self._must_wake()
        if wake:
            self._wake()

    def _must_wake(self) -> bool:
        """Say whether this is the first news since the last drain."""
        if self._pending or self._closed:
            return False
        self._pending = True
        return True


class _Target:
    """One watched directory, as the inotify thread calls it back."""

    def __init__(self, watch: SpoolWatch, name: str, wanted: int) -> None:
        self._watch = watch
        self._name = name
        self.wanted = wanted
        """The events that are told; the others only end the watch."""

    def on_event(self, event: Any) -> None:
        """Take one inotify event."""
        if event.mask & _LOST:
            self._watch.vanished(self._name)
        elif event.mask & self.wanted and event.name:
            self._watch.changed(self._name, os.fsdecode(event.name))

    def on_watch_deleted(self, wd: int) -> None:
        """Take the end of the watch."""
        self._watch.vanished(self._name)

    def on_queue_overflow(self) -> None:
        """Take the loss of events."""
        self._watch.overflowed(self._name)


class _Source(Protocol):
    """Where events come from."""

    def add(self, fd: int, target: _Target) -> None:
        """Send events of the directory *fd* to *target*; raise OSError."""

    def close(self) -> None:
        """End all watches and the thread."""


class _InotifySource:
    """watchdog's inotify thread, one of our own."""

    def __init__(self, thread_class: Any) -> None:
        self._thread = thread_class()
        self._thread.start()

    def add(self, fd: int, target: _Target) -> None:
        """See ``_Source``."""
        # The magic link names the open directory itself, whatever its path became.
        path = f"/proc/self/fd/{fd}".encode()
        mask = target.wanted | _LOST | _IN_EXCL_UNLINK
        wd = self._thread.add_callback(path, mask, target, id(target))
        if wd == -1:  # the one error that watchdog swallows
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def close(self) -> None:
        """See ``_Source``."""
        self._thread.stop()
        self._thread.join()


class _ObserverSource:
    """watchdog's documented interface, which cannot tell of lost events."""

    def __init__(self) -> None:
        from watchdog.observers import Observer

        self._observer = Observer()
        self._observer.start()

    def add(self, fd: int, target: _Target) -> None:
        """See ``_Source``."""
        from watchdog import events

        path = os.readlink(f"/proc/self/fd/{fd}")
        wanted: list[type[events.FileSystemEvent]] = [
            events.FileClosedEvent,
            events.FileMovedEvent,
            events.FileCreatedEvent,
            events.DirDeletedEvent,
        ]
        if target.wanted & _DEPARTURES:
            wanted.append(events.FileDeletedEvent)
        handler = _handler(events, target, path)
        self._observer.schedule(handler, path, recursive=False, event_filter=wanted)

    def close(self) -> None:
        """See ``_Source``."""
        self._observer.stop()
        self._observer.join()


def _handler(events: Any, target: _Target, path: str) -> Any:
    """Return a watchdog handler that passes the names on to *target*."""

    class Handler(events.FileSystemEventHandler):  # type: ignore[misc]
        def on_any_event(self, event: Any) -> None:
            if isinstance(event, events.DirDeletedEvent):
                if event.src_path == path:
                    target.on_watch_deleted(0)
                return
            for where, mask in _observed(events, event):
                name = os.fsencode(os.path.basename(where))
                target.on_event(_Named(mask=mask, name=name))

    return Handler()


def _observed(events: Any, event: Any) -> list[tuple[str, int]]:
    """Return the paths that an event of watchdog's is about, as inotify tells them."""
    if isinstance(event, events.FileDeletedEvent):
        return [(event.src_path, _IN_DELETE)]
    if event.dest_path:
        return [(event.src_path, _IN_MOVED_FROM), (event.dest_path, _IN_MOVED_TO)]
    return [(event.src_path, _IN_CLOSE_WRITE)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """What ``_Target.on_event`` looks at."""

    mask: int
    name: bytes


def _make_source() -> _Source:
    """Return the best source there is; raise SpoolUnavailable without any."""
    try:
        from watchdog.observers.inotify_c import InotifyFD
    except ImportError:
        return _ObserverSource()
    if not hasattr(InotifyFD, "add_callback"):
        return _ObserverSource()
    try:
        return _InotifySource(InotifyFD)
    except OSError as error:
        raise SpoolUnavailable(
            f"inotify: cannot start ({error.strerror}); "
            "raise fs.inotify.max_user_instances"
        ) from None
