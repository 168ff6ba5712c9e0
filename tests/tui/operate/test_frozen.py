"""What is frozen is what is acted on, whatever happens to the spool in between."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.conftest import PlantedSpool
from tests.tui.world import ACTOR
from tuiq.actions.records import read_action
from tuiq.config import load
from tuiq.spool.answers import Result, Target, Verb
from tuiq.spool.claim import lock_message
from tuiq.spool.entry import State
from tuiq.spool.spool import Spool
from tuiq.tui.operate.freezing import Freezing, Frozen, GaveUp
from tuiq.tui.operate.jobs import Job, Jobs
from tuiq.tui.page import Subject

if TYPE_CHECKING:
    pass

MESSAGES = 12
CHANGES = ("none", "deleted", "purged", "held", "new")


def subject_of(ids: list[str]) -> Subject:
    picks = tuple((queue_id, None) for queue_id in ids)
    return Subject(scope=f"{len(ids)} marked", picks=picks)


def wait_for(job: Job) -> Job:
    deadline = time.monotonic() + 20
    while not job.is_over:
        assert time.monotonic() < deadline, job
        time.sleep(0.002)
    return job


def test_ids_that_are_gone_are_told_and_not_acted_on(
    planted: PlantedSpool, spool: Spool
) -> None:
    ids = [planted.ids["NEW"], planted.ids["DEF"], "0" * 19]
    frozen = Freezing(spool, subject_of(ids)).run()
    assert frozen.selection.count == 2
    assert frozen.selection.gone == ("0" * 19,)


def test_what_a_person_wants_to_know_is_counted(
    planted: PlantedSpool, spool: Spool
) -> None:
    ids = [planted.ids[name] for name in ("NEW", "HED", "EVK")]
    directory = spool.find(ids[0])
    assert directory is not None
    with closing(lock_message(directory, ids[0])):
        frozen = Freezing(spool, subject_of(ids)).run()
    assert (frozen.senders, frozen.held, frozen.in_flight) == (2, 1, 1)
    assert set(frozen.by_domain) >= {b"example.org"}


def test_giving_up_ends_the_reading(planted: PlantedSpool, spool: Spool) -> None:
    freezing = Freezing(spool, subject_of(list(planted.ids.values())))
    freezing.halt.set()
    with pytest.raises(GaveUp):
        freezing.run()
    assert freezing.done == 0


@pytest.mark.parametrize(
    ("recipients", "meant"),
    [
        ("", None),
        ("dom:other.net", (2,)),
        ("dom:example.com", (1,)),  # the other one there has been delivered
        ("code:4.7.1", None),
        ("dom:example.com | dom:other.net", None),
        ("age>1d", None),
    ],
)
def test_of_a_message_to_several_only_those_are_meant_that_fit(
    planted: PlantedSpool, spool: Spool, recipients: str, meant: tuple[int, ...] | None
) -> None:
    ids = [planted.ids["DEF"], planted.ids["NEW"]]
    subject = replace(subject_of(ids), recipients=recipients)
    found = {
        item.target.queue_id: item for item in Freezing(spool, subject).run().items
    }
    assert found[ids[0]].target.recipients == meant
    assert found[ids[1]].target.recipients is None  # its only one is the message


def test_a_message_in_which_nobody_fits_any_more_is_left_out(
    planted: PlantedSpool, spool: Spool
) -> None:
    ids = [planted.ids["DEF"], planted.ids["NEW"]]
    planted.slot("DEF", 2, b"D")
    subject = replace(subject_of(ids), recipients="dom:other.net")
    selection = Freezing(spool, subject).run().selection
    assert [item.target.queue_id for item in selection.items] == ids[1:]
    assert not selection.gone


def test_items_are_oldest_first_however_they_were_marked(
    planted: PlantedSpool, spool: Spool
) -> None:
    ids = list(planted.ids.values())
    frozen = Freezing(spool, subject_of(ids[::-1])).run()
    found = [item.target.queue_id for item in frozen.selection.items]
    assert found == sorted(ids)


@settings(max_examples=10)
@given(
    marked=st.lists(st.booleans(), min_size=MESSAGES, max_size=MESSAGES),
    changes=st.lists(st.sampled_from(CHANGES), min_size=MESSAGES, max_size=MESSAGES),
)
def test_the_acted_set_is_the_frozen_one(
    marked: list[bool], changes: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        planted = PlantedSpool(Path(place) / "spool")
        names = [f"M{number:03}" for number in range(MESSAGES)]
        ids = [planted.plant(name, age=100 - at) for at, name in enumerate(names)]
        wanted = {i for i, is_marked in zip(ids, marked, strict=True) if is_marked}
        with Spool(load(str(planted.config))) as spool:
            frozen = Freezing(spool, subject_of(sorted(wanted))).run()
            before = meddle(planted, spool, ids, changes)
            jobs = Jobs(spool, ACTOR)
            job = wait_for(jobs.begin(Verb.DELETE, frozen.selection))
            assert jobs.close(5.0)
            after = trashed(spool)
            record = read_action(spool.path / "audit", job.action)
    assert not job.error
    assert {key[0] for key in record.items} == wanted
    assert {answer.target.queue_id for answer in record.answers} == wanted
    assert after - before <= wanted
    acted = {a.target.queue_id for a in record.answers if a.result is Result.ACTED}
    assert after - before == acted


def meddle(
    planted: PlantedSpool, spool: Spool, ids: list[str], changes: list[str]
) -> set[str]:
    """Change the spool behind the frozen set's back; return what is in the trash."""
    for number, (queue_id, change) in enumerate(zip(ids, changes, strict=True)):
        target = [Target(queue_id=queue_id)]
        if change == "new":
            planted.plant(f"W{number:03}", age=100 - number)
        elif change == "held":
            assert list(spool.operate(Verb.HOLD, target))
        elif change in ("deleted", "purged"):
            verb = Verb.DELETE if change == "deleted" else Verb.PURGE
            assert list(spool.operate(verb, target))
    return trashed(spool)


def trashed(spool: Spool) -> set[str]:
    return {e.queue_id for e in spool.entries() if e.state() is State.TRASHED}


def test_another_message_under_the_id_is_left_alone(
    planted: PlantedSpool, spool: Spool
) -> None:
    """The file is another message's by the time the job comes to it."""
    new = planted.ids["NEW"]
    frozen: Frozen = Freezing(spool, subject_of([new])).run()
    path = planted.control_file("NEW")
    path.unlink()
    planted.plant("NEW", age=30.0004, to=(b"other@example.org",))
    planted.control_file("NEW").rename(path)
    jobs = Jobs(spool, ACTOR)
    job = wait_for(jobs.begin(Verb.DELETE, frozen.selection))
    assert job.counts[Result.ACTED] == 0
