"""Entries made by the real codec, without a spool."""

from __future__ import annotations

from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool import control
from tuiq.spool.entry import QueueEntry, decode_entry

NOW = 1_800_000_000


def build_entry(
    *recipients: bytes,
    sender: bytes = b"alice@a.example",
    queue_id: str = "0123456789ABCDEFGHJ",
    age: float = 3600,
    patch: dict[int, bytes] | None = None,
    slots: dict[int, bytes] | None = None,
) -> QueueEntry:
    """Return the entry of a control file; *patch* is written over it by offset.

    *slots* maps a recipient's index to the bytes its slot begins with.
    """
    raw = bytearray(
        control.encode(
            control.Message(
                queue_id=queue_id,
                birth_us=int((NOW - age) * 1e6),
                envelope=Envelope(
                    sender=sender,
                    recipients=tuple(
                        Recipient(address=address)
                        for address in recipients or (b"bob@b.example",)
                    ),
                ),
                data_length=5 * 1024 * 1024,
                data_crc=0,
            )
        )
    )
    for index, data in (slots or {}).items():
        at = control.slot_at(index)
        raw[at : at + len(data)] = data
    for at, data in (patch or {}).items():
        raw[at : at + len(data)] = data
    return decode_entry(
        bytes(raw), directory="q.1", name="qf" + queue_id, mtime=float(NOW)
    )
