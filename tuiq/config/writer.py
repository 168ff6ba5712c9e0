"""The configuration written out: what is in effect, and the file ``init`` makes."""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiq.config.settings import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tuiq.config.settings import Config

_WIDTH = 86
_HEAD = """\
# tuiq.toml: all settings, each with its default in a comment. Take the "#" away to
# change one; tuiq config shows what is in effect and tells of mistakes.
# Durations are "30s", "15m", "4h", "5d"; sizes "512K", "50M", "2G".
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """One setting as it is in effect."""

    section: str
    key: str
    value: str
    """TOML text, as it could stand in the file."""
    plain: object
    """The value itself: seconds, bytes, text, lists; None: not set."""
    where: str
    """The file that sets it, or ``default``."""


def effective(config: Config) -> list[Effective]:
    """Return every setting of *config* and where it came from."""
    return [
        _effective(config, section, setting)
        for section, settings in SECTIONS.items()
        for setting in fields(settings)
    ]


def _effective(config: Config, section: str, setting: Field[Any]) -> Effective:
    """Return one setting as it is in effect."""
    value = getattr(getattr(config, section), setting.name)
    given = (section, setting.name) in config.given
    kind = setting.metadata["kind"]
    return Effective(
        section=section,
        key=setting.name,
        value=kind.write(value),
        plain=str(value) if isinstance(value, Path) else kind.plain(value),
        where=str(config.source) if given else "default",
    )


def template(values: Mapping[tuple[str, str], Any]) -> str:
    """Return a commented ``tuiq.toml`` that sets *values*, (section, key) → value.

    All other settings stand in it as comments with their defaults.
    """
    lines = [_HEAD]
    for section, settings in SECTIONS.items():
        summary = (settings.__doc__ or "").partition(": ")[2]
        lines += [f"# {summary[:1].upper()}{summary[1:]}", f"[{section}]", ""]
        for setting in fields(settings):
            lines += _wrapped(setting.metadata["about"])
            kind, given = setting.metadata["kind"], (section, setting.name) in values
            value = values[section, setting.name] if given else _default(setting)
            lines += [f"{'' if given else '#'}{setting.name} = {kind.write(value)}", ""]
    return "\n".join(lines)


def _default(setting: Field[Any]) -> Any:
    """Return the default of a dataclass field."""
    if setting.default_factory is not MISSING:
        return setting.default_factory()
    return "q.*" if setting.default is MISSING else setting.default


def _wrapped(sentence: str) -> Iterator[str]:
    """Yield *sentence* as comment lines."""
    import textwrap

    for line in textwrap.wrap(sentence, _WIDTH - 2):
        yield f"# {line}"
