"""One thread for what takes long and lets the interpreter go: sorts, many tests."""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = tuple[Callable[[], None], Callable[[], None], threading.Event | None]


_NAP = 0.5


class Worker:
    """Does jobs one after the other; their ends are told in the caller's thread."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._todo: SimpleQueue[Job | None] = SimpleQueue()
        self._done: deque[tuple[Callable[[], None], threading.Event | None]] = deque()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._open = 0

    @property
    def is_busy(self) -> bool:
        """Say whether some job has not ended, or nobody looked."""
        return self._open > 0

    def do(
        self,
        work: Callable[[], None],
        done: Callable[[], None],
        *,
        alone: bool = False,
    ) -> None:
        """Do *work* in the thread; ``finish`` calls *done* afterwards.

        *alone*: no other job begins before *done* has returned.
        """
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="tuiq-index", daemon=True
            )
            self._thread.start()
        self._open += 1
        self._todo.put((work, done, threading.Event() if alone else None))

    def finish(self) -> None:
        """Call what waits for jobs that have ended."""
        while self._done:
            self._open -= 1
            done, ended = self._done.popleft()
            done()
            if ended is not None:
                ended.set()

    def close(self) -> None:
        """End the thread after the job it is at."""
        if self._thread is not None:
            self._closing = True
            self._todo.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (job := self._todo.get()) is not None:
            work, done, ended = job
            work()
            self._done.append((done, ended))
            while ended is not None and not ended.wait(_NAP):
                if self._closing:
                    return
