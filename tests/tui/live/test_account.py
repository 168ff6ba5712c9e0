"""The audit directory is read once, and again only where something is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import PlantedSpool
from tests.spool.world import SetClock
from tuiq.actions import tally
from tuiq.actions.actor import Actor
from tuiq.actions.audit import ActionLog, Start, mark_undone, open_log
from tuiq.config import load
from tuiq.spool.answers import Answer, Result, Target
from tuiq.spool.spool import Spool
from tuiq.tui.live import account as module
from tuiq.tui.live.account import Account

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANN = Actor(who="ann", uid=0)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    planted = PlantedSpool(tmp_path / "spool")
    with Spool(load(str(planted.config)), clock=SetClock()) as spool:
        yield spool


def act(spool: Spool, verb: str = "hold", *, undoes: str = "") -> str:
    spool.clock.time += 1.0  # type: ignore[attr-defined]
    log = open_log(spool)
    log.start(Start(verb=verb, actor=ANN, scope="2 ids", undoes=undoes))
    log.finish(complete=True)
    if undoes:
        mark_undone(spool.path / "audit", undoes, by=log.action, at=spool.clock.now())
    return log.action


def test_actions_are_there_newest_first(spool: Spool) -> None:
    account = Account(spool.path / "audit")
    account.look()
    assert list(account.actions) == []
    first, second = act(spool), act(spool, "delete")
    account.look()
    assert [a.start.action for a in account.actions] == [second, first]


def test_nothing_new_is_the_same_object(spool: Spool) -> None:
    account = Account(spool.path / "audit")
    act(spool)
    account.look()
    before = account.actions
    account.look()
    assert account.actions is before


def test_an_action_that_runs_elsewhere_is_read_until_it_ends(spool: Spool) -> None:
    account = Account(spool.path / "audit")
    log = open_log(spool)
    log.start(Start(verb="hold", actor=ANN, scope="x"))
    account.look()
    assert account.actions[0].counts is None
    log.finish(complete=True)
    account.look()
    assert account.actions[0].counts is not None


def answers(log: ActionLog, count: int) -> None:
    for number in range(count):
        target = Target(queue_id=f"{number:019}")
        log.answer(
            Answer(target=target, result=Result.ACTED, text='{"event": "answer"')
        )


def test_what_an_action_has_done_is_counted_while_it_runs(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(spool.path / "audit")
    log = open_log(spool)
    log.start(Start(verb="hold", actor=ANN, scope="x"))
    account.look()
    assert account.actions[0].done == 0
    for done in (3, 8):
        answers(log, done - (account.actions[0].done or 0))
        account.look()
        assert account.actions[0].done == done
    before = account.actions
    account.look()
    assert account.actions is before
    log.finish(complete=True)
    account.look()
    assert account.actions[0].done is None
    assert account.actions[0].counts is not None


def test_a_long_file_is_counted_in_turns_and_read_once(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "TURN", 10_000)
    log = open_log(spool)
    log.start(Start(verb="hold", actor=ANN, scope="x"))
    answers(log, 200)
    path = spool.path / "audit" / f"{log.action}.jsonl"
    turns = path.stat().st_size // 10_000
    assert turns > 2
    account, looks = Account(spool.path / "audit"), 0
    while not account.actions or account.actions[0].done is None:
        account.look()
        looks += 1
    assert account.actions[0].done == 200
    assert 1 < looks <= turns + 1
    for part, done in ((b'{"event": "ans', 200), (b'wer", "at": 1}\n', 201)):
        with path.open("ab") as file:
            file.write(part)
        account.look()
        assert account.actions[0].done == done


def test_an_action_that_was_taken_back_says_so(spool: Spool) -> None:
    account = Account(spool.path / "audit")
    action = act(spool)
    account.look()
    by = act(spool, "release", undoes=action)
    account.look()
    assert {a.start.action: a.undone_by for a in account.actions} == {
        action: by,
        by: "",
    }


def test_thousands_are_read_in_turns_the_newest_first(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions = [act(spool) for _ in range(20)]
    account = Account(spool.path / "audit")
    monkeypatch.setattr(module, "TURN", 0.0)
    account.look()
    assert account.waiting == 20
    monkeypatch.setattr(module, "TURN", 60.0)
    account.look()
    assert (account.waiting, len(account.actions)) == (0, 20)
    assert account.actions[0].start.action == actions[-1]


def test_strange_files_are_left_out(spool: Spool) -> None:
    action = act(spool)
    audit = spool.path / "audit"
    for number, text in enumerate(("[]\n", '{"event": "started"}\n', "no json\n")):
        (audit / f"20260101-00000{number}-abcdef.jsonl").write_text(text)
    (audit / "README").write_text("hello")
    account = Account(audit)
    account.look()
    assert [a.start.action for a in account.actions] == [action]


def test_a_closed_directory_is_told_and_what_was_read_stays(spool: Spool) -> None:
    account = Account(spool.path / "audit")
    act(spool)
    account.look()
    audit = spool.path / "audit"
    audit.rename(spool.path / "elsewhere")
    audit.write_text("a file")
    account.look()
    assert "cannot be read" in account.error
    assert len(account.actions) == 1
