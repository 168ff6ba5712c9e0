"""Every command of a grid, by its key; what it draws, and what it tells the page."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from rich.style import Style
from textual.pilot import Pilot
from textual.strip import Strip

from tests.tui.grid.sample import PALETTE, PLAIN, Rows, Stand
from tuiq.tui.choices import GridChoice
from tuiq.tui.grid.grid import Grid
from tuiq.tui.grid.lines import Run
from tuiq.tui.grid.model import Key
from tuiq.tui.look.palette import Palette
from tuiq.tui.look.roles import Role

WIDE = (120, 12)


def rows(count: int = 50) -> Rows:
    return Rows(f"k{n:04}" for n in range(count))


def line_of(app: Stand, key: str) -> int:
    """Return the line on which a row stands."""
    return next(y for y, line in enumerate(app.text()) if key in line[:9])


def on(app: Stand) -> object:
    """Return the key under the cursor."""
    return app.grid.cursor


def at(app: Stand, y: int) -> Strip:
    return app.grid.render_line(y)


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


@pytest.mark.parametrize(
    ("keys", "cursor"),
    [
        (("down",), "k0001"),
        (("j", "j", "k"), "k0001"),
        (("up",), "k0000"),
        (("pagedown",), "k0011"),
        (("ctrl+d", "ctrl+d", "ctrl+b"), "k0011"),
        (("j", "pagedown", "pageup"), "k0001"),
        (("G",), "k0049"),
        (("end", "up"), "k0048"),
        (("end", "home"), "k0000"),
        (("end", "pagedown"), "k0049"),
        (("G", "g", "j"), "k0001"),
    ],
)
async def test_moving(keys: tuple[str, ...], cursor: str) -> None:
    app = Stand(rows())
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, *keys)
        assert on(app) == cursor
        assert app.news[-1:] in ([cursor], [])
        assert cursor in "".join(app.text()), "it is in sight"


async def test_the_cursor_is_drawn_over_the_whole_width() -> None:
    app = Stand(rows())
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "down")
        strip = at(app, 2)
        assert strip.text.startswith("  k0001")
        cursor = PALETTE[Role.CURSOR]
        assert {s.style.bgcolor for s in strip if s.style} == {cursor.bgcolor}
        assert sum(s.cell_length for s in strip) == 120
        assert cursor.bgcolor not in {s.style.bgcolor for s in at(app, 3) if s.style}


async def test_without_colours_the_cursor_is_reversed_and_the_state_still_a_word() -> (
    None
):
    app = Stand(rows(), palette=PLAIN)
    async with app.run_test(size=WIDE):
        strip = at(app, 1)
        assert all(segment.style and segment.style.reverse for segment in strip)
        assert "active" in strip.text
        assert not any(s.style and s.style.reverse for s in at(app, 2))


async def test_a_grid_without_the_focus_shows_its_cursor_by_a_line_under_it() -> None:
    app = Stand(rows())
    async with app.run_test(size=WIDE) as pilot:
        app.set_focus(None)
        await pilot.pause()
        assert all(segment.style and segment.style.underline for segment in at(app, 1))
        assert at(app, 1).text.split()[0] == "k0000"


async def test_the_focused_cell_is_underlined_and_moves_with_the_column_keys() -> None:
    app = Stand(rows())
    async with app.run_test(size=WIDE) as pilot:
        app.grid.focused_column = "id"
        await press(pilot, "right", "right")
        assert app.grid.focused_column == "size"
        under = [s.text for s in at(app, 1) if s.style and s.style.underline]
        assert under == ["size o…"]
        head = [s.text.strip() for s in at(app, 0) if s.style and s.style.underline]
        assert head == ["SIZE"]
        await press(pilot, "left", "left", "left", "left")
        assert app.grid.focused_column == "id"


async def test_heading_says_the_order_in_words_of_the_palette() -> None:
    model = rows()
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        assert "AGE▼" in app.text()[0]
        model.sorted_by = ("sender", False)
        app.grid.changed()
        assert "SENDER▲" in app.text()[0]
        app.palette_now = PLAIN
        app.grid.changed()
        await pilot.pause()
        assert "SENDER^" in app.text()[0]
        assert "".join(app.text()).isascii()


async def test_columns_leave_by_priority_and_come_back_when_they_are_focused() -> None:
    app = Stand(rows())
    async with app.run_test(size=WIDE) as pilot:
        everything = ["id", "age", "size", "sender", "recipient", "reply", "state"]
        assert app.grid.shown_columns == everything
        await pilot.resize_terminal(60, 12)
        await pilot.pause()
        assert app.grid.shown_columns == [
            "id", "age", "size", "sender", "recipient", "state",
        ]  # fmt: skip
        await pilot.resize_terminal(40, 12)
        await pilot.pause()
        assert app.grid.shown_columns == ["id", "age", "recipient", "state"]
        app.grid.focused_column = "recipient"
        await press(pilot, "right")
        assert app.grid.focused_column == "reply"
        assert "reply" in app.grid.shown_columns
        assert "LAST REPLY" in app.text()[0]


async def test_the_users_columns_come_in_his_order_and_width() -> None:
    choice = GridChoice(columns=["state", "route", "gone-column", "id"])
    choice.widths["route"] = 20
    app = Stand(rows(), choice=choice)
    async with app.run_test(size=WIDE):
        assert app.grid.shown_columns == ["state", "route", "id"]
        head = app.text()[0]
        assert head.index("ID") - head.index("ROUTE") == 22


@pytest.mark.parametrize("size", [(40, 8), (20, 4), (12, 3), (5, 2), (120, 2), (3, 1)])
async def test_every_size_is_filled_exactly(size: tuple[int, int]) -> None:
    app = Stand(rows())
    async with app.run_test(size=size) as pilot:
        await press(pilot, "G", "right", "right")
        for y in range(size[1]):
            assert at(app, y).cell_length == size[0]


async def test_marking() -> None:
    model = rows()
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "space")
        assert app.text()[1].startswith("● k0000")
        await press(pilot, "space")
        assert app.text()[1].startswith("  k0000")
        await press(pilot, "shift+down", "shift+down")
        assert set(app.grid.marks) == {"k0000", "k0001"}
        assert on(app) == "k0002"
        await press(pilot, "U", "shift+up")
        assert set(app.grid.marks) == {"k0002"}
        await press(pilot, "I")
        assert len(app.grid.marks) == 49
        await press(pilot, "A")
        assert len(app.grid.marks) == 50
        await press(pilot, "U")
        assert not app.grid.marks
        assert app.news[-1] == ("marks", 0)
        app.palette_now = PLAIN
        await press(pilot, "space")
        assert app.text()[2].startswith("* k0001")


async def test_a_range_is_seen_before_it_is_marked() -> None:
    model = rows()
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "j", "V", "j", "j")
        assert [line[0] for line in app.text()[1:6]] == [" ", "○", "○", "○", " "]
        assert not app.grid.marks
        await press(pilot, "V")
        assert set(app.grid.marks) == {"k0001", "k0002", "k0003"}


async def test_a_range_begins_at_a_row_wherever_that_goes() -> None:
    model = rows(20)
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "j", "V", "j", "j", "j")
        model.order[0:0] = ["new-1", "new-2"]
        app.grid.changed()
        await press(pilot, "V")
        assert set(app.grid.marks) == {f"k{n:04}" for n in range(1, 5)}
        await press(pilot, "U", "V", "j")
        model.order.remove(str(app.grid.range_from))
        app.grid.changed()
        assert app.grid.range_from is None


async def test_marks_outlive_a_filter() -> None:
    model = rows(10)
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "A")
        model.order = model.order[:3]
        app.grid.changed(asked=True)
        assert len(app.grid.marks) == 10
        assert "k0009" in app.grid.marks


async def test_sort_asks_for_the_focused_column_and_again_turns_it_round() -> None:
    model = rows()
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "s")
        assert app.news[-1] == ("sort", "age", False)
        app.grid.focused_column = "sender"
        await press(pilot, "s")
        assert app.news[-1] == ("sort", "sender", False)
        app.grid.focused_column = "size"
        seen = len(app.news)
        await press(pilot, "s")
        assert len(app.news) == seen
        assert app.grid.why_not("sort") == "not sortable by SIZE"


async def test_after_a_sort_the_cursors_row_is_in_sight_on_its_line() -> None:
    model = rows(200)
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "G", "pageup", "pageup", "up", "s")
        key, line = str(app.grid.cursor), line_of(app, str(app.grid.cursor))
        model.order.reverse()
        app.grid.changed()
        assert on(app) == key
        assert line_of(app, key) == line


async def test_enter_opens() -> None:
    app = Stand(rows())
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "j", "enter")
        assert app.news[-1] == ("opened", "k0001")


async def test_rows_inserted_above_leave_the_cursor_on_its_line() -> None:
    model = rows(100)
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "pagedown", "j", "j")
        before = app.text()[1:]
        model.order[3:3] = [f"new{n}" for n in range(7)]
        app.grid.changed()
        assert app.text()[1:] == before
        assert on(app) == "k0013"
        assert app.grid.cursor_position == 20


async def test_without_follow_a_row_that_moves_away_leaves_the_screen_alone() -> None:
    model = rows(100)
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "pagedown", "j", "j")
        model.order.remove("k0013")
        model.order.append("k0013")
        app.grid.changed()
        assert on(app) == "k0013"
        assert app.text()[1].startswith("  k0011")
        assert "k0013" not in "".join(app.text())
        await press(pilot, "j")
        assert on(app) == "k0013", "it was the last"
        assert "k0013" in app.text()[-1]


async def test_follow_keeps_the_row_in_sight_when_it_moves() -> None:
    model = rows(100)
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "j", "j", "F")
        assert app.grid.following
        model.order.remove("k0002")
        model.order.insert(70, "k0002")
        app.grid.changed()
        assert "k0002" in "".join(app.text())
        await press(pilot, "F")
        model.order.remove("k0002")
        model.order.insert(2, "k0002")
        app.grid.changed()
        assert "k0002" not in "".join(app.text())


async def test_who_only_looks_sees_new_rows_come_in_at_the_top() -> None:
    model = rows(100)
    app = Stand(model)
    async with app.run_test(size=WIDE):
        model.order.insert(0, "new")
        app.grid.changed()
        assert "new" in app.text()[1]
        assert on(app) == "k0000"


async def test_a_row_that_vanishes_is_struck_through_for_one_tick() -> None:
    model = rows(100)
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "j", "j")
        below = app.text()[4]
        model.order.remove("k0002")
        app.grid.changed()
        assert on(app) == "k0002"
        assert app.grid.cursor_position is None
        assert app.grid.why_not("mark") == "the row has just gone"
        strip = at(app, 3)
        assert "k0002" in strip.text
        assert all(segment.style and segment.style.strike for segment in strip)
        assert app.text()[4] == below
        app.grid.changed()
        assert on(app) == "k0003"
        assert app.text()[3] == below


async def test_keys_count_from_where_the_vanished_row_stood() -> None:
    model = rows(100)
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "j", "j")
        model.order.remove("k0002")
        app.grid.changed()
        await press(pilot, "j")
        assert on(app) == "k0003"
        model.order.remove("k0003")
        app.grid.changed()
        await press(pilot, "k")
        assert on(app) == "k0001"


async def test_a_tick_draws_nothing_but_rows_whose_cells_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = rows(100)
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        await pilot.pause()
        drawn: list[int] = []
        monkeypatch.setattr(
            app.grid, "refresh", lambda *regions: drawn.extend(r.y for r in regions)
        )
        app.grid.changed()
        assert drawn == []
        model.change("k0004", "age", "9s")
        model.change("k0060", "age", "9s")
        model.versions["k0002"] = 1  # another version of the same text
        asked = model.asked
        app.grid.changed()
        assert drawn == [5]
        assert model.asked - asked == 2, "only rows in sight are asked for cells"


async def test_rows_whose_look_is_known_are_not_asked_for_again() -> None:
    model = rows(100)
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, "pagedown", "pageup")
        asked = model.asked
        await press(pilot, "pagedown", "pageup", "j", "j", "space")
        assert model.asked == asked


async def test_an_empty_grid_says_why_in_its_middle() -> None:
    app = Stand(Rows(), empty="Nothing matches.\n460,812 without the filter.")
    async with app.run_test(size=(60, 12)) as pilot:
        text = app.text()
        line = next(y for y, line in enumerate(text) if "Nothing matches." in line)
        assert 2 <= line <= 6
        assert "460,812" in text[line + 1]
        assert abs(text[line].index("N") - 22) <= 1
        await press(pilot, "j", "G", "space", "V", "enter", "s")
        assert on(app) is None
        assert app.grid.why_not("down") == "no rows"
        app.grid.model.order.append("k1")  # type: ignore[attr-defined]
        app.grid.changed()
        assert on(app) == "k1"


async def test_the_scroll_bar_says_where_in_the_rows_one_is() -> None:
    model = rows(100)
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:

        def bar() -> list[int]:
            return [y for y in range(12) if at(app, y).text.endswith("▐")]

        assert bar() == [1]
        await press(pilot, "G")
        assert bar() == [11]
        del model.order[5:]
        app.grid.changed(asked=True)
        assert bar() == []


async def test_new_rows_do_not_make_the_scroll_bar_creep() -> None:
    model = rows(1000)
    app = Stand(model)
    async with app.run_test(size=WIDE) as pilot:
        await press(pilot, *["pagedown"] * 40)
        before = [at(app, y) for y in range(1, 12)]
        model.order[0:0] = [f"new{n}" for n in range(20)]
        app.grid.changed()
        assert [at(app, y) for y in range(1, 12)] == before


async def test_a_cell_that_nobody_cleaned_is_cleaned() -> None:
    class Careless(Rows):
        def cells(self, key: Key, columns: Sequence[str]) -> list[tuple[str, Role]]:
            return [("\x1b[2J\u202eevil", Role.TEXT) for _ in columns]

    app = Stand(Careless(["a"]))
    async with app.run_test(size=WIDE):
        text = at(app, 1).text
        assert text.isprintable()
        assert "\\x1b" in text


async def test_another_palette_is_drawn_with_at_the_next_change() -> None:
    app = Stand(rows())
    async with app.run_test(size=WIDE) as pilot:
        app.palette_now = Palette(
            name="other", styles={Role.CURSOR: Style(bgcolor="red")}
        )
        app.grid.changed()
        await pilot.pause()
        assert {s.style.bgcolor.name for s in at(app, 1) if s.style and s.style.bgcolor}
        assert at(app, 1)._segments[0].style.bgcolor.name == "red"  # type: ignore[union-attr]


async def test_the_mouse_moves_opens_scrolls_and_sorts() -> None:
    app = Stand(rows(100))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.click(Grid, offset=(10, 3))
        assert on(app) == "k0002"
        await pilot.click(Grid, offset=(10, 5), times=2)
        await pilot.pause()
        assert ("opened", "k0004") in app.news
        app.grid._view.scroll(3)
        app.grid.changed()
        assert on(app) == "k0004"
        assert "k0003" in app.text()[1]
        await pilot.click(Grid, offset=(app.text()[0].index("SENDER"), 0))
        assert app.grid.focused_column == "sender"
        await pilot.click(Grid, offset=(app.text()[0].index("SENDER"), 0))
        await pilot.pause()
        assert app.news[-1] == ("sort", "sender", False)


def test_neighbours_that_look_the_same_are_one_segment() -> None:
    run = Run()
    plain, red = Style(color="white"), Style(color="red")
    run.add("a", plain)
    run.add("  ", red)
    run.add("b", Style(color="white"))
    run.add("c", red)
    run.fill(10, plain)
    strip = run.strip()
    assert [segment.text for segment in strip] == ["a  b", "c     "]
    assert strip.cell_length == 10


def test_a_gap_beside_a_background_keeps_its_own() -> None:
    run = Run()
    run.add("12", Style(bgcolor="red"))
    run.fill(5, Style())
    assert [segment.text for segment in run.strip()] == ["12", "   "]
