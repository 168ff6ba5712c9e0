"""What may follow in a filter, and that taking it leaves a filter behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.actions.filter import parse
from tuiq.tui.bars.completion import complete


def none(_field: str, _prefix: str) -> list[str]:
    return []


def offers(text: str, cursor: int | None = None) -> list[str]:
    cursor = len(text) if cursor is None else cursor
    return [offer.insert for offer in complete(text, cursor, none).offers]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "from:"),
        ("ag", "age>"),
        ("rec", "to:"),
        ("!do", "dom:"),
        ("a (siz", "size>"),
        ("tr", "tries>="),
        ("state:h", "held"),
        ("state:held|pa", "paused"),
        ("is:l", "locked"),
        ("age>", "2h"),
        ("code:4", "450"),
    ],
)
def test_offers_what_fits_where_the_cursor_is(text: str, wanted: str) -> None:
    assert wanted in offers(text)


def test_offers_nothing_inside_a_word_that_is_no_field() -> None:
    assert offers("a@exam") == []
    assert offers("zzz") == []


def test_only_what_stands_before_the_cursor_counts() -> None:
    done = complete("st tries>0", 2, none).step(1)
    assert done is not None
    text, cursor, _ = done
    assert (text, cursor) == ("state: tries>0", 6)


def test_values_that_cannot_be_shown_as_they_are_typed_are_not_offered() -> None:
    found = complete("to:", 3, lambda *_: ["a\x1b[2J", "b@example.org"])
    assert [offer.insert for offer in found.offers] == ["b@example.org"]


@given(st.text(min_size=1, max_size=12).filter(str.isprintable))
def test_every_value_is_inserted_so_that_it_is_understood(value: str) -> None:
    found = complete("to:", 3, lambda *_: [value])
    done = found.step(1)
    if done is not None:
        assert str(parse(done[0])) == str(parse(str(parse(done[0]))))


def test_tab_goes_round() -> None:
    found = complete("is:", 3, none)
    seen = []
    for _ in range(len(found.offers) + 1):
        done = found.step(1)
        assert done is not None
        text, _, found = done
        seen.append(text)
    assert seen[0] == seen[-1]
    assert len(set(seen)) == len(seen) - 1
