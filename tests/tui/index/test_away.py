"""Directories that go in the middle of something: nothing of them stays listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tui.index.indexed import Indexed, indexed
from tests.tui.world import furnish
from tuiq.tui.index import scanner as scanner_module
from tuiq.tui.index.commands import Changed, List

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Indexed]:
    with indexed(furnish(tmp_path / "spool")) as index:
        yield index


def rows_in(index: Indexed, directory: str) -> int:
    table = index.messages.table
    return int((table["place"][table.rows] == table.place_of(directory)).sum())


def test_a_damaged_message_does_not_come_back_after_its_directory_went(
    index: Indexed,
) -> None:
    """The old directory can still be read, as one on a dead disk gives errors."""
    index.read()
    assert rows_in(index, "q.4") == 2
    bad = index.planted.control_file("BAD")
    index.scanner.do(Changed(directory="q.4", names=frozenset({bad.name})))
    index.scanner.leave("q.4")
    index.settle()
    assert rows_in(index, "q.4") == 0
    assert index.messages.row(index.planted.ids["BAD"]) is None
    assert index.messages.row(index.planted.ids["NEW"]) is not None


@pytest.mark.parametrize("steps", range(1, 7))
def test_a_directory_that_goes_while_it_is_listed_and_read_leaves_nothing(
    index: Indexed, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner_module, "LIST_PIECE", 2)
    monkeypatch.setattr(scanner_module, "SLICE", 1)
    index.scanner.do(List(directory="q.2", whole=True))
    for _ in range(steps):
        assert index.scanner.step()
    index.scanner.leave("q.2")
    index.settle()
    assert rows_in(index, "q.2") == 0
    assert index.scanner.reopen("q.2")
    index.scanner.do(List(directory="q.2", whole=True))
    index.settle()
    assert rows_in(index, "q.2") == 6


def test_what_was_being_read_is_not_taken_for_what_came_in_its_place(
    index: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner_module, "SLICE", 1)
    place = index.planted.path / "q.2"
    index.scanner.do(List(directory="q.2", whole=True))
    for _ in range(4):
        assert index.scanner.step()
    kept = place.with_name("away")
    place.rename(kept)
    place.mkdir(mode=0o700)
    for part in kept.iterdir():
        if not part.name.startswith(("qf", "df")):
            part.rename(place / part.name)
    index.scanner.leave("q.2")
    assert index.scanner.reopen("q.2")
    index.settle()
    assert rows_in(index, "q.2") == 0
