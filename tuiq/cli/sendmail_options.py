"""The command line of sendmail: argv in, one value out.

Values stand glued to their flag or in the next word; flags without a value may
share a word (``-ti``); ``--`` or the first word that is no flag ends the flags.
A flag that nobody here knows is passed over with all that is glued to it: the
callers are programs written for other mailers, and a refusal would lose mail.
``-v`` names what was passed over.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from tuiq.errors import UsageError
from tuiq.mail import xtext

MAX_ENVID = 100
"""Characters of an envelope id (RFC 3461 §4.4)."""


HELP = """\
usage: tuiq sendmail [FLAG ...] [ADDRESS ...]

Take a message from standard input, as sendmail(8) does; 75: try again later.

  -t             take the recipients from To, Cc and Bcc, too
  -i             a lone dot does not end the message
  -f ADDRESS     the sender of the envelope (-r: the same), <> for none
  -F NAME        the sender's full name, if a From has to be added
  -N LIST        notify on success,failure,delay or never
  -R full|hdrs   how much of the message a bounce returns
  -V ID          an envelope id, for bounces
  -B 7bit|8bitmime
  -v             say the queue id
  --             what follows are addresses
  -bp, -bi, -bv  list the queue; check the aliases; show where mail would go
  -q, -qI, -qR, -qS, -qG TEXT
                 try now: all; by id, recipient, sender, queue directory
  --install FILE write this program to FILE, such as /usr/sbin/sendmail, in the
                 form that starts fastest

Other flags of sendmail are accepted and change nothing. The settings come from
$TUIQ_CONFIG, else ./tuiq.toml, else the user's, else /etc/tuiq/tuiq.toml."""


class Mode(Enum):
    """What sendmail is asked to do; the value is the letter behind ``-b``."""

    DELIVER = "m"
    """Take a message from standard input (the default)."""
    LIST = "p"
    """Print the queue, as ``mailq`` does."""
    ALIASES = "i"
    """Rebuild the alias database, as ``newaliases`` does: there is none to build."""
    VERIFY = "v"
    """Say which addresses the recipients stand for."""
    SMTP = "s"
    """Speak SMTP on standard input; refused."""
    FLUSH = "q"
    """Try queued mail now (``-q...``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A parsed command line."""

    mode: Mode = Mode.DELIVER
    recipients: tuple[bytes, ...] = ()
    """The arguments behind the flags, each an address list."""
    from_headers: bool = False
    """``-t``: To, Cc and Bcc name further recipients."""
    dot_ends: bool = True
    """False with ``-i``: a line of a single dot is text."""
    sender: bytes | None = None
    """The value of ``-f``; None: the calling user."""
    full_name: str | None = None
    notify: bytes = b""
    ret: bytes = b""
    envid: bytes = b""
    body: bytes = b""
    filters: tuple[str, ...] = ()
    """Terms of the filter language from ``-qI`` and its like; all must hold."""
    verbose: bool = False
    ignored: tuple[str, ...] = ()
    """Flags that nobody here knows."""


def parse(argv: Sequence[str]) -> Options:
    """Return what *argv*, the program's name first, asks for.

    Raises UsageError for a flag without its value and for a value that would
    change what happens to the mail but makes no sense.
    """
    options = Options(mode=_PROGRAMS.get(os.path.basename(argv[0]), Mode.DELIVER))
    words = list(argv[1:])
    while words and words[0].startswith("-") and words[0] != "-":
        word = words.pop(0)
        if word == "--":
            break
        options = _read_word(options, word[1:], words)
    return replace(options, recipients=tuple(map(os.fsencode, words)))


def _read_word(options: Options, word: str, words: list[str]) -> Options:
    """Read the flags of one word; take a value from *words* where one is due."""
    while word:
        flag, word = word[0], word[1:]
        if flag in _WITHOUT_VALUE:
            options = _WITHOUT_VALUE[flag](options)
        elif flag in _GLUED_VALUE:
            return _GLUED_VALUE[flag](options, word)
        elif flag in _WITH_VALUE:
            if not word and not words:
                raise UsageError(f"-{flag}: read command line: its value is missing")
            return _WITH_VALUE[flag](options, word or words.pop(0))
        else:
            return replace(options, ignored=(*options.ignored, f"-{flag}{word}"))
    return options


def _mode(options: Options, value: str) -> Options:
    try:
        return replace(options, mode=Mode(value))
    except ValueError:
        raise UsageError(
            f"-b{value}: read command line: no such mode here; "
            "to deliver run tuiq --run, to list the queue sendmail -bp"
        ) from None


def _queue(options: Options, value: str) -> Options:
    """Read ``-q``, ``-q30m``, ``-qp``, ``-qf``, ``-q[!]Isub``: one try, now.

    There is a runner for the trying at intervals, so an interval changes nothing.
    """
    if options.mode is Mode.DELIVER:
        options = replace(options, mode=Mode.FLUSH)
    kind, sought = value.removeprefix("!")[:1], value.removeprefix("!")[1:]
    field = {"I": "id", "R": "to", "S": "from", "G": "queue"}.get(kind)
    if field is None or not sought:
        if value[:1].isdigit() or kind in ("", "p", "f"):
            return options
        raise UsageError(f"-q{value}: read command line: no such selection")
    escaped = sought.replace("\\", "\\\\").replace('"', '\\"')
    negation = "!" if value.startswith("!") else ""
    return replace(
        options, filters=(*options.filters, f'{negation}{field}:"{escaped}"')
    )


def _sender(options: Options, value: str) -> Options:
    return replace(options, sender=os.fsencode(value))


def _notify(options: Options, value: str) -> Options:
    words = value.upper().split(",")
    if words != ["NEVER"] and not {*words} <= {"SUCCESS", "FAILURE", "DELAY"}:
        raise UsageError(
            f"-N {value}: read command line: not never or some of success,failure,delay"
        )
    return replace(options, notify=",".join(words).encode())


def _ret(options: Options, value: str) -> Options:
    ret = {"FULL": b"FULL", "HDRS": b"HDRS"}.get(value.upper())
    if ret is None:
        raise UsageError(f"-R {value}: read command line: not full or hdrs")
    return replace(options, ret=ret)


def _envid(options: Options, value: str) -> Options:
    """Take xtext as it is; encode anything else."""
    raw = os.fsencode(value)
    envid = raw if xtext.is_xtext(raw) else xtext.encode(raw)
    if len(envid) > MAX_ENVID:
        raise UsageError(f"-V: read command line: longer than {MAX_ENVID} characters")
    return replace(options, envid=envid)


def _body(options: Options, value: str) -> Options:
    body = {"7BIT": b"7BIT", "8BITMIME": b"8BITMIME"}.get(value.upper())
    if body is None:
        raise UsageError(f"-B {value}: read command line: not 7bit or 8bitmime")
    return replace(options, body=body)


def _option(options: Options, value: str) -> Options:
    """Read ``-oX``: only ``-oi`` changes anything."""
    return replace(options, dot_ends=False) if value == "i" else options


def _nothing(options: Options, _value: str = "") -> Options:
    return options


_PROGRAMS = {
    "mailq": Mode.LIST,
    "tuiq-mailq": Mode.LIST,
    "newaliases": Mode.ALIASES,
}
_WITHOUT_VALUE: dict[str, Callable[[Options], Options]] = {
    "t": lambda options: replace(options, from_headers=True),
    "i": lambda options: replace(options, dot_ends=False),
    "v": lambda options: replace(options, verbose=True),
    "I": lambda options: replace(options, mode=Mode.ALIASES),
    **dict.fromkeys("cGmnsTU", _nothing),
}
_GLUED_VALUE: dict[str, Callable[[Options, str], Options]] = {
    "q": _queue,
    "d": _nothing,
}
_WITH_VALUE: dict[str, Callable[[Options, str], Options]] = {
    "b": _mode,
    "f": _sender,
    "r": _sender,
    "F": lambda options, value: replace(options, full_name=value),
    "N": _notify,
    "R": _ret,
    "V": _envid,
    "B": _body,
    "o": _option,
    **dict.fromkeys("ACDehLMOpX", _nothing),
}
