"""The explorations again with bounds that take minutes (``-m soak``)."""

from __future__ import annotations

import pytest

from tests.conftest import Report
from tests.crash.explore import Caps, Check, Ledger, explore
from tests.crash.races import VERBS, addresses_for, attached, prepared, runner
from tests.crash.schedule import Bounds, Race, search
from tests.crash.simdisk import SimDisk
from tests.crash.test_deliver import SCENARIOS, group_sequence, sequence
from tests.crash.test_drop import ingest
from tests.crash.test_drop import sequence as dropping

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]
WIDE = Caps(power=1500, nested=60, nested_power=40, seed=2)


@pytest.mark.parametrize("name", SCENARIOS)
def test_passes_with_wide_bounds(name: str, report: Report) -> None:
    report(f"T1 soak, {name}", explore(sequence(*SCENARIOS[name]), WIDE))


def test_group_sync_and_ingesting_with_wide_bounds(report: Report) -> None:
    report("T1 soak, group sync", explore(group_sequence(), WIDE))
    report("T1 soak, ingest", explore(dropping(ingest), WIDE))


@pytest.mark.parametrize("verb", ["hold", "delete", "flush", "release", "purge"])
def test_two_runners_and_an_operator(verb: str, report: Report) -> None:
    body, before, check = VERBS[verb]
    race = Race(
        name=f"2 runners, {verb}",
        start=prepared(*addresses_for(verb), before=before),
        actors={"a": runner(), "b": runner(), "operator": body},
        check=check,
        private=attached,
    )
    bounds = Bounds(executions=60_000, samples=3_000)
    report(f"T2 soak, {race.name}", search(race, bounds))


def patiently(check: Check) -> Check:
    """Return *check*, made when every index time has come.

    A holder killed between setting the index time and its last look at the requests
    leaves one that came just then to the next look: late, not lost.
    """

    def run(disk: SimDisk, ledger: Ledger) -> None:
        disk.now_ns += 16 * 86400 * 10**9
        check(disk, ledger)

    return run


@pytest.mark.parametrize("verb", VERBS)
def test_a_runner_and_an_operator_one_of_them_killed(verb: str, report: Report) -> None:
    body, before, check = VERBS[verb]
    race = Race(
        name=f"runner, {verb}, one killed",
        start=prepared(*addresses_for(verb), before=before),
        actors={"runner": runner(), "operator": body},
        check=patiently(check),
    )
    bounds = Bounds(kills=1, executions=60_000, samples=1_000)
    report(f"T2 soak, {race.name}", search(race, bounds))
