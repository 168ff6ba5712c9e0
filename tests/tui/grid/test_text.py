"""Texts cut to cells, whatever is in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tuiq.tui.look.text import clean, fit


@given(st.text(), st.integers(0, 30), st.booleans())
def test_a_fitted_text_takes_its_cells_exactly(
    text: str, width: int, right: bool
) -> None:
    assert cell_len(fit(clean(text), width, right=right)) == width


@given(st.text(alphabet="漢字aé\u0301👍🏽🇩🇪\u0e33ｶ", max_size=12), st.integers(0, 12))
def test_wide_combining_and_joined_characters_take_their_cells(
    text: str, width: int
) -> None:
    assert cell_len(fit(clean(text), width)) == width


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abc", 5, "abc  "),
        ("abcdef", 5, "abcd…"),
        ("漢字漢字", 5, "漢字…"),
        ("漢字漢字", 4, "漢… "),
        ("漢", 1, " "),
        ("é", 3, "é  "),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("abc", 1, "a"),
        ("abc", 0, ""),
        ("שלום", 6, "שלום  "),
        ("🇩🇪 👍🏽", 6, "DE 👍 "),
    ],
)
def test_fit(text: str, width: int, shown: str) -> None:
    assert fit(text, width) == shown


def test_fit_pushes_numbers_to_the_right() -> None:
    assert fit("12", 5, right=True) == "   12"
    assert fit("漢", 5, right=True) == "   漢"


def test_fit_with_ascii_signs() -> None:
    assert fit("abcdef", 4, ellipsis="~") == "abc~"


@given(st.text())
def test_a_clean_text_has_nothing_hidden(text: str) -> None:
    assert all(char.isprintable() or char.isspace() for char in clean(text))
    assert not set(clean(text)) & set("\n\r\t\x0b\x0c\x85\u2028\u2029")
