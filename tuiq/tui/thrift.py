"""Frames with fewer bytes: only what differs of a style is sent.

Rich ends every run of text with a reset and begins the next with all of its style.
Over a slow link most of that can be left away: a frame says the same in two thirds of
its bytes.  Each frame begins and ends with no style, so frames may be dropped.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_STYLE = re.compile(r"\x1b\[([\d;:]*)m")
_MOVES = re.compile(r"(?:\r\n|\x1b\[\d+;\d+H)+")
_NEEDLESS = re.compile(r"\r\n(?=\x1b\[\d+;\d+H)")
_EXTENDED = {"2": 5, "5": 3}
"""Parts of a colour by the number after 38 or 48."""
_OFF = {"1": "22", "2": "22", "3": "23", "4": "24", "7": "27", "9": "29"}
"""What ends an attribute alone."""


class _Style(NamedTuple):
    """What one sequence sets, from nothing."""

    attributes: frozenset[str] = frozenset()
    colour: str = "39"
    ground: str = "49"


_NONE = _Style()


def thrifty(frame: str) -> str:
    """Return a frame that draws the same with fewer bytes."""
    parts = _STYLE.split(_NEEDLESS.sub("", frame))
    sent, wanted = "", ""
    out = [parts[0]]
    for style, text in zip(parts[1::2], parts[2::2], strict=True):
        wanted = style
        if text and wanted != sent and not _MOVES.fullmatch(text):
            out.append(_change(sent, wanted))
            sent = wanted
        out.append(text)
    out.append(_change(sent, ""))
    return "".join(out)


@lru_cache(maxsize=4096)
def _change(before: str, after: str) -> str:
    """Return the sequence that leads from one style to another."""
    old, new = _parsed(before), _parsed(after)
    if old == new:
        return ""
    if new == _NONE:
        return "\x1b[0m"
    anew = f"\x1b[0;{after}m"
    ended = old.attributes - new.attributes
    if not ended <= _OFF.keys():
        return anew
    codes = sorted({_OFF[code] for code in ended})
    begun = new.attributes - old.attributes
    if "22" in codes:  # ends both weights
        begun |= new.attributes & {"1", "2"}
    codes += sorted(begun)
    codes += [new.colour] * (new.colour != old.colour)
    codes += [new.ground] * (new.ground != old.ground)
    return min(f"\x1b[{';'.join(codes)}m", anew, key=len)


def _parsed(parameters: str) -> _Style:
    """Return what a sequence's numbers set; a reset comes first in any case."""
    codes = parameters.split(";")
    attributes: set[str] = set()
    colour, ground = "39", "49"
    while codes:
        length = _EXTENDED.get(codes[1], 1) if codes[0] in {"38", "48"} else 1
        code, codes = ";".join(codes[:length]), codes[length:]
        if code in {"", "0"}:
            attributes, colour, ground = set(), "39", "49"
        elif re.match(r"3[0-9]|9[0-7]", code) and code != "3":
            colour = code
        elif re.match(r"4[0-9]|10[0-7]", code):
            ground = code
        else:
            attributes.add(code)
    return _Style(frozenset(attributes), colour, ground)
