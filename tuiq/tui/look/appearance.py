"""Themes put on: what Textual is told, and which palette is in force."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.color import ANSI_COLOR_NAMES, Color, ColorType
from textual.theme import Theme as TextualTheme

from tuiq.log import printable
from tuiq.tui.look.fittings import AsciiSigns, ReverseForColour, fit_scrollbars
from tuiq.tui.look.palette import Palette
from tuiq.tui.look.roles import Role
from tuiq.tui.look.theme import HostAccent, Theme, parse_hosts
from tuiq.tui.look.themes import DEFAULT, PLAIN, SIXTEEN, Collection

if TYPE_CHECKING:
    from textual.app import App
    from textual.filter import LineFilter

_FIELDS = frozenset(
    {"primary", "secondary", "warning", "error", "success", "accent", "foreground"}
    | {"background", "surface", "panel", "boost"}
)
_SIGNS, _REVERSE = (AsciiSigns(),), (ReverseForColour(),)
_NAMES = {number: name for name, number in reversed(ANSI_COLOR_NAMES.items())}


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """The themes there are, on a terminal with so many colours."""

    collection: Collection
    depth: int
    ascii: bool = False
    # By theme: every widget asks in every paint, and there are many themes.
    _filters: dict[str, list[LineFilter]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def usable(self) -> list[Theme]:
        """Return the themes that this terminal can show."""
        themes = self.collection.themes.values()
        return [theme for theme in themes if theme.needs <= self.depth]

    def resolve(self, name: str) -> str:
        """Return the theme that is worn when *name* is asked for; empty: none is."""
        names = [theme.name for theme in self.usable]
        instead = {0: PLAIN, 16: SIXTEEN}.get(self.depth, DEFAULT)
        for one in (name, instead, PLAIN):
            if one in names:
                return one
        return ""

    def why_not(self, name: str) -> str:
        """Return why another theme is worn than *name*; empty: it is, or none is asked.

        To be told of what the command line asks for; a choice of once is no demand.
        """
        instead = self.resolve(name)
        if name in ("", instead):
            return ""
        theme = self.collection.themes.get(name)
        if theme is None:
            there = ", ".join(theme.name for theme in self.usable)
            return f'there is no theme "{printable(name)}"; there are {there}'
        return (
            f"theme {name} needs {theme.needs} colours, and this terminal has "
            f"{self.depth or 'none'}; {instead} is worn instead"
        )

    def palette(self, name: str) -> Palette:
        """Return the styles of the theme worn for *name*."""
        theme = self.collection.themes.get(self.resolve(name))
        if theme is None:
            return Palette(name="", ascii=self.ascii)
        return theme.palette(ascii=self.ascii)

    def register_all(self, app: App[Any]) -> None:
        """Make every usable theme known to Textual."""
        for theme in self.usable:
            app.register_theme(textual_theme(theme))

    def apply(self, app: App[Any], name: str) -> Palette:
        """Put a theme on and return its styles; ``register_all`` came before."""
        palette = self.palette(name)
        if palette.name:
            app.theme = palette.name
        fit_scrollbars(ascii=self.ascii)
        return palette

    def filters(self, theme: str) -> list[LineFilter]:
        """Return what ``App.get_line_filters`` needs besides Textual's own."""
        known = self._filters.get(theme)
        if known is None:
            worn = self.collection.themes.get(self.resolve(theme))
            colourless = worn is not None and worn.needs == 0
            known = [*_SIGNS[: self.ascii], *_REVERSE[:colourless]]
            self._filters[theme] = known
        return known

    def host_accent(
        self, hosts: Mapping[str, Any], host: str, theme: str
    ) -> HostAccent | None:
        """Return how the title bar shows *host*: as ui.toml's *hosts* or the theme say.

        The first glob that matches counts; a colour that the theme does not have is
        drawn reversed.  Raises ValueError about *hosts*.
        """
        worn = self.collection.themes.get(self.resolve(theme))
        colors = worn.colors if worn else {}
        known = worn.hosts if worn else {}
        for accents in (parse_hosts(hosts, colors, strict=False), known):
            for glob, accent in accents.items():
                if fnmatch.fnmatchcase(host.lower(), glob.lower()):
                    return accent
        return None


def textual_theme(theme: Theme) -> TextualTheme:
    """Return the theme as Textual wants it: dialogs follow from the roles."""
    given = {**_implied(theme), **theme.textual}
    fields = {key: value for key, value in given.items() if key in _FIELDS}
    variables = {key: value for key, value in given.items() if key not in _FIELDS}
    if theme.ansi:  # Textual heeds less there, and wants two more
        variables |= {key: given[key] for key in ("surface", "panel")}
        variables |= {"ansi-background": given["background"]}
        variables |= {"ansi-foreground": given["foreground"]}
    return TextualTheme(
        name=theme.name,
        dark=theme.dark,
        ansi=theme.ansi,
        variables=variables,
        **fields,  # type: ignore[arg-type]
    )


def _implied(theme: Theme) -> dict[str, str]:
    """Return the variables that follow from the roles."""
    ink, ground = _colours(theme, Role.TEXT)
    over, under = _colours(theme, Role.CURSOR)
    accent, faded = _ink(theme, Role.ACCENT), _ink(theme, Role.DIM)
    raised = _colours(theme, Role.BAR)[1]
    return {
        "primary": accent,
        "secondary": _ink(theme, Role.INFO),
        "accent": accent,
        "warning": _ink(theme, Role.WARN),
        "error": _ink(theme, Role.BAD),
        "success": _ink(theme, Role.GOOD),
        "foreground": ink,
        "background": ground,
        "surface": ground,
        "panel": raised,
        "text": ink,
        "text-muted": faded,
        "text-disabled": faded,
        "border": accent,
        "border-blurred": faded,
        "block-cursor-foreground": over,
        "block-cursor-background": under,
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-foreground": ink,
        "block-cursor-blurred-background": raised,
        "block-hover-background": raised,
        "input-cursor-text-style": "reverse",
        "input-cursor-foreground": ink,
        "input-cursor-background": raised,
        "input-selection-foreground": over,
        "input-selection-background": under,
        "scrollbar": faded,
        "scrollbar-hover": accent,
        "scrollbar-active": accent,
        "scrollbar-background": raised,
        "scrollbar-background-hover": raised,
        "scrollbar-background-active": raised,
        "scrollbar-corner-color": raised,
    }


def _ink(theme: Theme, role: Role) -> str:
    return _colours(theme, role)[0]


def _colours(theme: Theme, role: Role) -> tuple[str, str]:
    """Return foreground and background of a role in Textual's notation."""
    style = theme.styles[Role.TEXT] + theme.styles[role]
    return _css(style.color), _css(style.bgcolor)


def _css(color: Color | None) -> str:
    if color is None or color.type is ColorType.DEFAULT:
        return "ansi_default"
    if color.triplet is not None:
        return color.triplet.hex
    return f"ansi_{_NAMES[color.number or 0]}"
