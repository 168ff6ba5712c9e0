"""What a setting's value may look like in TOML, and how it is written back.

A ``Kind`` turns a TOML value into the value the program uses and refuses with a
``ValueError`` whose text follows ``file: section.key: ``.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiq.config.glance import MEBIBYTE as MEBIBYTE
from tuiq.config.glance import RESERVED as RESERVED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
LONGEST = 25 * DAY
"""Longest duration accepted; must stay below the spool's HORIZON of 30 days."""

_UNITS = {"s": 1.0, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_SIZE = re.compile(r"(\d+) ?([KMG])?(?:i?B)?")
_SIZES = {None: 1, "K": 1024, "M": MEBIBYTE, "G": 1024 * MEBIBYTE}
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_HOST_PORT = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:]+))(?::(?P<port>\d+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How the values of a setting are read and written."""

    parse: Callable[[Any, Path], Any]
    """(TOML value, directory of the file) → value; ValueError says what is wrong."""
    write: Callable[[Any], str]
    """Value → the TOML text that reads back as it."""
    plain: Callable[[Any], Any] = lambda value: value
    """Value → what ``tuiq config --json`` shows."""


class Misplaced(ValueError):
    """A value with something wrong inside."""

    def __init__(self, at: str, reason: str) -> None:
        """Say *at* what place in the value, such as ``[2].via``, and the *reason*."""
        self.at = at
        super().__init__(reason)


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return the complaint about a name that is none of *known*."""
    import difflib

    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
    return f"there is no such {what}; {hint}"


def deferred(module: str, name: str) -> Kind:
    """Return the kind *name* of *module*, which is imported when it is needed."""

    def kind() -> Kind:
        found: Kind = getattr(importlib.import_module(module), name)
        return found

    return Kind(
        parse=lambda raw, base: kind().parse(raw, base),
        write=lambda value: kind().write(value),
        plain=lambda value: kind().plain(value),
    )


def quoted(value: object) -> str:
    """Return *value* as a TOML basic string."""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _number(raw: object, what: str) -> float:
    """Return *raw* when it is a number; TOML booleans are ints in Python."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        raise ValueError(f"not {what}: {raw!r}")  # noqa: TRY004 - told by its text
    if raw != raw or raw in (float("inf"), float("-inf")):
        raise ValueError(f"not {what}: {raw!r}")
    return raw


def printable_text(raw: object, what: str) -> str:
    """Return *raw* when it is a string that holds only printable characters."""
    if not isinstance(raw, str):
        raise ValueError(f"not a string: {raw!r}; write {what} in quotes")  # noqa: TRY004
    if not raw.isprintable():
        raise ValueError(f"control characters are not allowed: {raw!r}")
    return raw


def _within(value: float, low: float, high: float, show: Callable[[Any], str]) -> None:
    """Raise unless *low* ≤ *value* ≤ *high*."""
    if value < low:
        raise ValueError(f"{show(value)} is too small; the least is {show(low)}")
    if value > high:
        raise ValueError(f"{show(value)} is too large; the most is {show(high)}")


def show_duration(seconds: float) -> str:
    """Return *seconds* in the largest unit that divides it: ``5d``, ``90s``."""
    for unit, length in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def duration(*, low: float = 0.0) -> Kind:
    """Return the kind of ``"30s"``, ``"1h30m"``, ``"5d"`` or a number of seconds."""

    def parse(raw: object, base: Path) -> float:
        if isinstance(raw, str) and _DURATION.fullmatch(raw.strip()):
            parts = _DURATION_PART.findall(raw)
            seconds = sum(float(count) * _UNITS[unit] for count, unit in parts)
        else:
            seconds = float(_number(raw, 'a duration such as "30s", "15m" or "5d"'))
        _within(seconds, low, LONGEST, show_duration)
        return seconds

    return Kind(parse=parse, write=lambda value: f'"{show_duration(value)}"')


def show_size(size: int) -> str:
    """Return a number of bytes in the largest unit that divides it: ``50M``."""
    for unit in ("G", "M", "K"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return str(size)


def size(*, low: int = 0) -> Kind:
    """Return the kind of ``"50M"``, ``"35MiB"`` (powers of 1024) or bytes."""

    def parse(raw: object, base: Path) -> int:
        found = _SIZE.fullmatch(raw.strip()) if isinstance(raw, str) else None
        if found:
            value = int(found[1]) * _SIZES[found[2]]
        elif isinstance(raw, int) and not isinstance(raw, bool):
            value = raw
        else:
            raise ValueError(f'not a size such as "50M" or "512K": {raw!r}')
        _within(value, low, 1 << 50, show_size)
        return value

    return Kind(parse=parse, write=lambda value: f'"{show_size(value)}"')


def count(*, low: int = 0, high: int = 1_000_000_000) -> Kind:
    """Return the kind of whole numbers from *low* to *high*."""

    def parse(raw: object, base: Path) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise ValueError(f"not a whole number: {raw!r}")  # noqa: TRY004
        _within(raw, low, high, str)
        return raw

    return Kind(parse=parse, write=str)


def percent() -> Kind:
    """Return the kind of ``5``, ``0.5`` or ``"5%"``, up to 50."""

    def parse(raw: object, base: Path) -> float:
        if isinstance(raw, str) and re.fullmatch(r"\d+(\.\d+)? ?%", raw.strip()):
            raw = float(raw.strip().rstrip("% "))
        value = float(_number(raw, "a percentage such as 5"))
        _within(value, 0.0, 50.0, "{:g}".format)
        return value

    return Kind(parse=parse, write="{:g}".format)


def switch() -> Kind:
    """Return the kind of ``true`` and ``false``."""

    def parse(raw: object, base: Path) -> bool:
        if not isinstance(raw, bool):
            raise ValueError(f"neither true nor false: {raw!r}")  # noqa: TRY004
        return raw

    return Kind(parse=parse, write=lambda value: "true" if value else "false")


def word(*choices: str) -> Kind:
    """Return the kind of one word out of *choices*."""

    def parse(raw: object, base: Path) -> str:
        if not isinstance(raw, str) or raw not in choices:
            offered = ", ".join(map(quoted, choices))
            raise ValueError(f"{raw!r} is none of {offered}")
        return raw

    return Kind(parse=parse, write=quoted)


def text(what: str = "it") -> Kind:
    """Return the kind of any printable string; empty is allowed."""
    return Kind(parse=lambda raw, base: printable_text(raw, what), write=quoted)


def is_domain(name: str) -> bool:
    """Say whether *name* is a host or domain name in ASCII."""
    return len(name) <= 253 and _NAME.fullmatch(name) is not None


def domain() -> Kind:
    """Return the kind of host and domain names; empty is allowed."""

    def parse(raw: object, base: Path) -> str:
        name = printable_text(raw, "the name")
        if name and not is_domain(name):
            raise ValueError(f"not a domain name: {raw!r}")
        return name.rstrip(".")

    return Kind(parse=parse, write=quoted)


def address() -> Kind:
    """Return the kind of ``local@domain``; empty is allowed."""

    def parse(raw: object, base: Path) -> str:
        mailbox = printable_text(raw, "the address")
        local, _, host = mailbox.rpartition("@")
        if mailbox and (not local or " " in local or not _NAME.fullmatch(host)):
            raise ValueError(f"not an address such as postmaster@example.org: {raw!r}")
        return mailbox

    return Kind(parse=parse, write=quoted)


def split_host_port(text: str, *, port: int = 25) -> tuple[str, int]:
    """Split ``host``, ``host:port``, ``[v6]`` or ``[v6]:port``; raises ValueError."""
    found = _HOST_PORT.fullmatch(text)
    if not found:
        raise ValueError(
            f'not a host and port such as "mail.example.org:25" or "[2001:db8::1]:25": '
            f"{text!r}"
        )
    host = found["v6"] or found["host"]
    if found["host"] and not _NAME.fullmatch(host):
        raise ValueError(f"not a host name: {host!r}")
    if found["v6"] and host.count(":") < 2:
        raise ValueError(f"not an IPv6 address: {host!r}")
    number = int(found["port"]) if found["port"] else port
    if not 1 <= number <= 65535:
        raise ValueError(f"not a port from 1 to 65535: {number}")
    return host, number


def host_port(*, port: int = 25) -> Kind:
    """Return the kind of ``host:port``, *port* when left out; empty is allowed."""

    def parse(raw: object, base: Path) -> str:
        name = printable_text(raw, "the host")
        if not name:
            return ""
        host, number = split_host_port(name, port=port)
        return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"

    return Kind(parse=parse, write=quoted)


def nameservers() -> Kind:
    """Return the kind of lists of ``address`` or ``address:port``, port 53."""

    def parse(raw: object, base: Path) -> tuple[str, ...]:
        import ipaddress

        if not isinstance(raw, list):
            raise ValueError(f'not a list such as ["127.0.0.1"]: {raw!r}')  # noqa: TRY004
        found = [
            split_host_port(printable_text(one, "the address"), port=53) for one in raw
        ]
        for host, _ in found:
            ipaddress.ip_address(host)
        return tuple(f"[{h}]:{p}" if ":" in h else f"{h}:{p}" for h, p in found)

    return Kind(
        parse=parse,
        write=lambda value: f"[{', '.join(map(quoted, value))}]",
        plain=list,
    )


def path() -> Kind:
    """Return the kind of a file's path, relative to the file it stands in."""

    def parse(raw: object, base: Path) -> Path | None:
        name = printable_text(raw, "the path")
        return base / Path(name).expanduser() if name else None

    return Kind(parse=parse, write=lambda value: quoted(value or ""))


def queues() -> Kind:
    """Return the kind of the queue directories: a path, or a glob in its last part."""

    def parse(raw: object, base: Path) -> str:
        name = printable_text(raw, "the path")
        if not name:
            raise ValueError('empty; name the queue directories, such as "q.*"')
        whole = base / Path(name).expanduser()
        if re.search(r"[*?\[]", str(whole.parent)):
            raise ValueError(f"{name!r}: only the last part of the path may be a glob")
        clash = sorted(name for name in RESERVED if fnmatchcase(name, whole.name))
        if clash:
            raise ValueError(
                f"{name!r} also matches the spool's own {clash[0]}/; use a pattern "
                'such as "q.*"'
            )
        return str(whole)

    return Kind(parse=parse, write=quoted)
