r"""The two encodings of RFC 3461 and 6533 for text in SMTP parameters and reports."""

from __future__ import annotations

import re

_XTEXT = re.compile(rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_ESCAPE = re.compile(rb"\+([0-9A-F]{2})")
_UNSAFE = re.compile(rb"[^!-*,-<>-~]")
_UNSAFE_UTF8 = re.compile(r"[^!-*,-<>-\[\]-~]")


def is_xtext(value: bytes) -> bool:
    """Say whether *value* may stand as it is (RFC 3461 §4)."""
    return _XTEXT.fullmatch(value) is not None


def encode(raw: bytes) -> bytes:
    """Return *raw* as xtext."""
    return _UNSAFE.sub(lambda byte: b"+%02X" % byte[0][0], raw)


def decode(value: bytes) -> bytes:
    """Return what the xtext *value* stands for; hostile, control bytes included."""
    return _ESCAPE.sub(lambda code: bytes([int(code[1], 16)]), value)


def encode_utf8(address: bytes) -> bytes:
    r"""Return a UTF-8 address in ASCII, ``\x{E9}`` for é (RFC 6533 §3)."""
    text = address.decode("utf-8", "replace")
    return _UNSAFE_UTF8.sub(lambda char: f"\\x{{{ord(char[0]):02X}}}", text).encode()
