"""Addresses: one canonical form, nothing hostile gets through, and quickly."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from email.headerregistry import Address, AddressHeader, HeaderRegistry

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.errors import ConfigError, InputError
from tuiq.mail.address import MAX_ADDRESS, dedupe, is_unqualified, parse, read_list
from tuiq.mail.aliases import expand, parse_aliases

ORIGIN = b"Origin.example"
HOSTILE = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from(
            b'< > " \\ ( ) , ; : @ . a b.c \0 \xc3\xa9 [1] SIZE=1'.split(b" ")
            + b"\r\n|\t| ".split(b"|")
        ),
        max_size=20,
    ).map(b"".join),
)
LOCALS = st.one_of(
    st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9+_-]+)*", fullmatch=True),
    st.from_regex(r'"([a-z <>(),:;@.]|\\["\\])+"', fullmatch=True),
)
DOMAINS = st.from_regex(r"[a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9.:]+\]", fullmatch=True)
ADDRESSES = st.builds("{}@{}".format, LOCALS, DOMAINS).map(str.encode)
NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"a@b.c", b"a@b.c"),
        (b"<A@B.C>", b"A@b.c"),
        (b"root", b"root@origin.example"),
        (b"<root>", b"root@origin.example"),
        (b"a@b.c.", b"a@b.c"),
        (b"@x.y,@z:a@B.c", b"a@b.c"),
        (b'"a b"@C', b'"a b"@c'),
        (b'"a@b"', b'"a@b"@origin.example'),
        (b'"a\\"<b"@c', b'"a\\"<b"@c'),
        (b"a@[192.0.2.1]", b"a@[192.0.2.1]"),
        (b"a@[IPv6:2001:DB8::1]", b"a@[ipv6:2001:db8::1]"),
        (
            "jos\u00e9@B\u00fccher.Example".encode(),
            "jos\u00e9@b\u00fccher.example".encode(),
        ),
        (b"a..b.@docomo.example", b"a..b.@docomo.example"),
        (b"host!user%x+y=z@b", b"host!user%x+y=z@b"),
    ],
)
def test_an_address_has_one_canonical_form(raw: bytes, canonical: bytes) -> None:
    assert canonical == parse(raw, ORIGIN)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<>",
        b"@b",
        b"a@",
        b"a@.",
        b"a@b@c",
        b"a b@c",
        b"a@b c",
        b"a> NOTIFY=NEVER <b@c",
        b"<a@b> SIZE=1",
        b"a@b>\r\nDATA",
        b"a\0@b",
        b"a\x7f@b",
        b'"a\r\nb"@c',
        b'"a\\\nb"@c',
        b'"a@b',
        b"a@[x",
        b"a@[x>y]",
        b"a,b@c",
        b"caf\xe9@b",
        b"a@b\xff",
        b"a" * MAX_ADDRESS + b"@b",
        b"a" * (MAX_ADDRESS - 5),  # too long once it is qualified
    ],
)
def test_what_is_not_one_path_is_refused(raw: bytes) -> None:
    with pytest.raises(InputError, match=r"^[ -~]+; [ -~]+$"):
        parse(raw, ORIGIN)


@given(raw=HOSTILE)
def test_no_hostile_byte_comes_out(raw: bytes) -> None:
    try:
        address = parse(raw, ORIGIN)
    except InputError:
        return
    assert not re.search(rb"[\x00-\x1f\x7f]", address)
    outside_quotes = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", address)
    assert not re.search(rb"[\s<>\"]", outside_quotes)
    assert address == parse(address, b"other")


@given(address=ADDRESSES)
def test_a_canonical_address_is_its_own_form(address: bytes) -> None:
    assert parse(address, ORIGIN) == parse(b"<%s>" % address, ORIGIN) == address


@given(raw=HOSTILE)
def test_a_list_is_read_or_refused_never_crashed_on(raw: bytes) -> None:
    try:
        found = read_list(raw)
    except InputError:
        return
    assert all(found)


@given(people=st.lists(st.tuples(NAMES, ADDRESSES), min_size=1, max_size=5))
def test_a_list_reads_as_the_standard_library_reads_it(
    people: list[tuple[str, bytes]],
) -> None:
    written = ", ".join(
        str(Address(display_name=name, addr_spec=address.decode()))
        for name, address in people
        if "[" not in address.decode()
    )
    header = HeaderRegistry()("To", written)
    assert isinstance(header, AddressHeader)
    theirs = [each.addr_spec.encode() for each in header.addresses]
    assert theirs == [parse(item, ORIGIN) for item in read_list(written.encode())]


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (b"", []),
        (b" , ,", []),
        (b"undisclosed-recipients:;", []),
        (b"undisclosed-recipients: ;, a@b", [b"a@b"]),
        (b"root (Cron Daemon)", [b"root"]),
        (b"a@b (c, d@e (f) \\) g), h@i", [b"a@b", b"h@i"]),
        (b"Team: a@b, C <d@e>;, f@g", [b"a@b", b"d@e", b"f@g"]),
        (b'"Doe, J. <x@y>" <j@d>,\r\n\tk@l', [b"j@d", b"k@l"]),
        (b"John Q. Public <j@p>", [b"j@p"]),
        (b"j@old <j@new>", [b"j@new"]),
        (b"=?utf-8?Q?J=C3=B6rg=2C_x?= <j@x>", [b"j@x"]),
        (b"J\xf6rg <j@x>", [b"j@x"]),
        (b"< a@b >", [b"a@b"]),
        (b"a @ b . c", [b"a@b.c"]),
        (b'"a b"@c, d@e', [b'"a b"@c', b"d@e"]),
        (b"<@r1,@r2:a@b>, c@d", [b"@r1,@r2:a@b", b"c@d"]),
        (b"a@[IPv6:::1]; b@c", [b"a@[IPv6:::1]", b"b@c"]),
        (b"<>", []),
        (b"a@b,,c@d,", [b"a@b", b"c@d"]),
    ],
)
def test_lists_as_they_come(value: bytes, addresses: list[bytes]) -> None:
    assert addresses == read_list(value)


@pytest.mark.parametrize(
    "value",
    [b"a@b c@d", b"<a@b> <c@d>", b"<a@b> c@d", b"john smith", b"<a@b", b"a@b (c"],
)
def test_a_list_of_two_meanings_is_refused(value: bytes) -> None:
    with pytest.raises(InputError, match="no single meaning"):
        read_list(value)


def test_addresses_equal_after_lower_casing_the_domain_are_one() -> None:
    raw = [
        b"b@X.org",
        b"a@x.org",
        b"b@x.ORG",
        b"B@x.org",
        b"root",
        b"root@ORIGIN.example",
    ]
    canonical = [parse(each, ORIGIN) for each in raw]
    kept = [b"b@x.org", b"a@x.org", b"B@x.org", b"root@origin.example"]
    assert kept == dedupe(canonical)


def test_a_hundred_thousand_recipients_are_read_in_linear_time() -> None:
    value = b",\r\n ".join(b"U %d <u%d@Example.org>" % (i, i) for i in range(100_000))
    start = time.process_time()
    found = dedupe(parse(item, ORIGIN) for item in read_list(value))
    assert len(found) == 100_000
    assert time.process_time() - start < 10  # about 0.15 on an idle machine


@pytest.mark.parametrize(
    "piece", [b",", b"(", b'"', b"a ", b"a:", b"<", b'"a" ', b'a"', b"[a", b"(a)"]
)
def test_reading_a_list_is_linear_in_hostile_input(piece: bytes) -> None:
    start = time.process_time()
    with suppress(InputError):
        read_list(piece * 100_000 + b"x")
    assert time.process_time() - start < 10


def test_unqualified_means_without_a_domain() -> None:
    assert is_unqualified(b"root")
    assert is_unqualified(b'"a@b"')
    assert not is_unqualified(b"root@x")
    assert not is_unqualified(b"a b")


ALIASES = b"""\
# who reads what
root: admin,
\tops@Example.ORG

Admin: "a, b"@example.org, \\admin
self: self, other@example.org
loop: pool
pool: loop
pipe: "|/usr/bin/vacation x"
bare: |cmd
"""


@pytest.mark.parametrize(
    ("raw", "addresses"),
    [
        (b"root", (b'"a, b"@example.org', b"admin@here", b"ops@example.org")),
        (b"ROOT", (b'"a, b"@example.org', b"admin@here", b"ops@example.org")),
        (b"root@here", (b"root@here",)),
        (b"nobody", (b"nobody@here",)),
        (b"self", (b"self@here", b"other@example.org")),
    ],
)
def test_aliases_stand_for_addresses(raw: bytes, addresses: tuple[bytes, ...]) -> None:
    aliases = parse_aliases(ALIASES, file="aliases")
    assert addresses == expand(raw, aliases, origin=b"here", file="aliases")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"loop", "aliases: loop: .*only to itself; name an address"),
        (b"pipe", "aliases: pipe: not an address target"),
        (b"bare", "aliases: bare: not an address target"),
    ],
)
def test_an_alias_that_is_no_address_is_named_when_used(
    raw: bytes, message: str
) -> None:
    aliases = parse_aliases(ALIASES, file="aliases")
    with pytest.raises(ConfigError, match=message):
        expand(raw, aliases, origin=b"here", file="aliases")


def test_deep_and_wide_aliases_take_linear_time() -> None:
    lines = (b"a%d: a%d, a%d\n" % (i, i + 1, i + 1) for i in range(5000))
    aliases = parse_aliases(b"".join(lines), file="f")
    assert expand(b"a0", aliases, origin=b"x", file="f") == (b"a5000@x", b"a5000@x")


@pytest.mark.parametrize("line", [b"root admin", b": a@b", b"root:", b"root: ,"])
def test_a_broken_alias_line_is_named_by_number(line: bytes) -> None:
    with pytest.raises(ConfigError, match="f: line 2: not `name: address, address`"):
        parse_aliases(b"# x\n" + line, file="f")
