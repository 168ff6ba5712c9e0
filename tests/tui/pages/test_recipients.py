"""The page Recipients: a row per slot, read where it is in sight."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.pages.mail_stage import MailStage, staged, utc
from tests.tui.world import HOSTILE, NOW, PlantedSpool
from tuiq.spool import control
from tuiq.tui.pages.recipients import RecipientsPage

__all__ = ["utc"]
pytestmark = pytest.mark.usefixtures("utc")


def _line(stage: MailStage[RecipientsPage], address: str) -> list[str]:
    """Return the words of the row of an address."""
    return next((t for t in stage.text.split("\n") if address in t), "").split()


async def _read(stage: MailStage[RecipientsPage]) -> None:
    """Wait until the recipient under the cursor was read."""
    page = stage.page
    await stage.until(lambda: page.model.slot(page.grid.cursor) is not None)


def _several(spool: PlantedSpool) -> None:
    """Plant messages to several recipients each."""
    for number in range(3):
        name = f"M{number}"
        to = tuple(b"u%d@%s.example" % (number, d) for d in (b"aa", b"bb", b"cc"))
        spool.plant(name, age=1000 - number, to=to, place=f"q.{number + 1}")
    spool.plant("SNG", age=10, to=(b"x@bb.example",))


async def test_each_slot_has_a_row_with_its_state_byte_and_word(tmp_path: Path) -> None:
    async with staged(RecipientsPage(), tmp_path) as stage:
        await stage.sees("a@example.com", "c@other.net", "ann@example.org")
        assert _line(stage, "a@example.com")[:3] == ["✓", "D-", "delivered"]
        assert _line(stage, "b@example.com")[:3] == ["…", "T-", "todo"]
        assert "0000000DEF" in _line(stage, "c@other.net")
        assert "+38m" in _line(stage, "c@other.net")
        assert _line(stage, "0000000HED")[2] == "held"
        assert _line(stage, "0000000DBT")[2:4] == ["in", "doubt"]
        assert _line(stage, "x@stop.example")[2] == "paused"
        await stage.sees("cannot be read")
        assert stage.page.matched() == "14 recipients of 12 messages"


async def test_what_was_not_read_yet_is_an_ellipsis(tmp_path: Path) -> None:
    async with staged(RecipientsPage(), tmp_path) as stage:
        model = stage.page.model
        key = (stage.spool.ids["DEF"], 1)
        await stage.until(lambda: model.slot(key) is not None)
        model.known.__init__()  # type: ignore[misc]  # as if nothing had been read
        assert model.cells(key, ["address", "id"])[0][0] == "…"
        assert model.cells(key, ["id"])[0][0] == "0000000DEF"
        await stage.until(lambda: model.cells(key, ["address"])[0][0] != "…")


async def test_a_filter_on_recipients_leaves_only_the_slots_that_fit(
    tmp_path: Path,
) -> None:
    async with staged(RecipientsPage(), tmp_path, plant=_several) as stage:
        assert not stage.page.set_filter("dom:bb.example")
        await stage.until(lambda: stage.page.model.count == 4)
        await stage.sees("u0@bb.example", "u2@bb.example", "x@bb.example")
        await stage.until(lambda: "aa.example" not in stage.text.split("──")[0])
        assert stage.page.matched() == "4 recipients of 4 messages"
        assert not stage.page.set_filter("dom:bb.example|cc.example")
        await stage.until(lambda: stage.page.model.count == 7)
        assert not stage.page.set_filter("queue:q.2")
        await stage.until(lambda: stage.page.model.count == 3)
        await stage.sees("u1@aa.example")


async def test_a_message_of_which_no_slot_fits_alone_has_no_row(tmp_path: Path) -> None:
    async with staged(RecipientsPage(), tmp_path, plant=_several) as stage:
        assert not stage.page.set_filter("to:u1@aa to:u1@bb")
        await stage.until(lambda: not stage.page.recipients.to_read())
        await stage.until(lambda: stage.page.model.count == 0)
        assert stage.page.subject() is None


async def test_slots_that_fit_change_with_their_message(tmp_path: Path) -> None:
    async with staged(RecipientsPage(), tmp_path, plant=_several) as stage:
        assert not stage.page.set_filter("dom:bb.example")
        await stage.until(lambda: stage.page.model.count == 4)
        stage.spool.slot("M1", 1, b"D")
        await stage.until(lambda: stage.page.model.count == 3)
        assert "u1@bb.example" not in stage.text.split("──")[0]


async def test_the_cursor_stays_on_its_recipient_while_others_come_and_go(
    tmp_path: Path,
) -> None:
    async with staged(RecipientsPage(), tmp_path, plant=_several) as stage:
        await stage.go_to("M2", 1)
        stage.spool.plant("F1RST", age=90_000, to=(b"a@b.example",) * 5)
        stage.spool.control_file("M0").unlink()
        await stage.until(lambda: stage.page.model.count == 12)
        assert stage.page.grid.cursor == (stage.spool.ids["M2"], 1)
        assert stage.page.grid.cursor_position == 5 + 3 + 1


async def test_the_cursor_stays_on_its_recipient_when_a_filter_is_put_in_force(
    tmp_path: Path,
) -> None:
    async with staged(RecipientsPage(), tmp_path, plant=_several) as stage:
        page, key = stage.page, (stage.spool.ids["M2"], 1)
        await stage.go_to("M2", 1)
        assert not page.set_filter("dom:bb.example")
        await stage.until(lambda: not page.recipients.to_read())
        await stage.until(lambda: page.grid.cursor_position == 2)
        assert page.grid.cursor == key
        assert not page.set_filter("")
        assert page.grid.cursor == key
        assert page.grid.cursor_position == 7


async def test_the_subject_are_slots(tmp_path: Path) -> None:
    async with staged(RecipientsPage(), tmp_path, plant=_several) as stage:
        ids = stage.spool.ids
        await stage.go_to("M0", 1)
        await stage.until(lambda: stage.page.model.slot((ids["M0"], 1)) is not None)
        subject = stage.page.subject()
        assert subject is not None
        assert subject.picks == ((ids["M0"], (1,)),)
        assert subject.scope == f"u0@bb.example of {ids['M0']}"
        await stage.do("mark", "down", "mark", "down", "mark")
        subject = stage.page.subject()
        assert subject is not None
        assert subject.picks == ((ids["M0"], (1, 2)), (ids["M1"], (0,)))
        assert subject.scope == "3 marked recipients"


async def test_all_that_a_filter_on_recipients_leaves_can_be_marked(
    tmp_path: Path,
) -> None:
    async with staged(RecipientsPage(), tmp_path, plant=_several) as stage:
        assert not stage.page.set_filter("dom:cc.example")
        await stage.until(lambda: not stage.page.why_not("mark-all"))
        await stage.do("mark-all")
        subject = stage.page.subject()
        assert subject is not None
        assert subject.picks == tuple(
            (stage.spool.ids[f"M{n}"], (2,)) for n in range(3)
        )
        assert subject.filter == "dom:cc.example"


async def test_nothing_is_marked_before_it_is_known_which_slots_fit(
    tmp_path: Path,
) -> None:
    async with staged(RecipientsPage(), tmp_path, plant=_several) as stage:
        assert not stage.page.set_filter("dom:cc.example")
        assert stage.page.why_not("mark-all") == (
            "3 messages must be read first, for the filter"
        )
        assert stage.page.why_not("mark") == "the row is still being read"
        assert stage.page.subject() is None
        await stage.until(lambda: not stage.page.why_not("mark"))


async def test_no_filter_is_made_of_a_cell_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(RecipientsPage(), tmp_path, plant=_several) as stage:
        await stage.go_to("M1", 2)
        await stage.until(lambda: not stage.page.why_not("filter-cell"))
        monkeypatch.setattr(stage.page.model, "slot", lambda _key: None)
        for command in ("filter-cell", "filter-not-cell"):
            assert stage.page.why_not(command) == "the row is still being read"


async def test_enter_opens_the_message_at_the_recipient_and_esc_comes_back(
    tmp_path: Path,
) -> None:
    async with staged(RecipientsPage(), tmp_path, plant=_several) as stage:
        await stage.go_to("M1", 2)
        await stage.do("open")
        await stage.until(lambda: stage.page.message.grid.cursor == 2)
        await stage.sees("[Recipients]", "u1@cc.example")
        subject = stage.page.subject()
        assert subject is not None
        assert subject.picks == ((stage.spool.ids["M1"], (2,)),)
        await stage.do("back")
        assert stage.page.grid.cursor == (stage.spool.ids["M1"], 2)


async def test_a_recipient_that_was_acted_on_shows_it(tmp_path: Path) -> None:
    async with staged(RecipientsPage(), tmp_path, plant=_several) as stage:
        await stage.sees("u1@bb.example")
        stage.spool.slot("M1", 1, b"TH")
        await stage.until(lambda: _line(stage, "u1@bb")[:3] == ["=", "TH", "held"])


async def test_only_this_filters_by_the_recipient(tmp_path: Path) -> None:
    async with staged(RecipientsPage(), tmp_path, plant=_several) as stage:
        stage.spool.slot("M1", 1, b"T-03%08X4524.2.2    " % (NOW + 720))
        key = (stage.spool.ids["M1"], 1)
        for column, term in (
            ("address", "to=u1@bb.example"),
            ("reply", "code:4.2.2"),
            ("id", "id=" + stage.spool.ids["M1"]),
            ("route", 'route="mx.example.net:25"'),
            ("sender", "from=news@lists.example.com"),
        ):
            stage.page.set_filter("")
            await stage.go_to("M1", 1)
            await stage.until(lambda: "452" in " ".join(_line(stage, "u1@bb")))
            stage.page.grid.focused_column = column
            await _read(stage)
            await stage.do("filter-cell")
            assert stage.page.filter_text == term
            await stage.until(lambda: stage.page.model.position_of(key) is not None)


async def test_twenty_thousand_recipients_can_be_scrolled_through(
    tmp_path: Path,
) -> None:
    def plant(spool: PlantedSpool) -> None:
        to = tuple(b"user%d@example.com" % number for number in range(20_000))
        spool.plant("BGG", age=100, to=to)
        spool.plant("SNG", age=10)

    async with staged(RecipientsPage(), tmp_path, plant=plant) as stage:
        assert stage.page.model.count == 20_001
        await stage.sees("user5@example.com")
        await stage.do(*("page-down",) * 20, *("down",) * 20, *("page-up",) * 5)
        await stage.do("last")
        await stage.until(lambda: stage.page.grid.cursor == (stage.spool.ids["SNG"], 0))
        await stage.sees("user19999@example.com", "one@example.org")
        position = stage.page.model.position_of((stage.spool.ids["BGG"], 12_345))
        assert position == 12_345


async def test_hostile_addresses_and_replies_are_harmless(tmp_path: Path) -> None:
    def plant(spool: PlantedSpool) -> None:
        spool.plant("EVK", sender=HOSTILE.encode(), to=(HOSTILE.encode(), b"b@x.org"))
        spool.tried("EVK", tries=1, wait=60, reply=HOSTILE.encode())
        spool.poke("EVK", (control.MHOLD, b"-"))

    async with staged(RecipientsPage(), tmp_path, plant=plant) as stage:
        stage.page.grid.choice.columns = [c.id for c in stage.page.model.columns]
        stage.page.grid.changed()
        await stage.sees("b@x.org", "\\x1b]0;owned")
        assert all(c == "\n" or c.isprintable() for c in stage.text)
        subject = stage.page.subject()
        assert subject is not None
        assert "\x1b" not in subject.scope
        stage.page.grid.focused_column = "address"
        await _read(stage)
        await stage.do("filter-cell")
        await stage.until(lambda: stage.page.model.count == 1)
        assert (stage.page.filter_text or "").startswith('to="\x1b]0;')


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (40, 8)])
async def test_narrow_terminals_keep_state_and_address(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with staged(RecipientsPage(), tmp_path, size=size) as stage:
        await stage.sees("delivered", "a@example.com")
        assert {"state", "address"} <= set(stage.page.grid.shown_columns)
