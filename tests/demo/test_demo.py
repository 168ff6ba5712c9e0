"""The parts of ``tuiq demo``: its mail, its world, its books, its pictures."""

from __future__ import annotations

import argparse
import io
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.cli.demo import register
from tuiq.demo.frame import Style, frame
from tuiq.demo.ledger import Fate, Ledger, Tail, Truth, compare
from tuiq.demo.mail import (
    HOSTILE_SUBJECT,
    first_samples,
    newsletter,
    subscribers,
)
from tuiq.demo.place import find_place, obstacle
from tuiq.demo.scene import Census, Ending, Scene
from tuiq.demo.script import Act, Peer
from tuiq.demo.story import Narrator
from tuiq.demo.summary import summary
from tuiq.demo.view import Lines, view_for
from tuiq.demo.world import DOMAINS, World
from tuiq.errors import UsageError
from tuiq.spool.journal import Event, Kind
from tuiq.spool.trace import Record, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

SGR = re.compile("\x1b\\[[0-9;]*m")


def record(
    kind: Kind, *addresses: str, queue_id: str = "A", **members: object
) -> Record:
    recipients = tuple(enumerate(addresses, 1))
    values = {"queue_id": queue_id, "recipients": recipients, **members}
    return Record(event=kind, **values)  # type: ignore[arg-type]


def scene(**members: object) -> Scene:
    values = {"directory": Path("/var/tmp/d"), "command": "tuiq", "kept": False}
    return Scene(**{**values, "limit": None, **members})  # type: ignore[arg-type]


# -- the mail ----------------------------------------------------------------------


def test_the_newsletter_has_20000_different_readers() -> None:
    assert len(set(subscribers())) == len(subscribers()) == 20_000


def test_all_sample_mail_can_be_queued_as_it_is() -> None:
    for sample in [*first_samples(), newsletter()]:
        sample.envelope().check()
        data = sample.data("<1@h.example>", 0.0)
        assert data.endswith(b"\r\n")
        assert b"\n" not in data.replace(b"\r\n", b"")


def test_the_hostile_subject_is_sent_raw() -> None:
    hostile = [s for s in first_samples() if s.subject == HOSTILE_SUBJECT]

    assert [HOSTILE_SUBJECT in s.data("<1@h.example>", 0.0) for s in hostile] == [True]


def test_every_domain_that_mail_goes_to_is_in_the_table() -> None:
    used = {
        address.rpartition("@")[2]
        for sample in [*first_samples(), newsletter()]
        for address in sample.recipients
    }

    assert used == {domain.name for domain in DOMAINS}


# -- the world ---------------------------------------------------------------------


def answers(world: World, address: bytes) -> object:
    assert callable(world.script.rcpt)
    return world.script.rcpt(address)


def test_a_stranger_is_greylisted_once() -> None:
    world = World()

    assert b"451 4.7.1" in bytes(answers(world, b"a@postbox.example"))  # type: ignore[call-overload]
    assert answers(world, b"a@postbox.example") is None
    assert answers(world, b"b@postbox.example") is not None


def test_the_world_hangs_up_once_before_it_takes_the_message_and_once_after() -> None:
    world = World()
    some = Peer(
        connection=1,
        recipients=[(b"%d@flaky.example" % n, b"") for n in range(40)],
    )
    dot, verdict = world.script.dot, world.script.verdict
    assert callable(dot)
    assert callable(verdict)

    assert dot(some) == Act(drop=True)
    assert dot(some) is None
    assert verdict(some) == Act(drop=True)
    assert dot(some) is None
    assert isinstance(last := verdict(some), Act)
    assert not last.drop


# -- the books ---------------------------------------------------------------------


def test_a_recipient_counts_once_wherever_it_stands() -> None:
    ledger = Ledger()
    ledger.expect("A", ["a@x.example", "b@x.example", "c@y.example"])

    ledger.apply(record(Kind.DEFERRED, "a@x.example", "b@x.example"))
    ledger.apply(record(Kind.IN_DOUBT, "a@x.example"))
    ledger.apply(record(Kind.DELIVERED, "a@x.example", time=100.0))
    ledger.expect("A", ["a@x.example", "b@x.example", "c@y.example"])

    expected = {Fate.DELIVERED: 1, Fate.DEFERRED: 1, Fate.WAITING: 1}
    assert +ledger.totals == Counter(expected)
    assert +ledger.domains["y.example"] == Counter({Fate.WAITING: 1})
    assert (ledger.recipients, ledger.settled) == (3, 1)
    assert (ledger.rate(101.0), ledger.rate(103.0)) == (0.5, 0.0)


def test_held_mail_does_not_count_as_waiting() -> None:
    ledger = Ledger()
    ledger.expect("A", ["a@x.example"])
    ledger.expect("B", ["b@x.example"])

    ledger.hold(["A"])
    held = +ledger.totals
    ledger.hold([])

    assert held == Counter({Fate.HELD: 1, Fate.WAITING: 1})
    assert +ledger.totals == Counter({Fate.WAITING: 2})


def test_the_books_are_compared_with_what_the_server_took() -> None:
    ledger = Ledger()
    people = ["ok@x.example", "lost@x.example", "twice@x.example", "named@x.example"]
    ledger.apply(record(Kind.IN_DOUBT, *people[3:], queue_id="B"))
    ledger.apply(record(Kind.DELIVERED, *people[3:], queue_id="B"))
    ledger.apply(record(Kind.DELIVERED, *people[:3]))
    copies = Counter(
        {
            ("<a>", "ok@x.example"): 1,
            ("<a>", "twice@x.example"): 2,
            ("<b>", "named@x.example"): 2,
        }
    )

    truth = compare(ledger, copies, {"A": "<a>", "B": "<b>"})

    assert truth == Truth(lost=1, twice=2, unnamed=1)


def test_a_journal_is_read_in_pieces_as_it_grows_and_is_rotated(tmp_path: Path) -> None:
    lines = [Event(kind=Kind.QUEUED, queue_id=i).encode(1.0, 1) for i in "AB"]
    whole = b"".join(lines)
    tail = Tail(tmp_path)
    file = tmp_path / "delivery.jsonl"
    seen: list[str] = [r.queue_id for r in tail.read()]

    for end in (10, len(lines[0]) + 5, len(whole)):
        file.write_bytes(whole[:end])
        seen += [r.queue_id for r in tail.read()]
    file.rename(tmp_path / "delivery.jsonl.1")
    file.write_bytes(lines[0].replace(b"A", b"C"))
    seen += [r.queue_id for r in tail.read()]

    assert seen == ["A", "B", "C"]


# -- the stories -------------------------------------------------------------------


def test_each_kind_of_event_is_explained_once() -> None:
    narrator = Narrator()
    refused = record(Kind.FAILED, "a@x.example", code=550, text="No such user")

    assert narrator.tell(refused) == [
        "a@x.example: 550 No such user: failed, its sender is told"
    ]
    assert narrator.tell(refused) == []


def test_the_second_try_of_greylisted_mail_is_told() -> None:
    narrator = Narrator()
    narrator.tell(record(Kind.DELIVERED, "z@x.example", queue_id="Z"))
    narrator.tell(record(Kind.DEFERRED, "a@x.example", code=451, status="4.7.1"))

    told = narrator.tell(record(Kind.DELIVERED, "a@x.example"))

    assert told == ["x.example knows us now: accepted on the second try"]


@pytest.mark.parametrize("kind", list(Kind))
def test_no_event_of_the_journal_surprises_the_demo(kind: Kind) -> None:
    event = Event(kind=kind, queue_id="A", recipients=[(1, b"a@x.example")])
    read = parse(event.encode(1.0, 1))

    assert read is not None
    Ledger().apply(read)
    assert all("\n" not in story for story in Narrator().tell(read))


# -- the pictures ------------------------------------------------------------------


def busy_scene(**members: object) -> Scene:
    busy = scene(elapsed=75.0, rate=1_234.5, **members)
    busy.ledger.expect("A", subscribers())
    busy.ledger.apply(record(Kind.DELIVERED, *subscribers()[:9_000]))
    busy.ledger.apply(record(Kind.FAILED, *subscribers()[:1]))
    busy.census = Census(held=("B",), trashed=("C",), moving=1)
    for _ in range(30):
        busy.tell("a rather long story " * 5)
    return busy


BUSY = busy_scene()


@given(
    width=st.integers(2, 250),
    height=st.integers(1, 80),
    colour=st.booleans(),
    busy=st.booleans(),
)
def test_a_picture_fits_its_terminal(
    width: int, height: int, colour: bool, busy: bool
) -> None:
    lines = frame(BUSY if busy else scene(), width, height, Style(colour=colour))

    assert 1 <= len(lines) <= height
    assert max(len(SGR.sub("", line)) for line in lines) < width
    assert colour or "\x1b" not in "".join(lines)


def test_what_is_rare_still_shows_in_the_bar() -> None:
    bar = frame(BUSY, 80, 24, Style(colour=False))[3]

    assert (len(bar), bar.count("×")) == (79, 1)


def test_a_picture_keeps_its_height_while_stories_come() -> None:
    quiet = frame(scene(), 80, 24, Style(colour=False))

    assert len(frame(BUSY, 80, 24, Style(colour=False))) == len(quiet)


def test_without_a_terminal_each_story_is_a_line_and_figures_are_rare() -> None:
    out = io.StringIO()
    view, shown = Lines(out), scene()
    shown.tell("first")
    for tenth in range(70):
        shown.elapsed = tenth / 10
        view.show(shown)

    lines = out.getvalue().splitlines()
    assert lines.count(" 0:00  first") == 1
    assert sum("delivered 0" in line for line in lines) == 2
    assert "TUIQ_CONFIG=/var/tmp/d/tuiq.toml" in lines[1]


@pytest.mark.parametrize("term", ["", "dumb"])
def test_a_dumb_terminal_gets_lines(term: str) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(view_for(Terminal(), {"TERM": term} if term else {}), Lines)


def ends(truth: Truth, scene: Scene = BUSY) -> str:
    return "\n".join(summary(scene, Ending(settled=True, signal=0, truth=truth)))


def test_the_summary_hides_no_fault() -> None:
    assert "fault" not in ends(Truth(twice=3))
    assert "3 called delivered that the server never took" in ends(Truth(lost=3))
    assert "2 arrived twice without" in ends(Truth(twice=2, unnamed=2))


def test_what_comes_next_is_what_was_not_seen_yet() -> None:
    plain, staged = ends(Truth()), ends(Truth(), busy_scene(staged=True))
    for said in (plain, staged):
        assert re.search(r"(?m)^  tuiq init DIR +the real thing$", said)
        assert re.search(r"(?m)^  tuiq demo --keep DIR +leave", said)
    assert re.search(r"(?m)^  tuiq demo +the same in the UI", plain)
    assert re.search(r"(?m)^  tuiq demo --plain --seconds 600 +longer", plain)
    assert re.search(r"(?m)^  tuiq demo --plain +half a minute", staged)
    assert "--seconds" not in staged


@pytest.mark.parametrize("staged", [False, True])
def test_every_command_that_is_proposed_is_understood(*, staged: bool) -> None:
    said = ends(Truth(), busy_scene(staged=staged))
    proposed = re.findall(r"(?m)^  tuiq (demo.*?)  ", said)
    assert len(proposed) == 3 - staged
    parser = argparse.ArgumentParser()
    register(parser)
    for words in proposed:
        parser.parse_args(words.split()[1:])


# -- the place ---------------------------------------------------------------------


def test_a_place_in_memory_is_refused_and_the_next_one_taken() -> None:
    memory = Path("/dev/shm")
    if (reason := obstacle(memory)) is None or "tmpfs" not in reason:
        pytest.skip("/dev/shm is no tmpfs here")

    assert find_place({"TMPDIR": str(memory)}) != memory


def test_without_any_place_each_candidate_is_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tuiq.demo.place.NEEDED", 1 << 62)

    with pytest.raises(UsageError, match=r"/var/tmp: less than .* --keep DIR"):
        find_place({})


def places(path: Path) -> Iterator[tuple[Path, str]]:
    (path / "file").touch()
    yield path / "file", "is no directory"
    (path / "q*").mkdir()
    yield path / "q*", "has no *"


def test_an_unfit_place_is_named_with_its_reason(tmp_path: Path) -> None:
    for path, reason in places(tmp_path):
        assert reason in (obstacle(path) or "")
