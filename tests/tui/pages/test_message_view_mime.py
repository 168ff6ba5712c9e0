"""Bodies: charsets, HTML, attachments, and mail that is broken on purpose."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuiq.tui.pages.message_facts import split_head
from tuiq.tui.pages.message_mime import html_text, parts_of


def _mail(kind: str, body: bytes, *more: str) -> bytes:
    head = "\r\n".join(["MIME-Version: 1.0", f"Content-Type: {kind}", *more])
    return head.encode() + b"\r\n\r\n" + body


def _only(data: bytes) -> str:
    (part,), trouble = parts_of(data)
    assert not trouble
    assert part.text is not None
    return part.text


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("utf-8", "Grüße 漢字".encode()),
        ("iso-8859-1", "Grüße".encode("latin-1")),
        ("shift_jis", "漢字".encode("shift_jis")),
        ("koi8-r", "Привет".encode("koi8-r")),
        ("utf-16", "Grüße".encode("utf-16")),
    ],
)
def test_text_is_read_in_the_charset_that_it_names(charset: str, body: bytes) -> None:
    text = _only(_mail(f'text/plain; charset="{charset}"', body))
    assert text == body.decode(charset)


@pytest.mark.parametrize(
    "charset", ["no-such", "unicode_escape", "idna", "punycode", "rot13", "hex", "\\"]
)
def test_a_charset_that_is_none_is_told_and_utf_8_taken(charset: str) -> None:
    (part,), _ = parts_of(_mail(f'text/plain; charset="{charset}"', "Grüße".encode()))
    assert part.text == "Grüße"
    assert "unknown; read as UTF-8" in part.notes[-1]


def test_bytes_outside_the_charset_are_shown_as_lost_and_told() -> None:
    (part,), _ = parts_of(_mail("text/plain; charset=utf-8", b"a\xff\xfeb"))
    assert part.text == "a��b"
    assert part.notes == ("some bytes are not in its charset utf-8",)


def test_mail_that_names_no_charset_is_read_as_utf_8() -> None:
    assert _only(b"Subject: x\r\n\r\n" + "Grüße".encode()) == "Grüße"


def test_base64_and_quoted_printable_are_undone() -> None:
    encoded = "Content-Transfer-Encoding: "
    assert _only(_mail("text/plain", b"SGFsbG8=", encoded + "base64")) == "Hallo"
    quoted = _mail("text/plain; charset=utf-8", b"Gr=C3=BC=C3=9Fe", encoded + "qp")
    assert "Gr=C3" in _only(quoted)  # an encoding that is none is left alone
    quoted = quoted.replace(b": qp", b": quoted-printable")
    assert _only(quoted) == "Grüße"


def test_base64_that_is_none_is_told() -> None:
    data = _mail("text/plain", b"SGF*sbG8", "Content-Transfer-Encoding: base64")
    (part,), trouble = parts_of(data)
    assert not trouble
    assert any("base64" in note for note in part.notes)


_MIXED = _mail(
    'multipart/mixed; boundary="b"',
    b"--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n"
    b"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b'Content-Disposition: attachment; filename="=?utf-8?q?rechn=1b=5b2Jung.pdf?="'
    b"\r\n\r\nQUJD\r\n"
    b"--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\n"
    b"not shown\r\n--b--\r\n",
)


def test_attachments_are_listed_with_type_name_and_size_and_not_shown() -> None:
    parts, trouble = parts_of(_MIXED)
    assert not trouble
    assert [(part.kind, part.text, part.size) for part in parts] == [
        ("text/plain", "first", 5),
        ("application/pdf", None, 3),
        ("text/plain", None, 9),
    ]
    assert parts[1].name == "rechn\x1b[2Jung.pdf"


def test_a_message_within_a_message_is_named_by_its_subject() -> None:
    data = _mail("message/rfc822", b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nhello")
    (part,), _ = parts_of(data)
    assert part.text == "a message, Subject: Grüße"


def test_parts_that_have_no_end_are_shown_as_far_as_they_go() -> None:
    parts, trouble = parts_of(_MIXED[: _MIXED.index(b"QUJD")])
    assert not trouble
    assert parts[0].text == "first"


def test_a_thousand_parts_within_each_other_end_in_a_sentence() -> None:
    data = b"Content-Type: text/plain\r\n\r\nx"
    for number in range(1000):
        data = _mail(
            f'multipart/mixed; boundary="b{number}"', b"--b%d\r\n" % number + data
        )
    began = time.thread_time()
    parts, trouble = parts_of(data[: 64 * 1024])
    assert time.thread_time() - began < 10
    assert trouble or parts


def test_more_parts_than_anybody_sends_are_not_all_shown() -> None:
    body = b"--b\r\n\r\nx\r\n" * 300
    parts, trouble = parts_of(_mail('multipart/mixed; boundary="b"', body))
    assert len(parts) == 100
    assert "more than 100 parts" in trouble


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: " + b'text/plain; x="a' * 3000,
        b"Content-Type: text/plain" + b";a=b" * 15000,
        b"Content-Type: text/plain;" + b" (" * 30000,
        b"Content-Type: multipart/mixed; boundary=" + b"b" * 60000,
        b"Content-Disposition: attachment; filename*0*=" + b"''" * 20000,
        b"Subject: " + b"=?utf-8?b?" * 6000,
        b"X: " + b"y" * 60000,
        b": :" * 20000,
    ],
)
def test_headers_that_are_made_to_keep_a_reader_busy_do_not(head: bytes) -> None:
    began = time.thread_time()
    parts_of(head + b"\r\n\r\nbody")
    assert time.thread_time() - began < 3


def test_html_is_shown_as_what_it_says_with_where_its_links_lead() -> None:
    text = html_text(
        "<html><head><title>no</title><style>p{}</style></head><body>"
        "<p>Dear   <b>customer</b>,</p><script>alert(1)</script>"
        "<ul><li>one</li><li>two</li></ul>"
        "<a href='http://evil.example/'>your bank</a><br>"
        "<img alt='logo' src=x>&amp; &#8364;</body>"
    )
    assert "Dear customer," in text
    assert "- one" in text
    assert "your bank <http://evil.example/>" in text
    assert "[image logo]" in text
    assert "& €" in text
    assert "alert" not in text
    assert "no" not in text.split()
    assert "p{}" not in text


@pytest.mark.parametrize(
    "html", ["<!" * 30000, "<a " * 20000, "&#" * 30000, "<a b='" * 9999, "<!-->" * 9999]
)
def test_html_that_is_made_to_keep_a_reader_busy_does_not(html: str) -> None:
    began = time.thread_time()
    html_text(html)
    assert time.thread_time() - began < 3


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                b"Content-Type: ", b"multipart/mixed", b"; boundary=b", b"\r\n", b"--b",
                b"text/html", b"charset=", b"utf-7", b"\xff", b"message/rfc822", b'"',
                b"Content-Transfer-Encoding: base64", b"=?x?q?", b"--b--", b"a", b";",
                b"Content-Disposition: attachment; filename*=", b"utf-8''%", b"\n\n",
            ]
        ),
        max_size=40,
    )
)  # fmt: skip
def test_nothing_that_mail_contains_raises(pieces: list[bytes]) -> None:
    parts_of(b"".join(pieces))


def test_the_header_ends_at_the_first_empty_line_whatever_ends_lines() -> None:
    assert split_head(b"A: b\r\n\r\nbody\n\nmore") == (b"A: b\r\n", b"body\n\nmore")
    assert split_head(b"A: b\n\nbody") == (b"A: b\n", b"body")
    assert split_head(b"\r\nbody") == (b"", b"body")
    assert split_head(b"A: b\r\n") == (b"A: b\r\n", b"")
