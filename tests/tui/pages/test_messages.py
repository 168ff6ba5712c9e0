"""The page Messages: what its columns say, how it narrows, and what keys mean."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tui.pages.mail_stage import MailStage, staged, utc
from tests.tui.world import DAY, NOW, PlantedSpool
from tuiq.actions import pausing
from tuiq.actions.filter import parse
from tuiq.spool import control
from tuiq.tui.pages.message_rows import ahead
from tuiq.tui.pages.messages import MessagesPage

__all__ = ["utc"]
pytestmark = pytest.mark.usefixtures("utc")


async def test_each_state_is_told_by_a_word_and_trouble_by_a_sign(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        words = {
            name: stage.row(name).split()[-1].rstrip("▐")
            for name in ("DEF", "HED", "DBT", "PSD", "BAD", "NEW")
        }
        assert words == {
            "DEF": "deferred", "HED": "held", "DBT": "doubt", "PSD": "paused",
            "BAD": "damaged", "NEW": "due",
        }  # fmt: skip
        signs = {name: stage.row(name).strip()[0] for name in ("DBT", "BAD", "HED")}
        assert signs == {"DBT": "!", "BAD": "!", "HED": "0"}


async def test_the_columns_say_what_the_file_says(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        row = stage.row("DEF")
        expected = ["0000000DEF", "2d00h", "24", "31", "+38m", "news@lists.example.com"]
        assert row.split()[:6] == expected
        assert "b@example.com +2" in row
        assert "451 4.7.1 grey" in row
        assert stage.row("HED").split()[4] == "—"


async def test_the_oldest_stand_first(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        order = ["DEF", "HED", "QA4", "QA3", "DBT", "QA0", "PSD", "NEW"]
        places = [stage.text.index(stage.spool.ids[name][-10:]) for name in order]
        assert places == sorted(places)
        assert "AGE▼" in stage.text


async def test_the_trash_is_only_shown_when_it_is_asked_for(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.until(lambda: not stage.row("TRSH") and bool(stage.row("DEF")))
        assert not stage.page.set_filter("state:trashed")
        await stage.until(lambda: "trashed" in stage.row("TRSH"))


def _lock(path: Path) -> int:
    fd = os.open(path, os.O_RDONLY)
    import fcntl

    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


async def test_a_message_that_others_lock_says_who_and_since_when(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        fd = _lock(stage.spool.control_file("QA4"))
        try:
            await stage.until(lambda: "active" in stage.row("QA4"))
            row = stage.row("QA4")
            assert row.strip().startswith("!")
            assert " lock " in row
            assert f"locked by pid {os.getpid()}"[:12] in row
        finally:
            os.close(fd)
        await stage.until(lambda: "deferred" in stage.row("QA4"))


async def test_at_80_columns_id_size_and_reply_fold_and_the_reply_has_its_own_line(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path, size=(80, 16)) as stage:
        head = stage.text.split("\n")[0]
        assert head.split() == ["AGE▼", "TRY", "NEXT", "SENDER", "RECIPIENT", "(+n)",
                                "STATE"]  # fmt: skip
        assert stage.text.split("\n")[-1] == " 451 4.7.1 greylisted, try later"
        await stage.do("down")
        assert stage.text.split("\n")[-1] == ""


@pytest.mark.parametrize("size", [(40, 8), (10, 3), (200, 60)])
async def test_it_can_be_used_in_any_size(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with staged(MessagesPage(), tmp_path, size=size) as stage:
        await stage.do("down", "open", "column-right", "back", "mark")
        assert "deferred" in stage.text or size[0] < 40
        widest = max(map(len, stage.text.split("\n")))
        assert widest <= size[0]


async def test_at_60_columns_age_recipient_and_state_are_left(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path, size=(60, 20)) as stage:
        assert stage.page.grid.shown_columns == [
            "sign", "age", "tries", "next", "recipient", "state",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((-1, "now"), (0, "now"), (0.3, "+1s"), (12, "+12s"), (59.0, "+59s")),
        *((60, "+1m"), (3599, "+59m"), (3600, "+1h"), (86_400, "+1d")),
    ],
)
def test_the_next_try_is_told_to_the_second_when_it_is_near(
    seconds: float, said: str
) -> None:
    assert ahead(seconds) == said


async def test_ages_stand_still_between_two_looks_at_the_clock(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        model, key = stage.page.model, stage.spool.ids["PSD"]
        before = model.version(key)
        await stage.age(4)
        assert model.version(key) == before
        await stage.age(56)
        assert model.version(key) != before
        await stage.until(lambda: " 11m " in stage.row("PSD"))


async def test_a_row_has_another_version_only_when_its_words_are_others(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        model, key = stage.page.model, stage.spool.ids["HED"]
        before = model.version(key)
        await stage.age(6)
        assert model.version(key) == before
        stage.spool.tried("HED", tries=32, wait=60, reply=b"451 4.7.1 greylisted")
        await stage.until(lambda: model.version(key) != before)
        await stage.until(lambda: " 32 " in stage.row("HED"))


async def test_the_cursor_stays_on_its_message_while_others_come_and_go(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.go_to("QA3")
        key = stage.spool.ids["QA3"]
        stage.spool.plant("AGED", age=9 * DAY)
        stage.spool.control_file("HED").unlink()
        await stage.until(lambda: bool(stage.row("AGED")) and not stage.row("HED"))
        assert stage.page.grid.cursor == key
        stage.spool.control_file("QA3").unlink()
        await stage.until(lambda: stage.page.grid.cursor == stage.spool.ids["QA2"])


# Filter.


async def test_a_filter_narrows_and_says_how_many_are_left(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        assert stage.page.matched() == "12 messages"
        assert not stage.page.set_filter("dom:full.example tries>=3")
        assert stage.page.filter_text == "dom:full.example tries>=3"
        await stage.until(lambda: stage.page.model.count == 3)
        assert stage.page.matched() == "3 of 12"


async def test_a_filter_that_is_wrong_is_told_with_a_caret_and_not_taken(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        assert not stage.page.set_filter("state:held")
        complaint = stage.page.set_filter("state:hold")
        text, caret, reason = complaint.split("\n")
        assert text == "state:hold"
        assert caret == " " * 6 + "^"
        assert "held" in reason
        assert stage.page.filter_text == "state:held"


_LIKE = (
    ("id", "DEF", "id="),
    ("age", "DEF", "age>=2d age<3d"),
    ("age", "NEW", "age<1m"),
    ("size", "DEF", "size<1K"),
    ("tries", "QA4", "tries=5"),
    ("next", "DEF", "next>=38m next<39m"),
    ("next", "HED", "state:held"),
    ("next", "NEW", "next<=0s"),
    ("queue", "DBT", "queue:q.3"),
    ("sender", "DEF", "from=news@lists.example.com"),
    ("recipient", "QA1", "to=user@full.example"),
    ("reply", "QA1", 'err:"452 4.2.2"'),
    ("reply", "NEW", 'err=""'),
    ("state", "DBT", "state:doubt"),
    ("left", "DEF", "left=2"),
    ("count", "DEF", "rcpts=3"),
    ("birth", "QA3", "age>=4h age<5h"),
    ("last", "DEF", "last>=5m last<6m"),
    ("domain", "QA1", "dom:full.example"),
    ("route", "QA1", 'route="mx.example.net:25"'),
    ("sender", "EVK", 'from="\x1b]0;'),
    ("recipient", "EVK", 'to="\x1b]0;'),
    ("reply", "EVK", 'err="'),
)


async def test_only_this_narrows_to_rows_like_the_focused_cell(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        page = stage.page
        for column, name, term in _LIKE:
            page.set_filter("")
            page.grid.choice.columns = ["id", column]
            await stage.go_to(name)
            page.grid.focused_column = column
            await stage.do("filter-cell")
            text = page.filter_text or ""
            assert text.startswith(term)
            assert str(parse(text)) == text
            place = page.model.position_of(stage.spool.ids[name])
            assert place is not None, f"{column} of {name}: {text}"


async def test_not_this_hides_them_and_keeps_what_was_narrowed_before(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        assert not stage.page.set_filter("from:news | from:x")
        stage.page.grid.focused_column = "state"
        await stage.go_to("DEF")
        await stage.do("filter-not-cell")
        text = stage.page.filter_text or ""
        assert text == "(from:news | from:x) !state:deferred"
        assert str(parse(text)) == text
        await stage.until(lambda: not stage.row("DEF"))
        assert stage.row("HED")


async def test_a_column_that_no_filter_knows_is_told(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.go_to("NEW")
        stage.page.grid.choice.columns = ["last"]
        stage.page.grid.focused_column = "last"
        await stage.do("filter-cell")
        assert "The filter knows no such column" in stage.app.told[-1]


async def test_n_goes_to_the_matches_of_a_filter_that_was_dropped(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        page = stage.page
        assert page.why_not("next-match")
        page.set_filter("dom:full.example")
        assert page.why_not("next-match")
        page.set_filter("")
        await stage.go_to("DEF")
        seen = []
        for _ in range(3):
            await stage.do("next-match")
            seen.append(page.grid.cursor)
        await stage.do("previous-match")
        ids = stage.spool.ids
        assert seen == [ids["QA4"], ids["QA3"], ids["QA2"]]
        assert page.grid.cursor == ids["QA3"]
        await stage.do("last", "next-match")
        assert stage.app.told[-1] == "No further match of dom:full.example."


# Where no rows are.


async def test_an_empty_queue_says_when_it_delivered_last(tmp_path: Path) -> None:
    def plant(spool: PlantedSpool) -> None:
        line = '{"time":%d.5,"event":"delivered","id":"X"}\n'
        journal = spool.path / "journal" / "delivery.jsonl"
        journal.write_text(line % (NOW - 60) + line % (NOW - 31))

    async with staged(MessagesPage(), tmp_path, plant=plant) as stage:
        stage.clock.time += 6
        await stage.sees("The queue is empty. Last delivery 07:59:29.")


async def test_a_filter_that_matches_nothing_says_so_and_what_was_meant(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        assert not stage.page.set_filter("dom:ful.example")
        await stage.sees("No message matches dom:ful.example — 12 without the filter")
        await stage.sees("Did you mean full.example (5 messages)?")
        await stage.sees("Only recipients that are not settled yet were looked at.")
        assert not stage.page.set_filter("size>1G")
        await stage.until(lambda: "Only recipients" not in stage.text)


async def test_hostile_filters_are_shown_escaped(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        assert not stage.page.set_filter('to:"\x1b[9Z"')
        await stage.sees("No message matches")
        assert "\x1b" not in stage.text
        assert "\\x1b" in stage.text


# Marks, and what actions are about.


async def test_the_cursor_is_meant_until_something_is_marked(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        page, ids = stage.page, stage.spool.ids
        await stage.until(lambda: all(map(stage.row, ("DEF", "HED", "QA4", "NEW"))))
        subject = page.subject()
        assert subject is not None
        assert subject.picks == ((ids["DEF"], None),)
        assert subject.scope == ids["DEF"]
        await stage.do("mark", "down", "down", "mark")
        subject = page.subject()
        assert subject is not None
        assert subject.picks == ((ids["DEF"], None), (ids["QA4"], None))
        assert subject.scope == "2 marked"
        assert page.status().startswith("2 marked (0 hidden by filter)   sort age ▼")


async def test_what_the_filter_hides_is_counted_and_not_meant(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        page, ids = stage.page, stage.spool.ids
        await stage.do("mark", "down", "mark")
        page.set_filter("state:held")
        subject = page.subject()
        assert subject is not None
        assert subject.picks == ((ids["HED"], None),)
        assert subject.hidden == 1
        assert "2 marked (1 hidden by filter)" in page.status()

        page.set_filter("state:due")  # hides both: the row is meant, and that is said
        await stage.until(lambda: page.model.count == 1)
        subject = page.subject()
        assert subject is not None
        assert subject.picks == ((ids["NEW"], None),)
        assert "2 marked (2 hidden by filter): keys act on the row" in page.status()


async def test_where_all_are_marked_the_scope_names_the_filter(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        stage.page.set_filter("dom:full.example")
        await stage.until(lambda: stage.page.model.count == 5)
        await stage.do("mark-all")
        subject = stage.page.subject()
        assert subject is not None
        assert subject.scope == "all 5 that match dom:full.example"
        assert subject.filter == "dom:full.example"
        assert subject.count == 5


async def test_marks_of_messages_that_left_are_forgotten(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.do("mark", "down", "mark")
        stage.spool.control_file("DEF").unlink()
        await stage.until(lambda: len(stage.page.grid.marks) == 1)
        subject = stage.page.subject()
        assert subject is not None
        assert subject.picks == ((stage.spool.ids["HED"], None),)


async def test_is_marked_is_a_filter_too(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.do("mark", "down", "mark")
        assert not stage.page.set_filter("is:marked")
        await stage.until(lambda: stage.page.model.count == 2)


async def test_the_id_is_copied_whole(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.do("copy")
        assert stage.copied == stage.spool.ids["DEF"]


async def test_what_may_be_paused_here_begins_with_the_destination(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.go_to("QA1")
        words = stage.page.pausable()
        assert words == [
            ["destination", "full.example"],
            ["destination", "mx.example.net:25"],
            ["queue", "q.2"],
            ["spool"],
        ]
        for word in words:
            pausing.place(stage.world.spool, word)


async def test_sorting_is_remembered(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        stage.page.grid.focused_column = "tries"
        await stage.do("sort")
        await stage.until(lambda: stage.page.model.sorted_by[0] == "tries")
        choice = stage.world.choices.grid("messages")
        assert choice.sort == "tries"
        assert "sort tries" in stage.page.status()


async def test_commands_that_need_a_row_say_so_where_there_is_none(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        stage.page.set_filter("from:nobody-at-all")
        await stage.until(lambda: stage.page.grid.cursor is None)
        assert stage.page.why_not("open") == "no message is focused"
        assert stage.page.why_not("copy") == "no message is focused"
        assert stage.page.subject() is None
        assert stage.page.pausable() == [["spool"]]


# The pane.


async def test_the_pane_tells_the_message_in_a_few_lines(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.sees(
            f"{stage.spool.ids['DEF']} · deferred · 2 of 3 recipients left · q.1",
            "from <news@lists.example.com>   size 24 bytes   queued 2027-01-13",
            "next try in 38 min",
            "Subject    hello",
            "Why        next try at 08:38:00 (in 38 min)",
            "✓ a@example.com",
            "… b@example.com",
            "Lock       none",
        )


async def test_the_pane_follows_the_cursor_once_it_rests(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.sees("deferred · 2 of 3")
        await stage.do("down")
        assert "held · 1 of 1" not in stage.text
        await stage.sees("held · 1 of 1", "held by an operator")


async def test_the_pane_shows_a_change_of_its_message(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.sees("deferred · 2 of 3")
        stage.spool.poke("DEF", (control.MHOLD, b"H"))
        await stage.sees("held · 2 of 3")


async def test_the_pane_is_sized_closed_and_remembered(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        before = stage.page.pane_height
        await stage.do("pane-bigger")
        assert stage.page.pane_height == before + 3
        for _ in range(4):
            await stage.do("pane-smaller")
        assert stage.page.pane_height == 0
        assert stage.world.choices.pane == -1
        assert "Envelope" not in stage.text
        await stage.do("pane-bigger")
        await stage.sees("Envelope")


async def test_attempts_come_from_the_journal(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        queue_id = stage.spool.ids["QA1"]
        lines = [
            f'{{"time":{NOW - ago},"event":"deferred","id":"{queue_id}"}}'
            for ago in (3000, 2400, 2399.5)
        ]
        journal = stage.spool.path / "journal" / "delivery.jsonl"
        journal.write_text("\n".join(lines) + "\n")
        await stage.go_to("QA1")
        await stage.sees("07:10 07:20")


async def test_nothing_that_a_stranger_wrote_reaches_the_terminal_as_it_is(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        columns = [column.id for column in stage.page.model.columns]
        await stage.go_to("EVK")
        await stage.sees("8000000EVK · deferred")
        for column in columns:
            stage.page.grid.choice.columns = [column, "state"]
            stage.page.grid.changed()
            await stage.pilot.pause()
            _assert_harmless(stage)
        assert "[b]bold[/b]" in stage.text
        subject = stage.page.subject()
        assert subject is not None
        assert "\x1b" not in subject.scope + stage.page.status()


def _assert_harmless(stage: MailStage[MessagesPage]) -> None:
    text = stage.text
    bad = [c for c in text if c != "\n" and not c.isprintable()]
    assert not bad, repr(bad)


async def test_with_ascii_signs_are_ascii(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path, ascii=True) as stage:
        stage.spool.tried("EVK", tries=1, wait=60, reply=b"later")
        await stage.sees("Lock       none")
        await stage.go_to("HED")
        await stage.sees("held - 1 of 1")
        shown = stage.text
        assert shown.isascii(), [c for c in shown if not c.isascii()]
