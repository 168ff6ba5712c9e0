"""Faulty passes that the interleaving explorer must catch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import pytest

from tests.conftest import Report
from tests.crash.mutants import caught_by_schedules
from tests.crash.races import CANCEL_BROKEN, HOLD_BROKEN, LOST, verb_race
from tuiq.mail.envelope import Recipient
from tuiq.spool.claim import Claim
from tuiq.spool.flags import RReq, RState
from tuiq.spool.passes import End, Pass
from tuiq.spool.requests import wishes

R = TypeVar("R")


def check_then_attempt(
    self: Pass, indexes: Sequence[int]
) -> list[tuple[int, Recipient]]:
    """``Pass.begin`` that reads requests and pauses first and writes A after."""
    claim = self.claim
    batch = [i for i in indexes if claim.states[i] == RState.TODO[0]]
    claim.reread()
    cancelled = wishes(claim, batch).cancel
    claim.mark(cancelled, RState.CANCELLED)
    kept = [
        i
        for i in batch
        if i not in cancelled
        and claim.hold == b"-"
        and claim.requests[i] != RReq.HOLD[0]
    ]
    claim.mark(kept, RState.ATTEMPT)
    return list(zip(kept, claim.recipients(kept), strict=True))


class Blind:
    """A claim that does not read the operators' bytes again."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim

    def __getattr__(self, name: str) -> object:
        return getattr(self._claim, name)

    def reread(self, first: int = 0, last: int | None = None) -> None:
        """Read nothing."""


def blindly(visit: Pass, method: Callable[[Pass], R]) -> R:
    """Call *method* while the claim of *visit* cannot see new requests."""
    claim = visit.claim
    visit.claim = cast("Claim", Blind(claim))
    try:
        return method(visit)
    finally:
        visit.claim = claim


END, RELEASE = Pass.end, Pass.release


def apply_then_reread(self: Pass) -> End:
    """``Pass.end`` that applies the requests it knows and reads new ones after."""
    end = blindly(self, END)
    self.claim.reread()
    return end


def release_without_a_look(self: Pass) -> None:
    """``Pass.release`` that does not look at the operators' bytes again."""
    blindly(self, RELEASE)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A faulty method of ``Pass`` and what must catch it."""

    name: str
    method: str
    broken: Callable[..., object]
    verb: str
    invariant: str


MUTANTS = [
    Mutant("check-then-A", "begin", check_then_attempt, "delete", CANCEL_BROKEN),
    Mutant("check-then-A", "begin", check_then_attempt, "hold", HOLD_BROKEN),
    Mutant("request applied before re-read", "end", apply_then_reread, "delete", LOST),
    Mutant("no look at release", "release", release_without_a_look, "flush", LOST),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.name}, {m.verb}")
def test_faulty_passes_are_caught(
    mutant: Mutant, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    race = verb_race(mutant.verb)
    monkeypatch.setattr(Pass, mutant.method, mutant.broken)
    caught = caught_by_schedules(race, mutant.invariant)
    report(f"mutant: {mutant.name} ({mutant.verb})", caught)
