"""What filters select."""

from __future__ import annotations

import time

import pytest

from tests.actions.conftest import NOW, build_entry
from tuiq.actions.filter import Context, parse
from tuiq.spool import control
from tuiq.spool.entry import QueueEntry

HEADERS = (
    b"Received: by x\r\nSubject: =?utf-8?q?Invoice_f=C3=BCr?=\r\n"
    b" =?utf-8?q?_M=C3=A4rz?=\r\nX: subject\r\n"
)
CONTEXT = Context(
    now=NOW,
    locked=frozenset({"L" * 19}),
    marked=frozenset({"M" * 19}),
    paused=lambda entry: entry.queue_id == "P" * 19,
    headers=lambda _entry: HEADERS,
    route=lambda domain: "[fe80::1]:25" if domain == b"b.example" else "smart:587",
)
REPLY = b"450 4.2.2 mailbox full: over quota"


def mixed() -> QueueEntry:
    """Return a message with four recipients, one of them delivered."""
    return build_entry(
        b"Bob@b.example",
        b"done@c.example",
        b"carol@mx.d.example",
        b"full@d.example",
        age=7200,
        slots={1: b"D-", 3: b"T-01%08X4524.2.2    " % (NOW + 600)},
        patch={
            control.TRIES: b"0003",
            control.LAST: b"%08X" % (NOW - 1200),
            control.NEXT: b"%08X" % (NOW + 240),
            control.REPLY: REPLY,
        },
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0123456",
        "alice",
        "BOB@",
        "/^bob@b/",
        "quota",
        "from:alice@",
        "from:<ALICE@A.example>",
        "from=alice@a.example",
        "from:/^alice/",
        "to:carol",
        "to=bob@B.EXAMPLE",
        "dom:b.example",
        "dom:*.d.example",
        "dom:x|b.example",
        r"dom:/^mx\./",
        "sdom:a.example",
        "sdom:*.example",
        "queue:q.1",
        "queue:q.*",
        "route:smart",
        'route:"[fe80"',
        "state:deferred",
        "state:due|deferred",
        "age>1h",
        "age>=2h",
        "age<=120m",
        "next<5m",
        "next>3m",
        "last>15m",
        "last<1h",
        "size>1M",
        "size=5M",
        "tries>=3",
        "tries:3",
        "rcpts=4",
        "left=3",
        "left<4",
        "code:452",
        "code:45x",
        "code:4.2.2",
        "code:4.2",
        "code:4xx",
        "code:450",
        "err:QUOTA",
        "err:/4.2.2 mail/",
        'subject:"invoice für märz"',
        "subject:/INVOICE/",
        "id:0123",
        "!to:done",
        "to:bob to:carol",
        "!state:held !is:locked",
    ],
)
def test_filter_selects(text: str) -> None:
    assert parse(text).matches(mixed(), CONTEXT)


@pytest.mark.parametrize(
    "text",
    [
        "done",
        "to:done",
        "dom:c.example",
        "dom:example",
        "dom:*.b.example",
        "sdom:b.example",
        "from:<alice>",
        "from=alice",
        "queue:q",
        "queue:q.10",
        "state:due",
        "is:due",
        "is:held",
        "is:locked",
        "is:paused",
        "is:marked",
        "is:corrupt",
        "is:foreign",
        "age>2h",
        "next<4m",
        "last>1d",
        "size<5M",
        "tries>3",
        "left>3",
        "code:451",
        "code:4.2.3",
        "code:2.2",
        "err:greylist",
        "subject:carol",
        "subject=invoice",
        "!alice",
    ],
)
def test_filter_does_not_select(text: str) -> None:
    assert not parse(text).matches(mixed(), CONTEXT)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("state:due", build_entry()),
        ("is:due", build_entry()),
        ("next<=0s", build_entry()),
        ("is:marked", build_entry(queue_id="M" * 19)),
        ("is:locked", build_entry(queue_id="L" * 19)),
        ("state:active", build_entry(queue_id="L" * 19)),
        ("is:paused", build_entry(queue_id="P" * 19)),
        ("state:paused !is:due", build_entry(queue_id="P" * 19)),
        ("is:held !is:due", build_entry(patch={control.MHOLD: b"H"})),
        ("is:corrupt", build_entry(patch={control.MSTATE: b"C"})),
        ("state:damaged", build_entry(patch={control.MSTATE: b"C"})),
        ("is:corrupt is:foreign", build_entry(patch={0: b"X"})),
        ("state:doubt", build_entry(slots={0: b"U"})),
        ("state:failed", build_entry(slots={0: b"F"})),
        (
            "state:trashed to:bob !is:due left=0",
            build_entry(slots={0: b"X"}, patch={control.TRASHED: b"%08X" % NOW}),
        ),
        ("from:<>", build_entry(sender=b"")),
        ("from:/^$/", build_entry(sender=b"")),
    ],
)
def test_filter_selects_by_state(text: str, entry: QueueEntry) -> None:
    assert parse(text).matches(entry, CONTEXT)


@pytest.mark.parametrize("text", ["last>1s", "last<1d", "!from:bob last>=0s"])
def test_last_attempt_says_nothing_about_untried_mail(text: str) -> None:
    assert not parse(text).matches(build_entry(), CONTEXT)


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("age>1h", None),
        ("!from:alice", None),
        ("dom:*.example", (0, 2, 3)),
        ("dom:d.example", (3,)),
        ("to:bob | code:4.2.2", (0, 2, 3)),
        ("to:bob | code:452", (0, 3)),
        ("age>1h !dom:b.example", (2, 3)),
        ("to:nobody", ()),
        ("carol", (2,)),
        ("alice", (0, 2, 3)),
    ],
)
def test_recipients_are_those_for_which_it_holds_alone(
    text: str, slots: tuple[int, ...] | None
) -> None:
    assert parse(text).recipients(mixed(), CONTEXT) == slots


def test_subject_that_cannot_be_decoded_is_searched_as_it_is() -> None:
    header = b"Subject: =?nonsense?q?x?= \xff\r\n"
    context = Context(now=NOW, headers=lambda _entry: header)

    assert parse("subject:nonsense").matches(build_entry(), context)


def test_headers_are_read_only_when_the_rest_fits() -> None:
    read: list[str] = []

    def headers(entry: QueueEntry) -> bytes:
        read.append(entry.queue_id)
        return HEADERS

    test = parse("tries>5 subject:invoice").bind(Context(now=NOW, headers=headers))

    assert not test(mixed())
    assert read == []


def test_hundred_thousand_entries_are_filtered_in_a_blink() -> None:
    entries = [mixed(), build_entry()] * 50_000
    test = parse("age>90m tries>=3 (size>1M | left<2) !is:locked").bind(CONTEXT)

    began = time.process_time()
    found = sum(map(test, entries))
    took = time.process_time() - began

    assert found == 50_000
    assert took < 10, f"{took:.2f} s of CPU for 100,000 entries"
