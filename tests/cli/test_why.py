"""``tuiq why``: one line that says what a message waits for."""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tuiq.clock import SystemClock
from tuiq.spool import control
from tuiq.spool.fs import OsFs
from tuiq.spool.limits import Limits, write_limits
from tuiq.spool.pauses import Scope
from tuiq.spool.status import Connection, RunnerStatus, StatusWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def runner(planted: Any) -> Iterator[Callable[..., None]]:
    """Return a function that writes the status of a living runner."""
    fd = os.open(planted.path / "run", os.O_RDONLY)
    writer = StatusWriter(OsFs(), fd, "supervisor", SystemClock())

    def tell(*connections: Connection, idle: str = "") -> None:
        writer.write(
            RunnerStatus(name="supervisor", idle=idle, connections=connections)
        )

    yield tell
    writer.close()
    os.close(fd)


@pytest.fixture
def why(planted: Any, tuiq: Callable[..., Any]) -> Callable[[str], tuple[str, str]]:
    """Return a function that gives cause and text for a planted message."""

    def ask(name: str) -> tuple[str, str]:
        answer = json.loads(tuiq("why", "--json", planted.ids[name]).out)
        line = tuiq("why", planted.ids[name]).out
        assert line == f"{planted.ids[name]}: {answer['text']}\n"
        return answer["cause"], answer["text"]

    return ask


def test_every_state_is_explained_as_pinned(
    stocked: Any, tuiq: Callable[..., Any], golden: Callable[[str, str], None]
) -> None:
    ids = sorted(stocked.ids.values())
    golden("why.txt", tuiq("why", *ids).out)
    golden("why.jsonl", tuiq("why", "--json", *ids).out)


def test_due_without_a_runner_names_the_command(planted: Any, why: Any) -> None:
    planted.plant("abc")
    assert why("abc") == (
        "no-runner",
        "due now, but no runner is running; start one with: tuiq --run",
    )


def test_due_with_a_runner_quotes_what_it_says(
    planted: Any, why: Any, runner: Any
) -> None:
    planted.plant("abc")
    runner(idle="rescanning")
    cause, text = why("abc")
    assert cause == "due"
    assert text.endswith(f"(pid {os.getpid()}) is next; it says: rescanning")


def test_a_destination_at_its_limit_is_named(
    planted: Any, why: Any, runner: Any
) -> None:
    planted.plant("abc")
    busy = Connection(destination="mx.example.net:25", phase="data", since=planted.now)
    runner(*[busy] * 20)
    assert why("abc") == (
        "at-limit",
        "due now, but its destination mx.example.net:25 is at its limit "
        "(20 of 20 connections)",
    )


def test_a_limit_that_an_operator_changed_is_the_one_told(
    planted: Any, why: Any, runner: Any
) -> None:
    planted.plant("abc")
    fd = os.open(planted.path / "run", os.O_RDONLY)
    changed = Limits(concurrency=2, initial_concurrency=1, who="ann")
    write_limits(OsFs(), fd, changed)
    os.close(fd)
    busy = Connection(destination="mx.example.net:25", phase="data", since=planted.now)
    runner(busy)
    assert why("abc")[0] == "due"
    runner(busy, busy)
    cause, text = why("abc")
    assert cause == "at-limit"
    assert text.endswith("is at its limit (2 of 2 connections)")


def test_a_lock_is_explained_by_its_holder_and_phase(
    planted: Any, why: Any, runner: Any
) -> None:
    queue_id = planted.plant("abc")
    runner(
        Connection(
            destination="mx.example.net:25",
            phase="data",
            since=planted.now - 12,
            message=queue_id,
        )
    )
    with planted.control_file("abc").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        cause, text = why("abc")
    assert cause == "locked"
    assert text.startswith(f"locked by pid {os.getpid()} (")
    assert text.endswith(", data with mx.example.net:25 for 12 s)")


def test_held_goes_before_locked_as_in_the_state_word(planted: Any, why: Any) -> None:
    planted.plant("abc")
    planted.poke("abc", (control.MHOLD, b"H"))
    with planted.control_file("abc").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert why("abc")[0] == "held"


@pytest.mark.parametrize(
    ("scope", "name", "words"),
    [
        (Scope.SPOOL, "", "the whole spool by ann"),
        (Scope.DESTINATION, "example.org", "destination example.org by ann"),
        (Scope.DESTINATION, "mx.example.net:25", "destination mx.example.net:25"),
    ],
)
def test_a_pause_tells_scope_reason_and_end(
    planted: Any, why: Any, scope: Scope, name: str, words: str
) -> None:
    planted.plant("abc")
    planted.pause(scope, name, wait=1800, reason="upgrade")
    cause, text = why("abc")
    assert cause == "paused"
    assert text.startswith("paused until 08:30:00 (in 30 min) (upgrade): ")
    assert words in text


def test_a_pause_of_its_directory_counts(planted: Any, why: Any) -> None:
    planted.plant("abc", place="q.2")
    uuid = (planted.path / "q.2" / ".tuiq-id").read_text().strip()
    planted.pause(Scope.DIRECTORY, uuid, wait=0, reason="")
    assert why("abc")[1].startswith("paused, open-ended: queue directory q.2 by")


def test_a_pause_of_one_destination_of_two_does_not_stop_the_message(
    planted: Any, why: Any
) -> None:
    planted.plant("abc", to=(b"a@example.org", b"b@other.example"))
    planted.pause(Scope.DESTINATION, "example.org", wait=60, reason="")
    assert why("abc")[0] == "no-runner"


def test_a_low_disk_is_explained(
    planted: Any, why: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.plant("abc")
    monkeypatch.setattr(
        "tuiq.actions.circumstances.low_disk", lambda *_args: "only 1 MiB free"
    )
    assert why("abc") == ("low-disk", "low disk: only 1 MiB free; free some space")


def test_mail_that_a_route_holds_says_so(planted: Any, why: Any) -> None:
    with planted.config.open("a") as file:
        file.write('routes = [{to = "*.org", hold = "their server moves"}]\n')
    planted.plant("abc", to=(b"one@example.org", b"two@sub.example.org"))
    planted.plant("xyz", to=(b"one@example.org", b"two@example.net"))

    text = "held by a route: their server moves; tuiq route ADDRESS explains it"
    assert why("abc") == ("route", text)
    assert why("xyz")[0] == "no-runner"


def test_a_pending_flush_makes_a_deferred_message_due(planted: Any, why: Any) -> None:
    planted.plant("abc")
    planted.tried("abc", tries=2, wait=600, reply=b"451 later")
    assert why("abc") == (
        "waiting",
        "next try at 08:10:00 (in 10 min); last: 451 later",
    )
    planted.poke("abc", (control.FLUSHGEN, b"1"))
    assert why("abc")[0] == "no-runner"


@pytest.mark.parametrize(("mstate", "cause"), [(b"P", "moving"), (b"M", "moving")])
def test_what_a_move_left_is_explained(
    planted: Any, why: Any, mstate: bytes, cause: str
) -> None:
    planted.plant("abc")
    planted.poke("abc", (control.MSTATE, mstate))
    assert why("abc")[0] == cause


def test_a_refused_message_is_explained_as_damaged(planted: Any, why: Any) -> None:
    planted.plant("abc")
    planted.poke("abc", (control.MSTATE, b"C"))
    assert why("abc")[0] == "damaged"


def test_doubt_under_hold_asks_for_a_decision(planted: Any, why: Any) -> None:
    planted.plant("abc")
    planted.slot("abc", 0, b"U")
    assert "may arrive twice" in why("abc")[1]
    text = planted.config.read_text().replace(
        "[spool]\n", '[spool]\nin_doubt = "hold"\n'
    )
    planted.config.write_text(text)
    assert "decide with tuiq requeue, tuiq delivered" in why("abc")[1]


def test_a_message_that_is_gone_ends_with_66(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    ran = tuiq("why", "0123456789ABCDEFGHJ")
    assert ran.status == 66
    assert "no such message" in ran.err
