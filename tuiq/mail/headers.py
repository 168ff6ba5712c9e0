"""Header blocks as bytes: found, counted, removed, added, never re-serialised.

A *block* is zero or more fields in wire form (CRLF line ends, folded lines
begin with white space) without the empty line that ends the header.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Collection, Iterator

from tuiq.mail import plain
from tuiq.mail.plain import date_value as date_value
from tuiq.mail.reply import Reply

LOOP_REPLY = Reply(
    code=554, enhanced=b"5.4.6", text=b"too many Received lines: mail loop"
)
"""What a looping message's recipients are told."""

_FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:([^\r]*+(?:\r\n[ \t][^\r]*+)*+)(?:\r\n|\Z)")
_RECEIVED = re.compile(rb"^Received[ \t]*+:", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_WORD = re.compile(rb"=\?([!->@-~]++)\?([BbQq])\?([ ->@-~]*+)\?=")
_BETWEEN_WORDS = re.compile(rb"(?<=\?=)[ \t]++(?=" + _WORD.pattern + rb")")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_UNWELCOME = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_NOT_CHARSETS = frozenset(
    {"idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape"}
)
"""Python's text codecs that no mail may choose: slow, or with warnings."""


def fields(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield ``(name, raw value)`` of each field, top to bottom.

    The value keeps its folding and its leading space.  The walk ends at the
    first line that is no header field.
    """
    position = 0
    while match := _FIELD.match(block, position):
        yield match[1], match[2]
        position = match.end()


def values(block: bytes, name: bytes) -> list[bytes]:
    """Return the unfolded, stripped values of every field called *name*."""
    wanted = name.lower()
    return [
        _FOLD.sub(b"", value).strip(b" \t")
        for found, value in fields(block)
        if found.lower() == wanted
    ]


def without(block: bytes, names: Collection[bytes]) -> bytes:
    """Return the block without the fields of those (lower-case) *names*."""
    kept: list[bytes] = []
    position = 0
    while match := _FIELD.match(block, position):
        if match[1].lower() not in names:
            kept.append(match[0])
        position = match.end()
    return b"".join(kept) + block[position:]


def is_looping(block: bytes, max_hops: int) -> bool:
    """Say whether *max_hops* or more Received fields show a mail loop."""
    return len(_RECEIVED.findall(block)) >= max_hops


def decode(value: bytes) -> str:
    """Return a field's value for display, encoded words (RFC 2047) decoded.

    Never raises: what cannot be decoded stays as it is, with U+FFFD for bytes
    that are not UTF-8.  The text is as hostile as the mail it comes from.
    """
    text = _BETWEEN_WORDS.sub(b"", _FOLD.sub(b"", value).strip())
    parts: list[str] = []
    pending: tuple[str, bytes] = ("utf-8", b"")
    position = 0
    for match in _WORD.finditer(text):
        if match.start() > position:
            parts.append(_as_text(*pending))
            parts.append(_as_text("utf-8", text[position : match.start()]))
            pending = ("utf-8", b"")
        charset = match[1].decode("ascii").partition("*")[0]  # RFC 2231 language
        raw = _unpack(match[2], match[3])
        # A character may be split between adjacent words of one charset.
        if charset.lower() == pending[0].lower():
            pending = (charset, pending[1] + raw)
        else:
            parts.append(_as_text(*pending))
            pending = (charset, raw)
        position = match.end()
    parts.append(_as_text(*pending))
    parts.append(_as_text("utf-8", text[position:]))
    return "".join(parts)


def from_value(address: bytes, full_name: str) -> bytes:
    """Return a From value; control characters in the name become spaces."""
    name = _UNWELCOME.sub(" ", full_name).strip()
    value = plain.from_value(address, name)
    if value is not None:
        return value
    raw = name.encode("utf-8", "replace")
    if not raw.isascii() or len(raw) > plain.LONG_NAME:
        return b"%s <%s>" % (b"\r\n ".join(_encoded_words(name)), address)
    return b'"%s" <%s>' % (re.sub(rb'(["\\])', rb"\\\1", raw), address)


def additions(
    block: bytes, *, date: bytes, message_id: bytes, sender: bytes, full_name: str
) -> bytes:
    """Return the Date, Message-ID and From fields that the block lacks.

    *message_id* has its angle brackets; *sender* is a canonical address.
    """
    return plain.missing_fields(
        {name.lower() for name, _ in fields(block)},
        sender=from_value(sender, full_name),
        date=date,
        message_id=message_id,
    )


def received_line(
    *, hostname: bytes, queue_id: str, uid: int | None, date: bytes
) -> bytes:
    """Return the trace field (RFC 5321 §4.4) that a submission prepends."""
    who = b"" if uid is None else b" (uid %d)" % uid
    return b"Received: by %s (tuiq) id %s%s;\r\n\t%s\r\n" % (
        hostname,
        queue_id.encode("ascii"),
        who,
        date,
    )


def _unpack(encoding: bytes, payload: bytes) -> bytes:
    """Undo the B or Q encoding; bytes that make no sense stay as they are."""
    if encoding in b"Qq":
        spaced = payload.replace(b"_", b" ")
        return _HEX.sub(lambda code: bytes([int(code[1], 16)]), spaced)
    try:
        return binascii.a2b_base64(payload + b"=" * (-len(payload) % 4))
    except binascii.Error:
        return payload


def _as_text(charset: str, raw: bytes) -> str:
    """Decode, as UTF-8 where the charset is unknown or not one for mail."""
    if not raw or charset.lower().replace("-", "_") in _NOT_CHARSETS:
        return raw.decode("utf-8", "replace")
    try:
        return raw.decode(charset, "replace")
    except (LookupError, ValueError):
        return raw.decode("utf-8", "replace")


def _encoded_words(name: str) -> Iterator[bytes]:
    """Yield encoded words of at most 75 bytes (RFC 2047 §2), no split characters."""
    for start in range(0, len(name), 11):  # 11 characters: at most 44 bytes, 60 coded
        raw = name[start : start + 11].encode("utf-8", "replace")
        yield b"=?utf-8?B?%s?=" % binascii.b2a_base64(raw, newline=False)
