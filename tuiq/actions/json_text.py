"""JSON that no terminal acts upon: lines of ASCII, from mail too."""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii


def text(raw: bytes) -> str:
    """Decode bytes for a JSON value; what is not UTF-8 becomes ``\\xNN``."""
    return raw.decode("utf-8", "backslashreplace")


def json_line(value: object) -> str:
    """Return *value* as one line of ASCII that no terminal acts upon."""
    return without_delete(json.dumps(value))


def quoted(value: str) -> str:
    """Return *value* as a JSON string; the line it goes into is not done yet.

    See ``without_delete``.
    """
    return encode_basestring_ascii(value)


def without_delete(line: str) -> str:
    """Escape DEL, the one control character that JSON leaves as it is."""
    return line.replace("\x7f", "\\u007f") if "\x7f" in line else line
