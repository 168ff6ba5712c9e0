"""Keys can be changed, no two commands share one, and people can read them."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App
from textual.binding import Binding, BindingType

from tuiq.log import printable
from tuiq.tui.commands import COMMANDS
from tuiq.tui.keymap import make_keymap, shown_key


def shared(keys: dict[str, tuple[str, ...]]) -> list[str]:
    counted = Counter(key for mine in keys.values() for key in mine)
    return [key for key, count in counted.items() if count > 1]


def test_no_key_comes_with_two_meanings() -> None:
    keymap = make_keymap({})
    assert shared(dict(keymap.keys)) == []
    assert keymap.overrides == {}


@pytest.mark.parametrize(
    ("wish", "key"),
    [
        ("x", "x"),
        ("Ctrl+X", "ctrl+x"),
        ("shift+x", "X"),
        ("§", "section_sign"),
        ("F7", "f7"),
        ("Shift+PgDn", "shift+pagedown"),
        ("alt+Esc", "alt+escape"),
        ("comma", "comma"),
    ],
)
def test_a_key_may_be_written_as_people_write_it(wish: str, key: str) -> None:
    keymap = make_keymap({"hold": wish, "purge": "f24", "tour-end": "f23"})
    assert keymap.complaints == ()
    assert keymap.overrides["hold"] == key


def test_two_commands_can_swap_their_keys() -> None:
    keymap = make_keymap({"hold": "f", "flush": "h"})
    assert keymap.complaints == ()
    assert (keymap.keys["hold"], keymap.keys["flush"]) == (("f",), ("h",))


def test_a_taken_key_is_refused_with_a_remedy() -> None:
    keymap = make_keymap({"hold": "f"})
    assert keymap.keys["hold"] == ("h",)
    assert keymap.complaints == (
        "[keys] hold: f is the key of flush; choose another, or give flush another "
        "first",
    )


def test_refusing_one_wish_refuses_what_rested_on_it() -> None:
    keymap = make_keymap({"release": "j", "hold": "H"})
    assert keymap.overrides == {}
    assert len(keymap.complaints) == 2


def test_a_key_that_terminals_send_for_another_is_that_other() -> None:
    (complaint,) = make_keymap({"hold": "ctrl+i"}).complaints
    assert "Tab is the key of pane" in complaint


def test_unknown_commands_and_keys_get_a_sentence_each() -> None:
    keymap = make_keymap({"hodl": "h", "hold": "hyper-h", "flush": "ctrl+\x1b"})
    assert keymap.overrides == {}
    first, second, third = keymap.complaints
    assert "did you mean hold?" in first
    assert "'hyper-h' is no key" in second
    assert "\x1b" not in third


def test_an_empty_wish_takes_the_key_away() -> None:
    keymap = make_keymap({"mouse": ""})
    assert keymap.keys["mouse"] == ()
    assert keymap.shown("mouse") == ""
    assert keymap.overrides == {"mouse": "unbound"}


@given(
    st.dictionaries(
        st.sampled_from(list(COMMANDS)) | st.text(max_size=5),
        st.lists(
            st.sampled_from(["h", "H", "f", "j", "x", "ctrl+x", "F5", "?", "-"])
            | st.text(max_size=6),
            max_size=3,
        ).map(",".join),
        max_size=8,
    )
)
def test_whatever_is_wished_no_two_commands_share_a_key(wishes: dict[str, str]) -> None:
    keymap = make_keymap(wishes)
    assert shared(dict(keymap.keys)) == []
    assert set(keymap.keys) == set(COMMANDS)
    changed = set(keymap.overrides)
    assert changed <= set(wishes)
    for complaint in keymap.complaints:
        assert complaint == printable(complaint)


@pytest.mark.parametrize(
    ("key", "shown", "ascii"),
    [
        ("g", "g", "g"),
        ("G", "G", "G"),
        ("shift+down", "Shift+↓", "Shift+Down"),
        ("ctrl+o", "Ctrl+O", "Ctrl+O"),
        ("space", "Space", "Space"),
        ("minus", "-", "-"),
        ("plus", "+", "+"),
        ("question_mark", "?", "?"),
        ("backslash", "\\", "\\"),
        ("pagedown", "PgDn", "PgDn"),
        ("f1", "F1", "F1"),
        ("escape", "Esc", "Esc"),
    ],
)
def test_a_key_is_shown_as_it_is_printed_on_it(
    key: str, shown: str, ascii: str
) -> None:
    assert shown_key(key) == shown
    assert shown_key(key, ascii=True) == ascii


def test_every_key_that_tuiq_comes_with_is_shown_in_ascii_too() -> None:
    keymap = make_keymap({})
    for id in COMMANDS:
        for shown in keymap.all_shown(id, ascii=True):
            assert shown.isascii()
            assert 0 < len(shown) < 12


class Pressed(App[None]):
    """Notes the commands that keys stand for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(command.keys, f"do('{command.id}')", id=command.id)
        for command in COMMANDS.values()
    ]

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def action_do(self, command: str) -> None:
        self.done.append(command)


async def test_textual_takes_swapped_changed_and_removed_keys() -> None:
    app = Pressed()
    async with app.run_test() as pilot:
        keymap = make_keymap({"hold": "f", "flush": "h", "mouse": "", "down": "F6,j"})
        app.set_keymap(keymap.overrides)
        await pilot.press("f", "h", "M", "f6", "j", "u", "down")
        assert app.done == ["hold", "flush", "down", "down", "undo"]
