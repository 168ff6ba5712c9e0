"""Signs have stand-ins of the same width, so that nothing moves."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from tuiq.tui.look.fittings import AsciiSigns, ReverseForColour
from tuiq.tui.look.signs import _ASCII, drawn


def test_every_stand_in_is_ascii_and_as_wide_as_its_sign() -> None:
    for code, plain in _ASCII.items():
        assert plain.isascii()
        assert cell_len(chr(code)) == len(plain) == 1


def test_letters_of_other_scripts_stay() -> None:
    assert drawn("▶ jörg → 漢字 …", ascii=True) == "> jörg > 漢字 ~"
    assert drawn("▶ jörg", ascii=False) == "▶ jörg"


def test_filters_keep_style_and_length() -> None:
    style = Style.parse("bold red on blue")
    (signs,) = AsciiSigns().apply([Segment("╭─…", style)], Color(0, 0, 0))
    assert (signs.text, signs.style) == ("+-~", style)
    plain, lit, own = ReverseForColour().apply(
        [Segment("a"), Segment("b", style), Segment("c", Style(bgcolor="default"))],
        Color(0, 0, 0),
    )
    assert plain.style is None
    assert lit.style == Style.parse("bold reverse default on default")
    assert own.style == Style(bgcolor="default")
