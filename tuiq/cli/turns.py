"""A long list worked on by several processes, its results in the list's order.

The helpers are forked, not spawned: they begin at once and with all that is known.
So this is for a process that holds no lock and runs no other thread, such as a listing.
"""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tuiq.errors import SpoolUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

P = TypeVar("P")
FEW = 4
"""Parts that are not worth a process."""
MOST = 4
"""Processes that share the work, this one included."""
_PIPE = 1024 * 1024
"""Bytes that a helper may be ahead, if the system lets it."""


def in_turns(
    parts: Sequence[P], work: Callable[[P], Iterator[Any]], *, processes: int = 0
) -> Iterator[Any]:
    """Yield what ``work(part)`` yields for each of *parts*, in order.

    Results are what ``marshal`` can write and never None.  *processes* 0: as many as
    there are cores, up to ``MOST``.
    """
    step = processes or min(len(os.sched_getaffinity(0)), MOST)
    if len(parts) <= FEW or step < 2 or threading.active_count() > 1:
        for part in parts:
            yield from work(part)
        return
    with contextlib.ExitStack() as stack:
        helpers = [
            stack.enter_context(_Helper(parts[turn::step], work))
            for turn in range(1, step)
        ]
        for at, part in enumerate(parts):
            turn = at % step
            yield from helpers[turn - 1].results() if turn else work(part)


class _Helper(Generic[P]):
    """A forked process that does its share and writes the results into a pipe."""

    def __init__(self, parts: Iterable[P], work: Callable[[P], Iterator[Any]]) -> None:
        self._parts = parts
        self._work = work
        self._pid = 0

    def __enter__(self) -> _Helper[P]:
        readable, writable = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(readable)
            self._run(writable)
        os.close(writable)
        self._pipe = open(readable, "rb")
        return self

    def __exit__(self, *error: object) -> None:
        self._pipe.close()
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def _run(self, writable: int) -> None:
        """Be the helper; never returns.  Each part's results end with None."""
        try:
            with contextlib.suppress(OSError):
                fcntl.fcntl(writable, fcntl.F_SETPIPE_SZ, _PIPE)
            with open(writable, "wb") as results:
                for part in self._parts:
                    for result in self._work(part):
                        marshal.dump(result, results)
                    marshal.dump(None, results)
                    results.flush()
        finally:
            os._exit(0)  # whatever it was: the other process misses the end of a part

    def results(self) -> Iterator[Any]:
        """Yield the results of the helper's next part; raise SpoolUnavailable."""
        try:
            while (result := marshal.load(self._pipe)) is not None:
                yield result
        except (EOFError, ValueError, TypeError):
            raise SpoolUnavailable(
                "listing: a helper process died in the middle; try again"
            ) from None
