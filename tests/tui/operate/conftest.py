"""A furnished spool, and what acts on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tui.operate.desk import Floor, open_desk
from tests.tui.world import PlantedSpool, furnish
from tuiq.config import load
from tuiq.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def planted(tmp_path: Path) -> PlantedSpool:
    return furnish(tmp_path / "spool")


@pytest.fixture
def spool(planted: PlantedSpool) -> Iterator[Spool]:
    with Spool(load(str(planted.config))) as spool:
        yield spool


@pytest.fixture
def floor(planted: PlantedSpool) -> Iterator[Floor]:
    with open_desk(planted.path) as floor:
        yield floor
