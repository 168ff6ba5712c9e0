"""The grammar: what is understood, how it is spelt, where errors point."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.actions.filter import FilterError, parse
from tuiq.actions.filter_terms import FIELDS


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("bob", "bob"),
        ("sender:bob", "from:bob"),
        ("rcpt:bob recipient:eve", "to:bob to:eve"),
        ("domain:B.Example", "dom:b.example"),
        ("sender-domain:*.example", "sdom:*.example"),
        ("FROM:bob AND age>2h", "from:bob age>2h"),
        ("a and b or not c", "a b | !c"),
        ("a b | c d", "a b | c d"),
        ("(a | b) c", "(a | b) c"),
        ("((a b)) c", "a b c"),
        ("!(a b)", "!(a b)"),
        ("! ! a", "!!a"),
        ("not not a", "!!a"),
        ("dom:a|b", "dom:a|b"),
        ("dom:a | b", "dom:a | b"),
        ("x dom:a|from:b", "x dom:a | from:b"),
        ("x a|b", "x a|b"),
        ("dom:a|a", "dom:a"),
        ("from:<>", 'from=""'),
        ("from:<a@b>|<c@d>", "from=a@b|c@d"),
        ("<a@b>", "a@b"),
        ("age>120m", "age>2h"),
        ("age>=1d12h", "age>=36h"),
        ("age<2w", "age<14d"),
        ("next<90S", "next<90s"),
        ("next<0s", "next<0s"),
        ("size>1m", "size>1M"),
        ("size<=1.5KiB", "size<=1536"),
        ("size:2048", "size=2K"),
        ("tries>=05", "tries>=5"),
        ("left:3", "left=3"),
        ("state:Due|held", "state:due|held"),
        ("state=due", "state:due"),
        ("is:locked", "is:locked"),
        ("code:45X", "code:45x"),
        ("code:4.7.x", "code:4.7"),
        ("/a b/", "/a b/"),
        (r"err:/a\/b\\/", r"err:/a\/b\\/"),
        ('subject:"two words"', 'subject:"two words"'),
        ("subject:'two words'", 'subject:"two words"'),
        (r'"say \"hi\" \\"', r'"say \"hi\" \\"'),
        ('"or"', '"or"'),
        ('"a:b"', '"a:b"'),
        ("o'brien", "o'brien"),
        ("error:quota reason=full", "err:quota err=full"),
    ],
)
def test_text_has_one_canonical_spelling(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("form:bob", "unknown field 'form'; did you mean from?"),
        (
            "xyzzy:bob",
            "unknown field 'xyzzy'; some fields are from, to, dom, state, age and "
            'err; put text in quotes to seek it: "a:b"',
        ),
    ],
)
def test_an_unknown_field_gets_a_short_answer(text: str, told: str) -> None:
    with pytest.raises(FilterError) as raised:
        parse(text)
    assert raised.value.reason == told


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("form:bob", 0, "did you mean from?"),
        ("age>2h staet:due", 7, "did you mean state?"),
        ("state:deferrd", 6, "did you mean deferred?"),
        ("is:trashed", 3, "did you mean state:trashed?"),
        ("is:xyzzy", 3, "it takes held, locked"),
        ("age>soon", 4, "no duration"),
        ("age>5", 4, "no duration"),
        ("age:2h", 3, "age takes < or >"),
        ("from>a", 4, "takes : or ="),
        ("size>big", 5, "no size"),
        ("tries>many", 6, "no number"),
        ("tries>1|2", 9, "its own field"),
        ("code:999", 5, "no reply code"),
        ("from:", 5, "a value is missing"),
        ('from:""', 5, "a value is missing"),
        ("//", 0, "a value is missing"),
        ("a |", 3, "a value is missing"),
        ("and b", 0, "either side"),
        ("a or or b", 5, "either side"),
        ("(a b", 0, "not closed"),
        ("a)", 1, "without an opening one"),
        ('"abc', 0, "quote is not closed"),
        ("err:/abc", 4, "expression is not closed"),
        ("err:/a(/", 4, "unterminated"),
        ("err:/(a+)+b/", 4, "for ever"),
        ("err:/(a|ab)*c/", 4, "for ever"),
        ("err:/(a?a?)*c/", 4, "for ever"),
        ("err:/.*.*.*.*c/", 4, "more than 3 repetitions"),
        ("err:/(a+b){4}c/", 4, "more than 3 repetitions"),
        ("err:/a{1,60}b*c*d*/", 4, "more than 3 repetitions"),
        ("state:/due/", 6, "no /regular expression/"),
        ("dom:*a*b*c*", 4, "at most 3"),
        ("!" * 60 + "a", 41, "negations"),
        ("(" * 5000, 41, "parentheses"),
    ],
)
def test_error_points_at_the_place_and_says_why(
    text: str, position: int, reason: str
) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)

    assert caught.value.position == position
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [r"/^(\d{1,3}\.){3}\d{1,3}/", r"/([a-z]++\.)+org/", r"/(ab)+c.*/", r"/(?:a|b)+c/"],
)
def test_harmless_repetitions_are_accepted(text: str) -> None:
    assert str(parse(text)) == text


def test_caret_stands_under_the_place_even_behind_escaped_bytes() -> None:
    with pytest.raises(FilterError) as caught:
        parse('"\x1b[2J" form:a')

    shown, caret = caught.value.caret.split("\n")
    assert "\x1b" not in shown
    assert shown[len(caret) - 1 :] == "form:a"


def test_every_field_parses_in_every_spelling() -> None:
    samples = {"word": "due", "code": "450", "duration": "2h"}
    for field in FIELDS:
        for name in (field.name, *field.aliases):
            value = field.words[0] if field.words else samples.get(field.kind.value)
            sign = ">" if field.kind.value == "duration" else ":"
            term = str(parse(f"{name}{sign}{value or 1}"))
            assert term.startswith(field.name)


SIMPLE = st.sampled_from(
    [
        "a",
        "from:b",
        "dom:c|d",
        "state:due",
        "is:held",
        "age>2h",
        "size<=1M",
        "tries=3",
        "code:4.7",
        "err:/x.y/",
        "subject=z",
        "id:0",
        "queue:q.*",
        "route:mx",
        "last<1d",
    ]
)
EXPRESSIONS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("{0[0]} {0[1]}".format),
        st.tuples(inner, inner).map("({0[0]} or {0[1]})".format),
        st.tuples(inner, inner).map("{0[0]} | {0[1]}".format),
        inner.map("!({})".format),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_canonical_text_parses_to_the_same_filter(text: str) -> None:
    once = parse(text)

    assert parse(str(once)) == once
    assert str(parse(str(once))) == str(once)


@given(st.text(alphabet=st.sampled_from("ab:=<>|!()/\\\"' *?.@ORDdue4+\u00e9\x1b")))
def test_any_text_is_a_filter_or_an_error_inside_it(text: str) -> None:
    wrong: FilterError | None = None
    try:
        once = parse(text)
    except FilterError as error:
        wrong = error
    else:
        assert parse(str(once)) == once
    if wrong:
        assert 0 <= wrong.position <= len(text)
        assert wrong.caret.count("\n") == 1


@given(st.text(min_size=1))
def test_any_text_survives_quoting(text: str) -> None:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    once = parse(f"subject:{quoted}")

    assert parse(str(once)) == once
