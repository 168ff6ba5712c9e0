"""What each tier asks before it acts; and Enter is never a yes."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from tests.tui.operate.desk import Floor, plant_many, shown, until
from tests.tui.world import PlantedSpool
from tuiq.spool.claim import lock_message
from tuiq.spool.flags import MHold
from tuiq.tui.operate.confirm import Confirm, TypeCount

if TYPE_CHECKING:
    pass


async def test_a_hold_acts_at_once_and_u_takes_it_back(
    floor: Floor, planted: PlantedSpool
) -> None:
    entry = floor.world.spool.entry
    new = planted.ids["NEW"]
    async with floor.run_test() as pilot:
        floor.mean(new)
        floor.perform("hold")
        await until(pilot, lambda: bool(floor.told))
        assert floor.told == ["1 held · u undoes"]
        assert entry(new).hold == MHold.HELD
        now = floor.world.clock.now()
        assert floor.operator.line(now) == "undo: h hold ×1, 01:00"
        assert floor.operator.line(now + 61) == ""
        floor.perform("undo")
        await until(pilot, lambda: len(floor.told) == 2)
        assert entry(new).hold == MHold.NONE
        assert floor.operator.last_undo is None


async def test_a_delete_of_few_wants_y_and_nothing_else(
    floor: Floor, planted: PlantedSpool
) -> None:
    new = planted.ids["NEW"]
    async with floor.run_test(size=(120, 36)) as pilot:
        floor.mean(new)
        for key in ("enter", "D", "space", "n"):
            floor.perform("delete")
            await until(pilot, lambda: isinstance(floor.screen, Confirm))
            await pilot.press(key)
            assert isinstance(floor.screen, Confirm), key
            await pilot.press("escape")
            assert not isinstance(floor.screen, Confirm)
        assert floor.world.spool.entry(new).is_live
        floor.perform("delete")
        await until(pilot, lambda: isinstance(floor.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: bool(floor.told))
        assert floor.told == ["1 deleted · u undoes (1 d left)"]
        assert not floor.world.spool.entry(new).is_live


async def test_a_delete_of_many_wants_their_number(
    floor: Floor, planted: PlantedSpool
) -> None:
    ids = plant_many(planted, 21)
    async with floor.run_test(size=(120, 36)) as pilot:
        floor.mean(*ids)
        floor.perform("delete")
        await until(pilot, lambda: isinstance(floor.screen, TypeCount))
        for keys in (("enter",), ("y", "enter"), ("2", "enter"), ("3", "enter")):
            await pilot.press(*keys)
            assert isinstance(floor.screen, TypeCount), keys
        assert all(floor.world.spool.entry(i).is_live for i in ids)
        await pilot.press("backspace", "backspace", "2", "1")
        await pilot.pause()
        assert not floor.told, "typing alone does nothing"
        await pilot.press("enter")
        await until(pilot, lambda: bool(floor.told))
        assert floor.told[0].startswith("21 deleted")


async def test_a_message_in_flight_is_told_and_its_delete_taken_back(
    floor: Floor, planted: PlantedSpool
) -> None:
    new = planted.ids["NEW"]
    directory = floor.world.spool.find(new)
    assert directory is not None
    planted.slot("NEW", 0, b"U")  # its dot is out
    async with floor.run_test(size=(120, 36)) as pilot:
        with closing(lock_message(directory, new)):
            floor.mean(new)
            floor.perform("delete")
            await until(pilot, lambda: isinstance(floor.screen, Confirm))
            words = "1 is being worked on now: cancelled if deferred"
            await until(pilot, lambda: words in shown(floor))
            await pilot.press("y")
            await until(pilot, lambda: bool(floor.told))
            undo = "u undoes (1 d left)"
            assert floor.told == [f"0 deleted · 1 in flight · {undo}"]
        planted.slot("NEW", 0, b"T")  # it was deferred after all
        floor.perform("undo")
        await until(pilot, lambda: len(floor.told) == 2)
    entry = floor.world.spool.entry(new)
    assert (entry.states, entry.request) == (b"T", b"-")


async def test_a_job_outlives_the_dialogs_and_pages_around_it(
    floor: Floor, planted: PlantedSpool
) -> None:
    ids = plant_many(planted, 30)
    async with floor.run_test(size=(120, 36)) as pilot:
        floor.mean(*ids)
        floor.perform("hold")
        await floor.page.remove()
        floor.perform("jobs")
        await pilot.press("escape")
        await until(pilot, lambda: bool(floor.told))
    assert floor.told == ["30 held · u undoes"]
    assert all(floor.world.spool.entry(i).is_held for i in ids)
