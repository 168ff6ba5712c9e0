from __future__ import annotations

import errno
import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuiq.config import JournalConfig
from tuiq.errors import SpoolUnavailable
from tuiq.mail.reply import Reply
from tuiq.spool import journal as module
from tuiq.spool import trace as tracing
from tuiq.spool.fs import OsFs
from tuiq.spool.journal import FILE, LINE_START, Event, Kind, endings, opening, outcome
from tuiq.spool.journal_writer import Journal
from tuiq.spool.layout import make_id
from tuiq.spool.trace import Record, parse, trace

if TYPE_CHECKING:
    from collections.abc import Iterator

ID = "01ARZ3NDEKTSV4RRFFQ"
OTHER = "01ARZ3NDEKTSV4RRFFR"
SMALL = JournalConfig(max_bytes=4096, keep=3)
WRITER = """
import os, sys
from tuiq.clock import SystemClock
from tuiq.config import JournalConfig
from tuiq.spool import journal, journal_writer
from tuiq.spool.fs import OsFs
journal_writer.LOOK_EVERY = 0.0
fd = os.open(sys.argv[1], os.O_RDONLY)
config = JournalConfig(max_bytes=20_000, keep=1000)
out = journal_writer.Journal(OsFs(), fd, config, SystemClock())
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    event = journal.Event(kind="delivered", queue_id=f"{sys.argv[2]}-{number}")
    assert out.append([event, event])
"""


@dataclass
class HandClock:
    seconds: float = 1000.0

    def now(self) -> float:
        return self.seconds

    def now_ns(self) -> int:
        return int(self.seconds * 1e9)

    def boottime(self) -> float:
        return self.seconds


@dataclass
class CountingFs(OsFs):
    """The real calls, counted, and failing when told to."""

    writes: int = 0
    syncs: int = 0
    directory_syncs: int = 0
    synced: list[int] = field(default_factory=list)
    """Inodes, in the order in which they were synced."""
    full: bool = False
    room: int | None = None
    """Bytes that the next write takes before the disk is full."""

    def write(self, fd: int, data: bytes | memoryview) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.writes += 1
        if self.room is not None:
            room, self.room, self.full = self.room, None, True
            return super().write(fd, data[:room])
        return super().write(fd, data)

    def fdatasync(self, fd: int) -> None:
        if self.full:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.syncs += 1
        self.synced.append(os.fstat(fd).st_ino)
        super().fdatasync(fd)

    def fsync(self, fd: int) -> None:
        self.directory_syncs += 1
        super().fsync(fd)


@dataclass
class Bench:
    path: Path
    fd: int
    fs: CountingFs
    clock: HandClock

    def journal(self, config: JournalConfig = SMALL) -> Journal:
        return Journal(self.fs, self.fd, config, self.clock)

    def names(self) -> list[str]:
        return sorted(name for name in os.listdir(self.path) if name != ".lock")

    def ids(self) -> list[str]:
        return [record.queue_id for record in trace(self.path)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    path = tmp_path / "journal"
    path.mkdir()
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    yield Bench(path, fd, CountingFs(), HandClock())
    os.close(fd)


def event(queue_id: str = ID, kind: Kind = Kind.DELIVERED) -> Event:
    return Event(kind=kind, queue_id=queue_id, recipients=[(1, b"a@example.com")])


@given(
    st.text(max_size=8),
    st.lists(st.tuples(st.integers(0, 999), st.binary(max_size=8)), max_size=3),
    st.builds(
        Reply,
        code=st.sampled_from([0, 250, 451]),
        enhanced=st.sampled_from([b"", b"4.4.2"]),
        text=st.binary(max_size=8),
    ),
    st.text(max_size=8),
)
def test_an_outcome_is_told_in_the_words_of_an_event(
    queue_id: str, recipients: list[tuple[int, bytes]], reply: Reply, relay: str
) -> None:
    begin = opening(12.3456, Kind.DELIVERED)
    assert outcome(begin, 7, queue_id, recipients, reply, relay) == Event(
        kind=Kind.DELIVERED,
        queue_id=queue_id,
        recipients=[(index + 1, address) for index, address in recipients],
        code=reply.code,
        status=reply.enhanced,
        text=reply.text,
        relay=relay,
    ).encode(12.3456, 7)


@given(st.lists(st.tuples(st.text(max_size=8), st.text(min_size=1, max_size=8))))
def test_an_end_is_told_in_the_words_of_an_event(ends: list[tuple[str, str]]) -> None:
    ends = [(queue_id or ID, directory) for queue_id, directory in ends]
    assert list(endings(ends, 12.3456, 7)) == [
        Event(kind=Kind.FINISHED, queue_id=queue_id, directory=name).encode(12.3456, 7)
        for queue_id, name in ends
    ]


FULL = Event(
    kind=Kind.DEFERRED,
    time=12.3456,
    queue_id=ID,
    directory="q.1",
    sender=b"",
    relay="mx.example:25",
    code=451,
    status=b"4.3.0",
    text=b"try \x1b[2J again",
    recipients=[(1, b"a@example.com"), (20000, b"b\xff@example.org")],
    size=1234,
    who="anna",
)
FULL_RECORD = Record(
    time=12.346,
    event="deferred",
    queue_id=ID,
    directory="q.1",
    sender="<>",
    relay="mx.example:25",
    code=451,
    status="4.3.0",
    text="try \\x1b[2J again",
    recipients=((1, "a@example.com"), (20000, "b\\xff@example.org")),
    size=1234,
    pid=os.getpid(),
    who="anna",
)


def test_an_event_comes_back_as_it_was_written_text_escaped(bench: Bench) -> None:
    journal = bench.journal()
    assert journal.append([FULL])
    assert list(trace(bench.path)) == [FULL_RECORD]


def test_every_member_of_a_line_is_documented() -> None:
    members = json.loads(FULL.encode(0.0, 1))
    documented = re.findall(r"^    (\w+)  +\S", module.__doc__ or "", re.MULTILINE)
    assert list(members) == documented


def test_what_says_nothing_is_left_out() -> None:
    line = Event(kind=Kind.FINISHED, queue_id=ID).encode(1.0, 7)
    assert line == b'{"time":1.0,"event":"finished","id":"%b","pid":7}\n' % ID.encode()


def test_a_transaction_is_one_write(bench: Bench) -> None:
    journal = bench.journal()
    many = [(number, b"user%d@example.com" % number) for number in range(100)]
    journal.append(
        [
            Event(kind=Kind.DELIVERED, queue_id=ID, recipients=many[:90]),
            Event(kind=Kind.DEFERRED, queue_id=ID, recipients=many[90:]),
        ]
    )
    assert bench.fs.writes == 1
    assert [len(record.recipients) for record in trace(bench.path)] == [90, 10]


def test_the_sequences_count_slots_from_zero_the_journal_from_one(
    bench: Bench,
) -> None:
    journal = bench.journal()
    journal.record(
        "failed",
        ID,
        recipients=[(0, b"a@example.com")],
        reply=Reply(code=550, enhanced=b"5.1.1", text=b"no such user"),
        relay="mx.example:25",
    )
    (record,) = trace(bench.path)
    assert record.recipients == ((1, "a@example.com"),)
    assert (record.event, record.code, record.status) == ("failed", 550, "5.1.1")
    assert (record.text, record.relay) == ("no such user", "mx.example:25")


def test_nothing_is_created_before_the_first_event(bench: Bench) -> None:
    journal = bench.journal()
    journal.append([])
    journal.sync()
    assert bench.names() == []


def test_a_full_file_is_rotated_and_the_oldest_dropped(bench: Bench) -> None:
    journal = bench.journal()
    for number in range(400):
        bench.clock.seconds += 2
        journal.append([event(f"{ID}{number:04}")])
    assert bench.names() == [FILE, FILE + ".1", FILE + ".2", FILE + ".3"]
    ids = bench.ids()
    assert ids == sorted(ids)
    assert ids[-1] == f"{ID}0399"
    assert ids[0] > f"{ID}0000"
    assert len(ids) == int(ids[-1][-4:]) - int(ids[0][-4:]) + 1


def test_other_settings_count_from_the_next_rotation_on(bench: Bench) -> None:
    journal = bench.journal(JournalConfig(max_bytes=4096, keep=5))
    fill(bench, journal)
    assert len(bench.names()) == 6
    (bench.path / (FILE + ".old")).touch()
    journal.reconfigure(JournalConfig(max_bytes=8192, keep=2))
    fill(bench, journal)
    assert bench.names() == [FILE, FILE + ".1", FILE + ".2", FILE + ".old"]
    for name in (FILE + ".1", FILE + ".2"):
        assert 8192 <= (bench.path / name).stat().st_size < 8192 + 400
    ids = bench.ids()
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def fill(bench: Bench, journal: Journal) -> None:
    """Append enough to rotate several times."""
    for _ in range(400):
        bench.clock.seconds += 2
        journal.append([event(f"{ID}{bench.clock.seconds:06.0f}")])


def test_keeping_nothing_still_bounds_the_file(bench: Bench) -> None:
    journal = bench.journal(JournalConfig(max_bytes=4096, keep=0))
    for _ in range(200):
        bench.clock.seconds += 2
        journal.append([event()])
    assert bench.names() == [FILE]
    assert (bench.path / FILE).stat().st_size < 8192


def test_the_file_is_looked_at_once_a_second(bench: Bench) -> None:
    first, second = bench.journal(), bench.journal()
    first.append([event("first")])
    (bench.path / FILE).rename(bench.path / (FILE + ".1"))
    second.append([event("second")])
    first.append([event("within")])
    bench.clock.seconds += 1.1
    first.append([event("after")])
    current = (bench.path / FILE).read_text()
    assert "second" in current
    assert "after" in current
    assert "within" not in current
    assert bench.ids() == ["first", "within", "second", "after"]


def test_sync_covers_the_files_written_to_before_the_current_one(
    bench: Bench,
) -> None:
    """Else it would vouch for lines in a file that it does not touch."""
    journal = bench.journal()
    journal.append([event()])
    (bench.path / FILE).rename(bench.path / (FILE + ".1"))
    bench.clock.seconds += 1.1
    journal.append([event()])
    assert bench.fs.synced == []
    journal.sync()
    names = [FILE + ".1", FILE]
    assert bench.fs.synced == [(bench.path / name).stat().st_ino for name in names]


def test_sync_makes_the_name_of_the_file_durable_once(bench: Bench) -> None:
    journal = bench.journal()
    journal.append([event()])
    journal.sync()
    journal.append([event()])
    journal.sync()
    assert bench.fs.directory_syncs == 1


def test_appending_and_rotating_wait_for_no_disk(bench: Bench) -> None:
    journal = bench.journal()
    for _ in range(100):
        bench.clock.seconds += 2
        journal.append([event()])
    assert bench.names() == [FILE, FILE + ".1", FILE + ".2"]
    assert (bench.fs.synced, bench.fs.directory_syncs) == ([], 0)


def test_unsynced_files_do_not_pile_up(bench: Bench) -> None:
    journal = bench.journal()
    for number in range(10):
        bench.clock.seconds += 2
        journal.append([event()])
        (bench.path / FILE).rename(bench.path / f"{FILE}.{number}")
    journal.append([event()])
    open_files = [
        os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if os.path.lexists(f"/proc/self/fd/{fd}")
    ]
    assert sum(name.startswith(str(bench.path / FILE)) for name in open_files) == 3
    assert len(bench.fs.synced) == 7
    journal.close()


def test_what_was_said_to_attempts_is_counted_by_class(bench: Bench) -> None:
    journal = bench.journal()
    replies = [
        ("delivered", 250, b"2.0.0", 3),
        ("deferred", 451, b"4.7.1", 2),
        ("deferred", 421, b"", 1),
        ("failed", 550, b"5.1.1", 1),
        ("deferred", 451, b"4.4.1", 5),
        ("in_doubt", 0, b"", 1),
        ("bounced", 550, b"5.1.1", 9),
        ("possible_duplicate", 0, b"", 4),
    ]
    for kind, code, status, count in replies:
        said = Reply(code=code, enhanced=status)
        journal.record(kind, ID, recipients=[(0, b"a@b.c")] * count, reply=said)
    assert journal.counters == {
        "reply_2xx": 3,
        "reply_4xx": 3,
        "reply_5xx": 1,
        "reply_connection": 6,
        "possible_duplicates": 4,
        "delivered": 3,
        "deferred": 8,
        "failed": 1,
        "in_doubt": 1,
    }


def test_rotation_by_another_process_is_not_waited_for(bench: Bench) -> None:
    journal = bench.journal()
    journal.append([event()] * 100)
    bench.clock.seconds += 2
    with (bench.path / ".lock").open("w") as lock:
        OsFs().flock(lock.fileno())
        assert journal.append([event()])
        assert bench.names() == [FILE]
    bench.clock.seconds += 2
    journal.append([event()])
    assert bench.names() == [FILE, FILE + ".1"]


def test_two_processes_append_and_rotate_without_losing_a_line(tmp_path: Path) -> None:
    count = 1500
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name, str(count)],
            stdin=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for name in "ab"
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert len(list(tmp_path.glob(FILE + ".*"))) > 3
    seen = [record.queue_id for record in trace(tmp_path)]
    assert sorted(seen) == sorted(2 * [f"{n}-{i}" for n in "ab" for i in range(count)])


def test_reading_while_the_files_are_rotated_misses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotation between the listing and each open moves every file on by one."""
    for number, name in enumerate([FILE + ".2", FILE + ".1", FILE]):
        (bench.path / name).write_bytes(event(f"{number}").encode(0.0, 1))
    original = Path.open
    opened: list[str] = []

    def rotating(self: Path, mode: str = "r") -> object:
        file = original(self, mode)
        if not opened:
            for number in (2, 1, 0):
                suffix = f".{number}" if number else ""
                (bench.path / f"{FILE}{suffix}").rename(
                    bench.path / f"{FILE}.{number + 1}"
                )
        opened.append(self.name)
        return file

    monkeypatch.setattr(Path, "open", rotating)
    assert bench.ids() == ["0", "1", "2"]


def test_a_torn_last_line_is_left_out_and_costs_no_other(bench: Bench) -> None:
    whole, torn = event("whole").encode(0.0, 1), event("torn").encode(0.0, 1)
    (bench.path / FILE).write_bytes(whole + torn[:30])
    assert bench.ids() == ["whole"]
    bench.journal().append([event("next")])
    assert bench.ids() == ["whole", "next"]


@given(st.integers(min_value=0, max_value=200))
def test_a_line_glued_to_a_torn_one_is_read(cut: int) -> None:
    torn, whole = event("torn").encode(0.0, 1)[:-1][:cut], event("whole").encode(0.0, 1)
    record = parse(torn + whole)
    assert record is not None
    assert record.queue_id == "whole"


@given(st.text(), st.binary())
def test_no_text_can_pass_for_a_line(text: str, raw: bytes) -> None:
    line = Event(kind=Kind.DELIVERED, text=text, recipients=[(1, raw)]).encode(0.0, 1)
    assert line.count(LINE_START) == 1
    assert line.count(b"\n") == 1
    assert parse(line) is not None


@given(st.binary(max_size=60))
def test_garbage_is_never_an_error(garbage: bytes) -> None:
    parse(garbage)
    parse(LINE_START + garbage)


def test_members_of_the_wrong_type_are_ignored() -> None:
    line = b'{"time":"x","event":7,"id":"A","code":true,"recipients":[1,["a","b"],[2]]}'
    record = parse(line)
    assert record == Record(queue_id="A")


def test_a_full_disk_costs_lines_which_are_counted_and_told_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    journal = bench.journal()
    assert journal.append([event("first")])
    bench.fs.full = True
    with caplog.at_level(logging.WARNING):
        assert not journal.append([event(), event()])
        assert not journal.append([event()])
        assert len(caplog.records) == 1
        assert "No space left on device" in caplog.text
        bench.fs.full = False
        assert journal.append([event("last")])
    assert journal.lost == 3
    assert "3 events lost" in caplog.records[-1].getMessage()
    assert bench.ids() == ["first", "last"]


def test_a_line_torn_by_a_full_disk_is_ended_before_the_next(bench: Bench) -> None:
    journal = bench.journal()
    bench.fs.room = 20
    assert not journal.append([event("torn")])
    bench.fs.full = False
    assert journal.append([event("next")])
    torn, following = (bench.path / FILE).read_bytes().splitlines()
    assert (len(torn), json.loads(following)["id"]) == (20, "next")


def test_sync_refuses_to_vouch_for_lost_events(bench: Bench) -> None:
    journal = bench.journal()
    journal.append([event()])
    journal.sync()
    assert bench.fs.syncs == 1
    bench.fs.full = True
    journal.append([event()])
    with pytest.raises(SpoolUnavailable, match="journal"):
        journal.sync()
    bench.fs.full = False
    with pytest.raises(SpoolUnavailable):
        journal.sync()
    journal.append([event()])
    journal.sync()


def test_threads_may_share_a_journal(bench: Bench) -> None:
    journal = bench.journal(JournalConfig(max_bytes=4096, keep=100))

    def write(name: str) -> None:
        for number in range(100):
            bench.clock.seconds += 1
            journal.append([event(f"{name}{number}")])

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(bench.ids()) == sorted(f"{n}{i}" for n in "abcd" for i in range(100))


def test_trace_finds_a_message_by_its_id_only(bench: Bench) -> None:
    journal = bench.journal()
    mention = Event(kind=Kind.OPERATOR, queue_id=OTHER, text=f"moved from {ID}")
    journal.append([event(ID), event(OTHER), mention])
    assert [r.event for r in trace(bench.path, ID)] == ["delivered"]
    assert [r.event for r in trace(bench.path, ID.lower())] == ["delivered"]
    assert len(list(trace(bench.path, OTHER))) == 2


def test_trace_of_an_address_tells_of_no_other_recipient(bench: Bench) -> None:
    journal = bench.journal()
    journal.append(
        [
            FULL,
            event(OTHER),
            Event(kind=Kind.QUEUED, queue_id=OTHER, sender=b"A@example.com"),
            Event(kind=Kind.DELIVERED, recipients=[(1, b"aa@example.com")]),
        ]
    )
    found = list(trace(bench.path, "A@Example.COM"))
    assert [(r.queue_id, r.event) for r in found] == [
        (ID, "deferred"),
        (OTHER, "delivered"),
        (OTHER, "queued"),
    ]
    assert found[0].recipients == ((1, "a@example.com"),)
    (hostile,) = trace(bench.path, os.fsdecode(b"b\xff@example.org"))
    assert hostile.recipients == ((20000, "b\\xff@example.org"),)


def test_a_journal_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert list(trace(tmp_path / "none")) == []


def history(path: Path, times: list[float], *, files: int = 3) -> list[str]:
    """Write one queued and one finished line per time; return the ids."""
    lines, ids = [], []
    for number, time in enumerate(times):
        queue_id = make_id(int(time * 1e6), f"{number:08}")
        ids.append(queue_id)
        for kind, later in ((Kind.QUEUED, 0.0), (Kind.FINISHED, 1.0)):
            line = Event(kind=kind, time=time + later, queue_id=queue_id, text="x" * 80)
            lines.append(line.encode(0.0, 1))
    size = -(-len(lines) // files)
    for number in range(files):
        name = FILE if number == files - 1 else f"{FILE}.{files - 1 - number}"
        content = b"".join(lines[number * size : (number + 1) * size])
        (path / name).write_bytes(content)
    return ids


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "BLOCK", 4096)


@pytest.mark.usefixtures("blocks")
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_message_is_found_wherever_the_clock_was_set(
    bench: Bench, data: st.DataObject
) -> None:
    steps = st.lists(st.integers(-100_000, 100_000), min_size=5, max_size=5)
    times = []
    now = 1.7e9
    for step in data.draw(steps):
        now += step
        for _ in range(40):
            now += 10.0
            times.append(now)
    ids = history(bench.path, times)
    for queue_id in data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=5)):
        found = [record.event for record in trace(bench.path, queue_id)]
        assert found == ["queued", "finished"]


@pytest.mark.usefixtures("blocks")
def test_a_message_whose_first_line_is_lost_is_found(bench: Bench) -> None:
    ids = history(bench.path, [1.7e9 + 10 * n for n in range(1000)])
    oldest = bench.path / f"{FILE}.2"
    late = Event(kind=Kind.FINISHED, time=1.7e9, queue_id=OTHER).encode(0.0, 1)
    oldest.write_bytes(late + oldest.read_bytes())
    queue_id = make_id(int(1.700009e15), "ABCDEFGH")
    early = Event(kind=Kind.DEFERRED, time=1.7e9, queue_id=queue_id).encode(0.0, 1)
    oldest.write_bytes(early + oldest.read_bytes())
    assert [r.event for r in trace(bench.path, queue_id)] == ["deferred"]
    assert [r.event for r in trace(bench.path, ids[-1])] == ["queued", "finished"]


@pytest.mark.usefixtures("blocks")
def test_a_young_message_is_found_without_reading_what_is_older(bench: Bench) -> None:
    ids = history(bench.path, [1.7e9 + 10 * n for n in range(5000)])
    read = 0

    class Counting(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal read
            data = super().read(-1 if size is None else size) or b""
            read += len(data)
            return data

    def opened(journal: Path) -> list[Any]:
        return [Counting(journal / f"{FILE}{end}") for end in (".2", ".1", "")]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracing, "open_all", opened)
        found = [record.event for record in trace(bench.path, ids[-100])]
    assert found == ["queued", "finished"]
    total = sum(path.stat().st_size for path in bench.path.glob(FILE + "*"))
    assert read < total / 10


def test_an_address_beyond_ascii_is_found_as_it_was_written(bench: Bench) -> None:
    address = "JÜRGEN@bücher.example"
    line = Event(kind=Kind.FAILED, queue_id=ID, recipients=[(1, address.encode())])
    bench.journal().append([line])
    assert [r.queue_id for r in trace(bench.path, address)] == [ID]
    assert [r.queue_id for r in trace(bench.path, address.lower())] == [ID]


@pytest.mark.usefixtures("blocks")
def test_lines_longer_than_a_block_are_found_whole(bench: Bench) -> None:
    many = [(number, b"user%d@example.com" % number) for number in range(5000)]
    long = Event(kind=Kind.FAILED, queue_id=ID, recipients=many)
    bench.journal(JournalConfig()).append([event(OTHER), long, event(OTHER)])
    (record,) = trace(bench.path, "user4999@example.com")
    assert record.recipients == ((4999, "user4999@example.com"),)
    assert [len(r.recipients) for r in trace(bench.path, ID)] == [5000]
