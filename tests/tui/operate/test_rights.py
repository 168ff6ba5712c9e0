"""Directories that a user may not read or write: root would be let in everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.tui.operate.limited import NOBODY
from tests.tui.terminal.terminal import ROOT
from tests.tui.world import PlantedSpool, furnish

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes others")


@pytest.fixture
def planted() -> Iterator[PlantedSpool]:
    """A spool of that user's, where that user can reach it."""
    with tempfile.TemporaryDirectory() as place:
        planted = furnish(Path(place) / "spool")
        for path in [Path(place), *Path(place).rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
        yield planted


def told(planted: PlantedSpool, name: str, mode: str) -> list[str]:
    """Return what is said of a queue directory that has this mode."""
    argv = [sys.executable, "-m", "tests.tui.operate.limited"]
    done = subprocess.run(
        [*argv, str(planted.path), name, mode],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not done.returncode, done.stderr
    return done.stdout.splitlines()


def test_a_directory_with_all_rights_is_not_complained_of(
    planted: PlantedSpool,
) -> None:
    assert told(planted, "q.1", "700") == ["", ""]


def test_a_directory_that_may_not_be_written_is_named_before_a_key_acts(
    planted: PlantedSpool,
) -> None:
    assert told(planted, "q.1", "500") == ["", f"uid {NOBODY} may not write q.1"]


def test_a_directory_that_may_not_be_read_is_told_with_what_that_means(
    planted: PlantedSpool,
) -> None:
    trouble, why = told(planted, "q.1", "0")
    assert trouble.startswith("q.1: cannot be listed: permission denied; ")
    assert "may be out of date" in trouble
    assert why == f"uid {NOBODY} may not write q.1"
