"""The interleaving explorer: every order of several processes' system calls.

Each actor runs shipped, synchronous code in a greenlet on its own simulated
process; before each system call it hands over to the scheduler, which picks
who performs its pending call next.  A schedule is replayed from the start (a
greenlet cannot be copied); a state that was reached before, with the same
budget or a larger one, is not entered again.  That is sound because an actor
is a deterministic function of the answers it got, whose hash is in the state.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import greenlet  # type: ignore[import-untyped]

from tests.crash.explore import Body, Check, Ledger
from tests.crash.process import INVISIBLE
from tests.crash.simfs import Call, CrashNow, SimFs

if TYPE_CHECKING:
    from tests.crash.simdisk import SimDisk


@dataclass(kw_only=True)
class Race:
    """Actors that meet on one spool."""

    name: str
    start: Callable[[], tuple[SimDisk, Ledger]]
    """Makes a fresh copy of the state before."""
    actors: dict[str, Body]
    check: Check
    """Checked when all actors are done."""
    private: Callable[[Call], bool] = lambda call: False
    """Says which calls commute with everything the other actors may do: those are
    no scheduling points.  Each race has to justify its choice."""
    make: Callable[[SimDisk, str], SimFs] = SimFs
    """Starts the process of an actor; mutants replace it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far to search."""

    preemptions: int | None = None
    """Switches away from an actor that could go on; None: no bound."""
    kills: int = 0
    """Actors that may be killed at any of their calls."""
    executions: int = 20_000
    """Schedules replayed at most by the systematic search."""
    samples: int = 0
    """Random schedules run in addition."""
    seed: int = 1


@dataclass(slots=True)
class Tried:
    """What a search tried."""

    schedules: int = 0
    """Schedules run to their end."""
    replays: int = 0
    """Schedules begun, those cut short at a known state included."""
    states: int = 0
    sampled: int = 0
    complete: bool = False
    """Whether the bound was exhausted."""

    def __str__(self) -> str:
        """Show the counts in one line."""
        how = "exhaustive" if self.complete else "cut short"
        text = f"{self.schedules} schedules, {self.states} states ({how})"
        return f"{text}, {self.sampled} random" if self.sampled else text


class Actor:
    """One process with its greenlet, stopped before its pending call."""

    def __init__(self, race: Race, name: str, disk: SimDisk, ledger: Ledger) -> None:
        """Start the actor's body and run it to its first visible call."""
        body = race.actors[name]
        self.process = race.make(disk, name)
        self.private = race.private
        self.process.gates.append(self._gate)
        self.process.remembers = True
        self.done = False
        self.failure: Exception | None = None
        self._scheduler = greenlet.getcurrent()
        self._greenlet = greenlet.greenlet(lambda: self._run(body, ledger))
        self.step()

    def _run(self, body: Body, ledger: Ledger) -> None:
        try:
            body(self.process, ledger)
        except CrashNow:
            pass
        except Exception as error:  # noqa: BLE001 - raised again by the scheduler
            self.failure = error
        self.done = True
        # A process that ends loses its descriptors and locks.
        self.process.kill()

    def _gate(self, event: Call) -> None:
        if event.op not in INVISIBLE and not self.private(event):
            self._scheduler.switch()

    def step(self) -> None:
        """Perform the pending call and run to the next one."""
        self._greenlet.switch()
        if self.failure is not None:
            raise self.failure

    def kill(self) -> None:
        """Kill the process before its pending call."""
        self.process.kill()
        if not self.done:
            self._greenlet.switch()


Choice = int
"""n >= 0: actor n performs its call; ~n: actor n is killed."""


class _Run:
    """One execution: the actors and the schedule so far."""

    def __init__(self, race: Race, bounds: Bounds) -> None:
        self.disk, self.ledger = race.start()
        self.race = race
        self.actors = [
            Actor(race, name, self.disk, self.ledger) for name in race.actors
        ]
        self.path: tuple[Choice, ...] = ()
        self.current: int | None = None
        self.preemptions = bounds.preemptions
        self.kills = bounds.kills

    def options(self) -> list[Choice]:
        """Return what may happen next, the undisturbed continuation first."""
        ready = [n for n, actor in enumerate(self.actors) if not actor.done]
        if not ready:
            return []
        deaths = [~n for n in ready] if self.kills else []
        if self.current in ready:
            if self.preemptions == 0:
                return [self.current, *deaths]
            ready.remove(self.current)
            ready.insert(0, self.current)
        return ready + deaths

    def take(self, choice: Choice) -> None:
        """Let *choice* happen."""
        self.path += (choice,)
        if choice < 0:
            self.kills -= 1
            self.actors[~choice].kill()
            return
        if self.current is not None and choice != self.current:
            was_ready = not self.actors[self.current].done
            if was_ready and self.preemptions is not None:
                self.preemptions -= 1
        self.current = choice
        self.actors[choice].step()

    def key(self) -> int:
        """Return the hash of the state, budgets left out."""
        local = tuple((a.process.history, a.done) for a in self.actors)
        current = None if self.preemptions is None else self.current
        events = tuple(self.ledger.events)
        return hash((self.disk.visible(), local, current, events, self.kills))

    def stop(self) -> None:
        """End all actors."""
        for actor in self.actors:
            actor.kill()

    def finish(self) -> None:
        """Check the end state."""
        self.race.check(self.disk, self.ledger)

    def story(self) -> str:
        """Return the schedule as runs of actors, for the failure message."""
        names = list(self.race.actors)
        words: list[str] = []
        for choice in self.path:
            word = f"kill {names[~choice]}" if choice < 0 else names[choice]
            if words and words[-1].split(" x")[0] == word:
                head, _, times = words[-1].partition(" x")
                words[-1] = f"{head} x{int(times or 1) + 1}"
            else:
                words.append(word)
        return ", ".join(words)


def search(race: Race, bounds: Bounds | None = None) -> Tried:
    """Try the schedules of *race*; raises Violation at the first broken invariant."""
    return _Search(race, bounds or Bounds()).run()


class _Search:
    """The state of one search."""

    def __init__(self, race: Race, bounds: Bounds) -> None:
        self.race = race
        self.bounds = bounds
        self.tried = Tried()
        self.seen: dict[int, int] = {}

    def run(self) -> Tried:
        """Search systematically, then sample."""
        stack: list[tuple[Choice, ...]] = [()]
        while stack and self.tried.replays < self.bounds.executions:
            self.tried.replays += 1
            self._execute(stack.pop(), stack)
        self.tried.complete = not stack
        self.tried.states = len(self.seen)
        rng = random.Random(self.bounds.seed)
        for _ in range(self.bounds.samples):
            self._sample(rng)
            self.tried.sampled += 1
        return self.tried

    def _execute(
        self, prefix: tuple[Choice, ...], stack: list[tuple[Choice, ...]]
    ) -> None:
        run = _Run(self.race, self.bounds)
        try:
            for choice in prefix:
                run.take(choice)
            while options := run.options():
                if self._known(run):
                    return
                stack += [(*run.path, other) for other in options[:0:-1]]
                run.take(options[0])
            self.tried.schedules += 1
            run.finish()
        except Exception as error:
            error.add_note(f"{self.race.name}: {run.story()}")
            raise
        finally:
            run.stop()

    def _known(self, run: _Run) -> bool:
        """Note the state; return whether it was entered with as large a budget."""
        key, left = run.key(), -1 if run.preemptions is None else run.preemptions
        if self.seen.get(key, -2) >= left:
            return True
        self.seen[key] = left
        return False

    def _sample(self, rng: random.Random) -> None:
        unbounded = Bounds(kills=self.bounds.kills)
        run = _Run(self.race, unbounded)
        try:
            while options := run.options():
                steady = rng.random() < 0.7
                run.take(options[0] if steady else rng.choice(options))
            run.finish()
        except Exception as error:
            error.add_note(f"{self.race.name}: {run.story()}")
            raise
        finally:
            run.stop()
