"""Routes and pools as values, and the TOML text that reads back as them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiq.config.kinds import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = {
    "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600, "hour": 3600,
    "d": 86400, "day": 86400,
}  # fmt: skip
"""Units of time in rates; the first of equals is written."""


class Means(Enum):
    """What a route does with mail."""

    SMARTHOST = "smarthost"
    POOL = "pool"
    """One of several smarthosts, by weight; the others when it fails."""
    MX = "mx"
    """The servers that the DNS names for the recipient's domain."""
    LMTP = "lmtp"
    HOLD = "hold"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    """Where a route leads."""

    means: Means
    host: str = ""
    """Smarthost or LMTP server, IPv6 without brackets; else empty."""
    port: int = 0
    """0: there is none."""
    text: str = ""
    """The pool's name, the socket's path, or why mail is held or refused."""

    def __str__(self) -> str:
        """Return it as it stands in the file."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        match self.means:
            case Means.SMARTHOST:
                return f"{host}:{self.port}"
            case Means.MX:
                return "mx" if self.port == 25 else f"mx:{self.port}"
            case Means.LMTP:
                return f"lmtp:{self.text or f'{host}:{self.port}'}"
            case Means.POOL:
                return f"pool:{self.text}"
            case _:
                return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many messages in so many seconds."""

    count: int
    seconds: int

    def __str__(self) -> str:
        """Return it as it stands in the file: ``10/s``, ``1000/h``."""
        unit = next(unit for unit, length in SECONDS.items() if length == self.seconds)
        return f"{self.count}/{unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a route sets for its destinations; None: as ``[delivery]`` has it."""

    recipients_per_transaction: int | None = None
    concurrency: int | None = None
    rate: Rate | None = None
    """None: as fast as it goes."""
    tls: str | None = None
    tls_verify: bool | None = None
    username: str | None = None
    password_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the table."""

    via: Via
    to: tuple[str, ...] = ("*",)
    """Patterns for the recipient's domain, A-labels in lower case."""
    sender: tuple[str, ...] = ("*",)
    """Patterns for the sender; empty string: the null sender."""
    options: Options = Options()

    @property
    def takes_all(self) -> bool:
        """Whether nothing gets past it."""
        return "*" in self.to and "*" in self.sender

    def __str__(self) -> str:
        """Return it as it stands in the file."""
        texts = [f"{key} = {toml(value)}" for key, value in members(self)]
        return f"{{{', '.join(texts)}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One smarthost of a pool."""

    host: str
    port: int
    weight: int = 1
    """Its share of the connections, beside the other members' weights."""
    backup: bool = False
    """Only used when the others fail."""

    def __str__(self) -> str:
        """Return it as it stands in the file."""
        where = Via(means=Means.SMARTHOST, host=self.host, port=self.port)
        weight = f" weight={self.weight}" if self.weight != 1 else ""
        return f"{where}{weight}{' backup' if self.backup else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Smarthosts that stand in for each other."""

    name: str
    members: tuple[Member, ...]


# Written back.


def members(route: Route) -> Iterator[tuple[str, Any]]:
    """Yield the keys of *route* that say something, as plain values."""
    for key, patterns in (("to", route.to), ("from", route.sender)):
        if key == "to" or patterns != ("*",):
            yield key, patterns[0] if len(patterns) == 1 else list(patterns)
    means = route.via.means
    action = means.value if means in {Means.HOLD, Means.REFUSE} else "via"
    yield action, str(route.via)
    for setting in fields(Options):
        value = getattr(route.options, setting.name)
        if value is not None:
            yield setting.name, str(value) if isinstance(value, Rate | Path) else value


def toml(value: object) -> str:
    """Return a plain *value* as TOML."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else quoted(value)
