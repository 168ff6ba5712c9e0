"""Operators' request bytes: written without the lock, and read back (X3-X5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.errors import MessageGone
from tuiq.spool import control
from tuiq.spool.answers import HOLD_ENDS, Result, Target, Verb
from tuiq.spool.flags import GENERATIONS, RReq
from tuiq.spool.fs import pread_all, pwrite_all
from tuiq.spool.lock import is_same_file

if TYPE_CHECKING:
    from tuiq.spool.layout import QueueDirectory


@dataclass(frozen=True, slots=True)
class _Bytes:
    """The operators' bytes that say a verb."""

    offset: int
    message: bytes
    recipient: bytes
    """RREQ for single recipients; empty: the verb needs the lock for those."""
    waiting: str
    """What the holder will do with a recipient that is in flight."""


_REQUESTS: dict[Verb, _Bytes] = {
    Verb.HOLD: _Bytes(control.MHOLD, b"H", b"H", "held if it defers"),
    Verb.RELEASE: _Bytes(control.MHOLD, b"-", b"-", "released"),
    Verb.UNHOLD: _Bytes(control.MHOLD, b"-", b"-", "no longer held"),
    Verb.DELETE: _Bytes(control.MREQ, b"X", b"X", "cancelled if it defers"),
    Verb.BOUNCE: _Bytes(control.MREQ, b"B", b"B", "bounced if it defers"),
    Verb.PURGE: _Bytes(control.MREQ, b"P", b"", "removed if it defers"),
    Verb.FLUSH: _Bytes(control.FLUSHGEN, b"", b"", "tried again after this attempt"),
}
_TRY_AGAIN = "in flight: another process holds it; try again when the attempt is over"


@dataclass(frozen=True, slots=True)
class Request:
    """What asking a busy holder came to."""

    result: Result
    text: str
    written: bool = False
    """Request bytes were written."""


def needs_lock(verb: Verb, target: Target) -> bool:
    """Say whether no request byte can express *verb* for *target*."""
    request = _REQUESTS.get(verb)
    if request is None:
        return True
    return target.recipients is not None and not request.recipient


def ask_holder(
    directory: QueueDirectory, fd: int, target: Target, verb: Verb
) -> Request:
    """Write *verb* as request bytes of a busy message and say what follows (X3-X5).

    Order matters: the bytes first, then the states.  A recipient seen as T after
    the request was written gets no further attempt, because the holder writes A
    before it reads requests.
    """
    fs = directory.fs
    path = directory.path_of("qf" + target.queue_id)
    header = control.decode_header(pread_all(fs, fd, control.SLOTS, 0), path)
    if target.birth is not None and abs(header.birth_us / 1e6 - target.birth) > 1e-3:
        raise MessageGone(target.queue_id)
    if needs_lock(verb, target):
        return Request(Result.IN_FLIGHT, _TRY_AGAIN)
    write_requests(directory, fd, header.count, target, verb)
    if not is_same_file(directory, target.queue_id, fs.fstat(fd)):
        raise MessageGone(target.queue_id)
    return _read_back(directory, fd, header.count, target, verb)


def write_requests(
    directory: QueueDirectory, fd: int, count: int, target: Target, verb: Verb
) -> None:
    """Write the operators' bytes of *verb*, one at a time."""
    fs, request = directory.fs, _REQUESTS[verb]
    slots = list(target.recipients or ())
    if target.recipients is None:
        if request.message:
            pwrite_all(fs, fd, request.message, request.offset)
        if verb in HOLD_ENDS:
            slots = _held_slots(directory, fd, count)
    for index in slots:
        if not 0 <= index < count:
            raise MessageGone(f"{target.queue_id}/{index + 1}")
        offset = control.slot_at(index) + control.S_REQUEST
        # A hold or its end must not take back a cancel that was acknowledged.
        if verb in {Verb.HOLD, *HOLD_ENDS} and fs.pread(fd, 1, offset) in b"XB":
            continue
        pwrite_all(fs, fd, request.recipient, offset)
    if verb in {Verb.RELEASE, Verb.FLUSH}:
        _request_flush(directory, fd)


def _held_slots(directory: QueueDirectory, fd: int, count: int) -> list[int]:
    """Return the recipients held one by one: releasing a message releases all."""
    buffer = pread_all(directory.fs, fd, control.slot_at(count), 0)
    requests = control.column_of(count, buffer, control.S_REQUEST)
    return [i for i, request in enumerate(requests) if request == RReq.HOLD[0]]


def _request_flush(directory: QueueDirectory, fd: int) -> None:
    """Make FLUSHGEN differ from FLUSHACK and from what it was."""
    fs = directory.fs
    generation, acknowledged = pread_all(fs, fd, 2, control.FLUSHGEN)
    at = (GENERATIONS.find(generation) + 1) % len(GENERATIONS)
    if GENERATIONS[at] == acknowledged:
        at = (at + 1) % len(GENERATIONS)
    pwrite_all(fs, fd, GENERATIONS[at : at + 1], control.FLUSHGEN)


def _read_back(
    directory: QueueDirectory, fd: int, count: int, target: Target, verb: Verb
) -> Request:
    """Say from the states what the request will do (X5)."""
    fs, request = directory.fs, _REQUESTS[verb]
    buffer = pread_all(fs, fd, control.slot_at(count), 0)
    states = control.column_of(count, buffer, control.S_STATE)
    chosen = range(count) if target.recipients is None else target.recipients
    found = {states[index] for index in chosen}
    if verb is Verb.FLUSH or verb in HOLD_ENDS:
        return Request(Result.ACTED, f"in flight now; {request.waiting}", written=True)
    if found & set(b"AU"):
        text = f"in flight: {request.waiting}"
        return Request(Result.IN_FLIGHT, text, written=True)
    if found & set(b"TF"):
        return Request(Result.ACTED, "no attempt will start", written=True)
    return Request(Result.REFUSED, "too late: already settled", written=True)
