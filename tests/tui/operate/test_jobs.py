"""Jobs: in turns, stopped between messages, and whole whatever happens."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.tui.operate.desk import plant_many
from tests.tui.operate.test_frozen import subject_of, wait_for
from tests.tui.world import ACTOR, PlantedSpool
from tuiq.actions.records import read_action
from tuiq.spool.answers import Result, Verb
from tuiq.spool.entry import State
from tuiq.spool.spool import Spool
from tuiq.tui.operate.facts import progress, report
from tuiq.tui.operate.freezing import Freezing
from tuiq.tui.operate.jobs import KEPT, Job, Jobs, Phase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.actions.selection import Selection
    from tuiq.tui.operate.job import Work


@pytest.fixture
def jobs(spool: Spool) -> Iterator[Jobs]:
    jobs = Jobs(spool, ACTOR)
    yield jobs
    assert jobs.close(5.0)


def frozen(spool: Spool, *ids: str) -> Selection:
    return Freezing(spool, subject_of(list(ids))).run().selection


def patient(event: threading.Event, seconds: float = 10) -> Work:
    """Return work that lasts until *event*."""

    def work(_job: Job) -> None:
        event.wait(seconds)

    return work


def mistaken(_job: Job) -> None:
    raise ZeroDivisionError("division by zero")


def test_undo_restores_every_byte(
    planted: PlantedSpool, spool: Spool, jobs: Jobs
) -> None:
    """But for the index time and the instant of the last change, which nobody sees."""
    ids = [planted.ids[name] for name in ("NEW", "DEF", "HED")]
    before = {i: spool.entry(i) for i in ids}
    job = wait_for(jobs.begin(Verb.DELETE, frozen(spool, *ids)))
    assert all(spool.entry(i).state() is State.TRASHED for i in ids)
    back = wait_for(jobs.undo(job.action, "delete of 3 messages", of=3))
    assert back.counts == {Result.ACTED: 3}
    for queue_id in ids:
        assert spool.entry(queue_id).raw == before[queue_id].raw
    assert read_action(spool.path / "audit", job.action).undone_by == back.action


def test_one_job_waits_for_the_other(
    planted: PlantedSpool, spool: Spool, jobs: Jobs
) -> None:
    go = threading.Event()
    jobs.in_turn("pause", "x", patient(go))
    second = jobs.begin(Verb.HOLD, frozen(spool, planted.ids["NEW"]))
    assert second.phase is Phase.WAITING
    assert "waits for the jobs before it" in progress(second)
    go.set()
    assert wait_for(second).counts == {Result.ACTED: 1}


def test_a_job_is_stopped_before_its_turn(
    planted: PlantedSpool, spool: Spool, jobs: Jobs
) -> None:
    go = threading.Event()
    jobs.in_turn("pause", "x", patient(go))
    second = jobs.begin(Verb.DELETE, frozen(spool, planted.ids["NEW"]))
    jobs.stop(second)
    go.set()
    wait_for(second)
    assert second.stopped
    assert spool.entry(planted.ids["NEW"]).is_live


def test_a_stopped_job_keeps_what_it_did_and_can_be_taken_back(
    planted: PlantedSpool, spool: Spool, jobs: Jobs
) -> None:
    ids = plant_many(planted, 1100)
    selection = frozen(spool, *ids)
    begun: list[Job] = []
    ready = threading.Event()
    real = spool.operate

    def operate(verb: Verb, targets: object) -> object:
        for number, answer in enumerate(real(verb, targets)):  # type: ignore[arg-type]
            if number == 10:
                ready.wait(10)
                jobs.stop(begun[0])
            yield answer

    spool.operate = operate  # type: ignore[method-assign, assignment]
    begun.append(jobs.begin(Verb.DELETE, selection))
    ready.set()
    job = wait_for(begun[0])
    spool.operate = real  # type: ignore[method-assign]
    assert job.stopped
    assert 0 < job.done < 1100
    assert report(job).endswith(f"stopped, {1100 - job.done:,} not touched")
    gone = [i for i in ids if not spool.entry(i).is_live]
    assert len(gone) == job.done == job.counts[Result.ACTED]
    back = wait_for(jobs.undo(job.action, "delete", of=job.done))
    assert back.counts == {Result.ACTED: len(gone)}
    assert all(spool.entry(i).is_live for i in ids)


def test_a_job_that_fails_says_why_and_the_next_has_its_turn(
    planted: PlantedSpool, spool: Spool, jobs: Jobs
) -> None:
    unknown = wait_for(jobs.undo("20260101-000000-000000", "x"))
    assert "no such action" in unknown.error
    broken = wait_for(jobs.in_turn("pause", "x", mistaken))
    assert "please report it: ZeroDivisionError" in broken.error
    fine = wait_for(jobs.begin(Verb.HOLD, frozen(spool, planted.ids["NEW"])))
    assert fine.counts == {Result.ACTED: 1}


def test_old_jobs_are_forgotten_and_running_ones_never(
    spool: Spool, jobs: Jobs
) -> None:
    go = threading.Event()
    first = jobs.aside("export", "x", patient(go))
    for _ in range(KEPT + 5):
        wait_for(jobs.in_turn("pause", "x", lambda _job: None))
    assert first in jobs.all
    assert len(jobs.all) <= KEPT + 2
    go.set()
    wait_for(first)


def test_closing_stops_what_waits(planted: PlantedSpool, spool: Spool) -> None:
    jobs = Jobs(spool, ACTOR)
    told: list[Job] = []
    go = threading.Event()
    jobs.in_turn("pause", "x", patient(go, 0.2))
    waiting = jobs.begin(
        Verb.DELETE, frozen(spool, planted.ids["NEW"]), then=told.append
    )
    assert jobs.close(5.0)
    assert waiting.is_over
    assert spool.entry(planted.ids["NEW"]).is_live
    assert told == [], "the UI is not there any more"


def test_reasons_are_kept_and_first_told(
    planted: PlantedSpool, spool: Spool, jobs: Jobs
) -> None:
    ids = (planted.ids["NEW"], planted.ids["HED"])
    job = wait_for(jobs.begin(Verb.RELEASE, frozen(spool, *ids)))
    assert report(job) == "1 released · 1 refused (not held)"
    assert [answer.text for answer in job.reasons] == ["not held"]
