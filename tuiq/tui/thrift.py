"""Frames with fewer bytes: cells that differ are sent, and what differs of a style.

Textual draws whole lines, and all of them when a dialog opens or the focus moves; Rich
ends every run of text with a reset and begins the next with all of its style.  Over a
slow link most of that can be left away, as curses does: what stands on the terminal is
remembered, line by line.

Characters whose width terminals do not agree on are never reckoned with: a line that
has one is sent whole.  Each frame begins and ends without a style, so one that is not
sent does no harm as long as ``forget`` is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_TOKEN = re.compile(
    r"\x1b\[(?P<place>\d+;\d+)H|\x1b\[(?P<style>[\d;:]*)m|\n|(?P<text>[^\x00-\x1f\x7f]+)"
)
# A frame draws lines from given places on; whatever else it may be is not touched.
_FRAME = re.compile(
    r"\x1b\[\d+;\d+H(?:\x1b\[\d+;\d+H|\x1b\[[\d;:]*m|\n(?=\x1b\[\d+;\d+H)"
    r"|[^\x00-\x1f\x7f]+)*+"
).fullmatch
# Every terminal draws these in one cell.
_SURE = re.compile(
    "[ -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0377\u037b-\u0482\u2010-\u2027"
    "\u2190-\u21ff\u2500-\u25fc\u2713-\u2718]*"
).fullmatch
_GAP = 12
"""Equal cells that are sent again rather than skipped: a jump costs as much."""
_STYLES = 4096
"""Styles that are told apart before everything is forgotten."""


class _Drawn(NamedTuple):
    """Cells that stand on one line, from *column* on."""

    column: int
    text: str
    styles: str
    """A character for the style of each of the text's."""
    sure: bool

    @property
    def end(self) -> int:
        """Return the column after the last."""
        return self.column + len(self.text)


class Thrift:
    """Remembers what stands on a terminal, and says what has to be sent."""

    def __init__(self) -> None:
        """Know nothing of the terminal."""
        self._lines: dict[int, _Drawn] = {}
        self._ids: dict[str, str] = {}
        self._names: list[str] = []
        self._sent = ""
        """The style in force on the terminal."""
        self._out: list[str] = []

    def forget(self) -> None:
        """Send everything that is drawn from now on: anything may stand there."""
        self._lines.clear()

    def frame(self, frame: str) -> str:
        """Return what draws *frame* on what stands there; empty: it stands there."""
        if len(self._names) > _STYLES:
            self.forget()
            self._ids.clear()
            self._names.clear()
        if not _FRAME(frame):
            self.forget()
            return frame
        self._out, self._sent = [], ""
        place, style = "", ""
        pieces: list[tuple[str, str]] = []
        for token in _TOKEN.finditer(frame):
            kind = token.lastgroup
            if kind == "text":
                pieces.append((style, token[0]))
            elif kind == "style":
                style = token["style"]
            elif kind == "place":
                self._put(place, pieces)
                place, pieces = token["place"], []
        self._put(place, pieces)
        if self._out:
            self._style("")
            self._out.append(f"\x1b[{place}H")
        return "".join(self._out)

    def _put(self, place: str, pieces: list[tuple[str, str]]) -> None:
        """Send what differs of a part of a line."""
        if not pieces:
            return
        text = "".join(piece for _, piece in pieces)
        styles = "".join(self._id(style) * len(piece) for style, piece in pieces)
        line, column = map(int, place.split(";"))
        new = _Drawn(column, text, styles, _SURE(text) is not None)
        old = self._lines.get(line)
        if new == old:
            return
        self._lines[line] = _joined(old, new)
        if old is None or not (old.sure and new.sure and _within(new, old)):
            self._out.append(f"\x1b[{line};{column}H")
            self._send(text, styles)
            return
        start = column - old.column
        before = old.text[start : start + len(text)]
        styles_before = old.styles[start : start + len(text)]
        for first, last in _spans(text, styles, before, styles_before):
            self._out.append(f"\x1b[{line};{column + first}H")
            self._send(text[first:last], styles[first:last])

    def _send(self, text: str, styles: str) -> None:
        """Send text with its styles, as runs."""
        start = 0
        for at in range(1, len(styles) + 1):
            if at == len(styles) or styles[at] != styles[start]:
                self._style(self._names[ord(styles[start]) - _FIRST])
                self._out.append(text[start:at])
                start = at

    def _style(self, style: str) -> None:
        """Put a style in force."""
        self._out.append(_change(self._sent, style))
        self._sent = style

    def _id(self, style: str) -> str:
        """Return the character that stands for a style."""
        id = self._ids.get(style)
        if id is None:
            id = self._ids[style] = chr(_FIRST + len(self._names))
            self._names.append(style)
        return id


_FIRST = 0x100
"""The character for the first style."""


def _within(new: _Drawn, old: _Drawn) -> bool:
    """Return whether all of *new* is over what is known."""
    return old.column <= new.column and new.end <= old.end


def _joined(old: _Drawn | None, new: _Drawn) -> _Drawn:
    """Return what is known of a line that *new* was drawn on."""
    if old is None or not (old.sure and new.sure):
        return new
    if _within(new, old):
        start, end = new.column - old.column, new.end - old.column
        return _Drawn(
            old.column,
            old.text[:start] + new.text + old.text[end:],
            old.styles[:start] + new.styles + old.styles[end:],
            True,
        )
    if old.end == new.column:
        return _Drawn(old.column, old.text + new.text, old.styles + new.styles, True)
    return new


def _spans(
    text: str, styles: str, before: str, styles_before: str
) -> Iterator[tuple[int, int]]:
    """Return where two lines of one length differ; what lies close is one span."""
    first = last = -1
    for at, (a, b, c, d) in enumerate(
        zip(text, before, styles, styles_before, strict=True)
    ):
        if a == b and c == d:
            continue
        if first < 0:
            first = at
        elif at - last > _GAP:
            yield first, last + 1
            first = at
        last = at
    if first >= 0:
        yield first, last + 1


# Styles

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
        extended = codes[0] in {"38", "48"} and len(codes) > 1
        length = _EXTENDED.get(codes[1], 1) if extended else 1
        code, codes = ";".join(codes[:length]), codes[length:]
        if code in {"", "0"}:
            attributes, colour, ground = set(), "39", "49"
        elif re.match(r"3[0-9]|9[0-7]", code):
            colour = code
        elif re.match(r"4[0-9]|10[0-7]", code):
            ground = code
        else:
            attributes.add(code)
    return _Style(frozenset(attributes), colour, ground)
