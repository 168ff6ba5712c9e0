"""What the view shows of the data of a message: header, body, raw bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.actions.words import volume
from tuiq.mail import headers
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages.lines import BLANK, note
from tuiq.tui.pages.message_mime import parts_of

if TYPE_CHECKING:
    from tuiq.tui.pages.lines import Line
    from tuiq.tui.pages.message_facts import Facts


def header(facts: Facts, *, raw: bool) -> list[Line]:
    """Show the header, decoded or as it stands."""
    if facts.trouble:
        return [note(facts.trouble, Role.BAD)]
    if raw:
        return [[(f" {text}", Role.TEXT)] for text in _raw_lines(facts.head)]
    lines: list[Line] = [
        [
            (f" {clean(name)}: ", Role.DIM),
            (clean(headers.decode(value).replace("\t", " ")), Role.TEXT),
        ]
        for name, value in headers.fields(facts.head)
    ]
    read = sum(len(name) + len(value) + 3 for name, value in headers.fields(facts.head))
    if read < len(facts.head) - 2:
        lines.append(note("What follows is no header field; v shows it as it stands."))
    return lines or [note("There is no header.")]


def body(facts: Facts) -> list[Line]:
    """Show the texts of a message, and list what else is in it."""
    if facts.trouble:
        return [note(facts.trouble, Role.BAD)]
    parts, trouble = parts_of(facts.data)
    lines: list[Line] = []
    for part in parts:
        is_only = len(parts) == 1 and part.kind == "text/plain" and not part.notes
        if not is_only:
            name = f"  {clean(part.name)}" if part.name else ""
            title = f"── {clean(part.kind)}{name}  {volume(part.size)}"
            lines.append([(f" {title}", Role.ACCENT)])
            lines += [note(clean(one), Role.WARN) for one in part.notes]
        if part.text is not None:
            lines += [[(f" {text}", Role.TEXT)] for text in _text_lines(part.text)]
    if trouble:
        lines.append(note(clean(trouble), Role.WARN))
    if len(facts.data) < facts.entry.size:
        shown, of = volume(len(facts.data)), volume(facts.entry.size)
        lines += [BLANK, note(f"Cut: the first {shown} of {of} were read.", Role.WARN)]
    return lines or [note("The body is empty.")]


def _text_lines(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").split("\n")
    return [clean(line.expandtabs().rstrip("\r")) for line in lines]


def _raw_lines(data: bytes) -> list[str]:
    lines = data.split(b"\n")
    shown = [clean(line.removesuffix(b"\r").expandtabs()) for line in lines]
    return shown[:-1] if lines and not lines[-1] else shown


def raw(data: bytes, *, start: int, of: int) -> list[Line]:
    """Show bytes of a message as they will be sent, *start* of *of* on."""
    lines: list[Line] = [[(f" {text}", Role.TEXT)] for text in _raw_lines(data)]
    end = start + len(data)
    if start or end < of:
        more = "n shows the next part" if end < of else "this is the last part"
        back = ", N the one before" if start else ""
        where = f"Bytes {start + 1:,} to {end:,} of {of:,}; {more}{back}."
        lines += [BLANK, note(where, Role.WARN)]
    return lines or [note("The message is empty.")]
