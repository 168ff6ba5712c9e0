"""The feed over real directories: a scanner's process, inotify, troubles."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import NOW, PlantedSpool
from tests.spool.world import SetClock
from tests.tui.world import furnish
from tuiq.config import load
from tuiq.spool import control
from tuiq.spool.entry import State
from tuiq.spool.spool import Spool
from tuiq.tui.index import feed as feed_module
from tuiq.tui.index.feed import Feed, Freshness
from tuiq.tui.index.messages import Messages, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEADLINE = 20.0


class Live:
    """A feed that runs, and the ids that it told of."""

    def __init__(self, planted: PlantedSpool, spool: Spool) -> None:
        self.planted = planted
        self.messages = Messages()
        self.feed = Feed(spool, self.messages)
        self.told: set[str] = set()

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < deadline, f"{self.feed.state}"
            self.told |= self.feed.drain() or set()
            time.sleep(0.005)

    def state_of(self, name: str) -> State | None:
        row = self.messages.row(self.planted.ids[name])
        return None if row is None or row.stage is Stage.NAMED else row.state

    @property
    def freshness(self) -> Freshness:
        return self.feed.state.freshness


@contextmanager
def live(planted: PlantedSpool) -> Iterator[Live]:
    clock = SetClock(float(NOW))
    with Spool(load(str(planted.config)), clock=clock) as spool:
        session = Live(planted, spool)
        session.feed.start()
        try:
            session.until(lambda: session.freshness is not Freshness.SCANNING)
            session.until(lambda: session.feed.state.backlog == 0)
            yield session
        finally:
            session.feed.stop()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Live]:
    with live(furnish(tmp_path / "spool")) as session:
        yield session


def test_everything_is_read_with_its_state_at_the_start(session: Live) -> None:
    assert session.freshness is Freshness.LIVE
    assert session.feed.state.scanned == NOW
    assert session.messages.count == len(session.planted.ids)
    row = session.messages.row(session.planted.ids["DEF"])
    assert row is not None
    assert (row.directory, row.stage, row.state) == ("q.1", Stage.READ, State.DEFERRED)
    assert (row.count, row.left, row.tries) == (3, 2, 31)
    assert (row.sender, row.recipient) == (b"news@lists.example.com", b"b@example.com")
    assert row.reply == b"451 4.7.1 greylisted, try later"
    assert session.state_of("BAD") is State.DAMAGED
    assert session.state_of("HED") is State.HELD
    tally = session.messages.tally()
    assert tally[State.HELD] == tally[State.DAMAGED] == tally[State.TRASHED] == 1
    assert sum(tally.values()) == session.messages.count
    assert session.messages.tally_of("q.2")[State.HELD] == 1
    assert session.messages.oldest_of("q.1") == NOW - 2 * 86400


def test_arrivals_changes_in_place_and_ends_are_told(session: Live) -> None:
    planted = session.planted
    made = planted.plant("FRESH", place="q.4")
    session.until(lambda: session.state_of("FRESH") is State.DUE)
    planted.poke("NEW", (control.MHOLD, b"H"))
    session.until(lambda: session.state_of("NEW") is State.HELD)
    gone = planted.ids["QA0"]
    planted.control_file("QA0").unlink()
    session.until(lambda: session.messages.row(gone) is None)
    planted.poke("QA1", (control.MSTATE, b"F"))
    finished = planted.ids["QA1"]
    session.until(lambda: session.messages.row(finished) is None)
    assert {made, gone, finished, planted.ids["NEW"]} <= session.told


def test_a_message_that_moves_is_followed_to_its_directory(session: Live) -> None:
    planted = session.planted
    queue_id = planted.ids["QA2"]
    source = planted.control_file("QA2")
    copy = planted.path / "q.4" / source.name
    view = session.messages.view()
    raw = source.read_bytes()
    pending = raw[: control.MSTATE] + b"P" + raw[control.MSTATE + 1 :]
    copy.write_bytes(pending)
    copy.chmod(0o600)
    with source.open("r+b") as file:
        file.seek(control.MSTATE)
        file.write(b"M")
    with copy.open("r+b") as file:
        file.seek(control.MSTATE)
        file.write(b"Q")
    source.unlink()

    def directory() -> str:
        row = session.messages.row(queue_id)
        return row.directory if row else ""

    session.until(lambda: directory() == "q.4")
    assert view.position_of(queue_id) is not None


def test_odd_names_and_foreign_files_are_no_messages(session: Live) -> None:
    place = session.planted.path / "q.1"
    for name in (
        "qfnot-an-id",
        "qf\x1b[2J",
        "README",
        "qf" + "U" * 19,
        "tf" + "0" * 19,
    ):
        (place / name).write_bytes(b"x")
    (place / ("qf" + "0" * 19)).mkdir()
    session.feed.rescan()
    session.until(lambda: session.messages.row("0" * 19) is not None)
    assert session.messages.count == len(session.planted.ids) + 1
    row = session.messages.row("0" * 19)
    assert row is not None
    session.until(lambda: session.messages.row("0" * 19).damage)  # type: ignore[union-attr]


def test_a_directory_that_goes_takes_its_messages_and_brings_them_back(
    session: Live,
) -> None:
    place = session.planted.path / "q.2"
    place.rename(place.with_name("away"))
    session.until(lambda: session.freshness is Freshness.STALE)
    (note,) = session.feed.state.notes
    assert note.startswith("q.2: ")
    assert "put it back" in note
    session.until(lambda: session.messages.tally_of("q.2")[State.HELD] == 0)
    assert session.state_of("NEW") is State.DUE
    session.planted.poke("NEW", (control.MHOLD, b"H"))  # the others keep working
    session.until(lambda: session.state_of("NEW") is State.HELD)
    place.with_name("away").rename(place)
    session.until(lambda: session.state_of("HED") is State.HELD)
    session.until(lambda: session.freshness is Freshness.LIVE)
    session.planted.plant("AGN", place="q.2")
    session.until(lambda: session.state_of("AGN") is State.DUE)


def test_a_directory_that_was_away_for_a_moment_is_watched_again(
    session: Live,
) -> None:
    place = session.planted.path / "q.2"
    place.rename(place.with_name("away"))
    place.with_name("away").rename(place)
    session.until(lambda: session.messages.table["scan"].max() > 4)  # listed again
    session.planted.plant("AGN", place="q.2")
    session.until(lambda: session.state_of("AGN") is State.DUE)
    assert session.feed.state.interval == 0.0


def test_a_rescan_finds_what_no_event_told(session: Live) -> None:
    before = session.messages.count
    session.messages.table.remove(session.messages.table.rows[:3].astype(int))
    assert session.messages.count == before - 3
    session.feed.rescan()
    session.until(lambda: session.messages.count == before)
    session.until(lambda: session.messages.table["stage"].tolist().count(1) == 0)


def test_a_scanner_that_dies_is_started_again(
    session: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "RESTART_AFTER", 0.2)
    link = session.feed._link
    assert link is not None
    os.kill(link._process.pid, signal.SIGKILL)
    session.until(lambda: session.freshness is Freshness.STALE)
    (note,) = session.feed.state.notes
    assert "started again" in note
    session.planted.plant("BACK")
    session.until(lambda: session.state_of("BACK") is State.DUE)
    session.until(lambda: session.freshness is Freshness.LIVE)


def test_stopping_ends_the_process(session: Live) -> None:
    link = session.feed._link
    assert link is not None
    session.feed.stop()
    assert link._process.poll() is not None
    assert session.feed.drain() == frozenset()


def test_the_scanner_ends_with_the_process_that_started_it(session: Live) -> None:
    link = session.feed._link
    assert link is not None
    assert link._process.stdin is not None
    link._process.stdin.close()  # as the kernel does for a process that was killed
    assert link._process.wait(DEADLINE) == 0


def test_a_changed_file_that_nobody_told_of_is_found_by_comparing(
    session: Live,
) -> None:
    table = session.messages.table
    (row,) = session.messages.rows_of([session.planted.ids["NEW"]])
    table["ctime"][row] -= 1  # as if the file had changed since
    table["tries"][row] = 77
    for part in range(16):
        session.messages.recheck(part, 16)

    def tries() -> int:
        found = session.messages.row(session.planted.ids["NEW"])
        return found.tries if found else -1

    session.until(lambda: tries() == 0)
