"""Replies fall into classes, and a class's filter finds exactly its replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.actions.filter import parse
from tuiq.actions.filter_regex import PATTERN_LIMIT
from tuiq.actions.filter_text import text_test
from tuiq.actions.filter_tree import Term
from tuiq.tui.index.reasons import classify


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        (
            b"452 4.2.2 mailbox of user17 is full",
            "452 4.2.2 mailbox of … is full",
        ),
        (
            b"450 4.4.1 connect to mx.a.net[192.0.2.25]:25: Connection refused",
            "450 4.4.1 connect to … connection refused",
        ),
        (
            b"550 5.1.1 <ann@a.net>: Recipient address rejected: User unknown",
            "550 5.1.1 … recipient address rejected: user",
        ),
        (b"421 too many connections from 192.0.2.1", "421 too many connections from"),
        (b"timed out", "timed out"),
        (b"", "(no reply yet)"),
    ],
)
def test_addresses_hosts_and_numbers_do_not_make_a_class(
    reply: bytes, label: str
) -> None:
    assert classify(reply).label == label


WORDS = st.one_of(
    st.sampled_from(["450", "452", "4.2.2", "4.2.0x", "5.1", "user17", "<a@b.c>"]),
    st.sampled_from(
        ["full", "quota", "Mailbox", "of", "is", "a.", ".a", "x", "''", ","]
    ),
    st.sampled_from(["mx.a.net", "(a)", "a/b", "[x]", "greylisted,"]),
    st.builds(
        "".join,
        st.tuples(
            st.integers(18, 22).map("a".__mul__),
            st.sampled_from(["", ".", ".a", "9", "9a", "b"]),
        ),
    ),
)
REPLIES = st.lists(WORDS, max_size=9).flatmap(
    lambda words: st.sampled_from([" ", "  "]).map(
        lambda gap: gap.join(words).encode().rstrip()
    )
)


@given(st.lists(REPLIES, min_size=2, max_size=12))
def test_the_filter_of_a_class_selects_exactly_its_replies(
    replies: list[bytes],
) -> None:
    for one in replies:
        term = parse(classify(one).filter).expression
        assert isinstance(term, Term)
        fits = text_test(term)
        for other in replies:
            same = classify(one).pattern == classify(other).pattern
            assert fits(other) == same, (one, other)


@given(st.text(st.characters(codec="ascii"), max_size=320).map(str.rstrip))
def test_every_reply_has_a_filter_that_the_grammar_takes(text: str) -> None:
    reason = classify(text.encode())
    assert len(reason.pattern) <= PATTERN_LIMIT
    assert str(parse(reason.filter)) == reason.filter
