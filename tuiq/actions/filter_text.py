"""How the values of text, name and code fields are sought in raw bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import TYPE_CHECKING

from tuiq.actions.filter_regex import TEXT_LIMIT, compile_bounded
from tuiq.spool import control

if TYPE_CHECKING:
    from typing import Any

    from tuiq.actions.filter_tree import Term, Value

TextTest = Callable[[bytes], bool]


def domain_of(address: bytes) -> bytes:
    """Return the part after the last ``@`` in lower case; empty without one."""
    return address.rpartition(b"@")[2].lower() if b"@" in address else b""


def code_pattern(text: str) -> re.Pattern[str]:
    """Return the expression for ``45x`` or, with all that begins so, ``4.7``."""
    if "." not in text:
        return re.compile(text.replace("x", "[0-9]"))
    pattern = text.replace(".", "\\.").replace("x", "[0-9]+")
    return re.compile(pattern + r"(\.[0-9]+)*")


def text_test(term: Term) -> TextTest:
    """Return a test for parts of a text, or for the whole where ``=`` stands."""
    whole = term.operator == "="
    return _any_text([_one_text(value, whole=whole) for value in term.values])


def _one_text(value: Value, *, whole: bool) -> TextTest:
    if value.regex:
        return _regex_test(value.text, whole=whole)
    wanted = value.text.encode("utf-8", "surrogateescape").lower()
    if whole:
        return lambda text: text.lower() == wanted
    return lambda text: wanted in text.lower()


def name_test(term: Term) -> TextTest:
    """Return a test for whole names in which ``*`` stands for anything."""
    return _any_text([_one_name(value) for value in term.values])


def _one_name(value: Value) -> TextTest:
    if value.regex:
        return _regex_test(value.text, whole=False)
    wanted = value.text.encode("utf-8", "surrogateescape")
    if b"*" not in wanted:
        return lambda name: name == wanted
    pattern = b".*".join(map(re.escape, re.split(rb"\*+", wanted)))
    find = re.compile(pattern, re.DOTALL).fullmatch
    return lambda name: find(name) is not None


def _regex_test(pattern: str, *, whole: bool) -> TextTest:
    compiled = compile_bounded(pattern)
    find: Any = compiled.fullmatch if whole else compiled.search

    def test(text: bytes) -> bool:
        shown = text[:TEXT_LIMIT].decode("utf-8", "surrogateescape")
        return find(shown) is not None

    return test


def _any_text(tests: list[TextTest]) -> TextTest:
    return tests[0] if len(tests) == 1 else lambda t: any(test(t) for test in tests)


def raw_test(term: Term) -> TextTest:
    """Return a cheap test for control files that cannot contain any value."""
    if any(value.regex for value in term.values):
        return lambda _raw: True
    needles = [
        max(value.text.split("*"), key=len).encode("utf-8", "surrogateescape").lower()
        if term.field == "dom"
        else value.text.encode("utf-8", "surrogateescape").lower()
        for value in term.values
    ]

    def test(raw: bytes) -> bool:
        heap = raw[control.SLOTS :].lower()
        return any(needle in heap for needle in needles)

    return test


_HEADER_END = re.compile(rb"(?m)^\r?\n")
_SUBJECT = re.compile(
    rb"^subject[ \t]*:(.*(?:\r?\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE
)


def subject_of(data: bytes) -> str:
    """Return the decoded Subject; empty without one.

    *data* is the beginning of a message; the header ends at the first empty line.
    """
    match = _SUBJECT.search(_HEADER_END.split(data, maxsplit=1)[0])
    if match is None:
        return ""
    folded = match[1].strip().decode("utf-8", "surrogateescape")
    raw = re.sub(r"\r?\n(?=[ \t])", "", folded)
    try:
        return str(make_header(decode_header(raw)))
    except (MessageError, ValueError, LookupError):
        return raw
