"""``tuiq-sendmail``: plain mail goes into ``drop/`` at once, all else to ``sendmail``.

Programs start it for every mail, so what counts is how little is loaded: no pattern,
no dataclass, no ``os``.  It takes a known command line, settings, a message and
addresses that each have one obvious reading, and a ``drop/`` that is open to the
caller; there it does as ``sendmail`` would for a user outside.  Whatever else it meets,
errors included, it leaves to ``sendmail``, with the input that it has read by then.
"""

import posix
import sys
import time

from tuiq.config import glance
from tuiq.mail import plain
from tuiq.spool import handoff

TYPE_CHECKING = False  # the module typing takes long to load
if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T")

LARGEST = 1024 * 1024
"""Bytes of mail that are held in memory."""
_INTERRUPTED = 130
_OTHER_PROGRAMS = ("mailq", "tuiq-mailq", "newaliases")
_WITHOUT_EFFECT = ("-m", "-n", "-U", "-G", "-em", "-bm")
_BODIES = ("7BIT", "8BITMIME")
_RECIPIENT_FIELDS = (b"to", b"cc", b"bcc")
_RESENT_FIELDS = {b"resent-to", b"resent-cc", b"resent-bcc"}
_HIDDEN_FIELDS = (b"bcc", b"resent-bcc")


class NotPlain(Exception):
    """The mail needs all of ``sendmail``."""


class Line:
    """A command line; the names are those of ``sendmail_options.Options``."""

    __slots__ = (
        "body", "dot_ends", "from_headers", "full_name", "recipients", "sender",
    )  # fmt: skip

    def __init__(self) -> None:
        """Begin with what holds without any flag."""
        self.recipients: list[bytes] = []
        self.from_headers = False
        self.dot_ends = True
        self.sender: bytes | None = None
        self.full_name: str | None = None
        self.body = ""


def main() -> int:
    """Run the command line of this process; return the exit status."""
    taken = bytearray()
    try:
        done = sys.stdin is not None and hand_in(sys.argv, taken, posix.environ)
    except (NotPlain, OSError, ValueError):
        done = False
    except KeyboardInterrupt:
        return _INTERRUPTED
    if done:
        posix._exit(0)  # nothing is left to be flushed or closed
    if sys.flags.no_site:
        import site

        site.main()
    from tuiq.cli import sendmail

    return sendmail.main(bytes(taken))


def hand_in(
    argv: list[str], taken: bytearray, environ: dict[bytes, bytes], stdin: int = 0
) -> bool:
    """Leave the message on *stdin* in ``drop/``; False, or raise, if it is not plain.

    *taken* gets what was read of it.
    """
    line = read_line(argv)
    settings = line and glance.look(environ)
    if not line or not settings:
        return False
    flags = posix.O_PATH | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
    drop_fd = posix.open(f"{settings.spool}/drop", flags)
    try:
        if not _has_room(drop_fd, settings):
            return False
        read_all(stdin, taken, dot_ends=line.dot_ends)
        blocks = compose(line, bytes(taken), settings, plain.user(posix.getuid()))
        handoff.leave(handoff.PosixFs(), drop_fd, [blocks])
    finally:
        posix.close(drop_fd)
    return True


def read_line(argv: list[str]) -> Line | None:
    """Return what *argv*, the program's name first, asks for."""
    if not argv or argv[0].rpartition("/")[2] in _OTHER_PROGRAMS:
        return None
    line = Line()
    words = argv[:0:-1]  # the next one is the last
    while words and words[-1][:1] == "-" and words[-1] != "-":
        word = words.pop()
        if word == "--":
            break
        if not (_read_switch(line, word) or _read_value(line, word, words)):
            return None
    line.recipients = [word.encode() for word in reversed(words)]
    return line if line.recipients or line.from_headers else None


def _read_switch(line: Line, word: str) -> bool:
    """Read a flag without a value; say whether it is one."""
    if word in ("-t", "-ti", "-it"):
        line.from_headers = True
    if word in ("-i", "-oi", "-ti", "-it"):
        line.dot_ends = False
    return (
        word in ("-t", "-i", "-ti", "-it", *_WITHOUT_EFFECT)
        or (word[:2] == "-o" and len(word) > 2)
    )  # fmt: skip


def _read_value(line: Line, word: str, words: list[str]) -> bool:
    """Read a flag with its value, from *words* where it stands alone."""
    flag, value = word[:2], word[2:]
    if flag not in ("-f", "-r", "-F", "-B") or not (value or words):
        return False
    value = value or words.pop()
    if flag == "-F":
        line.full_name = value
    elif flag == "-B":
        line.body = value.upper()
        return line.body in _BODIES
    else:
        line.sender = value.encode()
    return True


def _has_room(drop_fd: int, settings: glance.Glance) -> bool:
    space = posix.fstatvfs(drop_fd)
    least = handoff.floors(
        space,
        settings.min_free_percent,
        settings.min_free_bytes,
        settings.min_free_inodes,
    )
    return space.f_bavail * space.f_frsize >= least[0] and space.f_favail >= least[1]


def read_all(stdin: int, taken: bytearray, *, dot_ends: bool) -> None:
    """Read the whole message, unless it is large or ends in a line of one dot."""
    while chunk := posix.read(stdin, 65536):
        start = max(0, len(taken) - 2)
        taken += chunk
        if len(taken) > LARGEST or (dot_ends and _may_end(taken, start)):
            raise NotPlain
    if dot_ends and (taken == b"." or taken.endswith((b"\n.", b"\r."))):
        raise NotPlain


def _may_end(taken: bytearray, start: int) -> bool:
    """Say whether there is a line of one dot behind *start*."""
    if taken.startswith((b".\n", b".\r")):
        return True
    return taken.find(b"\n.\n", start) >= 0 or taken.find(b"\n.\r", start) >= 0


def compose(
    line: Line, raw: bytes, settings: glance.Glance, who: tuple[str, str]
) -> bytes:
    """Return the drop file, but its END, for the message *raw*; raise NotPlain."""
    data = _plain(plain.unix_lines(raw))
    if len(data) + data.count(b"\n") > settings.max_message_bytes:
        raise NotPlain
    fields, body = _plain(plain.split(data))
    names = [name for name, _ in fields]
    if names.count(b"received") >= settings.max_hops:
        raise NotPlain
    origin = settings.origin.encode()
    sender = _sender(line, who[0], origin)
    recipients = _recipients(line, fields, origin, settings.max_recipients)
    full_name = line.full_name
    if full_name is None:
        full_name = who[1] if line.sender is None else ""
    author = sender or b"MAILER-DAEMON@" + origin
    now = time.time()
    added = plain.missing_fields(
        set(names).difference(_HIDDEN_FIELDS),
        sender=_plain(plain.from_value(author, full_name)),
        date=plain.date_value(now, time.localtime(now).tm_gmtoff),
        message_id=plain.message_id(
            now, posix.urandom(8).hex(), settings.hostname.encode()
        ),
    )
    kept = b"".join(field for name, field in fields if name not in _HIDDEN_FIELDS)
    envelope = [sender, b"", b"", line.body.encode(), b""]
    for recipient in recipients:
        envelope += (recipient, b"", b"")
    return b"".join(
        (
            handoff.head(envelope),
            kept.replace(b"\n", b"\r\n"),
            added,
            b"\r\n",
            body.replace(b"\n", b"\r\n"),
        )
    )


def _plain(value: "T | None") -> "T":
    """Return *value* if there is one."""
    if value is None:
        raise NotPlain
    return value


def _sender(line: Line, login: str, origin: bytes) -> bytes:
    """Return the reverse-path: -f, or the user; ``<>`` and ``''`` are null."""
    if line.sender is None:
        return _plain(plain.read_address(login.encode(), origin))
    if line.sender.strip() in (b"", b"<>"):
        return b""
    items = _plain(plain.read_list(line.sender))
    if len(items) != 1:
        raise NotPlain
    return _plain(plain.read_address(items[0], origin))


def _recipients(
    line: Line, fields: list[plain.Field], origin: bytes, most: int
) -> list[bytes]:
    """Return the recipients of arguments and header, each of them once."""
    values = list(line.recipients)
    if line.from_headers:
        for field in fields:
            if field[0] in _RESENT_FIELDS:
                raise NotPlain
        values += [
            plain.value_of(field)
            for name in _RECIPIENT_FIELDS
            for field in fields
            if field[0] == name
        ]
    found = dict.fromkeys(
        _plain(plain.read_address(item, origin))
        for value in values
        for item in _plain(plain.read_list(value))
    )
    if not 0 < len(found) <= most:
        raise NotPlain
    return list(found)
