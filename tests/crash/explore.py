"""The crash-state explorer: crash a shipped function after every system call.

``explore`` runs an action once to count its calls, then again for each crash
point; each crash is a kill -9 (everything written is visible, nothing is
promised to the disk) and a power loss (every disk that ``SimDisk`` allows).
From each crash state the recovery runs and the invariants are checked; the
recovery itself is crashed at its own calls as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.crash.simdisk import SimDisk
from tests.crash.simfs import Call, CrashNow, SimFs


class Violation(AssertionError):
    """An invariant of FORMAT.md that does not hold in some state."""

    def __init__(self, invariant: str, detail: str) -> None:
        """Name the *invariant* and what was found."""
        self.invariant = invariant
        self.detail = detail
        super().__init__(f"{invariant}: {detail}")


@dataclass(slots=True)
class Ledger:
    """What the world outside the spool has seen, in order; no crash undoes it."""

    events: list[tuple[object, ...]] = field(default_factory=list)

    def note(self, *event: object) -> None:
        """Remember that *event* was seen."""
        self.events.append(event)

    def count(self, *event: object) -> int:
        """Return how often *event* was seen."""
        return self.events.count(event)

    def all(self, kind: str) -> list[tuple[object, ...]]:
        """Return the arguments of every event of *kind*."""
        return [event[1:] for event in self.events if event[0] == kind]

    def copy(self) -> Ledger:
        """Return an independent copy."""
        return Ledger(list(self.events))


Body = Callable[[SimFs, Ledger], None]
Check = Callable[[SimDisk, Ledger], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Bounds of one exploration."""

    power: int = 200
    """Power states tried per crash point."""
    nested: int = 0
    """First crash states whose recovery is crashed at every call; 0: none."""
    nested_power: int = 12
    """Power states tried per crash point of a recovery."""
    seed: int = 1
    go_on: bool = False
    """Collect broken invariants instead of stopping at the first (for mutants)."""


@dataclass(slots=True)
class Counts:
    """What an exploration tried."""

    calls: int = 0
    states: int = 0
    """Distinct crash states recovered from."""
    nested: int = 0
    """Distinct crash states of recoveries recovered from."""
    sampled: bool = False
    """Whether some crash point had more power states than were tried."""
    broken: set[str] = field(default_factory=set)
    """Invariants that did not hold in some state."""

    def __str__(self) -> str:
        """Show the counts in one line."""
        how = "sampled" if self.sampled else "exhaustive"
        text = f"{self.calls} calls, {self.states} crash states ({how})"
        return f"{text}, {self.nested} within recovery" if self.nested else text


@dataclass(kw_only=True)
class Sequence:
    """One sequence of the protocol under test."""

    name: str
    setup: Body
    """Makes the state before; everything it did is durable."""
    action: Body
    """The shipped function under test."""
    recover: Body
    """What the next processes do: collect, claim, deliver, finish."""
    crashed: Check
    """Checked on the crash state as it is."""
    recovered: Check
    """Checked after recovery."""
    clock_step_ns: int = 3600 * 10**9
    """How much later the recovery happens."""
    make: Callable[[SimDisk, str], SimFs] = SimFs
    """Starts the process of the action; mutants replace it."""

    def start(self) -> tuple[SimDisk, Ledger]:
        """Return a disk at rest after the set-up."""
        disk, ledger = SimDisk(), Ledger()
        process = SimFs(disk, "setup")
        self.setup(process, ledger)
        process.kill()
        disk.settle()
        return disk, ledger


def crash_at(process: SimFs, number: int) -> Callable[[Call], None]:
    """Return a gate that kills *process* before its call *number* (from 0)."""

    def gate(event: Call) -> None:
        if event.process is process and process.calls >= number:
            process.kill()
            raise CrashNow

    return gate


def run_until(body: Body, process: SimFs, ledger: Ledger, crash: int | None) -> bool:
    """Run *body*; crash before call *crash*.  Return whether it came to its end."""
    if crash is not None:
        process.gates.append(crash_at(process, crash))
    try:
        body(process, ledger)
    except CrashNow:
        return False
    finally:
        process.kill()
    return True


def explore(sequence: Sequence, caps: Caps | None = None) -> Counts:
    """Crash *sequence* everywhere; raises Violation at the first broken invariant."""
    return _Explorer(sequence, caps or Caps()).run()


class _Explorer:
    """The state of one exploration."""

    def __init__(self, sequence: Sequence, caps: Caps) -> None:
        self.sequence = sequence
        self.caps = caps
        self.counts = Counts()
        self.seen: set[int] = set()
        self.rng = random.Random(caps.seed)

    def run(self) -> Counts:
        """Try every crash point of the action."""
        base, before = self.sequence.start()
        found: list[tuple[SimDisk, Ledger, str]] = []
        done, number = False, 0
        while not done:
            disk, ledger = base.killed(), before.copy()
            process = self.sequence.make(disk, self.sequence.name)
            done = run_until(self.sequence.action, process, ledger, number)
            self.counts.calls = number
            where = "after the last call" if done else f"before call {number + 1}"
            for state, outside, how in self._states(disk, self.caps.power, ledger):
                self.counts.states += 1
                self._attempt(state, outside, f"{how} {where}")
                found.append((state, outside, f"{how} {where}"))
            number += 1
        self.rng.shuffle(found)
        for state, ledger, where in found[: self.caps.nested]:
            self._nested(state, ledger, where)
        return self.counts

    def _states(
        self, disk: SimDisk, cap: int, ledger: Ledger
    ) -> list[tuple[SimDisk, Ledger, str]]:
        """Return the crash states of *disk* that were not seen before."""
        darkness = ledger.copy()
        darkness.note("power loss")
        states = [(disk.killed(), ledger, "kill -9")]
        states += [
            (state, darkness, "power loss")
            for state in disk.crash_states(cap=cap, seed=self.caps.seed)
        ]
        self.counts.sampled |= disk.combinations() > cap
        return [known for known in states if self._is_new(*known[:2])]

    def _is_new(self, state: SimDisk, ledger: Ledger) -> bool:
        # After a kill, what may still get lost is a part of the state.
        undecided = tuple((c.ino, c.what, len(c.options)) for c in state.choices())
        key = hash((state.content(), undecided, tuple(ledger.events)))
        fresh = key not in self.seen
        self.seen.add(key)
        return fresh

    def _attempt(self, state: SimDisk, ledger: Ledger, where: str) -> None:
        """Check *state*, recover from a copy of it and check that."""
        try:
            self.sequence.crashed(state, ledger)
            disk, outside = state.killed(), ledger.copy()
            self._recover(disk, outside, None)
            self.sequence.recovered(disk, outside)
        except Violation as error:
            if self.caps.go_on:
                self.counts.broken.add(error.invariant)
                return
            error.add_note(f"in {self.sequence.name}: {where}")
            raise
        except Exception as error:
            error.add_note(f"recovering {self.sequence.name}: {where}")
            raise

    def _recover(self, disk: SimDisk, ledger: Ledger, crash: int | None) -> bool:
        disk.now_ns += self.sequence.clock_step_ns
        process = SimFs(disk, "recovery")
        return run_until(self.sequence.recover, process, ledger, crash)

    def _nested(self, state: SimDisk, ledger: Ledger, where: str) -> None:
        """Crash the recovery from *state* at each of its calls."""
        done, number = False, 0
        while not done:
            disk, before = state.killed(), ledger.copy()
            done = self._recover(disk, before, number)
            cap = self.caps.nested_power
            for inner, outside, how in self._states(disk, cap, before):
                self.counts.nested += 1
                at = f"{how} in recovery before call {number + 1}, {where}"
                self._attempt(inner, outside, at)
            number += 1
