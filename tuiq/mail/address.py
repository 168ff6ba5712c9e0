"""Envelope addresses: one path in, one canonical ``local@domain`` out.

What could not be put into one ``RCPT TO:<...>`` is refused here; whether the
rest is deliverable is for the next hop to say.  Lists of addresses as header
fields and command lines hold them (RFC 5322 §3.4) are read by one linear
tokenizer: the standard library's parser is quadratic, has raised on hostile
input, and guesses where two readings differ; here such a list is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tuiq.errors import InputError
from tuiq.mail.plain import MAX_ADDRESS as MAX_ADDRESS

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_ATOM = rb"[^\x00-\x20\x7f()<>\[\]:;@\\,\"]"
_PATH = re.compile(
    rb"(?:@[^:\x00-\x20\x7f<>\"]++:)?"  # a source route (RFC 5321 appendix C)
    rb"((?:" + _ATOM + rb'++|"(?:[^"\\\x00-\x1f\x7f]++|\\[^\x00-\x1f\x7f])*")+)'
    rb"(?:@((?!\.)" + _ATOM + rb"++|\[[^\x00-\x20\x7f<>\[\]\\]*+\]))?"
)
_QUOTED = rb'"(?:[^"\\]++|\\.)*"'
_TOKEN = re.compile(
    rb"(?P<space>\s++)|(?P<word>" + _ATOM + rb"++|" + _QUOTED + rb"|\[[^\[\]\\]*+\])"
    rb"|(?P<mark>.)",
    re.DOTALL,
)
_MAILBOX = re.compile(
    rb"[\s,;]*+(?:(?:" + _ATOM + rb"|\s|" + _QUOTED + rb")*?<([^<>\s\"(,:;]++)>"
    rb"|([^<>\s\"(),:;]++))\s*+(?:,|\Z)",
    re.DOTALL,
)
_ANGLE = re.compile(rb'((?:[^<>"]++|' + _QUOTED + rb")*)>", re.DOTALL)
_SPACE = re.compile(rb"(" + _QUOTED + rb")|\s++", re.DOTALL)
_AROUND = re.compile(rb" ?([.@]) ?")
_COMMENT = re.compile(rb"[()]|\\.", re.DOTALL)


def parse(raw: bytes, origin: bytes) -> bytes:
    """Return the canonical form of one address, without angle brackets.

    The domain is lower-cased (ASCII only), dots at its end and a source route
    are dropped, and *origin* is appended where there is no domain.

    Raises InputError when it is empty or could not be sent as one path.
    """
    match = _PATH.fullmatch(_bare(raw))
    if match is None:
        raise _refusal(raw)
    local, domain = match.groups(origin)
    address: bytes = b"%s@%s" % (local, domain.lower().rstrip(b"."))
    if len(address) > MAX_ADDRESS or not (address.isascii() or _is_utf8(address)):
        raise _refusal(address)
    return address


def is_unqualified(raw: bytes) -> bool:
    """Say whether the address has a local part and nothing else."""
    match = _PATH.fullmatch(_bare(raw))
    return match is not None and match[2] is None


def dedupe(addresses: Iterable[bytes]) -> list[bytes]:
    """Return each canonical address once, in the order of first appearance."""
    return list(dict.fromkeys(addresses))


def read_list(value: bytes) -> list[bytes]:
    """Return the addresses of an RFC 5322 address list as they are written.

    Display names, comments and group names are dropped; an address is neither
    validated nor qualified.  ``undisclosed-recipients:;`` yields nothing.

    Raises InputError when two addresses are not separated, or a bracket stays
    open: guessing might send mail to somebody whom nobody named.
    """
    value = value.rstrip(b" \t\r\n,;")
    found: list[bytes] = []
    position = 0
    while position < len(value):
        if mailbox := _MAILBOX.match(value, position):
            found.append(mailbox[1] or mailbox[2])
            position = mailbox.end()
        else:
            element = _Element(value, position)
            found.extend(element.read())
            position = element.position
    return found


class _Element:
    """One element of a list, up to its comma or semicolon, or a group's name."""

    def __init__(self, value: bytes, position: int) -> None:
        self.value = value
        self.position = position

    def read(self) -> Iterator[bytes]:
        """Yield the element's address, if any, and move behind the element."""
        words: list[bytes] = []
        angle: bytes | None = None
        for text in self._tokens():
            if text == b":" and angle is None:
                return  # what came so far is the name of a group
            if text in (b",", b";"):
                break
            if text == b"<" and angle is None:
                angle = self._read_angle()
                words.clear()
            else:
                words.append(text)
        plain = b"".join(words).strip()
        if angle is not None and plain:
            raise _ambiguous(self.value)
        yield from filter(None, [self._join(plain) if angle is None else angle])

    def _tokens(self) -> Iterator[bytes]:
        """Yield words and marks; white space and comments become one space."""
        while match := _TOKEN.match(self.value, self.position):
            self.position = match.end()
            if match[0] == b"(":
                self.position = _skip_comment(self.value, match.start())
                yield b" "
            else:
                yield b" " if match.lastgroup == "space" else match[0]

    def _read_angle(self) -> bytes:
        match = _ANGLE.match(self.value, self.position)
        if match is None:
            raise _ambiguous(self.value)
        self.position = match.end()
        return _SPACE.sub(rb"\1", match[1])

    def _join(self, plain: bytes) -> bytes:
        """Drop the white space that RFC 5322 allows around ``.`` and ``@``."""
        joined = _AROUND.sub(rb"\1", b" ".join(plain.split()))
        if b" " in joined and _PATH.fullmatch(joined) is None:
            raise _ambiguous(self.value)
        return joined


def _skip_comment(value: bytes, start: int) -> int:
    """Return the offset behind the (nested) comment that opens at *start*."""
    depth = 0
    for mark in _COMMENT.finditer(value, start):
        depth += {b"(": 1, b")": -1}.get(mark[0], 0)
        if not depth:
            return mark.end()
    raise _ambiguous(value)


def _bare(raw: bytes) -> bytes:
    return raw[1:-1] if raw[:1] == b"<" and raw[-1:] == b">" else raw


def _is_utf8(address: bytes) -> bool:
    try:
        address.decode()
    except UnicodeDecodeError:
        return False
    return True


def shown(raw: bytes) -> str:
    """Return the start of an address for an error message, escaped."""
    return ascii(raw[:80])[2:-1] + ("..." if len(raw) > 80 else "")


def _ambiguous(value: bytes) -> InputError:
    return InputError(
        f"address list: read {shown(value)}: it has no single meaning; "
        "separate addresses by commas and close every bracket"
    )


def _refusal(raw: bytes) -> InputError:
    """Return the error that says what is wrong with the address."""
    if not _bare(raw):
        reason = "it is empty; give local@domain"
    elif len(raw) > MAX_ADDRESS:
        reason = f"longer than {MAX_ADDRESS} bytes; shorten it"
    elif _CONTROL.search(raw):
        reason = "it has control characters; remove them"
    elif not _is_utf8(raw):
        reason = "neither ASCII nor UTF-8; encode it as UTF-8"
    else:
        reason = "not local@domain; put special characters into quotes"
    return InputError(f"{shown(raw)}: read address: {reason}")
