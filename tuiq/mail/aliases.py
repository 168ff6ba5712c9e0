"""The aliases file: what unqualified names stand for (address targets only).

One entry is ``name: target, target``; a line that begins with white space goes
on with the entry above it, ``#`` begins a comment line.  A target is an address
or another name.  Pipes, files and ``:include:`` are refused where they would
be used, so that a file shared with another mail system can be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tuiq.errors import ConfigError
from tuiq.mail.address import is_unqualified, parse

Aliases = Mapping[bytes, tuple[bytes, ...]]
"""Lower-case name → its targets as written."""

_TARGET = re.compile(rb'\s*((?:"(?:[^"\\]++|\\.)*"|[^",])+)(?:,|\Z)', re.DOTALL)
_NOT_AN_ADDRESS = (b"|", b"/", b":include:", b'"|', b'"/', b'":include:')


def parse_aliases(text: bytes, *, file: str) -> dict[bytes, tuple[bytes, ...]]:
    """Return the entries of an aliases file; *file* names it in errors.

    Raises ConfigError at a line without a colon or an entry without a target.
    """
    entries: dict[bytes, tuple[bytes, ...]] = {}
    for number, line in _logical_lines(text):
        name, colon, rest = line.partition(b":")
        targets = tuple(match[1].strip() for match in _TARGET.finditer(rest))
        if not colon or not name.strip() or not any(targets):
            raise ConfigError(file, f"line {number}", "not `name: address, address`")
        entries[name.strip().strip(b'"').lower()] = tuple(filter(None, targets))
    return entries


def expand(
    raw: bytes, aliases: Aliases, *, origin: bytes, file: str
) -> tuple[bytes, ...]:
    """Return the canonical addresses that *raw* stands for.

    Only an address without a domain is looked up.  A name that lists itself
    (``root: root, admin@example.org``) means the mailbox there; otherwise a
    name met again adds nothing.

    Raises ConfigError for a pipe, file or include target and for a loop.
    """
    found: list[bytes] = []
    seen: set[bytes] = set()
    waiting = [(raw, b"")]  # a target and the name that lists it
    while waiting:
        target, parent = waiting.pop()
        name = target.lower()
        if target.startswith(_NOT_AN_ADDRESS):
            raise ConfigError(
                file, _shown(parent), "not an address target; use addresses only"
            )
        if name == parent or name not in aliases or not is_unqualified(target):
            found.append(parse(target.removeprefix(b"\\"), origin))
        elif name not in seen:
            seen.add(name)
            waiting += ((each, name) for each in reversed(aliases[name]))
    if not found:
        raise ConfigError(
            file, _shown(raw), "the alias leads only to itself; name an address"
        )
    return tuple(found)


def _shown(name: bytes) -> str:
    return name.decode("ascii", "backslashreplace")


def _logical_lines(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each entry, unfolded, with the number of its first line."""
    entry = b""
    first = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith(b"#"):
            continue
        if line[:1] in (b" ", b"\t") and entry:
            entry += b" " + line.strip()
            continue
        if entry:
            yield first, entry
        entry, first = line, number
    if entry:
        yield first, entry
