"""Any input becomes one message in one wire form, whole or refused."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuiq.errors import InputError
from tuiq.mail import message
from tuiq.mail.message import read, stuffed, wire_form

LARGE = 1 << 30
PIECES = st.lists(
    st.sampled_from(
        [b"\r", b"\n", b"\r\n", b".", b"..", b"a", b" ", b"\t", b"S: x", b"\xff"]
    ),
    max_size=40,
).map(b"".join)


class Dribble:
    """A stream that hands out as few bytes as it likes."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = io.BytesIO(data)
        self._step = step

    def read(self, size: int, /) -> bytes:
        return self._data.read(min(size, self._step))


def wire(data: bytes, *, dot_ends: bool = False, step: int = message.CHUNK) -> bytes:
    return b"".join(wire_form(Dribble(data, step), dot_ends=dot_ends, max_bytes=LARGE))


def expected_lines(data: bytes) -> list[bytes]:
    """Say it another way: split first, then replace what is left of CR."""
    lines = re.split(rb"\r*\n", re.sub(rb"\r+\Z", b"\n", data))
    if not lines[-1]:
        lines.pop()
    return [re.sub(rb"\r+", b" ", line) for line in lines]


def smtp_receive(stream: bytes) -> tuple[list[bytes], bytes]:
    """Read one DATA phase as the most lenient server would: any LF ends a line."""
    lines = []
    while stream:
        line, _, stream = stream.partition(b"\n")
        line = line.removesuffix(b"\r")
        if line == b".":
            break
        lines.append(line[1:] if line.startswith(b".") else line)
    return lines, stream


@given(data=PIECES, step=st.integers(1, 5))
@example(data=b"a\r\r\n.\r\nb", step=1)
def test_wire_form_keeps_every_line_whatever_the_chunks(data: bytes, step: int) -> None:
    out = wire(data, step=step)
    assert expected_lines(data) == out.split(b"\r\n")[:-1]
    assert out == b"" or out.endswith(b"\r\n")


@given(data=st.binary().filter(lambda data: b"\0" not in data))
def test_wire_form_has_no_bare_cr_or_lf(data: bytes) -> None:
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", wire(data))


@given(data=PIECES, step=st.integers(1, 5))
def test_wire_form_is_idempotent(data: bytes, step: int) -> None:
    once = wire(data)
    assert once == wire(once, step=step)


@given(data=PIECES, step=st.integers(1, 5))
def test_no_input_becomes_two_messages_on_the_wire(data: bytes, step: int) -> None:
    chunks = wire_form(Dribble(data, step), dot_ends=False, max_bytes=LARGE)
    sent = b"".join(stuffed(chunks)) + b".\r\n"
    assert (expected_lines(data), b"") == smtp_receive(sent)
    assert sent.find(b"\r\n.\r\n") in (-1, len(sent) - 5)


@given(data=PIECES, step=st.integers(1, 5))
@example(data=b"a\n.\r\nb", step=1)
@example(data=b".", step=1)
@example(data=b"a.\n.\n", step=2)
def test_a_lone_dot_ends_the_message_where_dots_end(data: bytes, step: int) -> None:
    lines = expected_lines(data)
    kept = lines[: lines.index(b".")] if b"." in lines else lines
    out = wire(data, dot_ends=True, step=step)
    assert kept == out.split(b"\r\n")[:-1]


def test_nothing_behind_the_dot_is_read() -> None:
    stream = io.BytesIO(b"a\n.\n" + b"b" * message.CHUNK * 3)
    list(wire_form(stream, dot_ends=True, max_bytes=LARGE))
    assert stream.tell() == message.CHUNK


@pytest.mark.parametrize("data", [b"\0", b"a\n\0", b"x" * message.CHUNK + b"\0"])
def test_a_nul_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="NUL"):
        wire(data)


def test_the_size_limit_counts_wire_bytes_and_is_named() -> None:
    stream = io.BytesIO(b"a\n" * 10)
    assert b"".join(wire_form(stream, dot_ends=False, max_bytes=30)) == b"a\r\n" * 10
    stream = io.BytesIO(b"a\n" * 10)
    with pytest.raises(InputError, match=r"29 bytes.*max_message_bytes"):
        list(wire_form(stream, dot_ends=False, max_bytes=29))


def test_an_endless_line_is_kept_and_bounded_in_memory() -> None:
    chunks = wire_form(
        io.BytesIO(b"a" * message.CHUNK * 20), dot_ends=True, max_bytes=LARGE
    )
    sizes = [len(chunk) for chunk in chunks]
    assert sum(sizes) == message.CHUNK * 20 + 2
    assert max(sizes) <= message.CHUNK + 2


@pytest.mark.parametrize(
    ("data", "header", "body"),
    [
        (b"", b"", b""),
        (b"\n", b"", b""),
        (b"A: b\n\nhi\n", b"A: b\r\n", b"hi\r\n"),
        (b"A: b\n\n\nhi\n", b"A: b\r\n", b"\r\nhi\r\n"),
        (b"A: b\n c\n\td\n\nhi", b"A: b\r\n c\r\n\td\r\n", b"hi\r\n"),
        (b"A: b", b"A: b\r\n", b""),
        (b"A: b\nhi there\nC: d\n", b"A: b\r\n", b"hi there\r\nC: d\r\n"),
        (b"hi there\n", b"", b"hi there\r\n"),
        (b" hi: there\nA: b\n", b"", b" hi: there\r\nA: b\r\n"),
        (b"\nA: b\n", b"", b"A: b\r\n"),
        (b"From root Sat Jan  3 01:05:34 1996\nA: b\n\nhi\n", b"A: b\r\n", b"hi\r\n"),
        (b">From x y\nA: b\n\n", b"A: b\r\n", b""),
        (b"From : x\n\n", b"From : x\r\n", b""),
        (b"A: b\nFrom x y\n", b"A: b\r\n", b"From x y\r\n"),
        (b"A: b\r\r\n\r\r\nhi\r\r\n", b"A: b\r\n", b"hi\r\n"),
        (b"Subject: a\rBcc: b@c\n\n", b"Subject: a Bcc: b@c\r\n", b""),
        (b"\xff\xfe: b\n", b"", b"\xff\xfe: b\r\n"),
    ],
)
@pytest.mark.parametrize("step", [1, message.CHUNK])
def test_header_and_body_are_parted(
    data: bytes, header: bytes, body: bytes, step: int
) -> None:
    found = read(Dribble(data, step), dot_ends=False, max_bytes=LARGE)
    assert (header, body) == (found.header, b"".join(found.body))


@given(data=PIECES, step=st.integers(1, 5))
def test_the_header_does_not_depend_on_the_chunks(data: bytes, step: int) -> None:
    whole = read(io.BytesIO(data), dot_ends=False, max_bytes=LARGE)
    parts = read(Dribble(data, step), dot_ends=False, max_bytes=LARGE)
    assert (whole.header, b"".join(whole.body)) == (
        parts.header,
        b"".join(parts.body),
    )


def test_eight_bit_data_is_seen_in_any_chunk() -> None:
    assert message.is_eight_bit([b"a", b"\xe9"])
    assert not message.is_eight_bit([b"a", b""])
