"""The themes there are: those that come with tuiq, and the user's own.

A theme that cannot be used costs one sentence, never the start of the UI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tuiq.errors import ConfigError
from tuiq.tui.look.theme import Theme
from tuiq.tui.look.theme_file import read

DEFAULT = "tuiq-dark"
PLAIN = "mono"
"""What is worn without colours."""
SIXTEEN = "ansi16"
"""What is worn where there are fewer than 256 colours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """All themes there are."""

    themes: Mapping[str, Theme]
    """By name; the default comes first."""
    complaints: tuple[str, ...] = ()
    """One sentence for each file that cannot be used."""


def folder() -> Path:
    """Return the folder of the themes that come with tuiq."""
    package = Path(__file__).parents[2]
    installed = package / "themes"
    return installed if installed.is_dir() else package.parent / "themes"


def collect(*folders: Path) -> Collection:
    """Read every theme; one of a later folder replaces its namesake."""
    found: dict[str, Theme] = {}
    complaints = []
    for path in (path for place in folders for path in sorted(place.glob("*.toml"))):
        try:
            found[path.stem] = read(path)
        except ConfigError as error:
            complaints.append(f"{error}; this theme is left out")
    order = sorted(found, key=lambda name: (name != DEFAULT, name))
    return Collection(
        themes={name: found[name] for name in order}, complaints=tuple(complaints)
    )


@cache
def shipped() -> Collection:
    """Return the themes that come with tuiq."""
    return collect(folder())
