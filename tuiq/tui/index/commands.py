"""What the scanner can be told to do; plain values that cross a pipe."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Read:
    """Read these messages, before all others unless *background*."""

    directory: str
    ids: bytes
    background: bool = False


@dataclass(slots=True, kw_only=True)
class Check:
    """Read those of these messages whose files changed since, by their ctime."""

    directory: str
    ids: bytes
    ctimes: list[int]


@dataclass(slots=True, kw_only=True)
class Ask:
    """Say which of these messages fit a term of a filter."""

    number: int
    text: str
    directory: str
    ids: bytes


@dataclass(slots=True, kw_only=True)
class List:
    """List a directory; *whole*: read everything in it too."""

    directory: str
    whole: bool = False


@dataclass(slots=True, kw_only=True)
class Changed:
    """Files of a directory that may have changed, by name."""

    directory: str
    names: frozenset[str]


class Rescan:
    """List everything again, soon; for the process around the scanner."""


Command = Read | Check | Ask | List | Changed
