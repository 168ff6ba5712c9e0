"""Orders: sorted once, then kept by moving what changed; each equals a fresh sort."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import NOW, PlantedSpool
from tests.tui.index.indexed import Indexed, indexed, planted_spool
from tuiq.spool import control
from tuiq.tui.index import view as view_module
from tuiq.tui.index.blocks import STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tuiq.tui.index.messages import Row

KEYS: dict[str, Callable[[Row], object]] = {
    "id": lambda row: row.queue_id,
    "age": lambda row: -row.birth,
    "size": lambda row: row.size,
    "tries": lambda row: row.tries,
    "next": lambda row: row.next_attempt,
    "last": lambda row: row.last_attempt,
    "sender": lambda row: row.sender.lower(),
    "recipient": lambda row: row.recipient.lower(),
    "domain": lambda row: row.recipient.rpartition(b"@")[2].lower(),
    "reply": lambda row: row.reply.lower(),
    "state": lambda row: STATES.index(row.state),
    "queue": lambda row: row.directory,
    "left": lambda row: row.left,
    "rcpts": lambda row: row.count,
}
COUNT = 60


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Indexed]:
    chance = random.Random(4)
    planted = planted_spool(tmp_path / "spool")
    for number in range(COUNT):
        _plant(planted, f"M{number}", chance)
    with indexed(planted) as index:
        index.read()
        yield index


def _plant(planted: PlantedSpool, name: str, chance: random.Random) -> None:
    where = chance.choice(["a.example", "B.example", "c.example"])
    user = chance.choice(["ann", "Bob", "x" * 70 + str(chance.randrange(9))])
    planted.plant(
        name,
        place=chance.choice(["q.1", "q.2", "q.3"]),
        age=chance.choice([60, 60, 3600, 7200.5]),
        to=(f"{user}@{where}".encode(),) * chance.choice([1, 1, 3]),
        sender=chance.choice([b"", b"news@x.org", b"Ann@y.org"]),
        data=b"x" * chance.randrange(5),
    )
    _try(planted, name, chance)


def _try(planted: PlantedSpool, name: str, chance: random.Random) -> None:
    reply = b"450 4.2.%d no" % chance.randrange(4)
    planted.tried(
        name, tries=chance.randrange(3), wait=chance.randrange(9), reply=reply
    )
    held = chance.choice([b"-", b"-", b"H"])
    planted.poke(name, (control.MHOLD, held))


def fresh(index: Indexed, column: str, *, reverse: bool) -> list[str]:
    """Return all ids as an ordinary sort orders them: ties by id, upwards."""
    rows = [index.messages.row(entry.queue_id) for entry in index.spool.entries()]
    known = sorted((row for row in rows if row), key=lambda row: row.queue_id)
    known.sort(key=KEYS[column], reverse=reverse)  # type: ignore[arg-type]
    # list.sort keeps equal ones in their order, which is by id, in reverse too.
    return [row.queue_id for row in known]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("column", list(KEYS))
def test_every_column_orders_the_messages_and_ties_go_by_id(
    index: Indexed, column: str, reverse: bool
) -> None:
    view = index.messages.view()
    view.sort(column, reverse=reverse)
    assert view.sorted_by == (column, reverse)
    assert view.ids() == fresh(index, column, reverse=reverse)


@pytest.mark.parametrize("at_once", [True, False])
def test_changes_move_messages_to_where_a_fresh_sort_has_them(
    index: Indexed, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    if not at_once:
        monkeypatch.setattr(view_module, "SORT_AT_ONCE", 0)
    chance = random.Random(5)
    views = {column: index.messages.view() for column in KEYS}
    for column, view in views.items():
        view.sort(column, reverse=True)
    for turn in range(6):
        names = chance.sample(list(index.planted.ids), 12)
        for name in names[:8]:
            _try(index.planted, name, chance)
        index.look(*names[:8])
        for name in names[8:]:
            index.planted.control_file(name).unlink()
            del index.planted.ids[name]
        _plant(index.planted, f"N{turn}", chance)
        index.read(whole=False)
        for column, view in views.items():
            assert view.ids() == fresh(index, column, reverse=True), column
            assert [view.position_of(i) for i in view.ids()] == list(range(view.count))


def test_a_long_list_shows_the_old_order_until_it_is_sorted(
    index: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "SORT_AT_ONCE", 0)
    view = index.messages.view()
    before, version = view.ids(), view.version
    view.sort("tries", reverse=False)
    assert view.is_sorting
    assert view.ids() == before
    assert view.version == version
    view.narrow("tries>=1")  # while the sort runs
    index.settle()
    assert not view.is_sorting
    wanted = fresh(index, "tries", reverse=False)
    tries = {i: row.tries for i in wanted if (row := index.messages.row(i))}
    assert view.ids() == [i for i in wanted if tries[i] >= 1]


def test_while_it_holds_still_rows_change_in_place_and_new_ones_wait(
    index: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    view = index.messages.view()
    view.sort("tries", reverse=True)
    before = view.ids()
    version = view.version
    view.holds_still(2.0)
    last, gone = "M7", "M8"
    index.planted.tried(last, tries=99, wait=5, reply=b"450 later")
    index.planted.plant("NEW", age=1)
    lost = index.planted.ids.pop(gone)
    (index.planted.path / _place(index, lost) / f"qf{lost}").unlink()
    index.read(whole=False)
    index.messages.recheck(0, 1)
    index.settle()
    row = index.messages.row(index.planted.ids[last])
    assert row is not None
    assert row.tries == 99
    assert view.ids() == [i for i in before if i != lost]
    now[0] += 3.0
    index.settle()
    assert view.ids()[0] == index.planted.ids[last]
    assert index.planted.ids["NEW"] in view.ids()
    assert view.version > version


def _place(index: Indexed, queue_id: str) -> str:
    row = index.messages.row(queue_id)
    assert row is not None
    return row.directory


def test_ages_are_looked_at_again_as_time_passes(index: Indexed) -> None:
    view = index.messages.view()
    view.narrow("age>2h")
    before = set(view.ids())
    index.clock.time = NOW + 3601.0
    index.settle()
    assert set(view.ids()) > before
    assert view.ids() == [
        e.queue_id
        for e in sorted(index.spool.entries(), key=lambda e: e.queue_id)
        if index.clock.now() - e.birth > 7200
    ]


def test_a_closed_view_follows_nothing(index: Indexed) -> None:
    view = index.messages.view()
    count = view.count
    view.close()
    index.planted.plant("NEW")
    index.read(whole=False)
    assert view.count == count
    assert index.messages.count == count + 1


def test_places_outside_and_unknown_ids_are_none(index: Indexed) -> None:
    view = index.messages.view()
    assert view.id_at(-1) is None
    assert view.id_at(view.count) is None
    assert view.position_of("0" * 19) is None
    assert view.position_of("no id") is None
    assert index.messages.row("no id") is None
    assert index.messages.version("0" * 19) == -1
