r"""What people read: the one escaping function, and logging of headless processes.

Text from mail is hostile.  ``printable`` is applied to everything that came from an
address, a header, a reply or a file name before it reaches a terminal or a log.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from logging import LogRecord

# Controls, formats (bidi, zero width), lone surrogates, private use, unassigned,
# line and paragraph separators.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that Unicode lists as default ignorable: they draw nothing.
_HIDDEN_MARKS = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0}
    | set(range(0x180B, 0x1810))
    | set(range(0xFE00, 0xFE10))
    | set(range(0xE0100, 0xE01F0))
)
_CACHE_LIMIT = 8192


def _escape(code: int) -> str:
    """Return the visible form of one code point."""
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8 (PEP 383)
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class _Table(dict[int, str]):
    """The translation of code points, filled as they are met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        hidden = code in _HIDDEN_MARKS or (
            unicodedata.category(char) in _HIDDEN_CATEGORIES
        )
        shown = _escape(code) if hidden else char
        if len(self) < _CACHE_LIMIT:  # mail may use every code point there is
            self[code] = shown
        return shown


_TABLE = _Table()


def printable(text: bytes | str) -> str:
    r"""Return *text* with everything invisible or active written as an escape.

    Bytes are taken as UTF-8; what is none, and C0, DEL and C1, become ``\xNN``, other
    hidden characters ``\uNNNN``.  TAB and LF are escaped too; a backslash stays one.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_TABLE)


def _under_journald(environ: Mapping[str, str]) -> bool:
    """Return whether stderr goes to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        stat = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


def setup(*, verbose: bool = False, environ: Mapping[str, str] = os.environ) -> None:
    """Send the log of this process to stderr, one escaped line per record.

    The journal gets a priority before each line (sd-daemon(3)), people get the time.
    """
    import logging  # a short-lived sendmail pays for it only when it logs

    class Plain(logging.Formatter):
        """Records as single lines without anything hidden in them."""

        def formatMessage(self, record: LogRecord) -> str:
            return printable(super().formatMessage(record))

        def formatException(self, ei: Any) -> str:
            return "\n".join(map(printable, super().formatException(ei).split("\n")))

    class Journal(Plain):
        """Plain lines, each with its syslog priority."""

        def format(self, record: LogRecord) -> str:
            steps = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
            priority = next((p for level, p in steps if record.levelno >= level), 7)
            lines = super().format(record).split("\n")
            return "\n".join(f"<{priority}>{line}" for line in lines)

    handler = logging.StreamHandler(sys.stderr)
    if _under_journald(environ):
        handler.setFormatter(Journal("%(message)s"))
    else:
        handler.setFormatter(Plain("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logging.getLogger().handlers[:] = [handler]  # asyncio's warnings too
    logging.getLogger("tuiq").setLevel(logging.DEBUG if verbose else logging.INFO)
