"""State words of rows are those of ``Circumstances``, for locks and pauses alike."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.conftest import NOW, PlantedSpool
from tests.tui.index.indexed import Indexed, indexed, planted_spool
from tests.tui.index.test_filters import PLANS, Plan, plant
from tests.tui.world import furnish
from tuiq.spool import control
from tuiq.spool.entry import State
from tuiq.spool.pauses import Scope
from tuiq.tui.index.blocks import ELSEWHERE
from tuiq.tui.index.commands import List
from tuiq.tui.index.messages import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = st.sampled_from(
    [(Scope.DESTINATION, "a.example"), (Scope.DESTINATION, "b.example"),
     (Scope.DESTINATION, "mx.example.net:25"), (Scope.SPOOL, "")]
)  # fmt: skip


def state(index: Indexed, name: str) -> State:
    row = index.messages.row(index.planted.ids[name])
    assert row is not None
    return row.state


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(PLANS, min_size=1, max_size=6),
    st.lists(PLACES, max_size=2),
    st.sets(st.integers(0, 5)),
    st.booleans(),
)
def test_every_row_has_the_state_that_listings_give_it(
    plans: list[Plan], places: list[tuple[Scope, str]], some: set[int], first: bool
) -> None:
    with tempfile.TemporaryDirectory() as place:
        planted = PlantedSpool(Path(place) / "spool")
        plant(planted, plans)
        for scope, name in places:
            planted.pause(scope, name, wait=0, reason="test")
        ids = [i for n, i in enumerate(planted.ids.values()) if n in some]
        with indexed(planted) as index:
            around = index.around(locked=ids)
            if first:
                index.feed.see(around)
            index.read()
            index.feed.see(around)
            index.settle()
            for entry in index.spool.entries():
                row = index.messages.row(entry.queue_id)
                if entry.mstate in ELSEWHERE:
                    assert row is None
                else:
                    assert row is not None
                    assert row.state == around.state(entry)
            counted = index.messages.tally()
            assert sum(counted.values()) == index.messages.count
            index.feed.see(replace(index.around(), pauses=type(around.pauses)()))
            index.settle()
            for entry in index.spool.entries():
                row = index.messages.row(entry.queue_id)
                assert row is None or row.state == entry.state()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Indexed]:
    with indexed(furnish(tmp_path / "spool")) as index:
        index.read()
        yield index


def test_locks_come_and_go_and_are_told(index: Indexed) -> None:
    queue_id = index.planted.ids["NEW"]
    version = index.messages.version(queue_id)
    index.feed.see(index.around(locked=[queue_id]))
    index.settle()
    assert state(index, "NEW") is State.ACTIVE
    assert queue_id in index.changed
    assert index.messages.tally()[State.ACTIVE] == 1
    assert index.messages.version(queue_id) > version
    index.feed.see(index.around())
    index.settle()
    assert state(index, "NEW") is State.DUE


def test_a_message_that_seems_in_doubt_is_active_until_the_locks_are_looked_at(
    index: Indexed,
) -> None:
    index.feed.see(index.around())
    index.clock.time += 5  # a transaction that began after the look
    index.planted.slot("NEW", 0, b"U")
    index.look("NEW")
    assert state(index, "NEW") is State.ACTIVE
    index.feed.see(index.around(locked=[index.planted.ids["NEW"]]))
    index.settle()
    assert state(index, "NEW") is State.ACTIVE
    index.feed.see(index.around())
    index.settle()
    assert state(index, "NEW") is State.DOUBT


def test_a_paused_directory_pauses_what_is_in_it(index: Indexed) -> None:
    uuid = {d.name: d.uuid for d in index.spool.directories}["q.1"]
    index.planted.pause(Scope.DIRECTORY, uuid, wait=0, reason="disk")
    index.feed.see(index.around())
    index.settle()
    assert state(index, "NEW") is State.PAUSED
    assert state(index, "QA0") is State.DEFERRED
    index.planted.plant("ADDED", place="q.1")
    index.look("ADDED")
    assert state(index, "ADDED") is State.PAUSED


def test_trash_is_a_row_but_hidden_from_views_that_do_not_ask_for_it(
    index: Indexed,
) -> None:
    trashed = index.planted.ids["TRSH"]
    view = index.messages.view()
    assert trashed not in view.ids()
    assert state(index, "TRSH") is State.TRASHED
    view.narrow("state:trashed | id:" + index.planted.ids["NEW"])
    assert view.ids() == [trashed, index.planted.ids["NEW"]]
    index.planted.slot("TRSH", 0, b"T")  # undone
    index.planted.poke("TRSH", (control.TRASHED, b"0" * 8))
    index.look("TRSH")
    view.narrow("")
    assert trashed in view.ids()


def test_a_row_that_somebody_looks_at_is_read_before_the_others(
    tmp_path: Path,
) -> None:
    planted = planted_spool(tmp_path / "spool")
    for number in range(600):
        planted.plant(f"{number}", age=number)
    with indexed(planted) as index:
        view = index.messages.view()
        index.scanner.do(List(directory="q.1", whole=True))
        while index.messages.count < 600:
            index.scanner.step()
            index.messages.settle()
        assert view.count == 600
        assert view.ids() == sorted(planted.ids.values())
        last = planted.ids["599"]
        assert (row := index.messages.row(last)) is not None
        assert row.stage is Stage.NAMED
        assert row.birth == NOW - 599
        index.messages.settle()
        (request,) = index.messages.requests
        index.messages.row(last)  # asking again asks for nothing more
        index.messages.settle()
        assert list(index.messages.requests) == [request]
        index.scanner.do(index.messages.requests.popleft())
        index.scanner.step()
        index.scanner.step()
        assert (row := index.messages.row(last)) is not None
        assert row.stage is Stage.READ
        tally = index.messages.tally()
        assert sum(tally.values()) == 1  # those not read have no state yet
        index.settle()
        assert sum(index.messages.tally().values()) == 600
