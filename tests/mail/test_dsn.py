"""Notices read back by the standard library's parser, field by field."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import SMTP, compat32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.mail import dsn, xtext
from tuiq.mail.dsn import Kind, Report, ReportedRecipient, build
from tuiq.mail.envelope import Recipient

HEADER = b"Received: by a\r\n\tid b\r\nSubject: h\xc3\xa9llo\r\nFrom: a@b\r\n"
REPORT = Report(
    kind=Kind.FAILED,
    queue_id="0ABCDEFGHJK12345678",
    to=b"sender@example.org",
    from_address=b"MAILER-DAEMON@mx.example.net",
    reporting_mta=b"mx.example.net",
    arrival=1_700_000_000.0,
    date=1_700_003_600.5,
    message_id=b"<1@mx.example.net>",
    boundary=b"=_tuiq_1",
    recipients=(
        ReportedRecipient(
            address=b"gone@example.com",
            orcpt=b"rfc822;First+2BLast@example.com",
            status=b"5.1.1",
            diagnostic=b"550 5.1.1 no such user",
            remote_mta=b"in.example.com",
            last_attempt=1_700_003_600.0,
        ),
        ReportedRecipient(address=b"late@example.com", diagnostic=b"too old"),
    ),
    header=HEADER,
    envid=b"QQ314159+2Ba",
)
ANY_BYTES = st.binary(max_size=300)


def parsed(report: Report) -> EmailMessage:
    raw = build(report)
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", raw)
    assert raw.endswith(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    message = message_from_bytes(raw, policy=SMTP)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    return message


def groups(report: Report) -> list[Message]:
    """Return the field groups of the status part, folded lines unfolded."""
    raw = build(report)
    part = message_from_bytes(raw, policy=compat32.clone(max_line_length=0))
    status = part.get_payload(1)
    assert isinstance(status, Message)
    payload = status.get_payload()
    assert isinstance(payload, list)
    return [group for group in payload if isinstance(group, Message)]


def fields(group: Message) -> dict[str, str]:
    return {name: re.sub(r"\r?\n(?=[ \t])", "", value) for name, value in group.items()}


def test_every_field_of_a_bounce_reads_back() -> None:
    message = parsed(REPORT)
    assert message.get_content_type() == "multipart/report"
    assert message["Content-Type"].params["report-type"] == "delivery-status"
    assert message["To"].addresses[0].addr_spec == "sender@example.org"
    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@mx.example.net>"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Message-ID"] == "<1@mx.example.net>"
    assert message["Date"] == "Tue, 14 Nov 2023 23:13:20 +0000"
    first, second, third = groups(REPORT)
    assert fields(first) == {
        "Original-Envelope-Id": "QQ314159+a",
        "Reporting-MTA": "dns; mx.example.net",
        "Arrival-Date": "Tue, 14 Nov 2023 22:13:20 +0000",
        "X-Tuiq-Queue-ID": "0ABCDEFGHJK12345678",
    }
    assert fields(second) == {
        "Original-Recipient": "rfc822; First+Last@example.com",
        "Final-Recipient": "rfc822; gone@example.com",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; in.example.com",
        "Diagnostic-Code": "smtp; 550 5.1.1 no such user",
        "Last-Attempt-Date": "Tue, 14 Nov 2023 23:13:20 +0000",
    }
    assert fields(third) == {
        "Final-Recipient": "rfc822; late@example.com",
        "Action": "failed",
        "Status": "5.0.0",
        "Diagnostic-Code": "x-tuiq; too old",
    }


def test_people_read_who_and_why() -> None:
    text = parsed(REPORT).get_payload(0)
    assert isinstance(text, EmailMessage)
    content = text.get_content()
    for words in ("<gone@example.com>", "550 5.1.1 no such user", "2 recipients"):
        assert words in content


def test_the_header_comes_back_byte_for_byte() -> None:
    raw = build(REPORT)
    assert b"Content-Type: text/rfc822-headers\r\n" in raw
    assert b"8bit\r\n\r\n" + HEADER + b"\r\n--=_tuiq_1--\r\n" in raw
    assert parsed(REPORT)["Content-Transfer-Encoding"] == "8bit"


def test_an_ascii_notice_is_seven_bit() -> None:
    report = replace(REPORT, header=b"Subject: x\r\n")
    assert build(report).isascii()
    assert parsed(report)["Content-Transfer-Encoding"] == "7bit"


@pytest.mark.parametrize(
    ("kind", "ret", "original", "whole"),
    [
        (Kind.FAILED, b"FULL", HEADER + b"\r\nbody\r\n", True),
        (Kind.FAILED, b"HDRS", HEADER + b"\r\nbody\r\n", False),
        (Kind.FAILED, b"", HEADER + b"\r\nbody\r\n", False),
        (Kind.FAILED, b"FULL", None, False),
        (Kind.FAILED, b"FULL", b"x" * dsn.MAX_RETURNED + b"\r\n", False),
        (Kind.DELAYED, b"FULL", HEADER + b"\r\nbody\r\n", False),
        (Kind.RELAYED, b"FULL", HEADER + b"\r\nbody\r\n", False),
    ],
)
def test_the_whole_message_returns_only_for_a_failure_that_asked(
    kind: Kind, ret: bytes, original: bytes | None, whole: bool
) -> None:
    report = replace(REPORT, kind=kind, ret=ret, original=original)
    part = parsed(report).get_payload(2)
    assert isinstance(part, Message)
    expected = "message/rfc822" if whole else "text/rfc822-headers"
    assert expected == part.get_content_type()
    assert whole == (b"\r\nbody\r\n" in build(report))


def test_an_endless_header_is_cut_and_people_are_told() -> None:
    line = b"X: " + b"y" * 95 + b"\r\n"
    report = replace(REPORT, header=line * 5000)
    raw = build(report)
    assert raw.count(line) == dsn.MAX_RETURNED // 100
    assert f"Only the first {dsn.MAX_RETURNED} bytes".encode() in raw


def test_a_delay_says_how_long_it_will_be_tried() -> None:
    report = replace(REPORT, kind=Kind.DELAYED, retry_until=1_700_432_000.0)
    when = "Sun, 19 Nov 2023 22:13:20 +0000"
    for group in groups(report)[1:]:
        assert group["Action"] == "delayed"
        assert group["Status"] == "4.0.0"
        assert when == group["Will-Retry-Until"]
    assert when.encode() in build(report).replace(b"\r\n", b" ")


def test_a_relayed_notice_reports_success() -> None:
    recipient = ReportedRecipient(address=b"a@b", status=b"2.1.5")
    report = replace(REPORT, kind=Kind.RELAYED, recipients=(recipient,))
    assert (
        groups(report)[1]["Action"],
        groups(report)[1]["Status"],
    ) == ("relayed", "2.1.5")
    assert b"one recipient" in build(report).replace(b"\r\n", b" ")


@pytest.mark.parametrize("status", [b"", b"4.1.1", b"5.1", b"5.1.1\r\nX: y", b"55"])
def test_a_status_that_does_not_fit_is_replaced(status: bytes) -> None:
    recipient = ReportedRecipient(address=b"a@b", status=status)
    report = replace(REPORT, recipients=(recipient,))
    assert groups(report)[1]["Status"] == "5.0.0"


def test_people_see_fifty_programs_see_all() -> None:
    many = tuple(ReportedRecipient(address=b"u%d@b" % i) for i in range(20_000))
    report = replace(REPORT, recipients=many)
    start = time.process_time()
    raw = build(report)
    assert time.process_time() - start < 2.0  # about 0.1 on an idle machine
    assert raw.count(b"Final-Recipient: ") == 20_000
    assert raw.count(b"\r\n<u") == dsn.LISTED
    assert b"and 19950 more" in raw


@given(
    diagnostic=ANY_BYTES,
    envid=ANY_BYTES,
    orcpt=ANY_BYTES,
    remote=ANY_BYTES,
    address=st.binary(min_size=1, max_size=100),
)
def test_nothing_hostile_makes_a_line_a_field_or_a_part(
    diagnostic: bytes, envid: bytes, orcpt: bytes, remote: bytes, address: bytes
) -> None:
    hostile = ReportedRecipient(
        address=address, orcpt=orcpt, diagnostic=diagnostic, remote_mta=remote
    )
    report = replace(REPORT, recipients=(hostile,), envid=envid)
    message = parsed(report)
    assert len(message.get_payload()) == 3
    names = [group.keys() for group in groups(report)]
    assert len(names) == 2
    assert {*names[0], *names[1]} <= {
        *("Original-Envelope-Id", "Reporting-MTA", "Arrival-Date", "X-Tuiq-Queue-ID"),
        *("Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA"),
        *("Diagnostic-Code",),
    }
    status = build(report).split(b"message/delivery-status")[1].split(b"--=_tuiq")[0]
    assert re.fullmatch(rb"[\r\n\t -~]*", status)
    text = build(report).split(b"\r\n\r\n")[1]
    assert not re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]", text)


def test_the_boundary_avoids_what_the_mail_holds() -> None:
    report = replace(REPORT, header=b"X: =_tuiq_1\r\n--=_tuiq_1_: --\r\n")
    assert parsed(report).get_boundary() == "=_tuiq_1__"
    assert len(parsed(report).get_payload()) == 3


def test_long_diagnostics_fold_and_unfold_to_themselves() -> None:
    words = b"550 " + b" ".join(b"w%d" % i for i in range(200))
    recipient = ReportedRecipient(address=b"a@b", diagnostic=words)
    report = replace(REPORT, recipients=(recipient,))
    assert "smtp; " + words.decode() == fields(groups(report)[1])["Diagnostic-Code"]
    assert max(map(len, build(report).split(b"\r\n"))) <= 78


def test_utf8_addresses_are_reported_in_ascii() -> None:
    address = "jos\u00e9+x@b\u00fccher.example".encode()
    recipient = ReportedRecipient(address=address, orcpt=rb"utf-8;jos\x{E9}@x")
    report = replace(REPORT, recipients=(recipient,), to=address)
    group = fields(groups(report)[1])
    assert group["Final-Recipient"] == r"utf-8; jos\x{E9}\x{2B}x@b\x{FC}cher.example"
    assert group["Original-Recipient"] == r"utf-8; jos\x{E9}@x"
    assert dsn.envelope(report).smtputf8
    assert b"To: <" + address in build(report)


def test_a_notice_has_no_return_path_and_asks_for_no_notices() -> None:
    envelope = dsn.envelope(REPORT)
    assert (
        envelope.sender,
        envelope.recipients[0].notify,
        envelope.recipients[0].address,
        envelope.via,
        envelope.smtputf8,
    ) == (b"", b"NEVER", b"sender@example.org", b"dsn", False)


@pytest.mark.parametrize(
    ("notify", "failure", "delay", "success"),
    [
        (b"", True, True, False),
        (b"NEVER", False, False, False),
        (b"FAILURE", True, False, False),
        (b"success,Delay", False, True, True),
        (b"SUCCESS,FAILURE,DELAY", True, True, True),
    ],
)
def test_notify_says_what_the_sender_hears(
    notify: bytes, failure: bool, delay: bool, success: bool
) -> None:
    recipient = Recipient(address=b"a@b", notify=notify)
    assert (failure, delay, success) == (
        dsn.wants_failure(recipient),
        dsn.wants_delay(recipient),
        dsn.wants_success(recipient),
    )


@given(raw=st.binary())
def test_xtext_round_trips(raw: bytes) -> None:
    coded = xtext.encode(raw)
    assert xtext.is_xtext(coded)
    assert raw == xtext.decode(coded)


@pytest.mark.parametrize("value", [b"a+b", b"a b", b"a=b", b"\xe9", b"a+2b", b"a\n"])
def test_what_is_no_xtext_is_known(value: bytes) -> None:
    assert not xtext.is_xtext(value)
