"""What a theme is: a style for every role, words for Textual, accents for hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.color import ANSI_COLOR_NAMES, Color, ColorParseError, ColorType
from rich.style import Style

from tuiq.log import printable
from tuiq.tui.look.palette import Palette
from tuiq.tui.look.roles import Role

_ATTRIBUTES = frozenset(
    {"bold", "dim", "italic", "underline", "blink", "reverse", "strike"}
)
_UNMISTAKABLE = Style(bold=True, reverse=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAccent:
    """How the title bar shows a host that must not be taken for another."""

    label: str = ""
    """A word for it, such as ``PRODUCTION``."""
    style: Style = field(default_factory=Style)


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """One theme, read and checked."""

    name: str
    description: str
    dark: bool
    colors: Mapping[str, str]
    """By name: ``#rrggbb``, ``ansi_red`` … or ``ansi_default``."""
    styles: Mapping[Role, Style]
    textual: Mapping[str, str]
    """Variables of Textual that differ from what the roles imply."""
    hosts: Mapping[str, HostAccent]
    """By glob."""

    @property
    def needs(self) -> int:
        """Return how many colours the terminal must have: 0, 16 or 256."""
        parts = [part for s in self.styles.values() for part in (s.color, s.bgcolor)]
        kinds = {color.type for color in parts if color is not None}
        if kinds <= {ColorType.DEFAULT}:
            return 0
        return 256 if ColorType.TRUECOLOR in kinds else 16

    @property
    def ansi(self) -> bool:
        """Return whether it leaves colours to the terminal."""
        return self.needs < 256

    def palette(self, *, ascii: bool = False) -> Palette:
        """Return the styles for what draws with them."""
        return Palette(name=self.name, styles=self.styles, ascii=ascii)


def parse_style(text: str, colors: Mapping[str, str]) -> Style:
    """Return ``ink on ground bold`` as a style; ValueError says what is unknown."""
    foreground = background = None
    attributes: dict[str, bool] = {}
    words = iter(text.split())
    for word in words:
        if word == "on":
            background = parse_color(next(words, ""), colors)
        elif word in _ATTRIBUTES:
            attributes[word] = True
        elif foreground is None:
            foreground = parse_color(word, colors)
        else:
            raise ValueError(f"{word!r} would be a second colour")
    return Style(color=foreground, bgcolor=background, **attributes)  # type: ignore[arg-type]


def parse_hosts(
    table: Mapping[str, Any], colors: Mapping[str, str], *, strict: bool = True
) -> dict[str, HostAccent]:
    """Return the accents of ``[hosts]``; ValueError names what is wrong.

    A value is a style, or a table with ``style`` and ``label``.  Unless *strict*, a
    style that these *colors* cannot draw is drawn reversed: the host must be noticed.
    """
    accents = {}
    for glob, value in table.items():
        given = value if isinstance(value, dict) else {"style": value}
        if unknown := set(given) - {"style", "label"}:
            raise ValueError(f"{glob}: knows style and label, no {min(unknown)!r}")
        try:
            style = parse_style(str(given.get("style", "")), colors)
        except ValueError:
            if strict:
                raise
            style = _UNMISTAKABLE
        label = printable(str(given.get("label", "")))
        accents[glob] = HostAccent(label=label, style=style)
    return accents


def parse_color(word: str, colors: Mapping[str, str]) -> Color:
    """Return a colour by its name in the theme, its code or the terminal's name."""
    given = colors.get(word, word)
    plain = given.removeprefix("ansi_")
    known = given.startswith("#") or (
        plain != given and (plain == "default" or ANSI_COLOR_NAMES.get(plain, 16) < 16)
    )
    try:
        if known:
            return Color.parse(plain)
    except ColorParseError:
        pass
    raise ValueError(
        f"{word!r} is no colour; [colors] has names, and there are #rrggbb, "
        "ansi_red, ansi_bright_red … and ansi_default"
    )
