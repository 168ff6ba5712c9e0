"""Shapes, reasons, forecasts and words: each number is that of its filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import DAY, NOW
from tests.tui.index.indexed import Indexed, indexed, planted_spool
from tests.tui.world import HOSTILE, furnish
from tuiq.actions.filter import FilterError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Indexed]:
    with indexed(furnish(tmp_path / "spool")) as index:
        index.feed.see(index.around())
        index.read()
        yield index


def open_recipients(index: Indexed, text: str) -> int:
    """Count the open recipients of the messages that a filter selects."""
    view = index.messages.view()
    view.narrow(text)
    index.settle()
    rows = [index.messages.row(queue_id) for queue_id in view.ids()]
    view.close()
    return sum(row.left for row in rows if row)


@pytest.mark.parametrize("by", ["domain", "sender", "reason", "route"])
def test_a_line_counts_what_its_filter_selects(index: Indexed, by: str) -> None:
    total, *rows = index.messages.shape(by, now=NOW)
    assert total.name == "TOTAL"
    assert total.filter == ""
    assert total.total == sum(row.total for row in rows) == open_recipients(index, "")
    assert [row.total for row in rows] == sorted(
        (row.total for row in rows), reverse=True
    )
    for row in rows:
        if row.name not in {"other.net", "example.com"}:  # DEF goes to both
            assert open_recipients(index, row.filter) == row.total, row
        assert 0.5 < sum(share for _, share in row.reasons) <= 1.0
        assert "\x1b" not in row.name


def test_recipients_of_one_message_count_in_their_own_domains(
    tmp_path: Path,
) -> None:
    planted = planted_spool(tmp_path / "spool")
    to = (b"a@x.org", b"b@x.org", b"c@y.org", b"d@z.org", b"e@X.ORG.")
    planted.plant("M", age=400, to=to)
    planted.slot("M", 3, b"D")
    planted.plant("N", age=10, to=(b"f@y.org",))
    with indexed(planted) as index:
        index.read()
        rows = index.messages.shape("domain", now=NOW)
        found = {row.name: row.buckets[:3] for row in rows}
        assert found == {
            "TOTAL": (1, 4, 0), "x.org": (0, 3, 0), "y.org": (1, 1, 0),
        }  # fmt: skip
        (x_org,) = [row for row in rows if row.name == "x.org"]
        assert x_org.filter == "dom:x.org|x.org."


@pytest.mark.parametrize(
    ("age", "bucket"),
    [(-5, 0), (299, 0), (300, 1), (599, 1), (600, 2), (76_799, 8), (76_800, 9)],
)
def test_ages_fall_into_the_columns_of_tuiq_domains(
    tmp_path: Path, age: int, bucket: int
) -> None:
    planted = planted_spool(tmp_path / "spool")
    planted.plant("M", age=age)
    with indexed(planted) as index:
        index.read()
        total = index.messages.shape("domain", now=NOW)[0]
        assert total.buckets.index(1) == bucket


def test_an_empty_queue_has_only_a_total(tmp_path: Path) -> None:
    with indexed(planted_spool(tmp_path / "spool")) as index:
        index.read()
        messages = index.messages
        for by in ("domain", "sender", "reason", "route"):
            (total,) = messages.shape(by, now=NOW)
            assert total.total == 0
        assert messages.reasons() == []
        assert messages.near("example.org") == []
        assert messages.values("dom", "") == []
        assert messages.oldest_of("q.1") is None


def test_a_shape_can_be_narrowed(index: Indexed) -> None:
    total, *rows = index.messages.shape("domain", now=NOW, filter="queue:q.2 code:452")
    assert total.total == 5
    assert [row.name for row in rows] == ["full.example"]
    with pytest.raises(FilterError):
        index.messages.shape("domain", now=NOW, filter="staet:due")


def test_replies_fold_into_reasons_whose_filters_select_them(index: Indexed) -> None:
    groups = index.messages.reasons()
    counts = [group.count for group in groups]
    assert counts == sorted(counts, reverse=True)
    quota = next(group for group in groups if group.label.startswith("452"))
    assert quota.label == "452 4.2.2 mailbox of … is full"
    assert (quota.count, quota.recipients, quota.oldest) == (5, 5, NOW - 5 * 3600)
    assert quota.sample.startswith(b"452 4.2.2 mailbox of user")
    for group in groups:
        view = index.messages.view()
        view.narrow(group.filter)
        index.settle()
        live = [i for i in view.ids() if (row := index.messages.row(i)) and row.left]
        assert len(live) == group.count, group
        assert HOSTILE not in group.label


def test_reasons_of_a_view_are_those_of_its_messages(index: Indexed) -> None:
    view = index.messages.view()
    view.narrow("queue:q.1")
    groups = index.messages.reasons(view)
    assert sorted(group.label for group in groups) == [
        "(no reply yet)", "451 4.7.1 greylisted, try later",
    ]  # fmt: skip


def test_the_forecast_counts_tries_and_ends_of_lifetimes(tmp_path: Path) -> None:
    planted = planted_spool(tmp_path / "spool")
    for name, wait, age in (
        ("A", -5, 60), ("B", 200, 60), ("C", 800, 60), ("D", 3000, 4.5 * DAY),
        ("E", 9000, 60),
    ):  # fmt: skip
        planted.plant(name, age=age)
        planted.tried(name, tries=1, wait=wait, reply=b"450 later")
    with indexed(planted) as index:
        index.read()
        told = index.messages.forecast(now=NOW, lifetime=5 * DAY)
    assert (told.due_now, told.due_5m, told.due_15m, told.due_60m) == (1, 1, 2, 3)
    assert told.expiring_24h == 1


def test_near_finds_domains_spelt_alike(index: Indexed) -> None:
    assert index.messages.near("full.exampel") == [("full.example", 5)]
    assert index.messages.near("nothing-like-it") == []


@pytest.mark.parametrize(
    ("field", "prefix", "wanted"),
    [
        ("dom", "FULL", ["full.example"]),
        ("domain", "full", ["full.example"]),
        ("queue", "q.", ["q.1", "q.2", "q.3", "q.4"]),
        ("state", "d", ["damaged", "doubt", "deferred", "due"]),
        ("code", "45", ["452", "451"]),
        ("sdom", "lists", ["lists.example.com"]),
        ("age", "", []),
        ("nonsense", "", []),
    ],
)
def test_values_complete_a_field(
    index: Indexed, field: str, prefix: str, wanted: list[str]
) -> None:
    assert index.messages.values(field, prefix) == wanted


def test_values_stop_at_the_limit_with_the_most_frequent_first(index: Indexed) -> None:
    assert index.messages.values("to", "", limit=1) == ["user@full.example"]
    assert index.messages.values("dom", "", limit=1) == ["full.example"]
