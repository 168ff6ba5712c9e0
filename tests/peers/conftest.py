"""A spool for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runner.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty spool."""
    world = World(tmp_path / "spool")
    yield world
    world.close()
