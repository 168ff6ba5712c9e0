"""A listing survives whatever a control file has become."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from tuiq.errors import MessageDamaged
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.spool import control
from tuiq.spool.entry import State, decode_entry

WHOLE = control.encode(
    control.Message(
        queue_id="0123456789ABCDEFGHJ",
        birth_us=1_800_000_000_000_000,
        envelope=Envelope(
            sender=b"a@example.org",
            recipients=tuple(
                Recipient(address=b"r%d@example.net" % n, notify=b"NEVER")
                for n in range(3)
            ),
            uid=0,
        ),
        data_length=7,
        data_crc=0,
    )
)


def look_at(raw: bytes) -> State:
    """Use everything that views use of an entry."""
    entry = decode_entry(raw, directory="q.1", name="qf" + "0" * 19, mtime=0.0)
    assert entry.left >= 0
    assert isinstance(entry.is_held, bool)
    assert isinstance(entry.is_live, bool)
    entry.recipients()
    if entry.damage:
        with suppress(MessageDamaged):
            entry.envelope()
    return entry.state()


def test_a_whole_control_file_is_due() -> None:
    assert look_at(WHOLE) is State.DUE


def test_a_control_file_cut_anywhere_is_damaged() -> None:
    held = bytearray(WHOLE)
    held[control.slot_at(0) + control.S_REQUEST] = ord("H")
    for length in range(len(WHOLE)):
        assert look_at(bytes(held[:length])) is State.DAMAGED, length


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_one_wrong_byte_anywhere_stops_no_listing(offset: int, value: int) -> None:
    raw = bytearray(WHOLE)
    raw[offset] = value
    look_at(bytes(raw))


@given(st.binary(max_size=4096))
def test_any_bytes_are_damaged(raw: bytes) -> None:
    assert look_at(raw) is State.DAMAGED
