"""Every theme that comes with tuiq can be read, by everybody, on every terminal."""

from __future__ import annotations

import itertools

import pytest
from rich.color import Color, ColorSystem
from rich.style import Style

from tuiq.tui.look import themes
from tuiq.tui.look.appearance import Appearance
from tuiq.tui.look.roles import HEAT, Role
from tuiq.tui.look.theme import Theme

SHIPPED = themes.shipped().themes
RGB = [theme for theme in SHIPPED.values() if theme.needs == 256]
GROUNDS = (Role.TEXT, Role.BAR, Role.CURSOR)
QUIET = {
    Role.DIM, Role.GONE, Role.KEY_OFF, Role.PLOT_AXIS, Role.HEAT_0, Role.TRASHED,
    Role.TAB, Role.HEADER,
}  # fmt: skip
"""What may be overlooked, though not illegible."""
STATES = (
    Role.DUE, Role.DEFERRED, Role.ACTIVE, Role.HELD, Role.DOUBT, Role.FAILED,
    Role.PAUSED, Role.TRASHED, Role.DAMAGED,
)  # fmt: skip


def luminance(color: Color) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [part / 255 for part in color.get_truecolor()]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(style: Style, system: ColorSystem) -> float:
    assert style.color is not None
    assert style.bgcolor is not None
    both = (style.color.downgrade(system), style.bgcolor.downgrade(system))
    low, high = sorted(map(luminance, both))
    return (high + 0.05) / (low + 0.05)


def worn(theme: Theme, role: Role) -> list[tuple[Role, Style]]:
    """Return the role over each ground that it may stand on."""
    style = theme.styles[role]
    if style.bgcolor is not None:
        return [(role, style)]
    under = (Role.TEXT, Role.BAR)  # the cursor's style is whole, and drawn above all
    return [(ground, theme.styles[ground] + style) for ground in under]


def test_there_are_at_least_eight_and_nothing_to_complain_about() -> None:
    assert themes.shipped().complaints == ()
    assert len(SHIPPED) >= 8
    assert next(iter(SHIPPED)) == themes.DEFAULT
    assert {themes.PLAIN, themes.SIXTEEN} <= set(SHIPPED)
    assert all(theme.description for theme in SHIPPED.values())


@pytest.mark.parametrize("system", [ColorSystem.TRUECOLOR, ColorSystem.EIGHT_BIT])
@pytest.mark.parametrize("theme", RGB, ids=lambda theme: theme.name)
def test_text_is_legible_on_every_ground(theme: Theme, system: ColorSystem) -> None:
    poor = {}
    for role in Role:
        wanted = 3.0 if role in QUIET else 4.5
        for ground, style in worn(theme, role):
            found = contrast(style, system)
            if found < wanted:
                poor[role.value, ground.value] = round(found, 2)
    assert poor == {}


def test_high_contrast_keeps_its_promise() -> None:
    theme = SHIPPED["high-contrast"]
    for role in Role:
        for ground, style in worn(theme, role):
            assert contrast(style, ColorSystem.TRUECOLOR) >= 7, (role, ground)


@pytest.mark.parametrize("theme", SHIPPED.values(), ids=lambda theme: theme.name)
def test_degrees_of_heat_differ(theme: Theme) -> None:
    system = ColorSystem.EIGHT_BIT
    looks = set()
    for role in HEAT:
        style = theme.styles[Role.TEXT] + theme.styles[role]
        colours = [c.downgrade(system) for c in (style.color, style.bgcolor) if c]
        looks.add((*colours, style.bold, style.dim, style.underline, style.reverse))
    assert len(looks) == len(HEAT)


def test_heat_is_told_apart_by_lightness_in_the_colour_blind_safe_theme() -> None:
    theme = SHIPPED["colour-blind-safe"]
    grounds = [(theme.styles[Role.TEXT] + theme.styles[r]).bgcolor for r in HEAT]
    lights = [luminance(ground) for ground in grounds if ground]
    steps = [(b + 0.05) / (a + 0.05) for a, b in itertools.pairwise(lights)]
    assert all(step > 1.3 for step in steps), steps


@pytest.mark.parametrize("theme", SHIPPED.values(), ids=lambda theme: theme.name)
def test_the_cursor_is_drawn_above_whatever_a_cell_has(theme: Theme) -> None:
    cursor = theme.styles[Role.CURSOR]
    for role in Role:
        drawn = theme.styles[Role.TEXT] + theme.styles[role] + cursor
        assert (drawn.color, drawn.bgcolor) == (cursor.color, cursor.bgcolor)


@pytest.mark.parametrize("theme", RGB, ids=lambda theme: theme.name)
def test_the_cursor_is_seen_in_256_colours(theme: Theme) -> None:
    grounds = [theme.styles[role].bgcolor for role in GROUNDS]
    seen = {ground.downgrade(ColorSystem.EIGHT_BIT) for ground in grounds if ground}
    assert len(seen) == len(GROUNDS)


@pytest.mark.parametrize("theme", SHIPPED.values(), ids=lambda theme: theme.name)
def test_what_needs_help_never_looks_like_what_is_fine(theme: Theme) -> None:
    fine = [theme.styles[role] for role in (Role.DUE, Role.DEFERRED, Role.GOOD)]
    for role in (Role.FAILED, Role.DOUBT, Role.DAMAGED, Role.BAD):
        assert theme.styles[role] not in fine


def test_mono_has_no_colour_and_ansi16_only_the_terminals() -> None:
    assert SHIPPED[themes.PLAIN].needs == 0
    assert SHIPPED[themes.SIXTEEN].needs == 16
    assert SHIPPED[themes.SIXTEEN].styles[Role.TEXT].bgcolor == Color.default()


def test_what_lines_go_through_is_found_once_for_a_theme(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    appearance = Appearance(collection=themes.shipped(), depth=0)
    first = appearance.filters("mono")
    assert first
    monkeypatch.setattr(Appearance, "resolve", lambda *_: pytest.fail("asked again"))
    assert appearance.filters("mono") == first
