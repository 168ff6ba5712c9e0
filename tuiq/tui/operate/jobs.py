"""Jobs: operators' actions at work in the background, one after the other.

A job calls ``tuiq.actions`` and nothing else; it survives changes of screens, can be
stopped between two messages, and tells how far it is and how it went.
"""

from __future__ import annotations

import queue
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from tuiq.actions import verbs
from tuiq.errors import TuiqError
from tuiq.log import printable
from tuiq.spool.answers import Result, Verb
from tuiq.tui.operate.job import Job, Phase
from tuiq.tui.operate.outcome import FlushWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiq.actions.actor import Actor
    from tuiq.actions.selection import Selection
    from tuiq.spool.spool import Spool
    from tuiq.tui.operate.job import Then, Work

__all__ = ["Job", "Jobs", "Phase"]

REASONS_KEPT = 5
KEPT = 50
"""Jobs that are over and still listed."""
_LATE = (Result.GONE, Result.IN_FLIGHT, Result.REFUSED)


class Jobs:
    """The jobs of this UI; safe to call from the UI thread without waiting."""

    def __init__(self, spool: Spool, actor: Actor) -> None:
        """Act on *spool* in the name of *actor*."""
        self._spool = spool
        self._actor = actor
        self._jobs: list[Job] = []
        self._numbers = 0
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._watches: dict[int, FlushWatch] = {}
        self._halts: list[threading.Event] = []
        self._closed = False

    # -- beginning -------------------------------------------------------------

    def begin(
        self,
        verb: Verb,
        selection: Selection,
        *,
        reason: str = "",
        then: Then | None = None,
    ) -> Job:
        """Do *verb* as soon as the jobs before are over; *then* runs in its thread."""
        count = len(selection.items) + len(selection.gone)
        job = self._new(verb.value, selection.scope, count)

        def work(job: Job) -> None:
            watch = FlushWatch(self._spool) if verb is Verb.FLUSH else None
            act = verbs.act(
                self._spool,
                verb,
                selection,
                actor=self._actor,
                reason=reason,
                stop=job.halt.is_set,
            )
            self._carry_out(job, act, watch)

        return self._in_turn(job, work, then)

    def undo(
        self, action: str, what: str, *, of: int = 0, then: Then | None = None
    ) -> Job:
        """Take an action of the audit log back.

        *what* says what it was, *of* is about how many messages it changed.
        """
        job = self._new(Verb.UNDO.value, what, of)

        def work(job: Job) -> None:
            act = verbs.undo(
                self._spool,
                action,
                actor=self._actor,
                stop=job.halt.is_set,
            )
            if isinstance(act, str):
                job.action, job.done, job.of = act, 1, 1
                job.counts[Result.ACTED] += 1
                job.note = f"took back: {job.scope}"
            else:
                self._carry_out(job, act, None)

        return self._in_turn(job, work, then)

    def in_turn(
        self, verb: str, scope: str, work: Work, *, then: Then | None = None
    ) -> Job:
        """Do something small after the jobs before it: a pause, a limit."""
        return self._in_turn(self._new(verb, scope, 1), work, then)

    def aside(
        self,
        verb: str,
        scope: str,
        work: Work,
        *,
        of: int = 0,
        then: Then | None = None,
    ) -> Job:
        """Do something that changes no message beside the other jobs."""
        job = self._new(verb, scope, of)
        self._spawn(partial(self._run, job, work, then), f"job-{job.number}")
        return job

    def errand(self, work: Callable[[], None], halt: threading.Event) -> None:
        """Run *work* in a thread that is no job; *halt* is set when the UI ends."""
        self._halts.append(halt)

        def run() -> None:
            try:
                work()
            finally:
                self._halts.remove(halt)

        self._spawn(run, "errand")

    # -- looking and stopping --------------------------------------------------

    def stop(self, job: Job) -> None:
        """Take no further message; those that were done stay done."""
        job.halt.set()

    @property
    def is_closing(self) -> bool:
        """Say whether the UI ends: nobody is told anything any more."""
        return self._closed

    @property
    def all(self) -> Sequence[Job]:
        """Return the jobs, the latest first; old ones are forgotten."""
        return tuple(self._jobs)

    @property
    def running(self) -> Sequence[Job]:
        """Return those that are not over."""
        return [job for job in self._jobs if not job.is_over]

    def close(self, seconds: float) -> bool:
        """Stop all jobs and wait for the current messages; False: not in time."""
        self._closed = True
        for halt in [*self._halts, *(job.halt for job in self.running)]:
            halt.set()
        self._queue.put(None)
        deadline = time.monotonic() + seconds
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    # -- inside ----------------------------------------------------------------

    def _new(self, verb: str, scope: str, of: int) -> Job:
        self._numbers += 1
        job = Job(number=self._numbers, verb=verb, scope=printable(scope), of=of)
        over = [old for old in self._jobs if old.is_over]
        forgotten = set(map(id, over[KEPT:]))
        kept = [old for old in self._jobs if id(old) not in forgotten]
        self._jobs = [job, *kept]  # replaced: others may be reading it
        return job

    def _in_turn(self, job: Job, work: Work, then: Then | None) -> Job:
        self._queue.put(partial(self._run, job, work, then))
        if not any(thread.name == "jobs" for thread in self._living()):
            self._spawn(self._serve, "jobs")
        return job

    def _living(self) -> list[threading.Thread]:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        return self._threads

    def _spawn(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._living().append(thread)
        thread.start()

    def _serve(self) -> None:
        while (task := self._queue.get()) is not None:
            task()

    def _run(self, job: Job, work: Work, then: Then | None) -> None:
        """Do the work of *job*, whatever comes of it."""
        job.started = self._spool.clock.now()
        if self._closed:
            job.halt.set()
        if job.stopping:
            job.stopped = True
        else:
            job.phase = Phase.WORKING
            self._guarded(job, work)
        if job.outcome is not None and not job.error:
            job.phase = Phase.WATCHING
            follow = partial(self._finish_watch, job, then)
            self._spawn(follow, f"watch-{job.number}")
        else:
            self._end(job, then)

    @staticmethod
    def _guarded(job: Job, work: Work) -> None:
        try:
            work(job)
        except TuiqError as error:
            job.error = printable(str(error))
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            job.error = printable(f"{where}{error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - the next job must have its turn
            told = f"{type(error).__name__}: {error}"
            job.error = printable(f"a mistake of tuiq, please report it: {told}")

    def _carry_out(self, job: Job, act: verbs.Act, watch: FlushWatch | None) -> None:
        job.action, job.of = act.action, act.count
        for answer in act.answers:
            job.counts[answer.result] += 1
            job.done += 1
            if answer.result in _LATE and len(job.reasons) < REASONS_KEPT:
                job.reasons.append(answer)
            if watch is not None:
                watch.expect(answer)
        job.stopped = job.done < job.of
        if watch is not None and watch.outcome.of:
            self._watches[job.number] = watch
            job.outcome = watch.outcome

    def _finish_watch(self, job: Job, then: Then | None) -> None:
        watch = self._watches.pop(job.number)
        self._guarded(job, lambda job: watch.follow(job.halt))
        self._end(job, then)

    def _end(self, job: Job, then: Then | None) -> None:
        job.ended = self._spool.clock.now()
        job.phase = Phase.OVER
        if then is not None and not self._closed:
            then(job)
