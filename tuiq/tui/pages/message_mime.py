"""The body of a message as text: parts, their charsets, HTML without its tags.

Mail is hostile and half of it is broken: nothing here raises.  The older policy of
the ``email`` package is used on purpose: the newer one parses addresses and
parameters deeply, which hostile headers make slow, and it raises on some of them.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from html.parser import HTMLParser
from itertools import islice

from tuiq.mail import headers

_NOT_FOR_MAIL = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"}
)
_PARTS = 100
"""Parts that are told apart; mail with more of them is there to make trouble."""
_LONGEST_LINE = 16 * 1024
_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "br", "center", "dd", "div", "dl",
        "dt", "fieldset", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6",
        "header", "hr", "li", "main", "nav", "ol", "option", "p", "pre", "section",
        "table", "tr", "ul",
    }
)  # fmt: skip
_UNSEEN = frozenset({"head", "script", "style", "template", "title"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a message; texts are as hostile as the mail they come from."""

    kind: str
    """``text/plain``."""
    name: str = ""
    """The file name that the sender gave it."""
    size: int = 0
    """Bytes of it, decoded, as far as it was read."""
    text: str | None = None
    """What is shown of it; None: it is only listed."""
    notes: tuple[str, ...] = ()
    """What was wrong with it, in sentences."""


def parts_of(data: bytes) -> tuple[list[Part], str]:
    """Return the parts of a message, and why it cannot be taken apart, if so."""
    try:
        message = BytesParser(policy=compat32).parsebytes(_bearable(data))
        leaves = list(islice(_leaves(message), _PARTS + 1))
    except RecursionError:
        return [], "its parts are nested too deeply to be taken apart; see Raw"
    except Exception as error:  # noqa: BLE001 — of many kinds on broken mail
        return [], f"it cannot be taken apart ({type(error).__name__}); see Raw"
    more = f"there are more than {_PARTS} parts" if len(leaves) > _PARTS else ""
    return [_guarded(leaf) for leaf in leaves[:_PARTS]], more


def _guarded(part: Message) -> Part:
    try:
        return _part(part)
    except Exception as error:  # noqa: BLE001 — of many kinds on broken mail
        said = f"it cannot be read ({type(error).__name__}); see Raw"
        return Part(kind="a part", notes=(said,))


def _bearable(data: bytes) -> bytes:
    """Return *data* with header lines cut that only serve to keep a parser busy."""
    end = data.find(b"\r\n\r\n")
    head, body = (data, b"") if end < 0 else (data[:end], data[end:])
    if len(head) <= _LONGEST_LINE:
        return data
    wanted = (b"content-", b"mime-version")
    kept = [
        b"%b:%b" % (name, value[:_LONGEST_LINE])
        for name, value in headers.fields(head)
        if name.lower().startswith(wanted)
    ]
    return b"\r\n".join(kept) + body


def _leaves(message: Message) -> Iterator[Message]:
    """Yield what is no container, in order."""
    stack = [message]
    while stack:
        part = stack.pop()
        if part.is_multipart() and part.get_content_type() != "message/rfc822":
            stack.extend(reversed(_inside(part)))
        else:
            yield part


def _inside(part: Message) -> list[Message]:
    """Return what a container holds."""
    inner = part.get_payload() if part.is_multipart() else []
    return [one for one in inner if isinstance(one, Message)]


def _part(part: Message) -> Part:
    kind = part.get_content_type()
    name = _file_name(part)
    if kind == "message/rfc822":
        raw = part.as_bytes()
        return Part(kind=kind, name=name, size=len(raw), text=_inner(part))
    is_attached = part.get_content_disposition() == "attachment"
    charset = _charset(part)
    del part["content-type"]  # else its charset would be used, whatever that is
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    notes = tuple(map(_defect, part.defects))
    if is_attached or not kind.startswith("text/"):
        return Part(kind=kind, name=name, size=len(raw), notes=notes)
    text, complaint = decoded(raw, charset)
    notes = (*notes, complaint) if complaint else notes
    if kind == "text/html":
        text = html_text(text)
    return Part(kind=kind, name=name, size=len(raw), text=text, notes=notes)


def _inner(part: Message) -> str | None:
    """Return the subject of a message within a message."""
    inner = _inside(part)
    if not inner:
        return None
    subject = str(inner[0].get("subject", ""))
    raw = subject.encode("utf-8", "surrogateescape")
    return f"a message, Subject: {headers.decode(raw)}"


def _file_name(part: Message) -> str:
    name = part.get_filename() or ""
    return headers.decode(name.encode("utf-8", "surrogateescape"))


def _charset(part: Message) -> str:
    return part.get_content_charset("us-ascii")


_DEFECTS = {
    "InvalidBase64PaddingDefect": "its base64 is cut short",
    "InvalidBase64CharactersDefect": "its base64 has characters that are none",
    "InvalidBase64LengthDefect": "its base64 has a length that cannot be",
    "NoBoundaryInMultipartDefect": "it says that it has parts, but not what parts them",
    "StartBoundaryNotFoundDefect": "it says that it has parts, but none begins",
    "CloseBoundaryNotFoundDefect": "its last part has no end",
    "MissingHeaderBodySeparatorDefect": "there is no empty line after its header",
    "MultipartInvariantViolationDefect": "it says that it has parts, but has none",
}


def _defect(defect: object) -> str:
    kind = type(defect).__name__
    return _DEFECTS.get(kind, kind)


def decoded(raw: bytes, charset: str) -> tuple[str, str]:
    """Return *raw* as text, and a complaint where its charset did not help."""
    name = charset.lower().replace("_", "-")
    if name in {"us-ascii", "ascii"}:
        name = "utf-8"  # what mail that says nothing is, where it is not ASCII
    if not _is_for_text(name):
        text = raw.decode("utf-8", "replace")
        return text, f"its charset {charset!r} is unknown; read as UTF-8"
    try:
        return raw.decode(name), ""
    except (UnicodeError, ValueError):
        said = f"some bytes are not in its charset {charset}"
        return raw.decode(name, "replace"), said


def _is_for_text(charset: str) -> bool:
    """Say whether Python can read text in a charset that mail may use."""
    try:
        return charset not in _NOT_FOR_MAIL and codecs.lookup(charset)._is_text_encoding
    except (LookupError, ValueError):
        return False


class _Reader(HTMLParser):
    """Collects what a reader of HTML would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = 0
        self._links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "li":
            self.pieces.append("\n- ")
        elif tag in _BLOCKS:
            self.pieces.append("\n")
        elif tag in {"td", "th"}:
            self.pieces.append("  ")
        elif tag == "img":
            self.pieces.append(f"[image {dict(attrs).get('alt') or ''}".rstrip() + "]")
        elif tag == "a":
            self._links.append(dict(attrs).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in _BLOCKS and tag != "br":
            self.pieces.append("\n")
        elif tag == "a" and self._links:
            link = self._links.pop()
            if link and not link.startswith("#"):
                self.pieces.append(f" <{link}>")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(_SPACE.sub(" ", data))


_SPACE = re.compile(r"\s+")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)|<[!?][^<>]*>", re.DOTALL)
_OPEN = re.compile(r"<(?=[^<>]*(?:<|\Z))")


def html_text(html: str) -> str:
    """Return what HTML says, with where its links really lead.

    What begins like a tag and does not end is text: looking for its end again and
    again would take the parser minutes.
    """
    reader = _Reader()
    reader.feed(_OPEN.sub("&lt;", _COMMENT.sub("", html)))
    reader.close()
    lines = [" ".join(line.split()) for line in "".join(reader.pieces).split("\n")]
    kept = [line for at, line in enumerate(lines) if line or (at and lines[at - 1])]
    return "\n".join(kept).strip("\n")
