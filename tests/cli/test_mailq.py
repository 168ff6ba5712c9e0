"""``tuiq mailq``: three layouts, one truth, no lock."""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tuiq.actions.circumstances import look_around
from tuiq.cli.layouts import as_json, as_postfix
from tuiq.cli.listing import Listing
from tuiq.cli.mailq import main
from tuiq.config import load
from tuiq.spool import control
from tuiq.spool.reading import read_entry
from tuiq.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiq.spool.entry import QueueEntry
    from tuiq.spool.layout import QueueDirectory

LAYOUTS = [(), ("-v",), ("--postfix",), ("--json",), ("--trashed",)]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mailq.txt", ()),
        ("mailq-verbose.txt", ("-v",)),
        ("mailq-postfix.txt", ("--postfix",)),
        ("mailq.jsonl", ("--json",)),
        ("mailq-trashed.txt", ("--trashed",)),
        ("mailq-trashed.jsonl", ("--trashed", "--json")),
    ],
)
def test_every_layout_is_as_pinned(
    stocked: Any,
    tuiq: Callable[..., Any],
    golden: Callable[[str, str], None],
    name: str,
    arguments: tuple[str, ...],
) -> None:
    ran = tuiq("mailq", *arguments)
    assert (ran.status, ran.err) == (0, "")
    golden(name, ran.out)


def test_an_empty_queue_reads_as_scripts_expect(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    lines = tuiq("mailq").lines
    assert [f"{planted.path}/q.{n} is empty" for n in (1, 2, 3, 4)] == lines[:-1]
    assert lines[-1] == "\t\tTotal requests: 0"
    assert tuiq("mailq", "--postfix").out == "Mail queue is empty\n"
    assert tuiq("mailq", "--json").out == ""


def test_sendmails_layout_has_the_columns_that_scripts_parse(
    stocked: Any, tuiq: Callable[..., Any]
) -> None:
    lines = tuiq("mailq").lines
    heads = [
        line for line in lines if re.fullmatch(r"\t\t/\S+ \(\d+ requests?\)", line)
    ]
    messages = [
        line
        for line in lines
        if re.fullmatch(
            r"[0-9A-Z]{19}[ *X?-] +\d+ \w{3} \w{3} [ \d]\d \d\d:\d\d .+", line
        )
    ]
    assert len(heads) == 3
    assert len(messages) == 7
    assert re.fullmatch(r"\t\tTotal requests: 7", lines[-1])


def test_postfix_layout_ends_with_the_sum_that_scripts_grep(
    stocked: Any, tuiq: Callable[..., Any]
) -> None:
    assert re.fullmatch(
        r"-- \d+ Kbytes in 7 Requests\.", tuiq("mailq", "--postfix").lines[-1]
    )


def test_json_has_every_member_of_postqueue(
    stocked: Any, tuiq: Callable[..., Any]
) -> None:
    for line in tuiq("mailq", "--json").lines:
        message = json.loads(line)
        assert {
            "queue_name",
            "queue_id",
            "arrival_time",
            "message_size",
            "forced_expire",
            "sender",
            "recipients",
        } < message.keys()
        assert all("address" in each for each in message["recipients"])


def test_trashed_messages_are_listed_only_when_asked_for(
    stocked: Any, tuiq: Callable[..., Any]
) -> None:
    trashed = stocked.ids["trash"]
    assert trashed not in tuiq("mailq").out
    assert "Trash: 1 message" in tuiq("mailq").out
    only = tuiq("mailq", "--trashed", "--json").lines
    assert [trashed] == [json.loads(line)["queue_id"] for line in only]
    assert trashed in tuiq("mailq", "--filter", "state:trashed").out


@pytest.mark.parametrize("arguments", LAYOUTS)
def test_no_layout_lets_mail_speak_to_the_terminal(
    stocked: Any, tuiq: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    out = tuiq("mailq", *arguments).out
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", out)


def test_a_held_lock_is_marked_with_its_holder(
    stocked: Any, tuiq: Callable[..., Any]
) -> None:
    queue_id = stocked.ids["fresh"]
    with stocked.control_file("fresh").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert f"{queue_id}* " in tuiq("mailq").out
        assert f"{queue_id}* " in tuiq("mailq", "--postfix").out
        messages = map(json.loads, tuiq("mailq", "--json").lines)
        found = next(m for m in messages if m["queue_id"] == queue_id)
    assert (found["state"], found["queue_name"]) == ("active", "active")
    assert found["holder"]["pid"] == os.getpid()


def test_a_listing_locks_no_message(
    stocked: Any, tuiq: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock
    files: list[int] = []

    def watch(fd: Any, operation: int) -> None:
        if stat.S_ISREG(os.fstat(fd if isinstance(fd, int) else fd.fileno()).st_mode):
            files.append(operation)
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", watch)
    for arguments in LAYOUTS:
        assert tuiq("mailq", *arguments).status == 0
    assert files == []


def test_a_listing_changes_nothing(stocked: Any, tuiq: Callable[..., Any]) -> None:
    def snapshot() -> list[tuple[str, int, bytes]]:
        files = [path for path in stocked.path.rglob("*") if path.is_file()]
        return [(str(p), p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(files)]

    before = snapshot()
    tuiq("mailq")
    assert snapshot() == before


@pytest.mark.parametrize("layout", [as_json, as_postfix])
def test_messages_are_printed_as_they_are_read(
    stocked: Any,
    monkeypatch: pytest.MonkeyPatch,
    layout: Callable[[Listing], Iterator[str]],
) -> None:
    read: list[str] = []

    def counted(directory: QueueDirectory, queue_id: str) -> QueueEntry | None:
        read.append(queue_id)
        return read_entry(directory, queue_id)

    monkeypatch.setattr("tuiq.spool.reading.read_entry", counted)
    monkeypatch.setattr("tuiq.cli.listing.PART", 1)
    monkeypatch.setattr("tuiq.cli.turns.MOST", 1)
    with Spool(load(str(stocked.config))) as spool:
        next(layout(Listing(spool, look_around(spool))))
    assert len(read) == 1


def test_a_filter_selects(stocked: Any, tuiq: Callable[..., Any]) -> None:
    lines = tuiq("mailq", "--json", "--filter", "dom:b.example age>1d").lines
    assert [stocked.ids["def"]] == [json.loads(line)["queue_id"] for line in lines]
    assert tuiq("mailq", "--filter", "from:nobody").lines[-1] == "\t\tTotal requests: 0"


def test_a_filter_reads_subjects(stocked: Any, tuiq: Callable[..., Any]) -> None:
    lines = tuiq("mailq", "--json", "--filter", "subject:Grü").lines
    assert [stocked.ids["evp"]] == [json.loads(line)["queue_id"] for line in lines]


def test_a_wrong_filter_is_a_usage_error(
    stocked: Any, tuiq: Callable[..., Any]
) -> None:
    ran = tuiq("mailq", "--filter", "nonsense:1")
    assert (ran.status, ran.out) == (64, "")
    assert "nonsense" in ran.err


@pytest.mark.parametrize("mstate", [b"P", b"M", b"F"])
def test_twins_of_a_move_and_finished_messages_are_hidden(
    planted: Any, tuiq: Callable[..., Any], mstate: bytes
) -> None:
    planted.plant("abc")
    planted.poke("abc", (control.MSTATE, mstate))
    assert tuiq("mailq", "--json").out == ""


def test_recipients_that_are_settled_are_not_listed(
    stocked: Any, tuiq: Callable[..., Any]
) -> None:
    out = tuiq("mailq").out
    assert "grey@b.example" in out
    assert "done@a.example" not in out


def test_a_low_disk_shows_as_x(
    planted: Any, tuiq: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_id = planted.plant("abc")
    monkeypatch.setattr(
        "tuiq.actions.circumstances.low_disk", lambda *_args: "only 1 MiB free"
    )
    assert f"{queue_id}X" in tuiq("mailq").out


def _fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize("plant", [_fifo, _link, Path.mkdir, Path.touch])
def test_what_is_no_control_file_is_listed_as_damaged_and_the_rest_goes_on(
    planted: Any, tuiq: Callable[..., Any], plant: Callable[[Path], None]
) -> None:
    queue_id = planted.plant("abc")
    plant(planted.path / "q.1" / "qf0123456789ABCDEFGHJ")
    ran = tuiq("mailq", "--json")
    states = {m["queue_id"]: m["state"] for m in map(json.loads, ran.lines)}
    assert states == {queue_id: "due", "0123456789ABCDEFGHJ": "damaged"}
    for layout in ("mailq", "status", "domains"):
        assert tuiq(layout).status == 0


def test_it_runs_under_its_own_name(
    planted: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TUIQ_CONFIG", str(planted.config))
    monkeypatch.setattr("sys.argv", ["tuiq-mailq", "--postfix"])
    assert main() == 0
    assert capsys.readouterr().out == "Mail queue is empty\n"
