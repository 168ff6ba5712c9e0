"""``Claim``: the only object that changes bytes of the lock holder.

It exists while the kernel lock on the control file is held; closing it is
releasing it.  All state changes go through ``mark`` and ``set_message``, which
refuse what FORMAT.md does not allow.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING

from tuiq.errors import IllegalTransition, MessageDamaged
from tuiq.spool import control
from tuiq.spool.control import SLOT, SLOTS
from tuiq.spool.flags import (
    LEGAL_MESSAGE,
    LEGAL_RECIPIENT,
    MHold,
    MState,
    RReq,
    RState,
)
from tuiq.spool.fs import pread_all, pwrite_all
from tuiq.spool.lock import lock_control, open_control

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuiq.mail.envelope import Envelope, Recipient
    from tuiq.spool.layout import QueueDirectory

FIRST_READ = 4096
"""Bytes of the first read: all of a message with up to about 60 recipients."""
_BYTES = [bytes((code,)) for code in range(256)]
_NO_HOLD = MHold.NONE[0]
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_SOURCES = {
    state[0]: bytes(old[0] for old, to in LEGAL_RECIPIENT.items() if state[0] in to)
    for state in RState
}
"""State byte -> the bytes that may change to it."""


class Claim:
    """A locked message: its bytes in memory and the means to change them."""

    __slots__ = (
        "_recipients",
        "buffer",
        "changed",
        "count",
        "directory",
        "fd",
        "fs",
        "has_texts",
        "header",
        "queue_id",
        "requests",
        "states",
    )

    def __init__(self, directory: QueueDirectory, queue_id: str, fd: int) -> None:
        """Take over *fd*, which holds the lock; read and check the whole file.

        Raises UnknownFormat (file untouched) or MessageDamaged (MSTATE is C now).
        """
        self.directory = directory
        self.fs = directory.fs
        self.queue_id = queue_id
        self.fd = fd
        self.changed = False
        """Whether holder bytes were written that no sync has covered yet."""
        self.has_texts = True
        """Whether there may be a bf or an xf beside it."""
        self._recipients: dict[int, Recipient] = {}  # decoded; they never change
        path = directory.path_of("qf" + queue_id)
        whole = self.fs.pread(fd, FIRST_READ, 0)
        self.header = header = control.decode_header(whole, path)
        missing = header.length - len(whole)
        if missing > 0 or len(whole) == FIRST_READ:
            # One byte more than there should be tells a file that is too long.
            whole += pread_all(self.fs, fd, max(0, missing + 1), len(whole))
        self.buffer = bytearray(whole)
        self.count = count = header.count
        """Number of recipients."""
        self.states = control.column_of(count, whole, control.S_STATE)
        """One RSTATE byte per recipient."""
        self.requests = control.column_of(count, whole, control.S_REQUEST)
        """One RREQ byte per recipient, as last read."""
        try:
            self._check(whole, path)
        except MessageDamaged:
            if self.mstate == MState.QUEUED:
                self.set_message(MState.CORRUPT)
            raise

    def _check(self, whole: bytes, path: str) -> None:
        header = self.header
        if len(whole) != header.length:
            raise MessageDamaged(
                path,
                f"is not {header.length} bytes long",
                "look at it with tuiq show, then delete it",
            )
        if header.queue_id != self.queue_id:
            raise MessageDamaged(
                path, f"says it is {header.queue_id}", "rename it to that id"
            )
        control.check_body(header, whole, path)

    # -- reading ---------------------------------------------------------------

    @property
    def mstate(self) -> bytes:
        """Return MSTATE."""
        return _BYTES[self.buffer[control.MSTATE]]

    @property
    def hold(self) -> bytes:
        """Return MHOLD, as last read."""
        return _BYTES[self.buffer[control.MHOLD]]

    @property
    def is_held(self) -> bool:
        """Say whether MHOLD, as last read, keeps the message; unknown bytes do."""
        return self.buffer[control.MHOLD] != _NO_HOLD

    @property
    def request(self) -> bytes:
        """Return MREQ, as last read."""
        return _BYTES[self.buffer[control.MREQ]]

    @property
    def opened(self) -> int:
        """Return how many claims ended without a verdict, up to 9."""
        return self.buffer[control.OPENED] - 0x30  # a digit, as was checked

    @property
    def trashed_at(self) -> int:
        """Return when the message went to the trash; 0 = it is not there."""
        return self.number(control.TRASHED, 8)

    @property
    def birth(self) -> float:
        """Return the time of submission in epoch seconds."""
        return self.header.birth_us / 1e6

    @property
    def base(self) -> float:
        """Return the time from which lifetime and retry curve count."""
        return self.number(control.BASE, 8) or self.birth

    def number(self, offset: int, length: int) -> int:
        """Return a hex field of sector 1."""
        return control.hex_field(self.buffer, offset, length)

    def nexts(self) -> list[int]:
        """Return the next attempt of each slot, 0 = now."""
        return control.nexts_of(self.count, self.buffer)

    def indexes(self, state: RState) -> list[int]:
        """Return the recipients in *state*, in slot order."""
        if state[0] not in self.states:
            return []
        return self.those(range(self.count), state)

    def those(self, indexes: Iterable[int], state: RState) -> list[int]:
        """Return those of *indexes* that are in *state*."""
        wanted, states = state[0], self.states
        return [index for index in indexes if states[index] == wanted]

    @property
    def sender(self) -> bytes:
        """Return the envelope sender."""
        end = self.buffer.index(0, self.header.heap_offset)
        return bytes(self.buffer[self.header.heap_offset : end])

    def envelope(self) -> Envelope:
        """Return the envelope with all recipients."""
        everybody = self.recipients(range(self.count))
        return control.decode_envelope(self.header, self.buffer, everybody)

    def recipients(self, indexes: Sequence[int]) -> list[Recipient]:
        """Return the recipients of *indexes*."""
        known = self._recipients
        if len(known) < self.count:
            missing = [index for index in indexes if index not in known]
            found = control.decode_recipients(self.header, self.buffer, missing)
            known.update(zip(missing, found, strict=True))
        return list(map(known.__getitem__, indexes))

    def reread(self, first: int = 0, last: int | None = None) -> None:
        """Read the operators' bytes again: sector 1 and the slots first..last.

        ``last`` None = to the last slot.  Holder bytes cannot differ: only this
        claim writes them.
        """
        if first:
            self._reread(control.MSTATE, control.SLOTS)
        start = control.slot_at(first) if first else control.MSTATE
        end = self.count if last is None else last + 1
        if self._reread(start, control.slot_at(end)):
            self._collect_requests()

    def _collect_requests(self) -> None:
        self.requests = control.column_of(self.count, self.buffer, control.S_REQUEST)

    def _reread(self, start: int, end: int) -> bool:
        """Read some bytes again; say whether they have changed."""
        data = pread_all(self.fs, self.fd, end - start, start)
        place = slice(start, start + len(data))
        if self.buffer[place] == data:
            return False
        self.buffer[place] = data
        return True

    # -- writing ---------------------------------------------------------------

    def mark(self, indexes: Sequence[int], state: RState) -> None:
        """Change recipients' states, one pwrite of one byte each; no sync.

        Raises IllegalTransition before anything is written.
        """
        if not indexes:
            return
        code = state[0]
        states, sources = self.states, _SOURCES[code]
        for index in indexes:
            if states[index] not in sources:
                raise IllegalTransition(
                    f"{self.queue_id}: recipient {index + 1} cannot change from "
                    f"{chr(states[index])} to {state.decode()}"
                )
        if self.count == 1:  # most mail, by far
            self._put(SLOTS, state)
            self.states = _BYTES[code]
            return
        changed = bytearray(states)
        try:
            for index in indexes:
                self._put(SLOTS + SLOT * index, state)
                changed[index] = code
        finally:
            self.states = bytes(changed)

    def set_message(self, state: MState) -> None:
        """Change MSTATE; no sync.  Raises IllegalTransition."""
        old = self.mstate
        if state[0] not in LEGAL_MESSAGE.get(old, b""):
            raise IllegalTransition(
                f"{self.queue_id}: message cannot change from "
                f"{old.decode('ascii', 'replace')} to {state.decode()}"
            )
        self._put(control.MSTATE, state)

    def clear_request(self, index: int) -> None:
        """Take back what operators asked about a recipient; only a verb may."""
        self._put(control.slot_at(index) + control.S_REQUEST, RReq.NONE.value)
        self._collect_requests()

    def put(self, offset: int, data: bytes) -> None:
        """Write holder bytes of sector 1; the caller knows the offset is its own."""
        if self.buffer[offset : offset + len(data)] != data:
            self._put(offset, data)

    def put_number(self, offset: int, length: int, value: int) -> None:
        """Write a hex field of sector 1, cut to what fits."""
        self.put(offset, b"%0*X" % (length, max(0, min(value, 16**length - 1))))

    def put_slot(
        self, index: int, *, tries: int, next_: int, code: bytes, status: bytes
    ) -> None:
        """Write the soft fields of a slot: never state or request."""
        data = b"%02X%08X%-3b%-9b" % (
            min(tries, 255),
            max(0, next_),
            code[:3],
            status[:9],
        )
        self._put(control.slot_at(index) + control.S_TRIES, data)

    def slot_tries(self, index: int) -> int:
        """Return how often a recipient was tried."""
        return control.hex_field(
            self.buffer, control.slot_at(index) + control.S_TRIES, 2
        )

    def slot_code(self, index: int) -> bytes:
        """Return the last reply code of a recipient; blank when there was none."""
        at = control.slot_at(index) + control.S_CODE
        return bytes(self.buffer[at : at + 3])

    def slot_status(self, index: int) -> bytes:
        """Return the last enhanced status of a recipient, blanks stripped."""
        at = control.slot_at(index)
        return bytes(self.buffer[at + control.S_STATUS : at + control.S_HEAP]).strip()

    def _put(self, offset: int, data: bytes) -> None:
        """Write through to the file; a full disk gets the reserve and one more try."""
        length = len(data)
        try:
            if self.fs.pwrite(self.fd, data, offset) < length:
                pwrite_all(self.fs, self.fd, data, offset)
        except OSError as error:
            self._make_room(error)
            pwrite_all(self.fs, self.fd, data, offset)
        self.buffer[offset : offset + length] = data
        self.changed = True

    def _make_room(self, error: OSError) -> None:
        """Block the directory and give its reserve back, or raise *error*."""
        directory = self.directory
        directory.blocked = (
            f"{directory.path}: a mark could not be written "
            f"({(error.strerror or 'error').lower()}); free space, then restart"
        )
        if error.errno not in _NO_SPACE or not directory.free_reserve():
            raise error

    def sync(self) -> None:
        """Make everything written so far durable (fdatasync)."""
        self.changed = False  # first: a mark made meanwhile needs the next sync
        self.fs.fdatasync(self.fd)

    def set_index_time(self, when: float) -> None:
        """Set the mtime, the hint at which runners look at the message again."""
        # Only the owner may: after an operator's act it is the time of the act.
        with suppress(PermissionError):
            self.fs.futimens(self.fd, max(0, int(when * 1e9)))

    def close(self) -> None:
        """Release the lock; this wakes watching runners."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            self.fs.close(fd)


def lock_message(directory: QueueDirectory, queue_id: str) -> Claim:
    """Lock a message and read it (C2-C3), whatever its MSTATE.

    Raises MessageGone, MessageBusy, SpoolUnsafe, UnknownFormat, MessageDamaged.
    """
    fd, seen = open_control(directory, queue_id)
    try:
        lock_control(directory, queue_id, fd, seen)
        return Claim(directory, queue_id, fd)
    except BaseException:
        directory.fs.close(fd)
        raise
