"""When the scanner's process looks: at events, at lost ones, at what tells nothing."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import NOW
from tests.spool.world import SetClock
from tests.tui.world import furnish
from tuiq.config import load
from tuiq.spool import watch
from tuiq.spool.spool import Spool
from tuiq.tui.index import child as module
from tuiq.tui.index import scanner as scanner_module
from tuiq.tui.index.blocks import Block, Names, Told
from tuiq.tui.index.child import Attendant
from tuiq.tui.index.listing import listed
from tuiq.tui.index.pipe import receive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.conftest import PlantedSpool
    from tuiq.spool.layout import QueueDirectory


class Driven:
    """An attendant whose loop is turned by hand, at the times that the test says."""

    def __init__(self, planted: PlantedSpool, spool: Spool) -> None:
        self.planted = planted
        self.out = io.BytesIO()
        self.attendant = Attendant(spool, self.out)
        self.now = 1000.0

    def turn(self, seconds: float = 0.0) -> list[object]:
        """Let time pass, do all work, and return the reports."""
        self.now += seconds
        self.attendant._take_commands()
        self.attendant._take_events(self.now)
        self.attendant._look(self.now)
        while self.attendant._scanner.step():
            pass
        self.attendant._tell(self.now)
        self.out.seek(0)
        reports = []
        while True:
            try:
                reports.append(receive(self.out))
            except EOFError:
                break
        self.out.seek(0)
        self.out.truncate()
        return reports

    def lists(self, seconds: float = 0.0) -> list[str]:
        """Let time pass; return the directories that were listed to the end."""
        return [
            report.directory
            for report in self.turn(seconds)
            if isinstance(report, Names) and report.last
        ]


@pytest.fixture
def drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Driven]]:
    planted = furnish(tmp_path / "spool")
    opened: list[Driven] = []
    with Spool(load(str(planted.config)), clock=SetClock(float(NOW))) as spool:

        def make() -> Driven:
            driven = Driven(planted, spool)
            monkeypatch.setattr(time, "monotonic", lambda: driven.now)
            opened.append(driven)
            for name in driven.attendant._scanner.directories:
                driven.attendant._begin(name)
            return driven

        yield make
        for driven in opened:
            driven.attendant._watch.close()


ALL = ["q.1", "q.2", "q.3", "q.4"]


def test_names_come_before_anything_is_read(drive: Callable[[], Driven]) -> None:
    reports = drive().turn()
    kinds = [type(r) for r in reports if isinstance(r, Names | Block)]
    assert {Names, Block} == set(kinds)
    assert Names not in kinds[kinds.index(Block) :]
    told = reports[-1]
    assert isinstance(told, Told)
    assert not told.scanning


def test_a_watched_directory_is_listed_again_only_where_files_came_or_went(
    drive: Callable[[], Driven],
) -> None:
    driven = drive()
    assert driven.lists() == ALL
    assert driven.lists(module.LIST_EVERY + 1) == []
    (driven.planted.path / "q.3" / "new").write_bytes(b"x")
    assert driven.lists(module.LOOK_EVERY) == []
    found = driven.lists(module.LIST_EVERY) + driven.lists(module.LOOK_EVERY)
    assert found == ["q.3"]


def test_a_directory_that_tells_nothing_is_polled_and_said_to_be(
    drive: Callable[[], Driven], monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (watch, module):
        monkeypatch.setattr(place, "filesystem_type", lambda _fd: "nfs4")
    driven = drive()
    (told,) = [r for r in driven.turn() if isinstance(r, Told)]
    assert told.interval == module.POLL_EVERY
    assert told.polled == "nfs4"
    assert len(told.notes) == 4
    assert "q.1: is on nfs4, which tells of no remote writers; polling" in told.notes
    found: list[str] = driven.lists(module.POLL_EVERY)
    for _ in range(4):
        found += driven.lists(module.LOOK_EVERY)  # one at a time
    assert sorted(found) == ALL


def test_lost_events_ask_for_a_list_but_not_for_one_after_the_other(
    drive: Callable[[], Driven],
) -> None:
    driven = drive()
    driven.turn(60)
    driven.attendant._watch.overflowed("q.2")
    assert driven.lists(module.LOOK_EVERY) == ["q.2"]
    driven.attendant._watch.overflowed("q.2")
    assert driven.lists(module.LOOK_EVERY) == []
    assert driven.lists(module.APART) == ["q.2"]


def test_a_directory_that_cannot_be_listed_is_told_and_the_others_are_read(
    drive: Callable[[], Driven], monkeypatch: pytest.MonkeyPatch
) -> None:

    def broken(directory: QueueDirectory) -> Iterator[tuple[int, str]]:
        if directory.name == "q.2":
            raise PermissionError(13, "Permission denied")
        return listed(directory)

    monkeypatch.setattr(scanner_module, "listed", broken)
    driven = drive()
    reports = driven.turn()
    told = reports[-1]
    assert isinstance(told, Told)
    assert told.ill
    (note,) = told.notes
    assert note.startswith("q.2: cannot be listed: permission denied; ")
    assert {r.directory for r in reports if isinstance(r, Block)} == {
        "q.1", "q.3", "q.4",
    }  # fmt: skip
