"""What is known by name only says so, and is not taken for anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tui.index.indexed import indexed, planted_spool
from tuiq.spool import control
from tuiq.spool.answers import Verb
from tuiq.tui.index.blocks import Names
from tuiq.tui.look.roles import Role
from tuiq.tui.operate.dimming import why_not
from tuiq.tui.pages.message_facts import read_facts
from tuiq.tui.pages.message_recipients import SlotRows
from tuiq.tui.pages.message_rows import MessageRows
from tuiq.tui.pages.message_terms import term_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.tui.index.indexed import Indexed


@pytest.fixture
def named(tmp_path: Path) -> Iterator[tuple[Indexed, str]]:
    """An index that knows one message by name."""
    with indexed(planted_spool(tmp_path)) as index:
        queue_id = index.planted.plant("A", age=50)
        names = Names(directory="q.1", scan=1, ids=queue_id.encode(), whole=True)
        index.messages.take(names)
        index.messages.settle()
        yield index, queue_id


def test_the_state_of_a_message_that_was_not_read_is_an_ellipsis(
    named: tuple[Indexed, str],
) -> None:
    index, queue_id = named
    around = index.around()
    view = index.messages.view()
    model = MessageRows(index.messages, view, lambda: around, now=0.0)
    assert model.cells(queue_id, ["state"]) == [("…", Role.DIM)]
    index.read()
    assert model.cells(queue_id, ["state"]) == [("due", Role.DUE)]


def test_the_view_tells_its_recipients_state_from_its_file(
    named: tuple[Indexed, str],
) -> None:
    index, queue_id = named
    index.planted.poke("A", (control.MHOLD, b"H"))
    around = index.around()
    facts = read_facts(index.spool, queue_id, "q.1")
    rows = SlotRows(lambda: around)
    rows.take(facts, now=0.0)
    assert rows.cells(0, ["state", "next"]) == [
        ("held", Role.DEFERRED),
        ("—", Role.TEXT),
    ]


@pytest.mark.parametrize("text", ["state:due", "!state:due", "is:due", "state:held"])
def test_it_may_or_may_not_match_until_it_is_read(
    named: tuple[Indexed, str], text: str
) -> None:
    index, _ = named
    view = index.messages.view()
    view.narrow(text)
    assert view.count == 0
    assert view.progress is not None
    index.read()
    assert view.count == (text in ("state:due", "is:due"))
    assert view.progress is None


def test_nothing_is_dimmed_and_no_term_made_of_what_nobody_knows(
    named: tuple[Indexed, str],
) -> None:
    index, queue_id = named
    row = index.messages.row(queue_id)
    assert row is not None
    assert why_not(Verb.RELEASE, [row], is_held=lambda _row: False) == ""
    around = index.around()
    assert term_of("state", row, around, 0.0) == ""
    assert term_of("id", row, around, 0.0) == f"id={queue_id}"
