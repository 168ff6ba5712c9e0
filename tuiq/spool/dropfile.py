"""The form of a file in ``drop/``: a message on its way from one user to the queue.

::

    TUIQDR01 <8 hex digits: length of the envelope> LF
    envelope  fields that each end in NUL: sender, RET, ENVID, BODY, ``1`` for
              SMTPUTF8 or nothing, then address, ORCPT, NOTIFY per recipient
    data      in wire form
    END <16 hex digits: bytes before END> <8 hex digits: their crc32> LF

No field can hold a NUL, so no address can become two.  Who wrote the file is what
the kernel says, never what stands in it.  It is read once, by a reader that trusts
nothing: what it returns was checked on the bytes it returns.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.errors import InputError
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool import handoff
from tuiq.spool.fs import pread_all
from tuiq.spool.handoff import END, HEAD, MAGIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tuiq.config import SubmissionConfig
    from tuiq.spool.fs import Fs

MAX_ENVELOPE = 64 * 1024 * 1024
"""Bytes of an envelope: room for 250,000 recipients of the longest usual kind."""
_BLOCK = 256 * 1024
_MESSAGE_FIELDS = 5
_RECIPIENT_FIELDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Where things are in a file, and its envelope as the writer gave it."""

    envelope: Envelope
    head: bytes
    """Everything before the data."""
    length: int
    """Bytes of data."""
    crc: int
    """What the last line says about everything before it."""


def write(fs: Fs, fd: int, envelope: Envelope, data: Iterable[bytes]) -> None:
    """Write the whole file; raises InputError for what the form cannot hold."""
    handoff.write(fs, fd, blocks(envelope, data))


def blocks(envelope: Envelope, data: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the file without its last line; raises as ``write`` does."""
    yield _encode_head(envelope)
    yield from _gathered(data)


def _encode_head(envelope: Envelope) -> bytes:
    smtputf8 = b"1" if envelope.smtputf8 else b""
    fields = [envelope.sender, envelope.ret, envelope.envid, envelope.body, smtputf8]
    for recipient in envelope.recipients:
        fields += (recipient.address, recipient.orcpt, recipient.notify)
    head = handoff.head(fields)
    if head.count(b"\0") != len(fields):
        raise InputError("message: read envelope: it has a NUL byte; remove it")
    if len(head) - HEAD > MAX_ENVELOPE:
        raise InputError(
            f"message: read envelope: {len(head) - HEAD} bytes are more than "
            f"{MAX_ENVELOPE}; send to fewer recipients at a time"
        )
    return head


def _gathered(data: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the data in pieces that are worth a write(2)."""
    pending: list[bytes] = []
    size = 0
    for chunk in data:
        pending.append(chunk)
        size += len(chunk)
        if size >= _BLOCK:
            yield b"".join(pending)
            pending.clear()
            size = 0
    yield b"".join(pending)


def has_end(fs: Fs, fd: int, size: int) -> bool:
    """Say whether the file's writer came to its end."""
    return _read_end(fs, fd, size) is not None


def _read_end(fs: Fs, fd: int, size: int) -> int | None:
    """Return the checksum in the last line; None without a fitting last line."""
    if size < HEAD + END:
        return None
    line = pread_all(fs, fd, END, size - END)
    try:
        crc = int(line[21:29], 16)
    except ValueError:
        return None
    return crc if line == b"END %016X %08X\n" % (size - END, crc) else None


def read(fs: Fs, fd: int, size: int, limits: SubmissionConfig) -> Parts:
    """Read everything but the data; raise InputError for anything out of form."""
    crc = _read_end(fs, fd, size)
    if crc is None:
        raise InputError("it is cut short: its last line is missing or wrong")
    start = pread_all(fs, fd, HEAD, 0)
    try:
        length = int(start[len(MAGIC) : HEAD], 16)
    except ValueError:
        length = 0
    if start != MAGIC + b" %08X\n" % length:
        raise InputError("its first line is not that of a message")
    left = size - HEAD - END - length
    if length > MAX_ENVELOPE or left < 0:
        raise InputError(f"its envelope cannot have {length} bytes")
    if left > limits.max_message_bytes:
        raise InputError(f"{left} bytes are more than submission.max_message_bytes")
    raw = pread_all(fs, fd, length, HEAD)
    return Parts(
        envelope=_decode_envelope(raw, limits.max_recipients),
        head=start + raw,
        length=left,
        crc=crc,
    )


def _decode_envelope(raw: bytes, max_recipients: int) -> Envelope:
    count, rest = divmod(raw.count(b"\0") - _MESSAGE_FIELDS, _RECIPIENT_FIELDS)
    if rest or count < 1 or raw[-1:] != b"\0":
        raise InputError("its envelope is not whole")
    if count > max_recipients:
        raise InputError(f"{count} recipients are more than submission.max_recipients")
    sender, ret, envid, body, smtputf8, *words = raw.split(b"\0")[:-1]
    triples = zip(words[::3], words[1::3], words[2::3], strict=True)
    return Envelope(
        sender=sender,
        recipients=tuple(
            Recipient(address=address, orcpt=orcpt, notify=notify)
            for address, orcpt, notify in triples
        ),
        ret=ret,
        envid=envid,
        body=body,
        smtputf8=smtputf8 == b"1",
    )


def read_data(fs: Fs, fd: int, parts: Parts) -> Iterator[bytes]:
    """Yield the data; raise InputError unless it is in wire form and unchanged."""
    crc = zlib.crc32(parts.head)
    at, end = len(parts.head), len(parts.head) + parts.length
    held, ended = b"", False  # a CR whose LF is in the next block
    while at < end:
        block = pread_all(fs, fd, min(_BLOCK, end - at), at)
        if not block:
            raise InputError("it became shorter while it was read")
        at += len(block)
        crc = zlib.crc32(block, crc)
        block = held + block
        held = b"\r" if block.endswith(b"\r") else b""
        block = block[: len(block) - len(held)]
        _check_wire_form(block)
        ended = not held and block.endswith(b"\n")
        yield block
    if crc != parts.crc:
        raise InputError("its checksum is wrong")
    if not ended:
        raise InputError("its data does not end in CRLF")


def _check_wire_form(block: bytes) -> None:
    if b"\0" in block:
        raise InputError("its data has a NUL byte")
    if not block.count(b"\r\n") == block.count(b"\n") == block.count(b"\r"):
        raise InputError("its data has a CR or an LF that is no line end")
