"""Words that depend on more than a message's own file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runner.world import World, locked
from tuiq.actions import circumstances
from tuiq.actions.circumstances import look_around
from tuiq.spool import control
from tuiq.spool.entry import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "spool")
    yield world
    world.close()


def test_a_transaction_that_began_after_the_look_is_no_doubt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circumstances, "LOOK_AGAIN", 0.0)
    queue_id = world.submit()
    world.poke(queue_id, control.slot_at(0), b"U")
    around = look_around(world.spool)
    with locked(world.other.directories[0], queue_id):
        assert around.state(world.entry(queue_id)) is State.ACTIVE
    assert around.state(world.entry(queue_id)) is State.DOUBT


def test_a_transaction_that_ended_after_the_look_is_no_doubt(world: World) -> None:
    queue_id = world.submit()
    world.poke(queue_id, control.slot_at(0), b"U")
    around, entry = look_around(world.spool), world.entry(queue_id)
    world.poke(queue_id, control.slot_at(0), b"D")
    assert around.state(entry) is State.ACTIVE
    world.control_file(queue_id).unlink()
    assert around.state(entry) is State.ACTIVE
