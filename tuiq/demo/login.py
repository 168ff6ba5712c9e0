"""AUTH PLAIN and LOGIN (RFC 4954) of the scripted SMTP server."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tuiq.demo.dialogue import Dialogue


class Login:
    """One AUTH command on a connection."""

    def __init__(self, connection: Dialogue, users: Mapping[str, str]) -> None:
        """Check passwords against *users*."""
        self._connection = connection
        self._users = users
        self._name = b""

    def begin(self, line: bytes) -> None:
        """Answer what followed ``AUTH``."""
        mechanism, _, first = line.partition(b" ")
        prompts = {b"PLAIN": (b"", self._plain), b"LOGIN": (b"Username:", self._user)}
        prompt, step = prompts.get(mechanism.upper(), (b"", None))
        if step is None:
            self._connection.answer(None, b"504 5.5.4 Unknown mechanism")
        elif first:
            step(_decode(first))
        else:
            self._ask(prompt, step)

    def _ask(self, prompt: bytes, step: Callable[[bytes], None]) -> None:
        def take(line: bytes) -> None:
            self._connection.next_line = None
            step(_decode(line))

        self._connection.next_line = take
        self._connection.answer(None, b"334 " + base64.b64encode(prompt))

    def _plain(self, answer: bytes) -> None:
        _, name, password = (*answer.split(b"\0"), b"", b"", b"")[:3]
        self._check(name, password)

    def _user(self, answer: bytes) -> None:
        self._name = answer
        self._ask(b"Password:", lambda password: self._check(self._name, password))

    def _check(self, name: bytes, password: bytes) -> None:
        user = name.decode("utf-8", "replace")
        known = self._users.get(user)
        if known is not None and known.encode() == password:
            self._connection.user = user
            self._connection.answer(None, b"235 2.7.0 Welcome")
        else:
            self._connection.answer(None, b"535 5.7.8 Wrong user or password")


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
