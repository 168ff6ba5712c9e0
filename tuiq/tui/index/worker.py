"""One thread for what takes long and lets the interpreter go: sorts, many tests."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class _Job(NamedTuple):
    work: Callable[[], None]
    done: Callable[[], None]
    alone: bool


class Worker:
    """Does jobs one after the other; their ends are told in the caller's thread."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._pool: ThreadPoolExecutor | None = None
        self._todo: deque[_Job] = deque()
        self._given: deque[tuple[_Job, Future[None]]] = deque()

    @property
    def is_busy(self) -> bool:
        """Say whether the end of some job was not told yet."""
        return bool(self._todo or self._given)

    def do(
        self,
        work: Callable[[], None],
        done: Callable[[], None],
        *,
        alone: bool = False,
    ) -> None:
        """Do *work* in the thread; ``finish`` calls *done* afterwards.

        *alone*: no later job begins before *done* has returned.
        """
        self._todo.append(_Job(work, done, alone))
        self._give()

    def _give(self) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "tuiq-index")
        while self._todo and not (self._given and self._given[-1][0].alone):
            job = self._todo.popleft()
            self._given.append((job, self._pool.submit(job.work)))

    def finish(self) -> None:
        """Tell the ends of jobs; an error of theirs is raised here."""
        while self._given and self._given[0][1].done():
            job, future = self._given[0]
            future.result()
            job.done()
            self._given.popleft()
            self._give()

    def close(self) -> None:
        """End the thread after the job it is at; the ends of jobs are not told."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        self._todo.clear()
        self._given.clear()
