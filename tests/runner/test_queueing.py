"""Queues in which first tries and retries take turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tuiq.runner.queueing import TurnQueue

items = st.lists(st.tuples(st.booleans(), st.integers()), max_size=40)
Item = tuple[bool, int]


def filled(members: list[Item]) -> TurnQueue[Item]:
    queue = TurnQueue[Item](lambda item: item[0])
    for item in members:
        queue.append(item)
    return queue


def drained(queue: TurnQueue[Item]) -> list[Item]:
    return list(iter(queue.take, None))


@given(items)
def test_each_lane_is_first_in_first_out(members: list[Item]) -> None:
    taken = drained(filled(members))
    for fresh in (True, False):
        lane = [item for item in members if item[0] is fresh]
        assert [item for item in taken if item[0] is fresh] == lane


@given(items)
def test_lanes_take_turns_while_both_have_something(members: list[Item]) -> None:
    lanes = [item[0] for item in drained(filled(members))]
    both = 2 * min(lanes.count(True), lanes.count(False))
    assert lanes[:both] == [True, False] * (both // 2)


def test_the_turn_passes_on_after_a_lane_was_empty() -> None:
    queue = filled([(False, 1), (False, 2)])
    assert queue.take() == (False, 1)
    queue.append((True, 3))
    assert drained(queue) == [(True, 3), (False, 2)]


def test_an_empty_queue_has_nothing_to_take() -> None:
    assert filled([]).take() is None
    assert filled([]).pick(lambda _: True) is None


@given(items, st.integers(0, 5))
def test_picking_takes_what_is_wanted_and_leaves_the_others_in_place(
    members: list[Item], divisor: int
) -> None:
    def wanted(item: Item) -> bool:
        return item[1] % 7 > divisor

    queue = filled(members)
    picked = []
    while (item := queue.pick(wanted)) is not None:
        picked.append(item)
    assert sorted(picked) == sorted(filter(wanted, members))
    rest = [item for item in members if not wanted(item)]
    assert sorted(queue) == sorted(rest)
    for fresh in (True, False):
        lane = [item for item in rest if item[0] is fresh]
        assert [item for item in queue if item[0] is fresh] == lane
        assert queue.waiting(fresh=fresh) == len(lane)


@given(items)
def test_removing_changes_nobodys_turn(members: list[Item]) -> None:
    queue = filled(members)
    removed = queue.remove(lambda item: item[1] < 0)
    assert sorted(removed) == sorted(item for item in members if item[1] < 0)
    kept = [item for item in members if item[1] >= 0]
    assert drained(queue) == drained(filled(kept))
