"""``tuiq domains``: qshape's table over the recipients that are still open."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tuiq.cli.domains import Shape, as_table

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("domains.txt", ()),
        ("domains-sender.txt", ("--sender",)),
        ("domains-linear.txt", ("-l", "-t", "10")),
        ("domains.jsonl", ("--json",)),
    ],
)
def test_the_table_is_as_pinned(
    stocked: Any,
    tuiq: Callable[..., Any],
    golden: Callable[[str, str], None],
    name: str,
    arguments: tuple[str, ...],
) -> None:
    golden(name, tuiq("domains", *arguments).out)


@pytest.mark.parametrize(
    ("minutes", "bucket"),
    [
        *((-1, 0), (0, 0), (4.9, 0), (5, 1), (9.9, 1), (10, 2), (19, 2), (20, 3)),
        *((1279, 8), (1280, 9), (100_000, 9)),
    ],
)
def test_buckets_double_as_in_qshape(minutes: float, bucket: int) -> None:
    shape = Shape()
    shape.add(b"a", minutes * 60)
    assert shape.rows[b"a"].index(1) == bucket


@pytest.mark.parametrize(("minutes", "bucket"), [(4.9, 0), (5, 1), (10, 2), (999, 9)])
def test_linear_buckets_are_equal(minutes: float, bucket: int) -> None:
    shape = Shape(linear=True)
    shape.add(b"a", minutes * 60)
    assert shape.rows[b"a"].index(1) == bucket


def test_columns_grow_with_their_numbers_and_names_are_cut() -> None:
    shape = Shape()
    shape.add(b"x" * 70 + b".example", 0, 1_234_567)
    head, total, row = as_table(shape)
    assert len(head) == len(total) == len(row) == 80
    assert row.startswith("+xxx")
    assert "xxx.example 1234567 1234567 " in row
    assert head.split()[:2] == ["T", "5"]


def test_an_empty_queue_has_a_table_of_zeros(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    head, total = tuiq("domains").lines
    assert ",".join(head.split()) == "T,5,10,20,40,80,160,320,640,1280,1280+"
    assert total.split() == ["TOTAL", *["0"] * 11]


def test_settled_recipients_do_not_count(
    stocked: Any, tuiq: Callable[..., Any]
) -> None:
    rows = map(json.loads, tuiq("domains", "--json").lines)
    totals = {row["domain"]: row["total"] for row in rows}
    assert totals["b.example"] == 2
    assert "a.example" not in totals


def test_a_first_bucket_of_nothing_is_a_usage_error(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    assert tuiq("domains", "-t", "0").status == 64
