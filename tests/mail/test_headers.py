"""Header blocks: read leniently, changed only where asked, decoded without fear."""

from __future__ import annotations

import time
from email.header import decode_header, make_header
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.mail import headers

BLOCK = (
    b"Received: from a\r\n\tby b; date\r\n"
    b"received : again\r\n"
    b"X-Received: no\r\n"
    b"To: a@b,\r\n c@d\r\n"
    b"BCC: e@f,\r\n\tg@h\r\n"
    b"to:i@j\r\n"
    b"Resent-Bcc: k@l\r\n"
    b"Empty:\r\n"
)


def test_fields_are_found_in_any_case_and_unfolded() -> None:
    assert headers.values(BLOCK, b"TO") == [b"a@b, c@d", b"i@j"]
    assert headers.values(BLOCK, b"received") == [b"from a\tby b; date", b"again"]
    assert headers.values(BLOCK, b"Empty") == [b""]
    assert headers.values(BLOCK, b"Missing") == []


def test_removing_fields_keeps_every_other_byte() -> None:
    kept = headers.without(BLOCK, {b"bcc", b"resent-bcc"})
    expected = BLOCK.replace(b"BCC: e@f,\r\n\tg@h\r\n", b"")
    assert kept == expected.replace(b"Resent-Bcc: k@l\r\n", b"")
    assert headers.without(BLOCK, {b"absent"}) == BLOCK


@pytest.mark.parametrize(("limit", "loops"), [(2, True), (3, False)])
def test_received_fields_count_hops(limit: int, loops: bool) -> None:
    assert headers.is_looping(BLOCK, limit) is loops
    assert headers.LOOP_REPLY.is_permanent
    assert headers.LOOP_REPLY.status == b"5.4.6"


def test_a_received_in_a_folded_line_is_no_hop() -> None:
    assert not headers.is_looping(b"X: y\r\n Received: z\r\n", 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b" plain ", "plain"),
        (b"=?utf-8?q?caf=C3=A9_au?= lait", "café au lait"),
        (b"=?UTF-8?B?w6k=?=\r\n =?utf-8?B?w6k=?=", "éé"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),
        (b"=?iso-8859-1?q?caf=E9?= =?utf-8?q?=C3=A9?=", "caféé"),
        (b"=?iso-8859-1*fr?q?=E9?=", "é"),
        (b"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        (b"=?utf-8?B?w6k?=", "é"),
        (b"=?utf-8?B?!?=", ""),
        (b"=?utf-8?B?w?=", "w"),
        (b"=?nonsense?q?caf=C3=A9?=", "café"),
        (b"=?unicode_escape?q?=5Cx?=", "\\x"),
        (b"=?zlib?B?eJw=?=", "x\ufffd"),
        (b"=?utf-8?q?=0D=0AX?=", "\r\nX"),
        (b"caf\xc3\xa9 \xe9", "café \ufffd"),
        (b"=?utf-8?q?open", "=?utf-8?q?open"),
        (b"", ""),
    ],
)
def test_values_are_decoded_for_people(value: bytes, text: str) -> None:
    assert headers.decode(value) == text


@given(value=st.binary())
def test_decoding_never_raises(value: bytes) -> None:
    headers.decode(value)


@given(
    charset=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
    payload=st.text(st.characters(min_codepoint=33, max_codepoint=126)),
    encoding=st.sampled_from("bq"),
)
def test_no_charset_or_payload_raises(
    charset: str, payload: str, encoding: str
) -> None:
    headers.decode(f"=?{charset}?{encoding}?{payload}?=".encode())


@pytest.mark.parametrize("piece", [b"=?a?q?", b"=?", b"=?a?q?x?= ", b"?=", b" \r\n\t"])
def test_decoding_is_linear(piece: bytes) -> None:
    start = time.process_time()
    headers.decode(piece * 50_000)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize(
    ("offset", "zone"), [(0, "+0000"), (19800, "+0530"), (-16200, "-0430")]
)
def test_dates_read_back(offset: int, zone: str) -> None:
    text = headers.date_value(1_700_000_000.9, offset).decode()
    assert text.endswith(zone)
    assert parsedate_to_datetime(text).timestamp() == 1_700_000_000


@given(name=st.text(max_size=700))
def test_a_full_name_reads_back_and_stays_in_its_field(name: str) -> None:
    value = headers.from_value(b"a@b", name)
    assert value.isascii()
    assert max(map(len, value.split(b"\r\n"))) < 998
    assert b"\n" not in value.replace(b"\r\n ", b"")
    assert headers.decode(value).endswith("<a@b>" if b"<" in value else "a@b")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", b"a@b"),
        ("root", b"root <a@b>"),
        ("J. Doe", b'"J. Doe" <a@b>'),
        ('"x" \\', b'"\\"x\\" \\\\" <a@b>'),
        ("x\r\nBcc: y", b'"x Bcc: y" <a@b>'),
        ("\x1b\x07", b"a@b"),
    ],
)
def test_names_are_quoted_where_they_must_be(name: str, value: bytes) -> None:
    assert headers.from_value(b"a@b", name) == value


def test_a_foreign_name_decodes_to_itself() -> None:
    name = "Jürgen Größenwahn-Łódź " * 9
    value = headers.from_value(b"a@b", name).decode()
    assert str(make_header(decode_header(value))) == f"{name.strip()} <a@b>"


@pytest.mark.parametrize(
    ("block", "added"),
    [
        (b"", [b"From", b"Date", b"Message-ID"]),
        (b"DATE: x\r\n", [b"From", b"Message-ID"]),
        (b"from: x\r\nmessage-id: y\r\nDate:\r\n", []),
        (b"X: y\r\n Date: z\r\n", [b"From", b"Date", b"Message-ID"]),
    ],
)
def test_only_missing_fields_are_added(block: bytes, added: list[bytes]) -> None:
    lines = headers.additions(
        block, date=b"D", message_id=b"<M@h>", sender=b"a@b", full_name=""
    )
    assert [name for name, _ in headers.fields(lines)] == added


def test_the_trace_field_names_host_id_and_uid() -> None:
    line = headers.received_line(hostname=b"h.x", queue_id="0A", uid=7, date=b"D")
    assert line == b"Received: by h.x (tuiq) id 0A (uid 7);\r\n\tD\r\n"
    line = headers.received_line(hostname=b"h.x", queue_id="0A", uid=None, date=b"D")
    assert headers.values(line, b"Received") == [b"by h.x (tuiq) id 0A;\tD"]
