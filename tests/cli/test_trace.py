"""``tuiq trace``: the journal for people and for tools."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuiq.cli.diagnostics import guarded
from tuiq.cli.main import dispatch
from tuiq.clock import SystemClock
from tuiq.config import JournalConfig
from tuiq.spool.fs import OsFs
from tuiq.spool.journal import Event, Kind
from tuiq.spool.journal_writer import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).parent / "golden"
ID, OTHER = (f"01ARZ3NDEKTSV4RRFF{last}" for last in "QR")
AT = 1_700_000_000.0
EVERYBODY = [(number, b"user%d@example.com" % number) for number in range(1, 6)]
ONE = EVERYBODY[:1]
EVENTS = [
    Event(
        kind=Kind.QUEUED, time=AT, queue_id=ID, sender=b"me@example.org", size=1234,
        directory="q.1", recipients=EVERYBODY,
    ),
    Event(
        kind=Kind.DELIVERED, time=AT + 1, queue_id=ID, relay="mx.example.com:25",
        code=250, status=b"2.0.0", text=b"ok \x1b[2Jhidden", recipients=EVERYBODY[1:],
    ),
    Event(
        kind=Kind.IN_DOUBT, time=AT + 2, queue_id=ID, relay="mx.example.com:25",
        text=b"connection lost after the final dot", recipients=ONE,
    ),
    Event(kind=Kind.POSSIBLE_DUPLICATE, time=AT + 300, queue_id=ID, recipients=ONE),
    Event(
        kind=Kind.FAILED, time=AT + 301, queue_id=ID, relay="mx.example.com:25",
        code=550, status=b"5.1.1", text=b"no such user", recipients=ONE,
    ),
    Event(kind=Kind.BOUNCED, time=AT + 302, queue_id=ID, relay=OTHER, recipients=ONE),
    Event(kind=Kind.OPERATOR, time=AT + 303, queue_id=ID, who="anna"),
    Event(kind=Kind.QUEUED, time=AT + 302, queue_id=OTHER, sender=b"", size=2),
    Event(kind=Kind.DELAY_NOTICE, time=AT + 304, queue_id=ID, relay=OTHER),
    Event(kind="something_new", time=AT + 305, queue_id=ID),
]  # fmt: skip


@pytest.fixture(autouse=True)
def universal_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "getpid", lambda: 4711)
    (tmp_path / "journal").mkdir()
    fd = os.open(tmp_path / "journal", os.O_RDONLY)
    journal = Journal(OsFs(), fd, JournalConfig(), SystemClock())
    journal.append(EVENTS)
    journal.close()
    os.close(fd)
    path = tmp_path / "tuiq.toml"
    path.write_text(f'[spool]\nqueues = "{tmp_path}/q.*"\n')
    return path


def trace(config: Path, *arguments: str) -> int:
    return guarded(lambda: dispatch(["--config", str(config), "trace", *arguments]))


def test_a_message_is_told_event_by_event(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trace(config, ID) == 0
    assert capsys.readouterr().out == (GOLDEN / "trace.txt").read_text()


def test_the_json_lines_are_the_golden_ones(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trace(config, "--json", ID.lower()) == 0
    assert capsys.readouterr().out == (GOLDEN / "trace.json").read_text()


def test_a_possible_duplicate_is_named_with_its_recipient(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace(config, "USER1@example.com")
    (line,) = [x for x in capsys.readouterr().out.splitlines() if "DUPLICATE" in x]
    assert ID in line
    assert "to user1@example.com" in line


def test_an_address_is_told_without_its_neighbours(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trace(config, "--json", "user2@example.com") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [x["event"] for x in told] == ["queued", "delivered"]
    assert [x["recipients"] for x in told] == [[[2, "user2@example.com"]]] * 2


@pytest.mark.parametrize(
    ("what", "status", "says"),
    [
        ("01ARZ3NDEKTSV4RRFFZ", 66, "does not name it"),
        ("nobody@example.com", 66, "tuiq mailq --filter to:nobody@example.com"),
        ("user1", 64, "neither a queue id nor an address"),
        ("", 64, "neither a queue id nor an address"),
    ],
)
def test_what_cannot_be_traced_is_said(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    what: str,
    status: int,
    says: str,
) -> None:
    assert trace(config, what) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
