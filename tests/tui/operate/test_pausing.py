"""Pauses and limits from the UI, exports, and what others do at the same time."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input

from tests.runner.world import World as RunnerWorld
from tests.tui.operate.desk import Floor, open_desk, open_now, shown, until
from tests.tui.world import ACTOR, NOW, PlantedSpool
from tuiq.actions import pausing as actions
from tuiq.actions.audit import Start, open_log
from tuiq.actions.selection import freeze
from tuiq.cli.main import dispatch
from tuiq.spool.answers import Answer, Result
from tuiq.spool.limits import read_limits
from tuiq.spool.pauses import Scope
from tuiq.tui.operate.choose import Choose
from tuiq.tui.operate.confirm import Confirm
from tuiq.tui.operate.elsewhere import elsewhere
from tuiq.tui.operate.exporting import ExportDialog
from tuiq.tui.operate.jobs_dialog import JobsDialog
from tuiq.tui.operate.pausing import PauseDialog, morning
from tuiq.tui.operate.running import LimitsDialog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiq.spool.pauses import Pause


@pytest.fixture
def floor(planted: PlantedSpool) -> Iterator[Floor]:
    with open_desk(planted.path) as floor:
        floor.page.places = [["destination", "x.example"], ["queue", "q.2"], ["spool"]]
        yield floor


def pauses(floor: Floor) -> dict[str, Pause]:
    found = floor.world.spool.pauses.current().pauses
    return {pause.scope.value + pause.name: pause for pause in found}


async def test_a_pause_with_an_end_takes_three_keys_and_can_be_taken_back(
    floor: Floor,
) -> None:
    async with floor.run_test(size=(80, 24)) as pilot:
        floor.perform("pause")
        await until(pilot, lambda: "destination x.example" in shown(floor))
        await pilot.press("2", "enter", *"their move", "enter")
        await until(pilot, lambda: bool(floor.told))
        pause = pauses(floor)["dom.x.example"]
        assert (pause.until, pause.reason) == (NOW + 3600, "their move")
        assert floor.told[0].startswith("paused destination x.example until 2027-")
        assert floor.told[0].endswith("(1 h) · u undoes")
        floor.perform("undo")
        await until(pilot, lambda: len(floor.told) == 2)
        assert "dom.x.example" not in pauses(floor)
        assert floor.told[1] == "took back: pause"


async def test_a_pause_without_an_end_wants_y(floor: Floor) -> None:
    async with floor.run_test(size=(80, 24)) as pilot:
        floor.perform("pause")
        await until(pilot, lambda: isinstance(floor.screen, PauseDialog))
        await pilot.press("right", "up", "enter", "enter")
        await until(pilot, lambda: isinstance(floor.screen, Confirm))
        await pilot.press("enter")
        assert Scope.DIRECTORY not in {p.scope for p in pauses(floor).values()}
        await pilot.press("y")
        await until(pilot, lambda: bool(floor.told))
        (pause,) = (p for p in pauses(floor).values() if p.scope is Scope.DIRECTORY)
        assert pause.until == 0


async def test_another_time_is_written_as_in_filters(floor: Floor) -> None:
    async with floor.run_test(size=(80, 24)) as pilot:
        floor.perform("pause")
        await until(pilot, lambda: isinstance(floor.screen, PauseDialog))
        await pilot.press("5", "enter", *"soon", "enter")
        await until(pilot, lambda: "soon is no duration" in shown(floor))
        await pilot.press(*["backspace"] * 4, *"1d12h", "enter", "enter")
        await until(pilot, lambda: bool(floor.told))
        assert pauses(floor)["dom.x.example"].until == NOW + 36 * 3600


def test_morning_is_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    evening = time.mktime((2026, 10, 24, 22, 0, 0, 0, 0, -1))
    night = time.mktime((2026, 10, 25, 4, 0, 0, 0, 0, -1))
    try:
        assert time.localtime(morning(evening))[:5] == (2026, 10, 25, 8, 0)
        assert morning(evening) == morning(night)
        assert morning(evening) - evening == 11 * 3600, "the clocks went back"
        assert morning(morning(night)) - morning(night) == 86_400
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_the_one_pause_here_is_resumed_at_once(floor: Floor) -> None:
    floor.page.places = [["destination", "stop.example"], ["spool"]]
    async with floor.run_test() as pilot:
        floor.perform("resume")
        await until(pilot, lambda: bool(floor.told))
        assert floor.told == ["resumed destination stop.example · u undoes"]
        assert not pauses(floor)
        assert floor.operator.why_not("resume", floor.page) == "nothing is paused"


async def test_a_pause_elsewhere_is_chosen_first(floor: Floor) -> None:
    async with floor.run_test(size=(100, 24)) as pilot:
        floor.perform("resume")
        await until(pilot, lambda: isinstance(floor.screen, Choose))
        await until(pilot, lambda: "their upgrade" in shown(floor))
        await pilot.press("enter")
        await until(pilot, lambda: bool(floor.told))
    assert not pauses(floor)


@pytest.mark.parametrize(
    ("places", "paused"),
    [
        ([["destination", "x.example"], ["queue", "q.3"], ["spool"]], ["queue", "q.3"]),
        ([["queue", "q.1"], ["spool"]], ["spool"]),
        ([["spool"]], ["spool"]),  # of pages that have the focus on something else
    ],
)
async def test_a_pause_of_more_than_the_focus_is_named_before_it_ends(
    floor: Floor, places: list[list[str]], paused: list[str]
) -> None:
    spool = floor.world.spool
    actions.resume(
        spool, actions.place(spool, ["destination", "stop.example"]), actor=ACTOR
    )
    where = actions.place(spool, paused)
    actions.pause(spool, where, actor=ACTOR, reason="their upgrade")
    floor.page.places = places
    async with floor.run_test(size=(100, 24)) as pilot:
        floor.perform("resume")
        await until(pilot, lambda: isinstance(floor.screen, Choose))
        await until(pilot, lambda: f"▸ 1 {where}" in shown(floor))
        assert pauses(floor)
        await pilot.press("enter")
        await until(pilot, lambda: floor.told == [f"resumed {where} · u undoes"])
    assert not pauses(floor)


async def test_pauses_elsewhere_can_be_ended_from_a_paused_place(floor: Floor) -> None:
    spool = floor.world.spool
    for words in (["queue", "q.1"], ["spool"]):
        actions.pause(spool, actions.place(spool, words), actor=ACTOR)
    floor.page.places = [["queue", "q.1"], ["spool"]]
    async with floor.run_test(size=(100, 24)) as pilot:
        floor.perform("resume")
        await until(pilot, lambda: isinstance(floor.screen, Choose))
        await until(pilot, lambda: "3 destination stop.example" in shown(floor))
        await pilot.press("3", "enter")
        await until(pilot, lambda: bool(floor.told))
    assert {pause.scope for pause in pauses(floor).values()} == {
        Scope.SPOOL,
        Scope.DIRECTORY,
    }


# -- limits --------------------------------------------------------------------


async def test_limits_of_a_living_runner_are_changed_and_taken_back(
    tmp_path: Path,
) -> None:
    world = RunnerWorld(tmp_path / "spool")
    with world.process(), open_now(world.path) as floor:
        spool = floor.world.spool
        async with floor.run_test(size=(80, 24)) as pilot:
            floor.perform("runner-limit")
            await until(pilot, lambda: isinstance(floor.screen, LimitsDialog))
            await pilot.press(*["backspace"] * 2, "4", "enter")
            await until(pilot, lambda: "more at first than at most" in shown(floor))
            await pilot.press("0", "enter")
            await until(pilot, lambda: bool(floor.told))
            assert floor.told[0].startswith("limits: 40 connections to one destination")
            limits = read_limits(spool.fs, spool.run_fd)
            assert limits is not None
            assert (limits.concurrency, limits.who) == (40, "ops")
            floor.perform("undo")
            await until(pilot, lambda: len(floor.told) == 2)
            assert read_limits(spool.fs, spool.run_fd) is None
    world.close()


async def test_somebody_elses_runner_is_only_watched(tmp_path: Path) -> None:
    world = RunnerWorld(tmp_path / "spool")
    with world.process() as process, open_now(world.path) as floor:
        async with floor.run_test():
            why = floor.operator.why_not
            watched = f"pid {process.pid} runs already: watching it"
            assert why("runner-start", floor.page) == watched
            assert f"kill {process.pid}" in why("runner-drain", floor.page)
    world.close()


# -- export --------------------------------------------------------------------


async def test_an_export_has_the_lines_of_mailq(
    floor: Floor,
    planted: PlantedSpool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOME", str(planted.path.parent))
    names = ("DEF", "EVK", "HED", "NEW")
    floor.mean(*(planted.ids[name] for name in names))
    async with floor.run_test(size=(100, 24)) as pilot:
        floor.perform("export")
        await until(pilot, lambda: isinstance(floor.screen, ExportDialog))
        await pilot.press("enter")
        await until(pilot, lambda: bool(floor.told))
        (file,) = planted.path.parent.glob("tuiq-export-*.jsonl")
        assert floor.told[0].startswith("exported 4 messages (")
        assert "K) to " in floor.told[0]
        floor.perform("export")
        await until(pilot, lambda: isinstance(floor.screen, ExportDialog))
        await pilot.press("enter")
        await until(pilot, lambda: "something of that name" in shown(floor))
    lines = file.read_text().splitlines()
    monkeypatch.setattr("tuiq.clock.SystemClock.now", lambda _self: float(NOW))
    assert dispatch(["mailq", "--config", str(planted.config), "--json"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert set(lines) <= set(listed)
    assert file.stat().st_mode & 0o777 == 0o600


async def test_single_recipients_are_exported_alone(
    floor: Floor, planted: PlantedSpool, tmp_path: Path
) -> None:
    floor.page.picks = [(planted.ids["DEF"], (2,))]
    async with floor.run_test(size=(100, 24)) as pilot:
        floor.perform("export")
        await until(pilot, lambda: isinstance(floor.screen, ExportDialog))
        floor.screen.query_one(Input).value = str(tmp_path / "out")
        await pilot.press("enter")
        await until(pilot, lambda: bool(floor.told))
    told = json.loads((tmp_path / "out").read_text())
    assert [r["address"] for r in told["recipients"]] == ["c@other.net"]


# -- elsewhere -----------------------------------------------------------------


def begin(floor: Floor, *, pid: int, host: str) -> int:
    """Write down an action of another process that has done two messages."""
    actor = replace(ACTOR, who="ann\x1b[2J", pid=pid, host=host)
    entries = list(floor.world.spool.entries())
    items = freeze(((entry, None) for entry in entries), scope="ALL").items
    log = open_log(floor.world.spool)
    log.start(Start(verb="delete", actor=actor, scope="ALL"), items)
    for item in items[:2]:
        log.answer(Answer(target=item.target, result=Result.ACTED, text="deleted"))
    return len(items)


@pytest.mark.parametrize(
    ("pid", "is_here", "is_seen"),
    [(1, True, True), (2**22 + 1, True, False), (2**22 + 1, False, True)],
)
async def test_what_others_do_is_told_while_they_live(
    floor: Floor, *, pid: int, is_here: bool, is_seen: bool
) -> None:
    host = socket.gethostname() if is_here else "elsewhere.example"
    count = begin(floor, pid=pid, host=host)
    async with floor.run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: bool(floor.world.lookout.actions))
        told = list(elsewhere(floor.world))
        assert bool(told) == is_seen
        if is_seen:
            said = f"elsewhere: delete ×{count} by ann\\x1b[2J: 2 done (pid {pid}, for "
            assert told[0].startswith(said)
            assert told[0] in floor.operator.line(NOW)
            floor.perform("jobs")
            await until(pilot, lambda: isinstance(floor.screen, JobsDialog))
            await until(pilot, lambda: "by ann" in shown(floor))


async def test_own_jobs_are_nobody_elses(floor: Floor, planted: PlantedSpool) -> None:
    floor.mean(planted.ids["NEW"])
    async with floor.run_test() as pilot:
        floor.perform("hold")
        await until(pilot, lambda: bool(floor.told))
        await until(pilot, lambda: bool(floor.world.lookout.actions))
        assert not list(elsewhere(floor.world))
