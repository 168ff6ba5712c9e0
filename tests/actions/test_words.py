"""How quantities read."""

from __future__ import annotations

import time

import pytest

from tuiq.actions.words import (
    age,
    arrival,
    countdown,
    exact_volume,
    instant,
    plural,
    size,
    span,
    volume,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((-5, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m")),
        *((3600, "1h00"), (86_399, "23h59"), (86_400, "1d00h"), (187_200, "2d04h")),
    ],
)
def test_ages_are_short(seconds: float, words: str) -> None:
    assert age(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((-5, "0 s"), (5, "5 s"), (720, "12 min"), (7500, "2 h 05 min")),
        *((7200, "2 h"), (86_400, "1 d"), (187_200, "2 d 04 h")),
    ],
)
def test_spans_read_in_a_sentence(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((59.4, "59 s"), (59.6, "1 min"), (3599.9, "1 h"), (3575, "1 h")),
        *((7170, "2 h"), (86_399, "1 d"), (3 * 86_400 - 1000, "3 d")),
    ],
)
def test_a_span_that_has_just_begun_is_told_whole(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_what_is_left_counts_down_and_is_over_at_zero() -> None:
    moments = (-3, 0, 0.1, 7, 252, 3599.9, 7509, 273_600)
    assert [countdown(seconds) for seconds in moments] == [
        *("0:00", "0:00", "0:01", "0:07", "4:12", "1h00", "2h05", "3d04h")
    ]


@pytest.mark.parametrize(
    ("count", "words"),
    [
        *((0, "0"), (999, "999"), (1000, "1.0K"), (14_541, "14.2K")),
        *(
            (1_048_000, "1.0M"),
            (1 << 20, "1.0M"),
            (1 << 40, "1.0T"),
            (1 << 52, "4096T"),
        ),
    ],
)
def test_sizes_have_one_decimal_and_a_unit(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("count", "said", "exactly"),
    [
        (1, "1 byte", "1 byte"),
        (999, "999 bytes", "999 bytes"),
        (14_529, "14.2K", "14.2K (14,529 bytes)"),
    ],
)
def test_a_size_in_a_sentence_always_has_a_unit(
    count: int, said: str, exactly: str
) -> None:
    assert (volume(count), exact_volume(count)) == (said, exactly)


def test_numbers_agree_with_their_noun() -> None:
    assert [plural(n, "message") for n in (0, 1, 1234)] == [
        "0 messages",
        "1 message",
        "1,234 messages",
    ]


def test_instants_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    assert instant(1_800_000_000) == "2027-01-15 10:00:00"
    assert arrival(1_800_000_000) == "Fri Jan 15 10:00:00"
