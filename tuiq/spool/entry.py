"""``QueueEntry``: a lock-free snapshot of one message, as listings show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from tuiq.errors import MessageDamaged
from tuiq.spool import control
from tuiq.spool.flags import OPEN, MHold, MState, RReq, RState
from tuiq.spool.layout import id_birth, is_queue_id

if TYPE_CHECKING:
    from tuiq.mail.envelope import Envelope


class State(StrEnum):
    """The one word for a message; the first that fits, in this order."""

    DAMAGED = "damaged"
    TRASHED = "trashed"
    HELD = "held"
    ACTIVE = "active"
    DOUBT = "doubt"
    FAILED = "failed"
    PAUSED = "paused"
    DEFERRED = "deferred"
    DUE = "due"

    __hash__ = str.__hash__  # the one of enums is no C function


@dataclass(slots=True)
class RecipientView:
    """One recipient slot; nobody changes one, and fields are decoded when asked for."""

    index: int
    address: bytes
    attributes: bytes
    """ORCPT and NOTIFY as they stand in the file."""
    slot: bytes
    """Its 32 bytes."""

    @property
    def orcpt(self) -> bytes:
        """Return ORCPT, empty without one."""
        return control.attribute_of(self.attributes, b"orcpt")

    @property
    def notify(self) -> bytes:
        """Return NOTIFY, empty without one."""
        return control.attribute_of(self.attributes, b"notify")

    @property
    def state(self) -> bytes:
        """Return the RSTATE byte; see ``flags.RState``."""
        return self.slot[0:1]

    @property
    def request(self) -> bytes:
        """Return the RREQ byte; see ``flags.RReq``."""
        return self.slot[1:2]

    @property
    def tries(self) -> int:
        """Return how often it was tried."""
        return control.hex_field(self.slot, control.S_TRIES, 2)

    @property
    def next_attempt(self) -> int:
        """Return when it is tried again in epoch seconds; 0 = now."""
        return control.hex_field(self.slot, control.S_NEXT, 8)

    @property
    def code(self) -> bytes:
        """Return the last reply code, three digits or empty."""
        return self.slot[control.S_CODE : control.S_STATUS].strip()

    @property
    def status(self) -> bytes:
        """Return the last enhanced status or empty."""
        return self.slot[control.S_STATUS : control.S_HEAP].strip()


_NO_TIME = b"00000000"
# The members' values: an attribute of an enum costs more than what is done with it.
_TODO, _HOLD = RState.TODO[0], RReq.HOLD[0]
_UNKNOWN, _FAILED = RState.UNKNOWN.value, RState.FAILED.value
_CORRUPT, _NO_HOLD = MState.CORRUPT.value, MHold.NONE.value
_ACTIVE, _DOUBT, _FAILURE = State.ACTIVE, State.DOUBT, State.FAILED
_PAUSED, _DEFERRED, _DUE = State.PAUSED, State.DEFERRED, State.DUE
_MODE = slice(control.MSTATE, control.MHOLD + 1)
_TRASHED_AT = slice(control.TRASHED, control.TRASHED + 8)


@dataclass(slots=True, kw_only=True)
class QueueEntry:
    """What one read of a control file said; nothing is locked or kept open.

    A value that nobody changes.  It keeps the bytes and decodes a field when it is
    asked for: listings read a queue of any size and need few fields of each message.
    """

    queue_id: str
    directory: str
    """The queue directory's name, ``q.1``."""
    index_time: float
    """The file's mtime: when a runner looks next."""
    header: control.Header = field(repr=False)
    """Its sector 0; a blank one when that cannot be trusted."""
    image: bytes = field(repr=False)
    """What the fields are read from: ``raw``, or a blank file without recipients."""
    raw: bytes = field(default=b"", repr=False)
    """The whole control file as read."""
    damage: str = ""
    """One sentence when the file cannot be trusted; the rest is then best effort."""

    @property
    def birth(self) -> float:
        """Return the time of submission in epoch seconds."""
        return self.header.birth_us / 1e6

    @property
    def size(self) -> int:
        """Return the length of the data in bytes."""
        return self.header.data_length

    @property
    def count(self) -> int:
        """Return the number of recipients."""
        return self.header.count

    @property
    def sender(self) -> bytes:
        """Return the envelope sender."""
        at = self.header.heap_offset
        end = self.image.find(b"\0", at)
        return self.image[at:] if end < 0 else self.image[at:end]

    @property
    def states(self) -> bytes:
        """Return one RSTATE byte per recipient."""
        return control.column_of(self.header.count, self.image, control.S_STATE)

    @property
    def requests(self) -> bytes:
        """Return one RREQ byte per recipient."""
        return control.column_of(self.header.count, self.image, control.S_REQUEST)

    @property
    def mstate(self) -> bytes:
        """Return MSTATE."""
        return self.image[control.MSTATE : control.MSTATE + 1]

    @property
    def hold(self) -> bytes:
        """Return MHOLD."""
        return self.image[control.MHOLD : control.MHOLD + 1]

    @property
    def request(self) -> bytes:
        """Return MREQ."""
        return self.image[control.MREQ : control.MREQ + 1]

    @property
    def flush_pending(self) -> bool:
        """Say whether a flush was asked for and no holder has answered it yet."""
        return self.image[control.FLUSHGEN] != self.image[control.FLUSHACK]

    @property
    def warned(self) -> bool:
        """Say whether a delay notice was queued."""
        return self.image[control.NOTICE : control.NOTICE + 1] == b"W"

    @property
    def opened(self) -> int:
        """Return how many claims ended without a verdict since the last good pass."""
        return control.hex_field(self.image, control.OPENED, 1)

    @property
    def next_attempt(self) -> int:
        """Return header next in epoch seconds; 0 = now."""
        return control.hex_field(self.image, control.NEXT, 8)

    @property
    def tries(self) -> int:
        """Return how often the message was tried."""
        return control.hex_field(self.image, control.TRIES, 4)

    @property
    def last_attempt(self) -> int:
        """Return when it was tried last in epoch seconds; 0 = never."""
        return control.hex_field(self.image, control.LAST, 8)

    @property
    def trashed_at(self) -> int:
        """Return when it went to the trash in epoch seconds; 0 = it is not there."""
        field = self.image[control.TRASHED : control.TRASHED + 8]
        return 0 if field == _NO_TIME else control.hex_field(field, 0, 8)

    @property
    def base(self) -> int:
        """Return the epoch second from which lifetime and retry curve count."""
        field = self.image[control.BASE : control.BASE + 8]
        requeued = 0 if field == _NO_TIME else control.hex_field(field, 0, 8)
        return requeued or self.header.birth_us // 1_000_000

    @property
    def last_reply(self) -> bytes:
        """Return the escaped text of the last reply that concerned the message."""
        end = control.REPLY + control.REPLY_LENGTH
        return self.image[control.REPLY : end].rstrip()

    @property
    def origin(self) -> bytes:
        """Return where it came from, such as ``local`` or ``drop``."""
        return self.header.origin.rstrip()

    @property
    def uid(self) -> int | None:
        """Return who submitted it; None = the system itself."""
        uid = self._attributes().get(b"uid", b"")
        return int(uid) if uid.isdigit() else None

    @property
    def via(self) -> bytes:
        """Return how it was submitted."""
        return self._attributes().get(b"via", b"")

    def _attributes(self) -> dict[bytes, bytes]:
        heap = self.image[self.header.heap_offset :]
        return control.decode_attributes(heap)[1]

    @property
    def is_live(self) -> bool:
        """Say whether any recipient still waits for something."""
        states = self.states
        return len(states.translate(None, OPEN)) != len(states)

    @property
    def left(self) -> int:
        """Return how many recipients are not final yet."""
        states = self.states
        return len(states) - len(states.translate(None, OPEN))

    def nexts(self) -> list[int]:
        """Return the next attempt of each recipient in epoch seconds, 0 = now."""
        return control.nexts_of(self.count, self.image)

    def envelope(self) -> Envelope:
        """Return the envelope; damaged files raise MessageDamaged."""
        try:
            return control.decode_envelope(self._sound_header(), self.raw)
        except ValueError as error:
            raise MessageDamaged(
                f"{self.directory}/{self.queue_id}",
                f"its addresses cannot be read ({error})",
                "look at the file by hand",
            ) from None

    def recipients(self) -> list[RecipientView]:
        """Return all recipients in slot order; empty when they cannot be read."""
        raw = self.raw
        try:
            pairs = control.decode_addresses(self._sound_header(), raw)
        except (ValueError, MessageDamaged):
            return []
        views = []
        at = control.SLOTS
        for index, (address, attributes) in enumerate(pairs):
            slot = raw[at : at + control.SLOT]
            views.append(RecipientView(index, address, attributes, slot))
            at += control.SLOT
        return views

    def _sound_header(self) -> control.Header:
        """Return sector 0; raise MessageDamaged with what is wrong with it."""
        if self.image is self.raw:
            return self.header
        return control.decode_header(self.raw, "control file")

    def state(self, *, locked: bool = False, paused: bool = False) -> State:
        """Return the state word; the caller knows about locks and pauses."""
        image = self.image
        is_plain = image[_MODE] == b"Q-" and image[_TRASHED_AT] == _NO_TIME
        if self.damage or not is_plain or _HOLD in self.requests:
            resting = self._resting_state()
            if resting is not None:
                return resting
        if locked:
            return _ACTIVE
        states = self.states
        if _UNKNOWN in states:
            return _DOUBT
        if _FAILED in states:
            return _FAILURE
        if paused:
            return _PAUSED
        return _DEFERRED if self.tries else _DUE

    def _resting_state(self) -> State | None:
        """Return the state in which nothing moves whoever is looking, or None."""
        if self.damage or self.mstate == _CORRUPT:
            return State.DAMAGED
        if self.trashed_at and not self.is_live:
            return State.TRASHED
        return State.HELD if self.is_held else None

    @property
    def is_held(self) -> bool:
        """Say whether no recipient may be attempted because an operator said so."""
        if self.hold != _NO_HOLD:
            return True
        requests = self.requests
        if _HOLD not in requests:
            return False
        # Not strict: a damaged file may be cut between the two bytes of a slot.
        pairs = zip(self.states, requests, strict=False)
        todo = {request for state, request in pairs if state == _TODO}
        return todo == {_HOLD}


def decode_entry(
    raw: bytes, *, directory: str, name: str, mtime: float, damage: str = ""
) -> QueueEntry:
    """Decode a whole control file; what is wrong with it is told, never raised.

    *damage* is what is wrong with it as a file; it goes before what its bytes say.
    """
    path = f"{directory}/{name}"
    try:
        header = control.decode_header(raw, path)
    except MessageDamaged as error:
        return _unreadable(raw, directory, name, damage or str(error))
    try:
        control.check_body(header, raw, path)
    except MessageDamaged as error:
        damage = damage or str(error)
    return QueueEntry(
        queue_id=header.queue_id,
        directory=directory,
        index_time=mtime,
        header=header,
        image=raw,
        raw=raw,
        damage=damage,
    )


def _blank_image() -> bytes:
    """Return sectors 0 and 1 of a file that says nothing."""
    image = bytearray(b"0" * control.SLOTS)
    image[control.MSTATE : control.NOTICE] = b"?--00"
    image[control.REPLY :] = b" " * control.REPLY_LENGTH
    return bytes(image)


_BLANK = _blank_image()


def _unreadable(raw: bytes, directory: str, name: str, damage: str) -> QueueEntry:
    """Return an entry that says nothing but what is wrong with the file, and its id."""
    queue_id = name.removeprefix("qf")
    birth = id_birth(queue_id) if is_queue_id(queue_id) else 0.0
    header = control.Header(
        length=0,
        count=0,
        heap_offset=control.SLOTS,
        heap_length=0,
        heap_crc=0,
        birth_us=round(birth * 1e6),
        queue_id=queue_id,
        data_length=0,
        data_crc=0,
        origin=control.Origin.LOCAL.value,
        reference=b"",
    )
    return QueueEntry(
        queue_id=queue_id,
        directory=directory,
        index_time=0.0,
        header=header,
        image=_BLANK,
        raw=raw,
        damage=damage,
    )
