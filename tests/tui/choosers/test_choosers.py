"""What is chosen shows at once behind the dialog, and Esc brings back what was."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.choosers.bench import Bench, shown
from tests.tui.world import HOSTILE, settle
from tuiq.tui.choices import load
from tuiq.tui.choosers.columns import choose_columns
from tuiq.tui.choosers.filters import choose_filter
from tuiq.tui.choosers.menu import Menu
from tuiq.tui.choosers.sort import choose_sort
from tuiq.tui.choosers.theme import ThemePicker
from tuiq.tui.look.themes import PLAIN, SIXTEEN

SIZES = [(120, 36), (80, 24), (60, 20), (40, 8)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ui.toml"


# -- themes


def pick_theme(bench: Bench) -> list[str | None]:
    answers: list[str | None] = []
    worn = bench.palette_now.name
    bench.ask(ThemePicker(bench.appearance, worn, bench.wear), answers.append)
    return answers


async def test_a_theme_is_worn_while_the_cursor_is_on_it() -> None:
    bench = Bench()
    async with bench.run_test() as pilot:
        answers = pick_theme(bench)
        await pilot.pause()
        await pilot.press("j")
        await settle(pilot, lambda: bench.palette_now.name == "amber-terminal")
        assert bench.theme == "amber-terminal"
        await pilot.press("escape")
        await pilot.pause()
        assert (bench.theme, bench.palette_now.name) == ("tuiq-dark", "tuiq-dark")
        assert answers == [None]


async def test_enter_keeps_the_theme_even_before_it_was_shown() -> None:
    bench = Bench()
    async with bench.run_test() as pilot:
        answers = pick_theme(bench)
        await pilot.pause()
        await pilot.press("G", "enter")
        await pilot.pause()
        assert answers == ["tuiq-light"]
        assert bench.palette_now.name == bench.theme == "tuiq-light"


@pytest.mark.parametrize(("depth", "names"), [(0, {PLAIN}), (16, {PLAIN, SIXTEEN})])
async def test_only_themes_that_the_terminal_can_show_are_offered(
    depth: int, names: set[str]
) -> None:
    bench = Bench(depth=depth)
    async with bench.run_test() as pilot:
        pick_theme(bench)
        await pilot.pause()
        text = shown(pilot)
        assert all(name in text for name in names)
        assert "postcard" not in text
        left = len(bench.appearance.collection.themes) - len(names)
        assert f"{left} more need a terminal with more colours" in text


# -- columns


async def test_columns_change_behind_the_chooser_and_are_saved(path: Path) -> None:
    bench = Bench(path)
    async with bench.run_test() as pilot:
        choose_columns(bench, bench.grid)
        await pilot.pause()
        await pilot.press("space", "j", "J", "greater_than_sign", "G", "space")
        assert bench.headings == ["size", "age", "sender", "queue"]
        assert load(path).grids == {}
        await pilot.press("enter")
        await pilot.pause()
    grid = load(path).grid("figures")
    assert grid.columns == ["size", "age", "sender", "queue"]
    assert grid.widths == {"age": 7}
    assert bench.told == []


async def test_leaving_the_chooser_brings_the_columns_back(path: Path) -> None:
    bench = Bench(path)
    async with bench.run_test() as pilot:
        choose_columns(bench, bench.grid)
        await pilot.pause()
        await pilot.press("space", "j", "less_than_sign", "K", "escape")
        await pilot.pause()
        assert bench.headings == ["id", "age", "size", "sender"]
        assert bench.grid.choice.widths == {}
    assert load(path).grids == {}


async def test_reset_and_own_width_take_choices_back() -> None:
    bench = Bench()
    async with bench.run_test() as pilot:
        choose_columns(bench, bench.grid)
        await pilot.pause()
        await pilot.press("greater_than_sign", "0")
        assert bench.grid.choice.widths == {}
        await pilot.press("space", "J", "r", "enter")
        await pilot.pause()
        assert bench.grid.choice.columns == []
        assert bench.headings == ["id", "age", "size", "sender"]


async def test_a_column_that_fills_the_line_changes_from_the_width_it_has() -> None:
    bench = Bench()
    async with bench.run_test(size=(80, 24)) as pilot:
        heading = shown(pilot).splitlines()[0]
        filled = 80 - heading.index("SENDER")
        choose_columns(bench, bench.grid)
        await pilot.pause()
        await pilot.press("j", "j", "j", "less_than_sign", "less_than_sign")
        (width,) = bench.grid.choice.widths.values()
        assert filled - 5 < width < filled


async def test_the_last_column_stays_and_the_chooser_says_so() -> None:
    bench = Bench()
    bench.choices.grid("figures").columns = ["age"]
    async with bench.run_test() as pilot:
        choose_columns(bench, bench.grid)
        await pilot.pause()
        await pilot.press("space")
        await pilot.pause()
        assert "One column must stay" in shown(pilot)
        assert bench.headings == ["age"]


async def test_columns_that_cannot_be_saved_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bench = Bench(tmp_path / "file" / "ui.toml")
    async with bench.run_test() as pilot:
        choose_columns(bench, bench.grid)
        await pilot.pause()
        await pilot.press("space", "enter")
        await pilot.pause()
        assert "lasts until tuiq ends" in bench.told[0]
        assert bench.headings == ["age", "size", "sender"]


# -- the order


async def test_the_sort_menu_begins_at_the_order_in_force_and_can_turn_it() -> None:
    bench = Bench()
    async with bench.run_test() as pilot:
        choose_sort(bench, bench.grid)
        await pilot.pause()
        assert "▼ AGE            now" in shown(pilot)
        assert "SENDER" not in shown(pilot).partition("Sort by")[2]
        await pilot.press("r", "enter")
        await pilot.pause()
        choose_sort(bench, bench.grid)
        await pilot.pause()
        await pilot.press("k", "enter")
        await pilot.pause()
        assert bench.sorts == [("age", False), ("id", False)]


async def test_leaving_the_sort_menu_sorts_nothing() -> None:
    bench = Bench()
    async with bench.run_test() as pilot:
        choose_sort(bench, bench.grid)
        await pilot.pause()
        await pilot.press("k", "escape")
        await pilot.pause()
        assert bench.sorts == []


# -- saved filters


async def test_a_filter_is_kept_under_a_name_and_taken_up_again(path: Path) -> None:
    bench = Bench(path)
    taken: list[str] = []
    async with bench.run_test() as pilot:
        choose_filter(bench, "err:quota", taken.append)
        await pilot.pause()
        await pilot.press(*"full", "enter")
        await pilot.pause()
        assert bench.told == ['Kept as "full"']
        assert load(path).filters == {"full": "err:quota"}
        choose_filter(bench, "", taken.append)
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert taken == ["err:quota"]


async def test_a_name_that_is_taken_says_what_it_replaces() -> None:
    bench = Bench()
    bench.choices.filters = {"old": "age>2d"}
    async with bench.run_test() as pilot:
        choose_filter(bench, "age>9d", lambda _: None)
        await pilot.pause()
        await pilot.press(*"old")
        await pilot.pause()
        assert "Replaces  age>2d" in shown(pilot)
        await pilot.press("x")
        await pilot.pause()
        assert "Replaces" not in shown(pilot)
        await pilot.press("backspace", "enter")
        await pilot.pause()
        assert bench.choices.filters == {"old": "age>9d"}


async def test_no_name_is_no_name() -> None:
    bench = Bench()
    async with bench.run_test() as pilot:
        choose_filter(bench, "age>9d", lambda _: None)
        await pilot.pause()
        await pilot.press("space", "enter")
        await pilot.pause()
        assert "A name is wanted" in shown(pilot)
        assert bench.choices.filters == {}


async def test_filters_are_renamed_deleted_and_brought_back(path: Path) -> None:
    bench = Bench(path)
    bench.choices.filters = {"a": "age>1d", "b": "age>2d"}
    async with bench.run_test() as pilot:
        choose_filter(bench, "", lambda _: None)
        await pilot.pause()
        await pilot.press("r", "x", "enter")
        await pilot.pause()
        assert load(path).filters == {"ax": "age>1d", "b": "age>2d"}
        await pilot.press("D")
        await pilot.pause()
        assert '"ax" is deleted; u takes it back.' in shown(pilot)
        assert load(path).filters == {"b": "age>2d"}
        await pilot.press("u", "u")
        await pilot.pause()
        assert load(path).filters == {"a": "age>1d", "b": "age>2d"}


async def test_esc_leaves_the_renaming_first() -> None:
    bench = Bench()
    bench.choices.filters = {"a": "age>1d"}
    async with bench.run_test() as pilot:
        choose_filter(bench, "", lambda _: None)
        await pilot.pause()
        await pilot.press("r", "x", "escape")
        await pilot.pause()
        assert bench.choices.filters == {"a": "age>1d"}
        assert isinstance(bench.focused, Menu)
        await pilot.press("escape")
        await pilot.pause()
        assert len(bench.screen_stack) == 1


async def test_tab_goes_between_the_name_and_the_list() -> None:
    bench = Bench()
    bench.choices.filters = {"a": "age>1d"}
    taken: list[str] = []
    async with bench.run_test() as pilot:
        choose_filter(bench, "age>9d", taken.append)
        await pilot.pause()
        assert isinstance(bench.focused, Input)
        await pilot.press("tab")
        assert isinstance(bench.focused, Menu)
        await pilot.press("tab")
        assert isinstance(bench.focused, Input)
        await pilot.press("tab", "enter")
        await pilot.pause()
        assert taken == ["age>1d"]


async def test_without_any_filter_it_says_how_to_have_one() -> None:
    bench = Bench()
    async with bench.run_test() as pilot:
        choose_filter(bench, "", lambda _: None)
        await pilot.pause()
        assert "None yet: filter first" in shown(pilot)
        await pilot.press("D", "r", "u", "tab", "escape")
        await pilot.pause()
        assert len(bench.screen_stack) == 1


# -- all of them


OPENERS = {
    "theme": pick_theme,
    "columns": lambda bench: choose_columns(bench, bench.grid),
    "sort": lambda bench: choose_sort(bench, bench.grid),
    "filters": lambda bench: choose_filter(bench, "age>9d", lambda _: None),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
async def test_it_fits_every_terminal_with_its_hints(opener, size) -> None:  # type: ignore[no-untyped-def]
    bench = Bench()
    bench.choices.filters = {f"name {n}": "age>1d" for n in range(30)}
    async with bench.run_test(size=size) as pilot:
        opener(bench)
        await pilot.pause()
        text = shown(pilot)
        assert "Esc" in text
        assert "╰" in text


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
async def test_it_needs_no_sign_beyond_ascii(opener) -> None:  # type: ignore[no-untyped-def]
    bench = Bench(ascii=True)
    bench.choices.filters = {f"name {n}": "age>1d " * 20 for n in range(30)}
    async with bench.run_test(size=(48, 16), notifications=True) as pilot:
        opener(bench)
        await pilot.pause()
        bench.notify("a toast", markup=False)
        await settle(pilot, lambda: "a toast" in shown(pilot))
        assert shown(pilot).isascii()


async def test_what_is_cut_is_cut_with_ascii_too() -> None:
    bench = Bench(ascii=True)
    bench.choices.filters = {"name": "age>1d " * 20}
    async with bench.run_test(size=(48, 16)) as pilot:
        choose_filter(bench, "", lambda _: None)
        await pilot.pause()
        assert "age>1d ag~ |" in shown(pilot)


async def test_a_hostile_filter_shows_harmless() -> None:
    bench = Bench()
    bench.choices.filters = {HOSTILE: HOSTILE}
    async with bench.run_test() as pilot:
        choose_filter(bench, HOSTILE, lambda _: None)
        await pilot.pause()
        text = shown(pilot)
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "[b]bold[/b]" in text
