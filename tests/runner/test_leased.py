"""Connections that a worker has leased, and those it is asked to give back."""

from __future__ import annotations

import pytest

from tuiq.runner.work import Leased


@pytest.fixture
def leased() -> Leased:
    """Two connections."""
    made = Leased()
    made.take()
    made.take()
    return made


def test_as_many_connections_end_as_were_recalled(leased: Leased) -> None:
    leased.recall()
    assert leased.gives_one_back()
    assert not leased.gives_one_back()
    leased.left()
    assert leased.recalled == 0


def test_a_connection_that_ends_by_itself_honours_a_recall(leased: Leased) -> None:
    leased.recall()
    leased.left()
    assert not leased.gives_one_back()


def test_one_that_is_saying_goodbye_counts_for_a_recall_and_no_other_does(
    leased: Leased,
) -> None:
    leased.recall()  # one of them is in its QUIT: it was not chosen
    leased.recall()
    leased.left()
    assert leased.gives_one_back()
    leased.left()
    assert leased.recalled == 0


def test_what_was_chosen_cannot_be_recalled_again(leased: Leased) -> None:
    for _ in range(2):
        leased.recall()
        assert leased.gives_one_back()
    leased.recall()  # it crossed the word that they are going
    assert leased.recalled == 0
    leased.left()
    leased.left()
    leased.take()
    assert not leased.gives_one_back(), "the next one would end unused"
