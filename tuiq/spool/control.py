"""The control file (qf) codec: where each byte lies and what may stand there.

This is the only description of the layout in code; FORMAT.md is the one in
words.  Nothing here does I/O: buffers in, values out.

    sector 0   immutable header, closed by its own checksum
    sector 1   message state: bytes of the lock holder (H) and of operators (O)
    1024+32i   slot of recipient i: state, request, retry fields, heap offset
    1024+32n   heap: sender, attributes, then address and attributes per recipient
"""

from __future__ import annotations

import struct
import zlib
from binascii import a2b_hex
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from tuiq.errors import MessageDamaged, UnknownFormat
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool.flags import (
    GENERATIONS,
    LEGAL_MESSAGE,
    LEGAL_RECIPIENT,
    MHold,
    MReq,
    Notice,
    RReq,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

Buffer: TypeAlias = bytes | bytearray
MAGIC = b"TUIQQF01"
SECTOR = 512
SLOTS = 1024
"""Offset of the first slot."""
SLOT = 32
"""Length of a slot."""

MSTATE = 512
MHOLD = 513
MREQ = 514
FLUSHGEN = 515
FLUSHACK = 516
NOTICE = 517
OPENED = 518
NEXT = 520
TRIES = 528
LAST = 532
MOVED_TO = 604
TRASHED = 640
BASE = 648
REPLY = 704
REPLY_LENGTH = 320

S_STATE = 0
S_REQUEST = 1
S_TRIES = 2
S_NEXT = 4
S_CODE = 12
S_STATUS = 15
S_HEAP = 24

_CRC_AT = 496
_ID_LENGTH, _REF_LENGTH = 20, 128
# Where fields lie; a slice made once is half of what it costs to read one.
_CHECKED, _CRC = slice(0, _CRC_AT), slice(_CRC_AT, 504)
_FIRST_DIGITS, _OTHER_DIGITS = slice(8, 64), slice(84, 108)
_ID, _ORIGIN, _REF = slice(64, 84), slice(108, 116), slice(116, 244)
_NUMBERS = struct.Struct(">IIIIIQQI")
"""Length, recipients, heap offset, length and checksum; birth; the data's length and
checksum: as they stand, but for the id in between."""


class Origin(bytes, Enum):
    """Where a message came from."""

    LOCAL = b"local   "
    DROP = b"drop    "
    MOVE = b"move    "
    DSN = b"dsn     "
    EDIT = b"edit    "


@dataclass(slots=True)
class Header:
    """Sector 0, decoded and checked; nobody changes one.

    Not frozen: that costs more than decoding, and listings decode all of a queue.
    """

    length: int
    """Length of the control file in bytes."""
    count: int
    """Number of recipients."""
    heap_offset: int
    heap_length: int
    heap_crc: int
    birth_us: int
    """Microseconds since the epoch."""
    queue_id: str
    data_length: int
    data_crc: int
    origin: bytes
    reference: bytes
    """What the origin kind needs to be found again; see ``drop`` and ``bounce``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a submission puts into a new control file."""

    queue_id: str
    birth_us: int
    envelope: Envelope
    data_length: int
    data_crc: int
    origin: Origin = Origin.LOCAL
    reference: bytes = b""


def encode(message: Message) -> bytes:
    """Return a whole new control file: every recipient todo, nothing requested."""
    envelope = message.envelope
    heap, offsets = _encode_heap(envelope)
    count = len(envelope.recipients)
    heap_at = SLOTS + SLOT * count
    crc = zlib.crc32(b"".join(offsets), zlib.crc32(heap))
    head = b"".join(
        (
            MAGIC,
            b"%08X%08X%08X%08X" % (heap_at + len(heap), count, heap_at, len(heap)),
            b"%08X%016X" % (crc, message.birth_us),
            message.queue_id.encode("ascii").ljust(_ID_LENGTH),
            b"%016X%08X" % (message.data_length, message.data_crc),
            message.origin.value,
            message.reference[:_REF_LENGTH].ljust(_REF_LENGTH),
        )
    ).ljust(_CRC_AT)
    head += b"%08X       \n" % zlib.crc32(head)
    slots = b"".join([_FRESH_SLOT + offset for offset in offsets])
    return head + _fresh_state() + slots + heap


def _fresh_state() -> bytes:
    """Return sector 1 of a message that nobody has touched yet."""
    state = bytearray(b" " * SECTOR)

    def put(offset: int, data: bytes) -> None:
        state[offset - SECTOR : offset - SECTOR + len(data)] = data

    put(MSTATE, b"Q" + MHold.NONE + MReq.NONE + b"00" + Notice.NONE + b"0")
    put(NEXT, b"0" * 20)
    put(TRASHED, b"0" * 16)
    return bytes(state)


_ONE_FRESH = slice(SECTOR, SLOTS + S_HEAP)
_FRESH_SLOT = b"T-" + b"0" * 10 + b" " * 12
_FRESH = _fresh_state() + _FRESH_SLOT


def is_fresh(count: int, buffer: Buffer) -> bool:
    """Say whether nobody has touched the message to one recipient since submission.

    Of those to several it is never said: they are few.
    """
    return count == 1 and buffer[_ONE_FRESH] == _FRESH


def _encode_heap(envelope: Envelope) -> tuple[bytes, list[bytes]]:
    """Return the heap and, per recipient, the 8 hex digits of its heap offset."""
    parts = [envelope.sender, b"\0"]
    for key, value in (
        (b"ret", envelope.ret),
        (b"envid", envelope.envid),
        (b"body", envelope.body),
        (b"smtputf8", b"1" if envelope.smtputf8 else b""),
        (b"uid", b"" if envelope.uid is None else b"%d" % envelope.uid),
        (b"via", envelope.via),
    ):
        if value:
            parts.append(key + b"=" + value + b"\0")
    parts.append(b"\0")
    at = sum(map(len, parts))
    offsets: list[bytes] = []
    for recipient in envelope.recipients:
        entry = b"%b\0%b\0" % (recipient.address, _encode_attributes(recipient))
        offsets.append(b"%08X" % at)
        parts.append(entry)
        at += len(entry)
    return b"".join(parts), offsets


def _encode_attributes(recipient: Recipient) -> bytes:
    words = []
    if recipient.orcpt:
        words.append(b"orcpt=" + recipient.orcpt)
    if recipient.notify:
        words.append(b"notify=" + recipient.notify)
    return b" ".join(words)


def decode_header(buffer: bytes, path: str) -> Header:
    """Check sector 0 and return it.

    Raises UnknownFormat when this is no control file of this version (such a
    file is never written to), MessageDamaged when its checksum is wrong.
    """
    if len(buffer) < SLOTS or not buffer.startswith(MAGIC):
        raise _foreign(buffer, path)
    if buffer[_CRC] != b"%08X" % zlib.crc32(buffer[_CHECKED]):
        raise UnknownFormat(
            path, "the header checksum is wrong", "keep a copy and move it away"
        )
    digits = a2b_hex(buffer[_FIRST_DIGITS] + buffer[_OTHER_DIGITS])
    numbers = _NUMBERS.unpack(digits)
    length, count, heap_at, heap_length, heap_crc, birth_us, size, crc = numbers
    return Header(
        length,
        count,
        heap_at,
        heap_length,
        heap_crc,
        birth_us,
        buffer[_ID].decode("ascii").rstrip(),
        size,
        crc,
        buffer[_ORIGIN],
        buffer[_REF].rstrip(),
    )


def _foreign(buffer: bytes, path: str) -> UnknownFormat:
    """Return the error about a file that is no control file of this version."""
    if buffer[:6] != MAGIC[:6] or len(buffer) < SLOTS:
        return UnknownFormat(
            path, "not a tuiq control file, or cut short", "move it out of the spool"
        )
    version = buffer[6:8].decode("ascii", "backslashreplace")
    return UnknownFormat(
        path,
        f"format version {version!r} is unknown to this tuiq",
        "run the tuiq version that wrote it, or upgrade",
    )


def check_body(header: Header, buffer: Buffer, path: str) -> None:
    """Check lengths, heap checksum and every state byte; raise MessageDamaged.

    *buffer* is the whole file.
    """
    remedy = "look at it with tuiq show, then tuiq check --repair sets it aside"
    slots_end = SLOTS + SLOT * header.count
    if (
        header.heap_offset != slots_end
        or header.length != slots_end + header.heap_length
        or len(buffer) != header.length
        or header.count == 0
    ):
        raise MessageDamaged(
            path, f"has {len(buffer)} bytes instead of {header.length}", remedy
        )
    if body_crc(header, buffer) != header.heap_crc:
        raise MessageDamaged(path, "the checksum of its addresses is wrong", remedy)
    bad = bad_byte(header, buffer)
    if bad:
        raise MessageDamaged(path, bad, remedy)


def body_crc(header: Header, buffer: Buffer) -> int:
    """Return the checksum over the heap and the slots' heap offsets."""
    slots_end = SLOTS + SLOT * header.count
    heap = zlib.crc32(buffer[slots_end:])
    if header.count == 1:
        return zlib.crc32(buffer[slots_end - 8 : slots_end], heap)
    offsets = bytearray(8 * header.count)
    for column in range(8):
        offsets[column::8] = buffer[SLOTS + S_HEAP + column : slots_end : SLOT]
    return zlib.crc32(offsets, heap)


_FIRST_HEAP = SLOTS + S_HEAP
_MESSAGE_BYTES, _FIRST_BYTES = slice(MSTATE, OPENED + 1), slice(SLOTS, SLOTS + S_TRIES)
_M_ALPHABET = bytes(ord(key) for key in LEGAL_MESSAGE)
_R_ALPHABET = bytes(ord(key) for key in LEGAL_RECIPIENT)
_ONE_BYTE_FIELDS: tuple[tuple[int, bytes, str], ...] = (
    (MSTATE, _M_ALPHABET, "message state"),
    (MHOLD, b"".join(MHold), "hold byte"),
    (MREQ, b"".join(MReq), "message request"),
    (FLUSHGEN, GENERATIONS, "flush generation"),
    (FLUSHACK, GENERATIONS, "flush acknowledgement"),
    (NOTICE, b"".join(Notice), "notice byte"),
    (OPENED, b"0123456789", "claim counter"),
)


def bad_byte(header: Header, buffer: Buffer) -> str:
    """Name the first state or request byte outside its alphabet, else empty."""
    bad = _bad_message_byte(bytes(buffer[_MESSAGE_BYTES]))
    if bad:
        return bad
    if header.count == 1:  # most mail, by far
        return _bad_only_slot(bytes(buffer[_FIRST_BYTES]))
    return _bad_recipient_byte(
        column_of(header.count, buffer, S_STATE), _R_STATE
    ) or _bad_recipient_byte(column_of(header.count, buffer, S_REQUEST), _R_REQUEST)


@lru_cache(maxsize=1024)
def _bad_message_byte(state: bytes) -> str:
    """Name the first unknown byte of *state*, MSTATE to OPENED, else empty."""
    for offset, alphabet, name in _ONE_BYTE_FIELDS:
        byte = state[offset - MSTATE]
        if byte not in alphabet:
            return f"unknown {name} 0x{byte:02X} at offset {offset}"
    return ""


_R_STATE = "state", _R_ALPHABET
_R_REQUEST = "request", b"".join(RReq)


@lru_cache(maxsize=1024)
def _bad_only_slot(slot: bytes) -> str:
    """Name the first unknown byte of the slot of an only recipient, else empty."""
    return _bad_recipient_byte(slot[:1], _R_STATE) or _bad_recipient_byte(
        slot[1:], _R_REQUEST
    )


def _bad_recipient_byte(column: bytes, field: tuple[str, bytes]) -> str:
    """Name the first unknown byte of *column*, else empty."""
    name, alphabet = field
    rest = column.translate(None, alphabet)
    if not rest:
        return ""
    index = column.index(rest[:1])
    return f"unknown recipient {name} 0x{rest[0]:02X} of recipient {index + 1}"


def column_of(count: int, buffer: Buffer, column: int) -> bytes:
    """Return one byte per slot, the one at *column*."""
    return bytes(buffer[SLOTS + column : SLOTS + SLOT * count : SLOT])


def nexts_of(count: int, buffer: Buffer) -> list[int]:
    """Return the next attempt of each slot in epoch seconds, 0 = now."""
    start = SLOTS + S_NEXT
    return [
        0 if buffer[at : at + 8] == b"00000000" else hex_field(buffer, at, 8)
        for at in range(start, start + SLOT * count, SLOT)
    ]


def hex_field(buffer: Buffer, offset: int, length: int) -> int:
    """Decode a soft hex number; what does not parse is 0 (= now, none)."""
    try:
        return int(buffer[offset : offset + length], 16)
    except ValueError:
        return 0


def slot_at(index: int) -> int:
    """Return the offset of recipient *index*'s slot."""
    return SLOTS + SLOT * index


def decode_attributes(heap: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the sender and the message attributes at the start of the heap."""
    sender, _, rest = heap.partition(b"\0")
    attributes: dict[bytes, bytes] = {}
    while rest and rest[0] != 0:
        word, _, rest = rest.partition(b"\0")
        key, _, value = word.partition(b"=")
        attributes[key] = value
    return sender, attributes


def decode_addresses(
    header: Header, buffer: Buffer, indexes: Iterable[int] | None = None
) -> list[tuple[bytes, bytes]]:
    """Return address and attributes of *indexes* (all by default), as they stand."""
    heap_at, find = header.heap_offset, buffer.index
    pairs = []
    for index in range(header.count) if indexes is None else indexes:
        at = _FIRST_HEAP + SLOT * index
        begin = heap_at + int(buffer[at : at + 8], 16)
        middle = find(0, begin)
        end = find(0, middle + 1)
        pairs.append((bytes(buffer[begin:middle]), bytes(buffer[middle + 1 : end])))
    return pairs


def attribute_of(attributes: bytes, key: bytes) -> bytes:
    """Return one of a recipient's attributes, empty when it is not there."""
    for word in attributes.split(b" ") if attributes else ():
        found, _, value = word.partition(b"=")
        if found == key:
            return value
    return b""


def decode_recipients(
    header: Header, buffer: Buffer, indexes: Iterable[int] | None = None
) -> list[Recipient]:
    """Return the recipients of *indexes* (all by default) from a whole file."""
    recipients = []
    for address, attributes in decode_addresses(header, buffer, indexes):
        recipient = Recipient(address)
        if attributes:
            recipient.orcpt = attribute_of(attributes, b"orcpt")
            recipient.notify = attribute_of(attributes, b"notify")
        recipients.append(recipient)
    return recipients


def decode_envelope(
    header: Header, buffer: Buffer, recipients: Iterable[Recipient] | None = None
) -> Envelope:
    """Return the whole envelope of a control file; *recipients* if decoded before."""
    if recipients is None:
        recipients = decode_recipients(header, buffer)
    sender, attributes = decode_attributes(bytes(buffer[header.heap_offset :]))
    envelope = Envelope(sender, tuple(recipients))
    if attributes:
        uid = attributes.get(b"uid", b"")
        envelope.ret = attributes.get(b"ret", b"")
        envelope.envid = attributes.get(b"envid", b"")
        envelope.body = attributes.get(b"body", b"")
        envelope.smtputf8 = attributes.get(b"smtputf8") == b"1"
        envelope.uid = int(uid) if uid.isdigit() else None
        envelope.via = attributes.get(b"via", b"")
    return envelope
