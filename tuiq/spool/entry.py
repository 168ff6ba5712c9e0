"""``QueueEntry``: a lock-free snapshot of one message, as listings show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from tuiq.errors import MessageDamaged
from tuiq.spool import control
from tuiq.spool.flags import MHold, MState, RReq, RState
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientView:
    """One recipient slot, decoded."""

    index: int
    address: bytes
    orcpt: bytes
    notify: bytes
    state: bytes
    """RSTATE byte; see ``flags.RState``."""
    request: bytes
    """RREQ byte; see ``flags.RReq``."""
    tries: int
    next_attempt: int
    """Epoch seconds; 0 = now."""
    code: bytes
    """Last reply code, three digits or empty."""
    status: bytes
    """Last enhanced status or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """What one read of a control file said; nothing is locked or kept open."""

    queue_id: str
    directory: str
    """The queue directory's name, ``q.1``."""
    birth: float
    """Epoch seconds."""
    size: int
    """Length of the data in bytes."""
    sender: bytes
    count: int
    """Number of recipients."""
    states: bytes
    """One RSTATE byte per recipient."""
    requests: bytes
    """One RREQ byte per recipient."""
    mstate: bytes
    hold: bytes
    request: bytes
    """MREQ byte."""
    flush_pending: bool
    warned: bool
    """A delay notice was queued."""
    opened: int
    """Claims without a verdict since the last finished pass."""
    next_attempt: int
    """Epoch seconds; 0 = now."""
    tries: int
    last_attempt: int
    """Epoch seconds; 0 = never."""
    trashed_at: int
    """Epoch seconds; 0 = not in the trash."""
    base: int
    """Epoch seconds from which lifetime and retry curve count."""
    last_reply: bytes
    """Escaped text of the last reply that concerned the message."""
    index_time: float
    """The file's mtime: when a runner looks next."""
    origin: bytes = b"local"
    uid: int | None = None
    """Who submitted it; None = the system itself."""
    via: bytes = b""
    damage: str = ""
    """One sentence when the file cannot be trusted; the rest is then best effort."""
    raw: bytes = field(default=b"", repr=False)
    """The whole control file as read."""
    header: control.Header | None = field(default=None, repr=False)
    """Its sector 0; None when that cannot be trusted."""

    @property
    def is_live(self) -> bool:
        """Say whether any recipient still waits for something."""
        return any(state in b"TAUF" for state in self.states)

    @property
    def left(self) -> int:
        """Return how many recipients are not final yet."""
        return sum(map(self.states.count, (b"T", b"A", b"U", b"F")))

    def nexts(self) -> list[int]:
        """Return the next attempt of each recipient in epoch seconds, 0 = now."""
        return control.nexts_of(self.count, self.raw)

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
        try:
            recipients = control.decode_recipients(self._sound_header(), self.raw)
        except (ValueError, MessageDamaged):
            return []
        views = []
        for index, recipient in enumerate(recipients):
            at = control.slot_at(index)
            slot = self.raw[at : at + control.SLOT]
            views.append(
                RecipientView(
                    index=index,
                    address=recipient.address,
                    orcpt=recipient.orcpt,
                    notify=recipient.notify,
                    state=slot[0:1],
                    request=slot[1:2],
                    tries=control.hex_field(slot, control.S_TRIES, 2),
                    next_attempt=control.hex_field(slot, control.S_NEXT, 8),
                    code=slot[control.S_CODE : control.S_STATUS].strip(),
                    status=slot[control.S_STATUS : control.S_HEAP].strip(),
                )
            )
        return views

    def _sound_header(self) -> control.Header:
        """Return sector 0; raise MessageDamaged with what is wrong with it."""
        return self.header or control.decode_header(self.raw, "control file")

    def state(self, *, locked: bool = False, paused: bool = False) -> State:
        """Return the state word; the caller knows about locks and pauses."""
        resting = self._resting_state()
        if resting is not None:
            return resting
        if locked:
            return State.ACTIVE
        if RState.UNKNOWN.value in self.states:
            return State.DOUBT
        if RState.FAILED.value in self.states:
            return State.FAILED
        if paused:
            return State.PAUSED
        return State.DEFERRED if self.tries > 0 else State.DUE

    def _resting_state(self) -> State | None:
        """Return the state in which nothing moves whoever is looking, or None."""
        if self.damage or self.mstate == MState.CORRUPT:
            return State.DAMAGED
        if self.trashed_at != 0 and not self.is_live:
            return State.TRASHED
        return State.HELD if self.is_held else None

    @property
    def is_held(self) -> bool:
        """Say whether no recipient may be attempted because an operator said so."""
        if self.hold != MHold.NONE:
            return True
        if RReq.HOLD[0] not in self.requests:
            return False
        # Not strict: a damaged file may be cut between the two bytes of a slot.
        pairs = zip(self.states, self.requests, strict=False)
        todo = [request for state, request in pairs if state == 0x54]
        return bool(todo) and all(request == RReq.HOLD[0] for request in todo)


def decode_entry(raw: bytes, *, directory: str, name: str, mtime: float) -> QueueEntry:
    """Decode a whole control file; damage is told in the entry, never raised."""
    path = f"{directory}/{name}"
    try:
        header = control.decode_header(raw, path)
    except MessageDamaged as error:
        return _unreadable(raw, directory=directory, name=name, error=error)
    damage = ""
    try:
        control.check_body(header, raw, path)
    except MessageDamaged as error:
        damage = str(error)
    sender, attributes = control.decode_attributes(raw[header.heap_offset :])
    uid = attributes.get(b"uid", b"")
    birth = header.birth_us / 1e6
    return QueueEntry(
        queue_id=header.queue_id,
        directory=directory,
        birth=birth,
        size=header.data_length,
        sender=sender,
        count=header.count,
        states=control.column_of(header.count, raw, control.S_STATE),
        requests=control.column_of(header.count, raw, control.S_REQUEST),
        mstate=raw[control.MSTATE : control.MSTATE + 1],
        hold=raw[control.MHOLD : control.MHOLD + 1],
        request=raw[control.MREQ : control.MREQ + 1],
        flush_pending=raw[control.FLUSHGEN] != raw[control.FLUSHACK],
        warned=raw[control.NOTICE : control.NOTICE + 1] == b"W",
        opened=control.hex_field(raw, control.OPENED, 1),
        next_attempt=control.hex_field(raw, control.NEXT, 8),
        tries=control.hex_field(raw, control.TRIES, 4),
        last_attempt=control.hex_field(raw, control.LAST, 8),
        trashed_at=control.hex_field(raw, control.TRASHED, 8),
        base=control.hex_field(raw, control.BASE, 8) or int(birth),
        last_reply=raw[control.REPLY : control.REPLY + control.REPLY_LENGTH].rstrip(),
        index_time=mtime,
        origin=header.origin.rstrip(),
        uid=int(uid) if uid.isdigit() else None,
        via=attributes.get(b"via", b""),
        damage=damage,
        raw=raw,
        header=header,
    )


def _unreadable(
    raw: bytes, *, directory: str, name: str, error: MessageDamaged
) -> QueueEntry:
    """Return an entry that says nothing but what is wrong with the file, and its id."""
    queue_id = name.removeprefix("qf")
    birth = id_birth(queue_id) if is_queue_id(queue_id) else 0.0
    return QueueEntry(
        queue_id=queue_id,
        directory=directory,
        birth=birth,
        size=0,
        sender=b"",
        count=0,
        states=b"",
        requests=b"",
        mstate=b"?",
        hold=b"-",
        request=b"-",
        flush_pending=False,
        warned=False,
        opened=0,
        next_attempt=0,
        tries=0,
        last_attempt=0,
        trashed_at=0,
        base=int(birth),
        last_reply=b"",
        index_time=0.0,
        damage=str(error),
        raw=raw,
    )
