"""A theme's TOML file, taken with care; ``themes/README.md`` is the format."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from rich.style import Style

from tuiq.errors import ConfigError
from tuiq.log import printable
from tuiq.tui.look.roles import Role
from tuiq.tui.look.theme import HostAccent, Theme, parse_color, parse_hosts, parse_style

_T = TypeVar("_T")
_LARGEST = 64 * 1024
_KEYS = frozenset(
    {"name", "description", "dark", "colors", "roles", "textual", "hosts"}
)


def read(path: Path) -> Theme:
    """Return the theme in a file; ConfigError names the key and the remedy."""
    tables = _Reader(path)
    tables.check_keys()
    name = tables.text("name", path.stem)
    if name != path.stem:
        raise tables.wrong("name", f"must be the file's own, {path.stem!r}")
    dark = tables.tables.get("dark", True)
    if not isinstance(dark, bool):
        raise tables.wrong("dark", "must be true or false")
    colors = tables.colors()
    return Theme(
        name=name,
        description=printable(tables.text("description", "")),
        dark=dark,
        colors=colors,
        styles=tables.styles(colors),
        textual=tables.variables(colors),
        hosts=tables.hosts(colors),
    )


class _Reader:
    """The tables of one file, taken with care."""

    def __init__(self, path: Path) -> None:
        """Read the file."""
        self.path = path
        try:
            with path.open("rb") as file:
                raw = file.read(_LARGEST + 1)
            if len(raw) > _LARGEST:
                raise ConfigError(str(path), "", "larger than 64 KiB; is it a theme?")
            self.tables: dict[str, Any] = tomllib.loads(raw.decode())
        except OSError as error:
            why = (error.strerror or "cannot be read").lower()
            raise ConfigError(str(path), "", why) from error
        except (ValueError, RecursionError) as error:
            raise ConfigError(str(path), "", f"not valid TOML: {error}") from error

    def wrong(self, key: str, reason: str) -> ConfigError:
        """Return the complaint about *key*."""
        return ConfigError(str(self.path), key, reason)

    def check_keys(self) -> None:
        """Refuse what no theme has: it is probably a slip."""
        for key in self.tables.keys() - _KEYS:
            raise self.wrong(key, "no part of a theme; see themes/README.md")

    def text(self, key: str, default: str) -> str:
        """Return a text."""
        value = self.tables.get(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "must be a text")
        return value

    def table(self, key: str) -> dict[str, Any]:
        """Return a table."""
        value = self.tables.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "must be a table")
        return value

    def texts(self, key: str) -> dict[str, str]:
        """Return a table of texts."""
        table = self.table(key)
        for name, value in table.items():
            if not isinstance(value, str):
                raise self.wrong(f"{key}.{name}", "must be a text")
        return table

    def colors(self) -> dict[str, str]:
        """Return the named colours; none is made of another."""
        colors = self.texts("colors")
        for name, value in colors.items():
            self._try(f"colors.{name}", parse_color, value, {})
        return colors

    def styles(self, colors: Mapping[str, str]) -> dict[Role, Style]:
        """Return one style for each role."""
        table = self.texts("roles")
        for unknown in table.keys() - set(Role):
            raise self.wrong(f"roles.{unknown}", "no such role; see themes/README.md")
        for role in Role:
            if role not in table:
                raise self.wrong(f"roles.{role}", "missing; a theme has every role")
        return {
            role: self._try(f"roles.{role}", parse_style, table[role], colors)
            for role in Role
        }

    def variables(self, colors: Mapping[str, str]) -> dict[str, str]:
        """Return what Textual is told beyond the roles, with colours put in."""
        result = {}
        for name, value in self.texts("textual").items():
            first, space, rest = value.partition(" ")
            result[name] = colors.get(first, first) + space + rest
        return result

    def hosts(self, colors: Mapping[str, str]) -> dict[str, HostAccent]:
        """Return the accents of hosts."""
        table = self.table("hosts")
        return self._try("hosts", parse_hosts, table, colors)

    def _try(self, key: str, make: Callable[..., _T], *values: object) -> _T:
        """Return what *make* makes of *values*; its ValueError is about *key*."""
        try:
            return make(*values)
        except ValueError as error:
            raise self.wrong(key, str(error)) from error
