"""Selections: who is meant, what is shown, and that it never grows."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.conftest import NOW, build_entry
from tuiq.actions.filter import Context, parse
from tuiq.actions.preview import preview, report
from tuiq.actions.selection import (
    Mention,
    Pick,
    freeze,
    pick_all,
    pick_by_filter,
    pick_by_ids,
)
from tuiq.actions.slots import decode_slots, encode_slots
from tuiq.actions.verbs import CARDS, tier_of
from tuiq.errors import MessageGone, UsageError
from tuiq.spool import control
from tuiq.spool.answers import Answer, Result, Target, Verb
from tuiq.spool.entry import QueueEntry

CONTEXT = Context(now=NOW)
LIVE = build_entry(b"a@x.example", b"b@y.example", queue_id="1" * 19)
TRASHED = build_entry(
    queue_id="2" * 19, slots={0: b"X"}, patch={control.TRASHED: b"%08X" % NOW}
)
PARTLY = build_entry(
    b"a@x", b"b@y", b"c@z", queue_id="3" * 19, slots={0: b"X", 1: b"X-"}
)
BY_WORD = build_entry(queue_id="4" * 19, slots={0: b"X-0000000000250"})
MOVED = build_entry(queue_id="5" * 19, patch={control.MSTATE: b"M"})
FOREIGN = build_entry(queue_id="6" * 19, patch={0: b"?"})
CORRUPT = build_entry(queue_id="7" * 19, patch={control.MSTATE: b"C"})
SETTLED = build_entry(queue_id="8" * 19, slots={0: b"D"})
ALL = [LIVE, TRASHED, PARTLY, BY_WORD, MOVED, FOREIGN, CORRUPT, SETTLED]


def ids(picks: list[Pick]) -> list[str]:
    return [entry.queue_id[:1] for entry, _ in picks]


@given(st.sets(st.integers(0, 50)))
def test_slots_survive_as_text(slots: set[int]) -> None:
    assert decode_slots(encode_slots(sorted(slots))) == tuple(sorted(slots))


def test_slots_are_written_as_ranges() -> None:
    assert encode_slots([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"


@pytest.mark.parametrize(
    ("verb", "meant"),
    [
        (Verb.HOLD, ["1", "3", "7"]),
        (Verb.DELETE, ["1", "3", "7"]),
        (Verb.UNDO, ["2", "3"]),
        (Verb.PURGE, ["2", "4"]),
    ],
)
def test_all_means_what_the_verb_is_for(verb: Verb, meant: list[str]) -> None:
    assert ids(list(pick_all(ALL, verb=verb))) == meant


def test_a_filter_reaches_the_trash_only_by_name() -> None:
    text = "to:bob | to:a@x"
    hold = pick_by_filter(ALL, parse(text), CONTEXT, verb=Verb.HOLD)
    assert ids(list(hold)) == ["1", "7"]

    trashed = pick_by_filter(ALL, parse("state:trashed"), CONTEXT, verb=Verb.HOLD)
    assert ids(list(trashed)) == ["2"]
    deleted = parse("state:trashed | to:bob")
    assert ids(list(pick_by_filter(ALL, deleted, CONTEXT, verb=Verb.BOUNCE))) == [
        "2",
        "4",
        "7",
    ]


def test_undo_of_a_set_spares_what_was_marked_delivered() -> None:
    entry = build_entry(
        b"a@x", b"b@y", slots={0: b"X-0000000000250", 1: b"X-0000000000"}
    )

    assert list(pick_all([entry], verb=Verb.UNDO)) == [(entry, (1,))]


def test_matching_recipients_are_named_one_by_one() -> None:
    picks = pick_by_filter(
        [LIVE, CORRUPT],
        parse("dom:y.example"),
        CONTEXT,
        verb=Verb.DELETE,
        matching_recipients=True,
    )

    assert list(picks) == [(LIVE, (1,))]


def look_up(queue_id: str) -> QueueEntry:
    for entry in ALL:
        if entry.queue_id.startswith(queue_id):
            return entry
    raise MessageGone(queue_id)


@pytest.mark.parametrize(
    ("words", "slots"),
    [
        (["1" * 19], None),
        (["1" * 19 + "/2"], (1,)),
        (["1" * 19 + ":B@Y.example"], (1,)),
        (["1" * 19 + ":<a@x.example>"], (0,)),
        (["1" * 19 + "/2", "1" * 19 + "/1", "1" * 19 + "/2"], (0, 1)),
        (["1" * 19 + "/2", "1" * 19], None),
        (["1" * 19, "1" * 19 + "/2"], None),
    ],
)
def test_ids_name_messages_and_recipients(
    words: list[str], slots: tuple[int, ...] | None
) -> None:
    assert pick_by_ids(words, look_up) == ([(LIVE, slots)], [])


def test_ids_that_are_gone_are_told_apart() -> None:
    found, gone = pick_by_ids(["1" * 19, "Z" * 19, "Z" * 19 + "/1"], look_up)

    assert ids(found) == ["1"]
    assert gone == ["Z" * 19]


@pytest.mark.parametrize("word", ["1/0", "1/x", "1/-1", "1/"])
def test_a_recipient_number_that_cannot_be_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        Mention.parse(word)


@pytest.mark.parametrize("word", ["1" * 19 + "/3", "1" * 19 + ":c@z.example"])
def test_a_recipient_that_is_not_there_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        pick_by_ids([word], look_up)


def test_a_selection_sums_up_and_keeps_the_oldest_as_samples() -> None:
    entries = [
        build_entry(
            b"x@many.example",
            b"y@%d.example" % n,
            queue_id=f"{n:019}",
            age=100 + n * 60,
        )
        for n in range(9)
    ]

    selection = freeze(((entry, None) for entry in entries), scope="ALL")

    assert selection.count == 9
    assert selection.recipients == 18
    assert selection.size == 9 * 5 * 1024 * 1024
    assert selection.oldest == NOW - 100 - 8 * 60
    assert selection.domains[0] == (b"many.example", 9)
    assert (len(selection.domains), selection.domain_count) == (5, 10)
    assert [int(entry.queue_id) for entry, _ in selection.samples] == [8, 7, 6]
    targets = [item.target for item in selection.items]
    assert targets == [
        Target(queue_id=entry.queue_id, birth=entry.birth) for entry in entries
    ]


def test_an_item_remembers_what_undo_needs() -> None:
    entry = build_entry(
        b"a@x",
        b"b@y",
        b"c@z",
        slots={0: b"D", 1: b"TH"},
        patch={control.MHOLD: b"H"},
    )
    (item,) = freeze([(entry, (1,))], scope="1 id").items

    assert item.unsettled == "1-2"
    assert item.hold
    assert item.held == "1"
    assert item.target.recipients == (1,)


def test_preview_shows_what_a_person_must_know_and_nothing_active() -> None:
    entry = build_entry(
        b"\x1b]0;x@evil.example",
        sender=b"\x9b2J@a.example",
        patch={control.REPLY: b"450 \x1b[2Jtry later"},
    )
    selection = freeze([(entry, None)], scope="filter \x1b", gone=["Z" * 19])

    lines = list(preview(Verb.BOUNCE, selection, now=NOW))

    text = "\n".join(lines)
    assert text.replace("\n", "").isprintable()
    assert lines[0] == "bounce: give up and tell the sender"
    assert "1 message, 5.0M, 1 recipient" in text
    assert "oldest   1 h," in text
    assert "evil.example 1" in text
    assert entry.queue_id in text
    assert "Z" * 19 in text
    assert "no undo" in text


def test_report_counts_and_gives_the_first_reasons() -> None:
    counts = Counter(
        {Result.ACTED: 5, Result.GONE: 1, Result.IN_FLIGHT: 2, Result.REFUSED: 3}
    )
    target = Target(queue_id="1" * 19)
    refused = Answer(target=target, result=Result.REFUSED, text="settled\x1b")

    lines = list(report(Verb.DELETE, counts, [refused], asked=20))

    assert lines[0] == (
        "deleted 5 messages, 1 gone since, 2 in flight, 3 refused, stopped, "
        "9 not touched"
    )
    assert lines[1] == f"  refused  {'1' * 19}: settled\\x1b"
    assert lines[2].startswith("  and 4 more")


def test_every_verb_has_a_card_and_a_tier() -> None:
    assert set(CARDS) == set(Verb)
    assert tier_of(Verb.HOLD, 1000) == 1
    assert tier_of(Verb.HOLD, 1001) == 2
    assert tier_of(Verb.FLUSH, 20) == 1
    assert tier_of(Verb.FLUSH, 21) == 2
    assert tier_of(Verb.DELETE, 1) == 3
    assert {v for v in Verb if CARDS[v].is_destructive} == {
        Verb.DELETE,
        Verb.PURGE,
        Verb.BOUNCE,
        Verb.DELIVERED,
    }
