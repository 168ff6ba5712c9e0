"""A world per test, closed at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.world import StillClock, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Return a function that makes a world with settings of its own."""
    made: list[World] = []

    def make(**settings: Any) -> World:
        world = World(tmp_path / f"spool{len(made)}", **settings)
        made.append(world)
        return world

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world under the real clock."""
    return make_world()


@pytest.fixture
def still(make_world: Callable[..., World], clock: StillClock) -> World:
    """A world whose clock stands still."""
    return make_world(clock=clock)
