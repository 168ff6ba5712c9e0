"""Marks are of messages, however rows are used again, and count like a set of ids."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.tui.index.indexed import indexed, planted_spool
from tuiq.tui.index.lines import Lines, rows_of
from tuiq.tui.index.marked import MarkedLines
from tuiq.tui.index.recipients import Recipients

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tests.tui.index.indexed import Indexed
    from tuiq.tui.index.lines import Key, Listing


def all_of(index: Indexed, listing: Listing) -> Lines:
    return lines(index, listing, listing.codes(0, 10_000))


def lines(index: Indexed, listing: Listing, codes: NDArray[np.int64]) -> Lines:
    of_recipients = listing.is_of_recipients
    return Lines(index.messages.table, codes, of_recipients=of_recipients)


def test_a_mark_never_passes_to_the_message_that_has_the_row_next(
    tmp_path: Path,
) -> None:
    with indexed(planted_spool(tmp_path)) as index:
        index.planted.plant("GNE", age=50)
        index.planted.plant("STAYS", age=40)
        index.read()
        view = index.messages.view()
        marks = MarkedLines(index.messages, view)
        marks.update(all_of(index, view))
        before, row = marks.version, index.messages.row_number(index.planted.ids["GNE"])
        index.planted.control_file("GNE").unlink()
        index.read()
        index.planted.plant("NEXT", age=30)
        index.read()
        assert index.messages.row_number(index.planted.ids["NEXT"]) == row
        assert set(marks) == {index.planted.ids["STAYS"]}
        assert index.planted.ids["NEXT"] not in marks
        assert marks.version > before


def test_what_an_action_is_applied_to_is_what_it_was_when_it_was_asked(
    tmp_path: Path,
) -> None:
    with indexed(planted_spool(tmp_path)) as index:
        index.planted.plant("GNE", age=50)
        index.read()
        view = index.messages.view()
        picks = view.picks(view.codes(0, 0))
        index.planted.control_file("GNE").unlink()
        index.read()
        index.planted.plant("NEXT", age=30)
        index.read()
        assert picks == ((index.planted.ids["GNE"], None),)


@pytest.mark.parametrize("of_recipients", [False, True])
def test_marks_are_a_set_in_the_order_of_the_list(
    tmp_path: Path, of_recipients: bool
) -> None:
    with indexed(planted_spool(tmp_path)) as index:
        for number in range(40):
            to = tuple(b"u%d@x.example" % slot for slot in range(number % 4 + 1))
            index.planted.plant(f"M{number}", age=number * 60 + 5, to=to)
        index.read()
        view = index.messages.view()
        view.sort("size", reverse=True)
        recipients = Recipients(index.messages, view)
        recipients.bring()
        listing: Listing = recipients if of_recipients else view
        marks = MarkedLines(index.messages, listing)
        expected = mark_at_random(marks, listing, all_of(index, listing))
        view.narrow("age>20m")
        recipients.bring()
        there = list(all_of(index, listing))
        shown = lines(index, listing, marks.shown())
        assert list(shown) == [key for key in there if key in expected]
        assert marks.hidden() == len(expected.difference(there))
        marks.clear()
        assert not marks


def mark_at_random(marks: MarkedLines, listing: Listing, every: Lines) -> set[Key]:
    """Turn marks round, and return what is marked by what a set says."""
    chance, keys = random.Random(4), list(every)
    expected: set[Key] = set()
    for _ in range(60):
        key = chance.choice(keys)
        assert marks.toggle(key) == (key not in expected)
        expected ^= {key}
        first = chance.randrange(len(keys))
        codes = listing.codes(first, first + 7)
        marks.flip(Lines(every.table, codes, of_recipients=listing.is_of_recipients))
        expected ^= set(keys[first : first + 8])
        assert set(marks) == expected
        assert len(marks) == len(expected)
    return expected


def test_recipients_of_one_message_are_one_pick(tmp_path: Path) -> None:
    with indexed(planted_spool(tmp_path)) as index:
        to = tuple(b"u%d@x.example" % slot for slot in range(3))
        index.planted.plant("A", age=50, to=to)
        index.planted.plant("B", age=40, to=to)
        index.read()
        ids = index.planted.ids
        recipients = Recipients(index.messages, index.messages.view())
        recipients.bring()
        marks = MarkedLines(index.messages, recipients)
        marks.add((ids["B"], 2), (ids["A"], 1), (ids["B"], 0))
        assert recipients.picks(marks.shown()) == (
            (ids["A"], (1,)),
            (ids["B"], (0, 2)),
        )
        assert len(recipients.picks(marks.shown()[:0])) == 0


def test_rows_of_marks_are_those_of_their_messages(tmp_path: Path) -> None:
    with indexed(planted_spool(tmp_path)) as index:
        index.planted.plant("A", age=50)
        index.read()
        marks = MarkedLines(index.messages, index.messages.view())
        marks.add(index.planted.ids["A"], "0" * 19, "no id")
        assert rows_of(marks.coded(list(marks))).tolist() == marks.rows.tolist()
        assert len(marks) == 1
