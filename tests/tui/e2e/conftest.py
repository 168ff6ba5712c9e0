"""Real spools for the UI in a real terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.cli import conftest as planting
from tests.tui.e2e.tmux import Tmux, has_tmux
from tests.tui.world import furnish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import PlantedSpool


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave these tests out where there is no tmux."""
    missing = pytest.mark.skipif(not has_tmux(), reason="needs tmux")
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(missing)


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlantedSpool:
    """A message in each state, of today."""
    monkeypatch.setattr(planting, "NOW", int(time.time()))
    return furnish(tmp_path / "spool")


@pytest.fixture
def ui(spool: PlantedSpool, tmp_path: Path) -> Iterator[Tmux]:
    """The UI on that spool, at 120x36, with its list on the screen."""
    with open_ui(spool, tmp_path) as tmux:
        tmux.until("ann@example.org")
        yield tmux


def open_ui(spool: PlantedSpool, home: Path, *words: str) -> Tmux:
    """Start the UI on *spool*; the user's files are below *home*."""
    environ = {"XDG_CONFIG_HOME": str(home / "c"), "XDG_STATE_HOME": str(home / "s")}
    return Tmux("--config", str(spool.config), *words, environ=environ)
