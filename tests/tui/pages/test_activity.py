"""What was done is told by the audit log alone, whoever did it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.tui.pages.boards import Scene, board
from tests.tui.world import HOSTILE
from tuiq.actions.actor import Actor
from tuiq.actions.audit import Start, open_log
from tuiq.actions.items import Item
from tuiq.spool.answers import Answer, Result, Target
from tuiq.tui.pages.activity import ActivityPage

if TYPE_CHECKING:
    from pathlib import Path

    from tuiq.actions.audit import ActionLog

HOST = "mx1.example.net"


def begin(
    scene: Scene[ActivityPage],
    verb: str = "hold",
    *,
    ids: tuple[str, ...] = ("A" * 19,),
    who: str = "ann",
    pid: int = 0,
    **facts: Any,
) -> ActionLog:
    scene.clock.time += 1
    log = open_log(scene.world.spool)
    actor = Actor(who=who, uid=0, user="root", tty="pts/1", pid=pid, host=HOST)
    start = Start(verb=verb, actor=actor, **{"scope": f"{len(ids)} ids", **facts})
    targets = [Target(queue_id=queue_id, birth=1) for queue_id in ids]
    log.start(start, [Item(target=target) for target in targets])
    return log


def act(
    scene: Scene[ActivityPage],
    verb: str = "hold",
    *,
    ids: tuple[str, ...] = ("A" * 19,),
    gone: int = 0,
    **facts: Any,
) -> str:
    log = begin(scene, verb, ids=ids, **facts)
    for number, queue_id in enumerate(ids):
        result = Result.GONE if number < gone else Result.ACTED
        target = Target(queue_id=queue_id, birth=1)
        log.answer(Answer(target=target, result=result, text=""))
    log.finish(complete=True)
    return log.action


def numbered(count: int) -> tuple[str, ...]:
    return tuple(f"{number:019}" for number in range(count))


async def test_nothing_done_is_said(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ActivityPage(), read=False) as scene:
        scene.page.set_filter("surely nothing")
        await scene.turn()
        assert "Nothing that happened matches surely nothing" in scene.text


async def test_actions_stand_newest_first_with_who_and_how_it_went(
    tmp_path: Path,
) -> None:
    async with board(tmp_path / "s", ActivityPage(), read=False) as scene:
        act(scene, "delete", ids=numbered(3), gone=1, who="bob", reason="spam")
        act(scene, "hold", who="ann")
        await scene.turn()
        lines = [line for line in scene.text.splitlines() if " ids" in line]
        assert lines[0].split()[1:5] == ["hold", "ann", "1", "done"]
        assert lines[1].split()[1:4] == ["delete", "bob", "3"]
        assert "2 done · 1 gone before" in lines[1]
        assert "3 ids (spam)" in lines[1]


async def test_hostile_words_are_escaped(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ActivityPage(), read=False) as scene:
        act(scene, scope=HOSTILE, reason=HOSTILE, who=HOSTILE)
        await scene.turn()
        assert "\x1b" not in scene.text
        assert "\\x1b]0;owned" in scene.text
        assert "[b]bold" in scene.page.detail.text


async def test_an_action_that_runs_and_one_that_died_are_told_apart(
    tmp_path: Path,
) -> None:
    async with board(tmp_path / "s", ActivityPage(), read=False) as scene:
        begin(scene, "hold", scope="mine", pid=os.getpid())
        begin(scene, "requeue", scope="lost", pid=2**22 + 5)
        await scene.turn()
        assert "running" in scene.line("mine")
        assert "died on the way" in scene.line("lost")


async def test_undo_means_the_focused_action(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ActivityPage(), read=False) as scene:
        first = act(scene, "hold", ids=numbered(4), gone=1)
        act(scene, "bounce")
        await scene.turn()
        await scene.focus(f"action {first}")
        done = scene.page.done()
        assert done is not None
        assert (done.action, done.verb, done.count, done.why_not) == (
            first,
            "hold",
            3,
            "",
        )
        await scene.do("first")
        done = scene.page.done()
        assert done is not None
        assert "bounce cannot be taken back" in done.why_not


async def test_what_was_taken_back_cannot_be_again(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ActivityPage(), read=False) as scene:
        first = act(scene, "hold")
        await scene.turn()
        by = act(scene, "release", undoes=first)
        await scene.turn()
        await scene.focus(f"action {first}")
        assert "taken back" in scene.line("hold")
        done = scene.page.done()
        assert done is not None
        assert by in done.why_not
        assert f"takes back {first}" in scene.text


async def test_a_deletion_is_final_once_the_trash_was_emptied(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ActivityPage(), read=False) as scene:
        action = act(scene, "delete")
        await scene.turn()
        await scene.focus(f"action {action}")
        done = scene.page.done()
        assert done is not None
        assert not done.why_not
        await scene.turn(scene.world.config.spool.trash_keep + 60)
        done = scene.page.done()
        assert done is not None
        assert "the trash keeps mail for" in done.why_not


async def test_enter_lists_the_messages_of_a_small_action_by_id(
    tmp_path: Path,
) -> None:
    async with board(tmp_path / "s", ActivityPage(), read=False) as scene:
        ids = numbered(2)
        act(scene, "hold", ids=ids)
        await scene.turn()
        await scene.do("open")
        await scene.until(lambda: bool(scene.app.went))
        assert scene.app.went == [("messages", f"id={ids[0]}|{ids[1]}", None)]


async def test_enter_on_a_large_action_takes_its_filter_and_says_so(
    tmp_path: Path,
) -> None:
    async with board(tmp_path / "s", ActivityPage(), read=False) as scene:
        act(scene, "hold", ids=numbered(60), filter="dom:x.org")
        await scene.turn()
        await scene.do("open")
        await scene.until(lambda: bool(scene.app.told))
        assert scene.app.went == [("messages", "dom:x.org", None)]
        assert "60 messages were meant then" in scene.app.told[0]
        act(scene, "hold", ids=numbered(61))
        await scene.turn()
        await scene.do("first", "open")
        await scene.until(lambda: len(scene.app.told) > 1)
        assert "too many for a filter" in scene.app.told[1]


async def test_plain_words_narrow_the_list(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ActivityPage(), read=False) as scene:
        act(scene, "hold", who="ann", scope="queue one")
        act(scene, "hold", who="bob", scope="queue two")
        act(scene, "delete", who="bob", scope="queue three")
        await scene.turn()
        for words, left in (
            ("bob", {"two", "three"}),
            ("BOB hold", {"two"}),
            ("queue !bob", {"one"}),
            ('"queue two"', {"two"}),
            ('"queue t', {"two", "three"}),
        ):
            assert scene.page.set_filter(words) == ""
            await scene.pilot.pause()
            shown = {row.scope.split()[-1] for row in scene.page.table.values.values()}
            assert shown == left, words
        assert scene.page.matched().startswith("2 of ")
        assert scene.page.set_filter("") == ""
        assert scene.page.filter_text == ""


async def test_runners_and_scans_are_in_the_list_too(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ActivityPage(), read=False) as scene:
        with scene.runner("worker-1"):
            await scene.turn()
            assert "started" in scene.line("worker-1")
        await scene.turn()
        assert "ended" in scene.line("worker-1")
        scene.world.feed.start()
        await scene.until(lambda: scene.world.feed.state.scanned > 0)
        await scene.turn()
        assert "all queue directories were listed" in scene.line("rescan")


async def test_thousands_of_actions_are_made_into_rows_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with board(tmp_path / "s", ActivityPage(), read=False) as scene:
        action = act(scene)
        audit = scene.planted.path / "audit"
        for number in range(600):
            other = f"{action[:-6]}{number:06}"
            shutil.copy(audit / f"{action}.jsonl", audit / f"{other}.jsonl")
            text = (audit / f"{other}.jsonl").read_text().replace(action, other)
            (audit / f"{other}.jsonl").write_text(text)
        await scene.until(lambda: _read_all(scene) and scene.page.table.count > 600)
        made: list[object] = []
        monkeypatch.setattr(
            "tuiq.tui.pages.activity_rows.of_action", lambda *a, **k: made.append(a)
        )
        scene.app.turn()
        assert made == []


def _read_all(scene: Scene[ActivityPage]) -> bool:
    scene.world.lookout.look()
    return scene.world.lookout.actions_note == ""


async def test_an_audit_directory_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ActivityPage(), read=False) as scene:
        audit = scene.planted.path / "audit"
        shutil.rmtree(audit, ignore_errors=True)
        audit.write_text("no directory")
        await scene.turn()
        assert "audit: cannot be read" in scene.page.detail.text


@pytest.mark.parametrize("size", [(80, 24), (40, 8), (30, 3)])
async def test_every_size_shows_what_was_done(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with board(tmp_path / "s", ActivityPage(), size=size, read=False) as scene:
        act(scene, "hold")
        await scene.turn()
        assert "hold" in scene.text
        assert len(scene.text.splitlines()) == size[1]
