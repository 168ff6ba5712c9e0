"""Dialogs: what they say, who answers them, and text from strangers in them."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.tui.operate.desk import Floor, open_desk, plant_many, shown, until
from tests.tui.operate.test_jobs import patient
from tests.tui.world import NOW, PlantedSpool
from tuiq.spool.answers import Target, Verb
from tuiq.spool.entry import State
from tuiq.tui.commands import COMMANDS
from tuiq.tui.operate.confirm import Confirm, Listing, TypeCount, yes_key
from tuiq.tui.operate.freezing import Freezing
from tuiq.tui.operate.jobs_dialog import JobsDialog
from tuiq.tui.operate.operator import READ_ONLY
from tuiq.tui.operate.reading import SHOWN_FROM, FreezingDialog

if TYPE_CHECKING:
    from tuiq.tui.operate.freezing import Frozen

SIZES = [(120, 36), (80, 24), (60, 20), (40, 8)]


def files(planted: PlantedSpool) -> dict[str, bytes]:
    """Return every file of the spool that is not the journal's or the runner's."""
    return {
        str(path): path.read_bytes()
        for path in sorted(planted.path.rglob("*"))
        if path.is_file() and path.parent.name not in ("run", "journal")
    }


async def test_read_only_refuses_whatever_changes_something(
    planted: PlantedSpool,
) -> None:
    before = files(planted)
    with open_desk(planted.path, read_only=True) as floor:
        async with floor.run_test() as pilot:
            floor.mean(planted.ids["NEW"])
            changing = floor.operator.handles - {"export", "jobs"}
            for command in sorted(changing):
                floor.perform(command)
                await pilot.pause()
                assert not floor.screen.is_modal, command
                told = f"{COMMANDS[command].label}: {READ_ONLY}"
                assert floor.told.pop() == told
            assert not floor.world.jobs.all
            assert floor.world.runner.pid is None
    assert files(planted) == before


async def test_a_delete_says_what_it_is_about(
    floor: Floor, planted: PlantedSpool
) -> None:
    floor.page.scope, floor.page.hidden_marks = "3 marked", 2
    floor.mean(*(planted.ids[name] for name in ("NEW", "HED", "DEF")))
    async with floor.run_test(size=(120, 36)) as pilot:
        floor.perform("delete")
        await until(pilot, lambda: "leaves it alone" in shown(floor))
        text = " ".join(shown(floor).split())
        for part in (
            "Delete: 3 messages",
            "3 marked at ",
            "oldest 2 d",
            "1 sender",
            "1 held",
            "2 marked rows outside the filter: not acted on",
            "kept in the trash for 1 d, recipients' states included",
            "y deletes 3 messages",
            "v lists all",
            "Esc leaves it alone",
        ):
            assert part in text, text


async def test_what_cannot_be_taken_back_says_so(
    floor: Floor, planted: PlantedSpool
) -> None:
    floor.mean(planted.ids["NEW"])
    async with floor.run_test(size=(120, 36)) as pilot:
        floor.perform("bounce")
        await until(pilot, lambda: "leaves it alone" in shown(floor))
        text = shown(floor)
        assert "No undo" in text
        assert "the sender is told at once" in text


@pytest.mark.parametrize("size", SIZES)
async def test_strangers_text_is_shown_and_not_obeyed(
    floor: Floor, planted: PlantedSpool, size: tuple[int, int]
) -> None:
    floor.mean(planted.ids["EVK"])
    async with floor.run_test(size=size) as pilot:
        floor.perform("delete")
        await until(pilot, lambda: isinstance(floor.screen, Confirm))
        await until(pilot, lambda: "leaves it" in shown(floor))
        text = shown(floor)
        assert not any(sign in text for sign in "\x1b\x07\x9b\u202e")
        if size[1] >= 20:
            assert "\\x1b]0;owned" in text
            if size[0] >= 120:
                assert "[2J\\x9b31m[b]bold" in text, "no markup either"
            await pilot.press("v")
            await until(pilot, lambda: "1–1 of 1" in shown(floor))
            assert not any(sign in shown(floor) for sign in "\x1b\x07\x9b\u202e")


@pytest.mark.parametrize("size", SIZES)
async def test_a_count_can_be_typed_on_any_screen(
    floor: Floor, planted: PlantedSpool, size: tuple[int, int]
) -> None:
    floor.mean(*plant_many(planted, 21))
    async with floor.run_test(size=size) as pilot:
        floor.perform("delete")
        await until(pilot, lambda: isinstance(floor.screen, TypeCount))
        await until(pilot, lambda: "Type 21 to agree" in shown(floor))
        assert "Esc leaves it alone" in " ".join(shown(floor).split())
        await pilot.press("2", "1")
        await until(pilot, lambda: "Enter deletes them" in shown(floor))
        await pilot.press("escape")
        assert not floor.world.jobs.all


def is_shown(floor: Floor, text: str) -> bool:
    return text in shown(floor)


async def test_all_that_is_meant_can_be_read(
    floor: Floor, planted: PlantedSpool
) -> None:
    ids = plant_many(planted, 40)
    floor.mean(*ids)
    async with floor.run_test(size=(120, 36)) as pilot:
        floor.perform("delete")
        await until(pilot, lambda: isinstance(floor.screen, TypeCount))
        await pilot.press("v")
        seen: set[str] = set()
        for where in ("1–14 of 40", "15–28 of 40", "27–40 of 40"):
            await until(pilot, partial(is_shown, floor, where))
            seen |= {i for i in ids if i in shown(floor)}
            await pilot.press("pagedown")
        assert seen == set(ids)
        await pilot.press("escape")
        assert isinstance(floor.screen, TypeCount)


async def test_a_large_set_shows_its_reading_and_esc_gives_up(
    floor: Floor, planted: PlantedSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = plant_many(planted, SHOWN_FROM + 1)
    go, real = threading.Event(), Freezing.run

    def slow(self: Freezing) -> Frozen:
        go.wait(10)
        return real(self)

    monkeypatch.setattr(Freezing, "run", slow)
    async with floor.run_test(size=(80, 24)) as pilot:
        floor.mean(*ids)
        floor.perform("delete")
        await until(pilot, lambda: isinstance(floor.screen, FreezingDialog))
        await until(pilot, lambda: f"freezing 0 of {len(ids)}" in shown(floor))
        await pilot.press("y", "enter")
        assert isinstance(floor.screen, FreezingDialog)
        await pilot.press("escape")
        go.set()
        await until(pilot, lambda: bool(floor.told))
        assert floor.told == ["given up; nothing was done"]
        floor.perform("delete")
        await until(pilot, lambda: isinstance(floor.screen, TypeCount))
    assert not floor.world.jobs.all


def test_the_key_that_says_yes_is_never_the_actions() -> None:
    assert yes_key(["D"]) == "y"
    assert yes_key(["Y", "x"]) == "o"
    assert yes_key(["y", "o"]) == "k"


async def test_a_remapped_delete_is_not_confirmed_by_its_own_key(
    floor: Floor, planted: PlantedSpool
) -> None:
    floor.world.choices.keys |= {"delete": "y", "copy": "ctrl+y", "undo": "ctrl+z"}
    floor.mean(planted.ids["NEW"])
    async with floor.run_test() as pilot:
        floor.perform("delete")
        await until(pilot, lambda: isinstance(floor.screen, Confirm))
        await pilot.press("y", "y")
        assert isinstance(floor.screen, Confirm)
        await pilot.press("o")
        await until(pilot, lambda: bool(floor.told))
    assert "Ctrl+Z undoes" in floor.told[0]


# -- why not -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "names", "why"),
    [
        ("release", ["NEW"], "not held"),
        ("release", ["NEW", "HED"], ""),
        ("hold", ["HED"], "held already"),
        ("flush", ["HED"], "held; release it first"),
        ("canary", ["HED"], "held; release it first"),
        ("purge", ["NEW"], "not in the trash; delete it first"),
        ("purge", ["TRSH"], ""),
        ("delete", ["TRSH"], "in the trash already; purge removes it"),
        ("requeue", ["DBT"], ""),
        ("undo", ["NEW"], "nothing was done here yet; Activity lists what was"),
        ("undo", ["TRSH"], ""),
        ("resume", ["NEW"], ""),
        ("runner-drain", ["NEW"], "no runner is alive"),
        ("runner-limit", ["NEW"], "no runner is alive"),
        ("runner-start", ["NEW"], ""),
        ("hold", [], "nothing is focused or marked"),
    ],
)
async def test_keys_that_cannot_work_say_why(
    floor: Floor, planted: PlantedSpool, command: str, names: list[str], why: str
) -> None:
    floor.mean(*(planted.ids[name] for name in names))
    async with floor.run_test():
        found = floor.operator.why_not(command, floor.page)
    assert found.startswith(why)
    assert bool(found) == bool(why)


async def test_what_a_sample_does_not_show_may_still_qualify(
    floor: Floor, planted: PlantedSpool
) -> None:
    floor.mean(planted.ids["NEW"])
    async with floor.run_test():
        assert floor.operator.why_not("release", floor.page) == "not held"
        floor.page.has_more = True
        assert floor.operator.why_not("release", floor.page) == ""


async def test_a_held_recipient_can_be_released(
    floor: Floor, planted: PlantedSpool
) -> None:
    planted.slot("DEF", 1, b"TH")
    floor.mean(planted.ids["DEF"])
    async with floor.run_test():
        assert floor.operator.why_not("release", floor.page) == ""


@pytest.mark.parametrize(
    ("command", "slots", "why"),
    [
        ("hold", (0,), "already settled"),
        ("hold", (0, 2), ""),
        ("hold", (1,), "held already"),
        ("release", (0,), "not held"),
        ("release", (1, 2), ""),
        ("flush", (1,), "held; release it first"),
        ("flush", (2,), ""),
        ("delete", (0,), "already settled"),
        ("delete", (1,), ""),
        ("bounce", (3,), "deleted; tuiq undo restores it"),
        ("delivered", (0, 3), "deleted; tuiq undo restores it"),
        ("purge", (3,), "single recipients cannot be purged; delete them"),
    ],
)
async def test_a_recipient_says_why_a_key_cannot_work_on_it(
    floor: Floor,
    planted: PlantedSpool,
    command: str,
    slots: tuple[int, ...],
    why: str,
) -> None:
    planted.plant("MXD", to=(b"a@x.example", b"b@x.example", b"c@x.example", b"d@y"))
    for slot, state in enumerate((b"D", b"TH", b"T", b"X")):
        planted.slot("MXD", slot, state)
    floor.page.picks = [(planted.ids["MXD"], slots)]
    async with floor.run_test() as pilot:
        messages = floor.world.messages
        await until(pilot, lambda: messages.row(planted.ids["MXD"]) is not None)
        assert floor.operator.why_not(command, floor.page) == why


async def test_a_key_after_the_other_goes_by_what_the_first_one_did(
    floor: Floor, planted: PlantedSpool
) -> None:
    floor.page.picks = [(planted.ids["DEF"], (1,))]
    async with floor.run_test() as pilot:
        assert floor.operator.why_not("release", floor.page) == "not held"
        floor.perform("hold")
        await until(pilot, lambda: bool(floor.told))
        floor.perform("release")
        await until(pilot, lambda: len(floor.told) == 2)
    assert floor.told[1].startswith("1 released")


async def test_a_question_about_recipients_names_them(
    floor: Floor, planted: PlantedSpool
) -> None:
    floor.page.picks = [(planted.ids["DEF"], (2,))]
    async with floor.run_test(size=(120, 36)) as pilot:
        floor.perform("delivered")
        title = "Mark as delivered: 1 recipient of 1 message"
        await until(pilot, lambda: title in shown(floor))
        said = shown(floor)
        assert "marks 1 recipient of 1 message delivered" in said
        assert "-> c@other.net " in said
        await pilot.press("v")
        await until(pilot, lambda: isinstance(floor.screen, Listing))
        await until(pilot, lambda: "-> c@other.net " in shown(floor))


async def test_a_directory_that_may_not_be_written_is_named(
    floor: Floor, planted: PlantedSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_args, **_rest: False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    floor.mean(planted.ids["NEW"])
    async with floor.run_test():
        assert (
            floor.operator.why_not("hold", floor.page) == "uid 1000 may not write q.1"
        )


# -- undo ----------------------------------------------------------------------


async def test_what_lies_in_the_trash_is_restored_after_a_question(
    floor: Floor, planted: PlantedSpool
) -> None:
    trashed = planted.ids["TRSH"]
    floor.mean(trashed)
    async with floor.run_test(size=(120, 36)) as pilot:
        floor.perform("undo")
        await until(pilot, lambda: "Restore from the trash: 1 mess" in shown(floor))
        await pilot.press("y")
        await until(pilot, lambda: bool(floor.told))
    assert floor.world.spool.entry(trashed).state() is State.DUE


async def test_an_old_action_is_taken_back_after_a_question(
    planted: PlantedSpool,
) -> None:
    from tests.tui.operate.desk import start
    from tests.tui.world import open_world

    new = planted.ids["NEW"]
    with open_world(planted.path) as (world, clock):
        floor = start(world)
        floor.mean(new)
        async with floor.run_test(size=(120, 36)) as pilot:
            floor.perform("hold")
            await until(pilot, lambda: bool(floor.told))
            clock.time = NOW + 3600.0
            assert floor.operator.line(clock.now()) == ""
            floor.perform("undo")
            await until(pilot, lambda: "hold of 1 message" in shown(floor))
            assert "1 h ago" in shown(floor)
            await pilot.press("y")
            await until(pilot, lambda: len(floor.told) == 2)
            assert floor.told[1] == "1 taken back"
        assert not world.spool.entry(new).is_held


async def test_taking_a_hold_back_tells_what_others_deleted_meanwhile(
    floor: Floor, planted: PlantedSpool
) -> None:
    new, old = planted.ids["NEW"], planted.ids["DEF"]
    floor.mean(new, old)
    async with floor.run_test(size=(120, 36)) as pilot:
        floor.perform("hold")
        await until(pilot, lambda: bool(floor.told))
        spool = floor.world.spool
        assert list(spool.operate(Verb.DELETE, [Target(queue_id=new)]))
        floor.perform("undo")
        await until(pilot, lambda: len(floor.told) == 2)
    assert floor.told[1] == "1 taken back · 1 changed since, left alone"
    assert not spool.entry(old).is_held
    assert spool.entry(new).state() is State.TRASHED


# -- jobs ----------------------------------------------------------------------


async def test_jobs_are_listed_and_stopped_after_a_question(
    floor: Floor, planted: PlantedSpool
) -> None:
    go = threading.Event()
    world = floor.world
    floor.mean(planted.ids["NEW"])
    async with floor.run_test(size=(100, 30)) as pilot:
        world.jobs.in_turn("pause", "queue q.1", patient(go))
        floor.perform("delete")
        await until(pilot, lambda: isinstance(floor.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: len(world.jobs.all) == 2)
        assert "waits for the jobs before it" in floor.operator.line(NOW)
        floor.perform("jobs")
        await until(pilot, lambda: isinstance(floor.screen, JobsDialog))
        await until(pilot, lambda: "delete: what the test says" in shown(floor))
        await pilot.press("x")
        await until(pilot, lambda: isinstance(floor.screen, Confirm))
        await pilot.press("enter")
        assert not world.jobs.all[0].stopping
        await pilot.press("y")
        assert world.jobs.all[0].stopping
        await pilot.press("escape")
        go.set()
        await until(pilot, lambda: not world.jobs.running)
        assert world.jobs.all[0].stopped
        assert world.spool.entry(planted.ids["NEW"]).is_live
