"""T2: several processes on one spool, in every order of their system calls."""

from __future__ import annotations

import pytest

from tests.conftest import Report
from tests.crash.races import (
    VERBS,
    attached,
    check_drained,
    prepared,
    runner,
    verb_race,
)
from tests.crash.schedule import Bounds, Race, search


def test_two_runners_never_send_twice(report: Report) -> None:
    race = Race(
        name="2 runners",
        start=prepared(b"ok@x", b"later@y", b"no@z"),
        actors={"a": runner(), "b": runner()},
        check=check_drained,
        private=attached,
    )
    report("T2 2 runners", search(race))


def test_a_killed_runner_leaves_only_known_duplicates(report: Report) -> None:
    race = Race(
        name="2 runners, one killed",
        start=prepared(b"ok@x", b"later@y"),
        actors={"a": runner(), "b": runner()},
        check=check_drained,
    )
    report("T2 2 runners, one killed", search(race, Bounds(kills=1)))


@pytest.mark.parametrize("verb", VERBS)
def test_runner_and_operator(verb: str, report: Report) -> None:
    race = verb_race(verb)
    report(f"T2 {race.name}", search(race))
