"""How many colours and which signs the terminal gets: decided before Textual loads.

Textual asks the environment when it is imported, and knows three things only:
truecolor, 256 and 16.  ``prepare`` tells it; without colours it also needs
``App(ansi_color=True)`` and a theme that has none, else it sends shades of grey.
"""

from __future__ import annotations

import locale
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

MILLIONS = 1 << 24
_SYSTEMS = {0: "standard", 16: "standard", 256: "256", MILLIONS: "truecolor"}
_FORCED = {"truecolor": MILLIONS, "256": 256, "standard": 16}
_NO_COLOUR = ("vt100", "vt102", "vt220", "vt320", "xterm-mono")
_MODERN = ("alacritty", "foot", "xterm-ghostty", "xterm-kitty", "wezterm")
"""Terminals that show every colour, though ssh drops the word about it."""
_FEW_SIGNS = ("linux", "vt")
"""Consoles whose fonts lack blocks, circles and rounded corners."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """What the terminal can show, and is wanted to."""

    depth: int
    """0, 16, 256 or ``MILLIONS``."""
    ascii: bool = False

    @property
    def ansi_color(self) -> bool | None:
        """Return what ``App(ansi_color=…)`` must be told."""
        return True if self.depth <= 16 else None


def decide(
    environ: Mapping[str, str],
    *,
    theme: str = "",
    ascii: bool = False,
    low_bandwidth: bool = False,
    encoding: str | None = None,
) -> Colours:
    """Return what the terminal can show.

    *theme* is one named on the command line: who asks for colours there wants them in
    spite of ``NO_COLOR``.
    """
    term = environ.get("TERM", "").lower()
    encoding = locale.getencoding() if encoding is None else encoding
    plain = encoding.lower().replace("-", "") != "utf8" or term.startswith(_FEW_SIGNS)
    depth = _depth(environ, term)
    if environ.get("NO_COLOR") and not theme:
        depth = 0
    if low_bandwidth:
        depth = min(depth, 256)
    return Colours(depth=depth, ascii=ascii or plain)


def prepare(environ: MutableMapping[str, str], colours: Colours) -> None:
    """Tell Textual, which must not have been imported yet."""
    environ["TEXTUAL_COLOR_SYSTEM"] = _SYSTEMS[colours.depth]
    environ.pop("NO_COLOR", None)
    if colours.depth == 0:
        environ["NO_COLOR"] = "1"


def _depth(environ: Mapping[str, str], term: str) -> int:
    """Return how many colours the terminal has."""
    if forced := _FORCED.get(environ.get("TEXTUAL_COLOR_SYSTEM", "")):
        return forced
    if term.startswith(_NO_COLOUR):
        return 0
    named = environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit")
    if named or term.endswith("-direct") or term.startswith(_MODERN):
        return MILLIONS
    return 256 if term.endswith("-256color") else 16
