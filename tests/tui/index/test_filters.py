"""A view shows exactly the messages that the filter itself selects."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.conftest import NOW, PlantedSpool
from tests.tui.index.indexed import Indexed, indexed
from tuiq.actions.filter import FilterError, parse
from tuiq.spool import control
from tuiq.spool.entry import State
from tuiq.spool.pauses import Scope
from tuiq.tui.index.blocks import ELSEWHERE
from tuiq.tui.index.marked import MarkedLines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.actions.circumstances import Circumstances
    from tuiq.tui.index.messages import MessagesView


@dataclass(frozen=True)
class Plan:
    """What a generated message is like."""

    place: str
    age: int
    to: tuple[bytes, ...]
    sender: bytes
    slots: tuple[bytes, ...]
    patches: tuple[tuple[int, bytes], ...]
    cut: int | None
    data: bytes


ADDRESSES = st.sampled_from(
    [b"ann@a.example", b"bob@a.example", b"ann@B.example", b"x@mx.b.example", b"local",
     b"caf\xc3\xa9@c.example", b"\xff@d.example", b"ann@stop.example", b"a*b@*.example",
     b"0K@1.example"]
)  # fmt: skip
SLOTS = st.builds(
    lambda state, request, code, wait: (
        b"%c%c01%08X%b" % (state, request, NOW + wait, code)
    ),
    st.sampled_from(b"TTTAUDFBX"),
    st.sampled_from(b"---HX"),
    st.sampled_from([b"   ", b"4504.2.2    ", b"4524.7.1    ", b"550", b"   5.1.1"]),
    st.integers(-600, 600),
)
REPLIES = [
    b"",
    b"450 4.2.2 mailbox full",
    b"452 over quota user7",
    b"timeout",
    b"\xe9 x",
]
PATCHES = st.tuples(
    st.sampled_from([b"Q", b"Q", b"Q", b"Q", b"C", b"P", b"M", b"F"]).map(
        lambda state: (control.MSTATE, state)
    ),
    st.sampled_from([b"-", b"-", b"H"]).map(lambda hold: (control.MHOLD, hold)),
    st.sampled_from([b"00", b"10"]).map(lambda flush: (control.FLUSHGEN, flush)),
    st.tuples(st.integers(-900, 900), st.integers(0, 12), st.sampled_from([0, 60])).map(
        lambda t: (
            control.NEXT,
            b"%08X%04X%08X" % (NOW + t[0], t[1], t[2] and NOW - t[2]),
        )
    ),
    st.sampled_from([b"00000000", b"%08X" % (NOW - 5)]).map(
        lambda trashed: (control.TRASHED, trashed)
    ),
    st.sampled_from(REPLIES).map(
        lambda reply: (control.REPLY, reply.ljust(control.REPLY_LENGTH))
    ),
)
PLANS = st.lists(ADDRESSES, min_size=1, max_size=4).flatmap(
    lambda to: st.builds(
        Plan,
        place=st.sampled_from(["q.1", "q.2"]),
        age=st.integers(0, 9000),
        to=st.just(tuple(to)),
        sender=st.one_of(ADDRESSES, st.just(b"")),
        slots=st.tuples(*[SLOTS for _ in to]),
        patches=PATCHES,
        cut=st.sampled_from([None] * 9 + [100]),
        data=st.sampled_from(
            [b"Subject: hello\r\n\r\nx", b"Subject: bye\r\n\r\nSubject: hello", b"\r\n"]
        ),
    )
)
TERMS = [
    "ann",
    "AN",
    "@a.",
    "/^b.b@/",
    "quota",
    "0K",
    "0000",
    "/0$/",
    "from:ann",
    "from:<>",
    "from=ann@a.example",
    "to:bob",
    "to:ann|x",
    "to=ANN@b.EXAMPLE",
    "to:/^x/",
    "to:/caf/",
    "dom:a.example",
    "dom:*.b.example",
    "dom:b.example|c.example",
    "dom:/^$/",
    "dom:/stop/",
    "sdom:a.example",
    "sdom:*.example",
    "queue:q.1",
    "queue:q.*",
    "route:mx",
    'route=""',
    "state:due",
    "state:deferred|active",
    "state:trashed",
    "state:damaged|held",
    "state:doubt",
    "state:failed",
    "state:paused",
    "is:held",
    "is:locked",
    "is:paused",
    "is:corrupt",
    "is:marked",
    "is:due",
    "is:foreign",
    "age>1h",
    "age<=20m",
    "next<5m",
    "next>=1m",
    "next<0s",
    "last>30s",
    "last<=1m",
    "size<20",
    "size=20",
    "tries>=5",
    "tries:0",
    "rcpts>1",
    "rcpts:1",
    "left<1",
    "left=2",
    "code:450",
    "code:4.2",
    "code:5xx",
    "code:x.1",
    "code:452",
    "err:full",
    "err=timeout",
    "err:/user[0-9]/",
    "subject:hello",
    "subject:/^b/",
    "id:000",
    "id:/2/",
]
FILTERS = st.recursive(
    st.sampled_from(TERMS),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("{0[0]} {0[1]}".format),
        st.tuples(inner, inner).map("({0[0]} | {0[1]})".format),
        inner.map("!({})".format),
    ),
    max_leaves=4,
)


def plant(spool: PlantedSpool, plans: list[Plan]) -> None:
    for number, plan in enumerate(plans):
        name = f"M{number}"
        spool.plant(
            name,
            place=plan.place,
            age=plan.age,
            to=plan.to,
            sender=plan.sender,
            data=plan.data,
        )
        spool.poke(name, *plan.patches)
        for index, slot in enumerate(plan.slots):
            spool.slot(name, index, slot)
        if plan.cut is not None:
            with spool.control_file(name).open("r+b") as file:
                file.truncate(plan.cut)


def selected(
    index: Indexed, around: Circumstances, marked: frozenset[str], text: str
) -> list[str]:
    """Return the ids that the filter itself selects, in their order."""
    chosen = parse(text)
    spool = index.spool
    context = replace(
        around.context(lambda entry: spool.read_data(entry)), marked=marked
    )
    return sorted(
        entry.queue_id
        for entry in spool.entries()
        if entry.mstate not in ELSEWHERE
        and (chosen.wants_trash or around.state(entry) is not State.TRASHED)
        and chosen.matches(entry, context)
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PLANS, min_size=1, max_size=7), st.sets(st.integers(0, 6), max_size=3))
def test_every_term_selects_what_the_filter_itself_selects(
    plans: list[Plan], some: set[int]
) -> None:
    with planted_world(plans, some) as (index, around, chosen):
        index.read()
        view = index.messages.view()
        mark(index, view, chosen)
        for text in TERMS:
            for term in (text, f"!{text}"):
                view.narrow(term)
                index.settle()
                compare(index, around, view, term, chosen)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(PLANS, min_size=1, max_size=7),
    st.lists(PLANS, max_size=4),
    st.lists(FILTERS, min_size=1, max_size=4),
    st.sets(st.integers(0, 6), max_size=3),
)
def test_a_view_follows_changes_as_the_filter_itself_would(
    plans: list[Plan], changes: list[Plan], texts: list[str], some: set[int]
) -> None:
    with planted_world(plans, some) as (index, around, chosen):
        views = [index.messages.view() for _ in texts]
        for view, text in zip(views, texts, strict=True):
            view.narrow(text)
        index.read()
        for view in views:
            mark(index, view, chosen)
        index.settle()
        for view, text in zip(views, texts, strict=True):
            compare(index, around, view, text, chosen)
        for number, plan in enumerate(changes[: len(plans)]):
            change(index.planted, f"M{number}", plan)
        index.read(whole=False)
        index.messages.recheck(0, 1)
        index.settle()
        for view, text in zip(views, texts, strict=True):
            compare(index, around, view, text, chosen)


def mark(index: Indexed, view: MessagesView, chosen: frozenset[str]) -> None:
    marks = MarkedLines(index.messages, view)
    marks.update(chosen)
    view.marked(marks)


def change(planted: PlantedSpool, name: str, plan: Plan) -> None:
    if plan.cut is not None:
        planted.control_file(name).unlink()
    else:
        planted.poke(name, *plan.patches)
        planted.slot(name, 0, plan.slots[0])


def compare(
    index: Indexed,
    around: Circumstances,
    view: MessagesView,
    text: str,
    marked: frozenset[str],
) -> None:
    assert view.progress is None
    assert view.ids() == selected(index, around, marked, text), text


@contextmanager
def planted_world(
    plans: list[Plan], some: set[int]
) -> Iterator[tuple[Indexed, Circumstances, frozenset[str]]]:
    """Make a spool by *plans*, one destination paused, *some* of it locked."""
    with tempfile.TemporaryDirectory() as place:
        planted = PlantedSpool(Path(place) / "spool")
        plant(planted, plans)
        planted.pause(Scope.DESTINATION, "stop.example", wait=0, reason="test")
        chosen = frozenset(
            queue_id for n, queue_id in enumerate(planted.ids.values()) if n in some
        )
        with indexed(planted) as index:
            around = index.around(locked=chosen)
            index.feed.see(around)
            yield index, around, chosen


def test_a_file_that_carries_another_id_is_found_by_that(tmp_path: Path) -> None:
    planted = PlantedSpool(tmp_path / "spool")
    real = planted.plant("REA")
    false = real[:-3] + "FA0"
    path = planted.control_file("REA")
    path.rename(path.with_name("qf" + false))
    with indexed(planted) as index:
        index.read()
        view = index.messages.view()
        for text, wanted in (
            (f"id:{real}", [false]),
            (f"id:{false}", []),
            ("REA", [false]),
        ):
            view.narrow(text)
            index.settle()
            assert view.ids() == wanted, text


def test_an_error_in_a_filter_keeps_what_was_shown(tmp_path: Path) -> None:
    planted = PlantedSpool(tmp_path / "spool")
    planted.plant("M")
    with indexed(planted) as index:
        index.read()
        view = index.messages.view()
        view.narrow("from:news")
        with pytest.raises(FilterError):
            view.narrow("from:(")
        assert view.filter == "from:news"
        assert view.count == 1


def test_reading_for_a_filter_is_told_and_ends(tmp_path: Path) -> None:
    planted = PlantedSpool(tmp_path / "spool")
    for number in range(5):
        subject = b"Subject: %s\r\n\r\n" % (b"yes", b"no")[number % 2]
        planted.plant(f"M{number}", data=subject)
    with indexed(planted) as index:
        index.read()
        view = index.messages.view()
        view.narrow("subject:yes")
        assert view.count == 0
        assert (progress := view.progress) is not None
        assert (progress.done, progress.of) == (0, 5)
        index.settle()
        assert view.progress is None
        assert view.count == 3
