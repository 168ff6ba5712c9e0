"""The items of large selections: in order, found by id, and no object each."""

from __future__ import annotations

import gc
from itertools import pairwise

import pytest

from tests.actions.conftest import build_entry
from tuiq.actions.items import Items
from tuiq.actions.selection import Pick, freeze
from tuiq.spool import control


def ids_of(count: int) -> list[str]:
    return [f"{number:019}" for number in range(count)]


def picks_of(ids: list[str]) -> list[Pick]:
    return [(build_entry(queue_id=queue_id), None) for queue_id in ids]


def items_of(picks: list[Pick]) -> Items:
    items = Items()
    for entry, slots in picks:
        items.add(entry, slots)
    items.sort()
    return items


def test_items_are_in_order_whatever_came_first() -> None:
    ids = ids_of(5)
    shuffled = picks_of([ids[at] for at in (3, 0, 4, 2, 1)])
    births = {entry.queue_id: entry.birth for entry, _ in shuffled}
    items = freeze(shuffled, scope="ALL").items
    assert [item.target.queue_id for item in items] == ids
    assert all(item.target.birth == births[item.target.queue_id] for item in items)
    assert [item.target.queue_id for item in items[1:3]] == ids[1:3]


def test_each_item_keeps_what_is_its_own() -> None:
    plain = build_entry(b"a@x", b"b@y", queue_id="1" * 19)
    held = build_entry(queue_id="2" * 19, patch={control.MHOLD: b"H"})
    partly = build_entry(b"a@x", b"b@y", queue_id="3" * 19, slots={1: b"TH"})
    done = build_entry(b"a@x", b"b@y", queue_id="4" * 19, slots={0: b"D"})
    items = items_of([(plain, None), (held, None), (partly, (1,)), (done, (0, 1))])
    told = [(i.target.recipients, i.unsettled, i.hold, i.held) for i in items]
    assert told == [
        (None, "0-1", False, ""),
        (None, "0", True, ""),
        ((1,), "0-1", False, "1"),
        ((0, 1), "1", False, ""),
    ]
    assert items.held_count == 2


def test_items_are_found_by_id() -> None:
    ids = ids_of(4)
    items = items_of(picks_of([ids[0], ids[1], ids[3]]))
    assert [items.find(queue_id) for queue_id in (ids[0], ids[1], ids[3])] == [0, 1, 2]
    for queue_id in (ids[2], "Z"):
        with pytest.raises(ValueError, match=queue_id):
            items.find(queue_id)


@pytest.mark.parametrize("left_out", [[], [0], [4], [0, 1, 4], [0, 1, 2, 3, 4]])
def test_all_but_a_few_are_the_others(left_out: list[int]) -> None:
    ids = ids_of(5)
    items = items_of(picks_of(ids))
    rest = items.without({ids[at] for at in left_out})
    assert list(rest) == [item for at, item in enumerate(items) if at not in left_out]
    assert all(a < b for a, b in pairwise(rest.ids))
    assert len(items) == 5


def test_a_message_more_is_no_object_more() -> None:
    """What the collector looks at stops the whole UI, again and again."""

    def objects(count: int) -> int:
        picks = picks_of(ids_of(count))
        gc.collect()
        before = len(gc.get_objects())
        selection = freeze(picks, scope="ALL")
        gc.collect()
        grown = len(gc.get_objects()) - before
        assert selection.count == count
        return grown

    assert abs(objects(1000) - objects(50)) < 100
