"""What the index keeps its texts in: found again, given back, in order."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.index.indexed import indexed, planted_spool
from tuiq.spool.layout import make_id
from tuiq.tui.index import ids, tidying
from tuiq.tui.index import texts as texts_module
from tuiq.tui.index.ranks import Ranks
from tuiq.tui.index.texts import Texts

if TYPE_CHECKING:
    from pathlib import Path

WORDS = st.lists(st.binary(max_size=80).map(lambda word: word.replace(b"\0", b"x")))


@given(st.lists(st.integers(0, 2**55 - 1), max_size=5))
def test_ids_survive_being_numbers(births: list[int]) -> None:
    names = [make_id(birth) for birth in births]
    hi, lo = ids.parse("".join(names).encode())
    assert ids.spell(hi, lo) == names
    pairs = list(zip(hi.tolist(), lo.tolist(), strict=True))
    assert [ids.parse_one(name) for name in names] == pairs
    assert [ids.spell_one(*pair) for pair in pairs] == names
    assert sorted(names) == [names[place] for place in ids.sort(hi, lo)]
    assert ids.births(hi).tolist() == births


@given(WORDS, WORDS)
def test_texts_are_kept_and_found_again(one: list[bytes], other: list[bytes]) -> None:
    texts = Texts()
    numbers = texts.intern(one)
    lengths = np.array([len(word) for word in other], dtype=np.uint32)
    more = texts.extend(b"".join(other), lengths)
    assert [texts[n] for n in numbers] == one
    assert [texts[n] for n in more] == other
    assert texts.intern(one).tolist() == numbers.tolist()
    assert texts[0] == b""
    assert texts.part(1, texts.count) == [texts[n] for n in range(1, texts.count)]


@given(WORDS, st.randoms(use_true_random=False), WORDS)
def test_giving_back_keeps_what_is_used_and_what_came_meanwhile(
    words: list[bytes], chance: random.Random, late: list[bytes]
) -> None:
    texts = Texts()
    numbers = texts.intern(words)
    used = np.array([chance.random() < 0.5 for _ in range(texts.count)])
    texts.forget(used)
    kept, moves = texts.shrunk(used)
    later = texts.intern(late)
    texts.become(kept, moves)
    for word, number in zip(words, numbers.tolist(), strict=True):
        if used[number]:
            assert texts[int(texts.moves[number])] == word
    assert [texts[int(texts.moves[n])] for n in later] == late
    assert [texts[n] for n in texts.intern(late)] == late


def test_of_many_texts_equal_ones_may_stand_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(texts_module, "KNOWN_LIMIT", 3)
    texts = Texts()
    words = [b"%d" % (number % 7) for number in range(50)]
    for word in words:
        (number,) = texts.intern([word])
        assert texts[int(number)] == word


LABELLED = st.lists(
    st.text("abAB.", max_size=3).map(str.encode)
    | st.integers(0, 3).map(lambda n: b"x" * 70 + b"%d" % n)
)


@given(LABELLED, LABELLED, LABELLED)
def test_labels_are_in_the_order_of_the_texts(
    first: list[bytes], second: list[bytes], third: list[bytes]
) -> None:
    texts = Texts()
    ranks = Ranks(texts)
    texts.intern(first)
    ranks.build()
    for words in (second, third):
        texts.intern(words)
        ranks.extend()
        labels = ranks.labels
        words_by_label = sorted(range(texts.count), key=labels.__getitem__)
        folded = [texts[number].lower() for number in words_by_label]
        assert folded == sorted(folded)
        for one, other in pairwise(words_by_label):
            same = texts[one].lower() == texts[other].lower()
            assert same == (labels[one] == labels[other])


def test_labels_without_room_between_them_are_made_anew() -> None:
    texts = Texts()
    texts.intern([b"a", b"b"])
    ranks = Ranks(texts)
    ranks.build()
    crowded = False
    for number in range(80):  # each halves the gap
        texts.intern([b"a" * number + b"b"])
        ranks.extend()
        crowded |= bool(ranks.missing)
        ranks.catch_up()
    assert crowded
    assert not ranks.missing
    words = sorted(range(texts.count), key=ranks.labels.__getitem__)
    assert [texts[n] for n in words] == sorted(texts.part(0, texts.count))
    assert len(set(ranks.labels.tolist())) == texts.count


def test_labels_follow_texts_that_are_numbered_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tuiq.tui.index.ranks.FEW", 2)
    texts = Texts()
    texts.intern([b"pear", b"apple", b"fig", b"kiwi", b"plum"])
    ranks = Ranks(texts)
    ranks.build()
    used = np.array([True, True, False, True, True, False])
    texts.forget(used)
    kept, moves = texts.shrunk(used)
    texts.become(kept, moves)
    assert ranks.catch_up()
    found = [texts[n] for n in sorted(range(texts.count), key=ranks.labels.__getitem__)]
    assert found == [b"", b"fig", b"kiwi", b"pear"]


def test_the_index_gives_back_what_retries_leave_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "LEAST", 8)
    planted = planted_spool(tmp_path / "spool")
    to = (b"a@x.org", b"b@y.org", b"c@z.org")
    for name in ("M", "N"):
        planted.plant(name, to=to)
    with indexed(planted) as index:
        index.read()
        view = index.messages.view()
        view.sort("reply", reverse=False)
        for turn in range(60):
            planted.tried("M", tries=turn, wait=9, reply=b"450 later %d" % turn)
            planted.slot("M", 0, (b"D", b"T")[turn % 2])
            index.look("M")
            table = index.messages.table
            assert table.texts["reply"].count < 20
            assert table.mixes.length < 60
            row = index.messages.row(planted.ids["M"])
            assert row is not None
            assert row.reply == b"450 later %d" % turn
            assert row.recipient == (b"b@y.org", b"a@x.org")[turn % 2]
            rows = index.messages.shape("domain", now=index.clock.now())
            assert {r.name: r.total for r in rows} == {
                "TOTAL": 5 + turn % 2, "x.org": 1 + turn % 2, "y.org": 2, "z.org": 2,
            }  # fmt: skip
            assert view.ids() == [planted.ids["N"], planted.ids["M"]]
