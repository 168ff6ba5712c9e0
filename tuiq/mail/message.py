"""Message data: from whatever a program writes to the one wire form.

Wire form: every line ends in CRLF, the last one too; there is no other CR or
LF, and no NUL.  Nothing that stands *between* the line ends is changed, with
one exception, the lone CR:

- LF, and any run of CR before LF or before the end, end a line.  So a message
  of mixed line ends has one reading, here and at every later hop.
- A CR that ends no line becomes a space (a run of them one space).  Taken for
  a line end it would let ``Subject: a\\rBcc: b`` make a new header field; left
  alone it is the raw material of SMTP smuggling.
- Lines longer than 998 bytes (RFC 5322 §2.1.1) stay as they are: folding them
  breaks signatures and encodings, so the next hop decides.

No dot-stuffing here: that belongs to the SMTP connection (``stuffed``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from tuiq.errors import InputError

CHUNK = 64 * 1024
"""Bytes read and handed on at a time."""

_CRS_LF = re.compile(rb"\r+\n")
_CRS = re.compile(rb"\r+")
_LONE_DOT = re.compile(rb"^\.\n", re.MULTILINE)
# No group repeats possessively, here and in all of tuiq.mail, if it can fail behind
# another repeat: before Python 3.11.5 the match then goes on from where it failed.
_HEADER_LINE = re.compile(rb"(?:[!-9;-~]++[ \t]*+:|[ \t])[^\r]*+\r\n")
_MBOX_FROM = re.compile(rb"(?!From[ \t]*:)>?From [^\r]*\r\n")


class Readable(Protocol):
    """The part of a binary file that is needed."""

    def read(self, size: int, /) -> bytes:
        """Return up to *size* bytes, ``b""`` at the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Message data in wire form, its header apart from its body."""

    header: bytes
    """The header fields, without the empty line; empty when there is none."""
    body: Iterator[bytes]
    """What follows the empty line, to be read once."""


def read(stream: Readable, *, dot_ends: bool, max_bytes: int) -> Data:
    """Read a message's header; leave its body to be read from the result.

    An mbox ``From `` line at the top is dropped.  The header ends at the first
    empty line, or before the first line that is no header field.

    Raises (here or while the body is read) InputError as `wire_form` does.
    """
    chunks = wire_form(stream, dot_ends=dot_ends, max_bytes=max_bytes)
    buffer = bytearray()
    start = end = 0
    for chunk in chunks:
        buffer += chunk
        if b"\n" not in chunk:
            continue
        if not end and (match := _MBOX_FROM.match(buffer)):
            start = end = match.end()
        if start == end and bytes(buffer[end : end + 1]) in (b" ", b"\t"):
            break  # a continuation of nothing is body
        while line := _HEADER_LINE.match(buffer, end):
            end = line.end()
        if buffer.find(b"\r\n", end) >= 0:
            break
    rest = bytes(buffer[end:]).removeprefix(b"\r\n")
    return Data(header=bytes(buffer[start:end]), body=_chain(rest, chunks))


def wire_form(stream: Readable, *, dot_ends: bool, max_bytes: int) -> Iterator[bytes]:
    """Yield what *stream* holds in wire form, at most two chunks in memory.

    With *dot_ends* a line of a single dot ends the message, and nothing behind
    it is used.  CRLF is never split between two chunks.

    Raises InputError for a NUL and for more than *max_bytes* of wire form.
    """
    size = 0
    ends_line = True
    for chunk in _cut_at_dot(_unix_lines(stream)) if dot_ends else _unix_lines(stream):
        wire = chunk.replace(b"\n", b"\r\n")
        ends_line = wire.endswith(b"\n")
        size += len(wire)
        if size > max_bytes:
            raise InputError(
                f"message: read data: larger than {max_bytes} bytes; send less, "
                "or raise submission.max_message_bytes"
            )
        yield wire
    if not ends_line:
        yield b"\r\n"


def stuffed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield wire form with each dot at the start of a line doubled (RFC 5321 §4.5.2).

    The terminating ``.CRLF`` is the caller's.
    """
    at_start = True
    for chunk in filter(None, chunks):
        doubled = chunk.replace(b"\n.", b"\n..")
        yield b"." + doubled if at_start and chunk[:1] == b"." else doubled
        at_start = chunk.endswith(b"\n")


def is_eight_bit(chunks: Iterable[bytes]) -> bool:
    """Say whether the data needs 8BITMIME (RFC 6152)."""
    for chunk in chunks:  # noqa: SIM110 - any() would need a generator
        if not chunk.isascii():
            return True
    return False


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _unix_lines(stream: Readable) -> Iterator[bytes]:
    """Yield the data with LF as the only line end and no CR left."""
    held = b""  # one CR whose meaning depends on the next chunk
    while chunk := stream.read(CHUNK):
        if b"\0" in chunk:
            raise InputError("message: read data: it has a NUL byte; encode it (MIME)")
        chunk = held + chunk
        held = b"\r" if chunk.endswith(b"\r") else b""
        if b"\r" in chunk:
            chunk = _CRS_LF.sub(b"\n", chunk.rstrip(b"\r"))
            chunk = _CRS.sub(b" ", chunk)
        if chunk:
            yield chunk
    if held:
        yield b"\n"


def _cut_at_dot(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines before a line of a single dot."""
    held = b""  # a dot that begins a line, if a line end may follow
    at_start = True
    for part in chunks:
        chunk = held + part
        dot = _LONE_DOT.search(chunk) if at_start else _LONE_DOT.search(chunk, 1)
        if dot:
            if dot.start():
                yield chunk[: dot.start()]
            return
        held = b"." if chunk.endswith(b"\n.") or (at_start and chunk == b".") else b""
        chunk = chunk[: len(chunk) - len(held)]
        if chunk:
            at_start = chunk.endswith(b"\n")
            yield chunk
