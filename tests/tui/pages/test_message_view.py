"""The view of one message: what its sections say, whatever is in the mail."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest

from tests.tui.pages.mail_stage import MailStage, staged, utc
from tests.tui.world import HOSTILE, NOW, PlantedSpool
from tuiq.spool import control
from tuiq.tui.pages.message_facts import DATA_BYTES
from tuiq.tui.pages.message_tabs import Section
from tuiq.tui.pages.messages import MessagesPage

__all__ = ["utc"]
pytestmark = pytest.mark.usefixtures("utc")
_GRUESSE = (
    b"From: =?iso-8859-1?q?J=FCrgen?= <j@example.org>\r\n"
    b"Subject: =?utf-8?b?R3LDvMOfZQ==?= =?utf-8?q?_an_alle?=\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nsch\xf6n\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>See <a href='http://x.example'>it</a></p>"
    b"\r\n--b\r\nContent-Type: application/pdf\r\n"
    b'Content-Disposition: attachment; filename="a\x1b[2J.pdf"\r\n\r\nPDF\r\n--b--\r\n'
)


async def _section(stage: MailStage[MessagesPage], section: Section) -> None:
    """Go to a section by its key."""
    while stage.page.message.section is not section:
        await stage.do("column-right")


def _journal(spool: PlantedSpool, name: str, *events: dict[str, object]) -> None:
    queue_id = spool.ids[name]
    lines = [
        json.dumps(
            {"time": e.pop("time"), "event": e.pop("event"), "id": queue_id, **e},
            separators=(",", ":"),
        )
        for e in events
    ]
    path = spool.path / "journal" / "delivery.jsonl"
    path.write_text("\n".join(lines) + "\n")


async def test_enter_opens_the_message_and_esc_comes_back_to_its_row(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.opened("QA2", "open")
        await stage.sees("[Envelope]", "Message      " + stage.spool.ids["QA2"])
        await stage.do("back")
        assert stage.page.grid.cursor == stage.spool.ids["QA2"]
        assert stage.page.grid.has_focus
        assert stage.row("QA2")


async def test_the_envelope_says_what_the_file_says(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.opened("DEF", "open")
        await stage.sees(
            "State        deferred",
            "Why          next try at 08:38:00 (in 38 min)",
            "Subject      hello",
            "From         <news@lists.example.com>",
            "Recipients   3: 2 todo, 1 delivered",
            "Submitted    2027-01-13 08:00:00 (2 d ago) by uid 1000, via sendmail",
            "Size         24 bytes",
            "Queue        q.1",
            "Tries        31, the last at 2027-01-15 07:55:00 (5 min ago)",
            "Next try     2027-01-15 08:38:00 (in 38 min)",
            "Expires      2027-01-18 08:00:00 (in 3 d)",
            "Last reply   451 4.7.1 greylisted, try later",
            "Origin       local",
        )


_KEYS = {
    "raw": (Section.RAW, "Subject: hello"),
    "transcript": (Section.TRANSCRIPT, "Journal"),
    "lock": (Section.LOCK, "none: nobody is working on it"),
    "why": (Section.WHY, "f tries it now"),
}


async def test_keys_open_a_section_from_the_list_and_from_the_view(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        for command, (section, text) in _KEYS.items():
            await stage.opened("DEF", command)
            assert stage.page.message.section is section
            await stage.sees(text)
            await _section(stage, Section.BODY)
            await stage.do(command)
            await stage.sees(f"[{section.value}]", text)
            await stage.do("back")


async def test_recipients_may_be_gone_to_before_the_section_before_is_drawn(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.opened("DEF", "open")
        stage.page.message.told()
        stage.page.perform("column-right")
        await stage.sees("[Recipients]", "b@example.com")


async def test_a_section_begins_at_its_top_and_keys_wait_for_it(tmp_path: Path) -> None:
    def plant(spool: PlantedSpool) -> None:
        spool.plant("VAST", data=b"Subject: x\r\n\r\n" + b"line\r\n" * 200)

    async with staged(MessagesPage(), tmp_path, plant=plant) as stage:
        view = stage.page.message
        await stage.opened("VAST", "raw")
        await stage.sees("[Raw]", "line")
        await stage.do("last")
        assert view.lines.scroll_offset.y > 0
        before = view.lines.lines
        view.go(Section.BODY)
        view.told()  # the message changed just then
        await stage.until(lambda: view.lines.lines is not before)
        assert view.lines.scroll_offset.y == 0
        view.go(Section.RAW)
        stage.page.perform("last")
        await stage.until(
            lambda: 0 < view.lines.scroll_offset.y == view.lines.max_scroll_y
        )


async def test_the_header_is_decoded_and_shown_as_it_stands_by_v(
    tmp_path: Path,
) -> None:
    def plant(spool: PlantedSpool) -> None:
        spool.plant("GRSS", data=_GRUESSE)

    async with staged(MessagesPage(), tmp_path, plant=plant) as stage:
        await stage.sees("Subject    Grüße an alle")
        await stage.opened("GRSS", "open")
        await _section(stage, Section.HEADERS)
        await stage.sees("From: Jürgen <j@example.org>", "Subject: Grüße an alle")
        await stage.do("raw")
        await stage.sees("From: =?iso-8859-1?q?J=FCrgen?= <j@example.org>")
        assert stage.page.message.section is Section.HEADERS
        await stage.do("raw")
        await stage.sees("From: Jürgen")


async def test_the_body_shows_texts_and_lists_what_is_attached(tmp_path: Path) -> None:
    def plant(spool: PlantedSpool) -> None:
        spool.plant("GRSS", data=_GRUESSE)

    async with staged(MessagesPage(), tmp_path, plant=plant) as stage:
        await stage.opened("GRSS", "open")
        await _section(stage, Section.BODY)
        await stage.sees(
            "── text/plain  5",
            "schön",
            "See it <http://x.example>",
            "── application/pdf  a\\x1b[2J.pdf  3",
        )
        assert "PDF\n" not in stage.text


async def test_a_long_message_is_read_in_parts_and_says_so(tmp_path: Path) -> None:
    line = b"%06d" + b"x" * 56 + b"\r\n"
    data = b"Subject: long\r\n\r\n" + b"".join(line % n for n in range(2000))

    def plant(spool: PlantedSpool) -> None:
        spool.plant("BGG", data=data)

    async with staged(MessagesPage(), tmp_path, plant=plant) as stage:
        await stage.opened("BGG", "open")
        await _section(stage, Section.BODY)
        await stage.sees("000000xxx")
        await stage.do("last")
        await stage.sees("Cut: the first 64.0K of 125.0K were read.")
        await stage.do("raw")
        await stage.sees("Subject: long")
        await stage.do("last")
        await stage.sees(
            f"Bytes 1 to {DATA_BYTES:,} of {len(data):,}; n shows the next"
        )
        assert not stage.page.why_not("next-match")
        await stage.do("next-match")
        await stage.sees("001024xxx")
        await stage.do("last")
        await stage.sees(f"to {len(data):,} of {len(data):,}; this is the last part")
        await stage.sees("001999xxx")
        await stage.do("previous-match")
        await stage.sees("Subject: long")


async def test_the_transcript_has_replies_and_what_the_journal_tells(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        spool, name = stage.spool, "DEF"
        texts = spool.control_file(name).with_name("xf" + spool.ids[name])
        texts.write_bytes(b"1 1799999700 452-4.2.2 mailbox \x1b full\n")
        texts.chmod(0o600)
        deferred = {
            "time": NOW - 599.0, "event": "deferred", "relay": "mx1.example:25",
            "code": 451, "text": "later", "recipients": [[2, "b@example.com"]],
        }  # fmt: skip
        doubt = {"time": NOW - 9.0, "event": "in_doubt"}
        _journal(spool, name, deferred, doubt)
        await stage.opened(name, "transcript")
        await stage.sees(
            "2  b@example.com  452 4.2.2 mailbox \\x1b full",
            "2027-01-15 07:50:01  deferred  to b@example.com  via mx1.example:25  451",
            "in doubt: the final dot left, no answer came",
        )
        await _section(stage, Section.ATTEMPTS)
        await stage.sees(
            "2027-01-15 07:50:01          mx1.example:25  deferred 451 later",
            "2027-01-15 07:59:51     +9m  in doubt",
        )


async def test_a_journal_that_does_not_name_the_message_is_no_mystery(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.opened("NEW", "transcript")
        await stage.sees("No server has said anything about it yet.")
        await stage.sees("It does not name this message, or no longer.")
        await _section(stage, Section.ATTEMPTS)
        await stage.sees("Nothing was tried yet.")


async def test_a_holder_is_named_with_what_to_do_about_one_that_is_stuck(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.opened("DEF", "lock")
        await stage.sees("none: nobody is working on it")
        fd = os.open(stage.spool.control_file("DEF"), os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            await stage.until(
                lambda: bool(stage.world.lookout.sight.around.locks.messages)
            )
            stage.clock.time += 2
            await stage.sees(
                f"Holder       pid {os.getpid()}", "Command", "This takes long"
            )
        finally:
            os.close(fd)


async def test_why_not_now_comes_with_what_to_do(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        for name, text in (
            ("HED", "H releases it"),
            ("DBT", "counts it as delivered"),
            ("BAD", "damaged: "),
            ("NEW", "S starts a runner from here"),
        ):
            await stage.opened(name, "why")
            await stage.sees("Why not now", text)
            await stage.do("back")


async def test_a_damaged_file_is_explained_in_every_section(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.opened("BAD", "open")
        for section in Section:
            await _section(stage, section)
            await stage.sees(f"[{section.value}]")
            await stage.until(lambda: "reading" not in stage.text)
        await stage.do("column-right")
        await stage.sees("Why          damaged")
        await stage.do("column-right")
        await stage.sees("The recipients cannot be read")


async def test_nothing_is_made_up_about_a_file_that_says_nothing(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        path = stage.spool.control_file("DEF")
        os.truncate(path, 40)
        await stage.opened("DEF", "open")
        await stage.sees("· damaged · q.1", "Sender, recipients and tries cannot be")
        assert "Submitted    2027-01-13 08:00:00 (2 d ago), by its id" in stage.text
        for made_up in ("<>", "Size", "Origin", "none yet", "0 of 0"):
            assert made_up not in stage.text
        await stage.do("back")
        await stage.sees("Envelope   cannot be read", "Attempts   cannot be read")
        assert "<>" not in stage.text.partition("Envelope")[2]


async def test_data_that_cannot_be_read_is_told_with_its_path(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        spool = stage.spool
        data = spool.path / "q.1" / ("df" + spool.ids["DEF"])
        data.unlink()
        await stage.opened("DEF", "open")
        await stage.sees(data.name)
        for section in (Section.HEADERS, Section.BODY, Section.RAW):
            await _section(stage, section)
            await stage.sees(f"[{section.value}]", data.name)
            said = " ".join(stage.text.split())  # its path may wrap anywhere
            assert "cannot be read; see tuiq check" in said


async def test_a_message_that_leaves_while_it_is_open_stays_readable(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.opened("QA2", "open")
        stage.spool.control_file("QA2").unlink()
        await stage.sees("left the queue; shown as it was read last", "State")
        await stage.do("transcript")
        await stage.sees("[Transcript]", "Journal")
        await stage.do("back")
        await stage.until(lambda: not stage.row("QA2"))
        assert stage.page.grid.cursor != stage.spool.ids["QA2"]


async def test_a_change_shows_while_the_message_is_open(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.opened("DEF", "open")
        await stage.sees("State        deferred")
        stage.spool.poke("DEF", (control.MHOLD, b"H"))
        await stage.sees("State        held")


async def test_recipients_can_be_meant_one_by_one(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.opened("DEF", "open")
        queue_id = stage.spool.ids["DEF"]
        subject = stage.page.subject()
        assert subject is not None
        assert subject.picks == ((queue_id, None),)
        await stage.do("column-right")
        await stage.sees("D-", "T-", "b@example.com")
        await stage.do("down")
        subject = stage.page.subject()
        assert subject is not None
        assert subject.picks == ((queue_id, (1,)),)
        assert subject.scope == f"b@example.com of {queue_id}"
        await stage.do("mark", "down", "mark")
        subject = stage.page.subject()
        assert subject is not None
        assert subject.picks == ((queue_id, (1, 2)),)
        assert stage.page.status().startswith("2 recipients marked")
        assert not stage.page.grid.marks


async def test_a_recipient_that_was_acted_on_shows_it(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.opened("DEF", "open")
        await stage.do("column-right")
        await stage.sees("b@example.com")
        stage.spool.slot("DEF", 1, b"TH")
        await stage.sees("TH")
        line = next(t for t in stage.text.split("\n") if "b@example.com" in t)
        assert line.split()[1:4] == ["=", "TH", "held"]


async def test_marks_of_one_message_do_not_follow_into_the_next(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        await stage.opened("DEF", "open")
        await stage.do("column-right")
        await stage.sees("b@example.com")
        await stage.do("mark", "back")
        await stage.opened("QA1", "open")
        await stage.do("column-right")
        await stage.sees("user@full.example")
        assert not stage.page.message.grid.marks


async def test_hostile_text_is_harmless_in_every_section(tmp_path: Path) -> None:
    hostile = HOSTILE.encode()
    head = b"Subject: " + hostile + b"\r\nX-" + b"a" * 300 + b": " + hostile + b"\r\n"
    name = b'Content-Disposition: attachment; filename="' + hostile + b'"\r\n'
    data = head + name + b"Content-Type: text/" + hostile + b"\r\n\r\n" + hostile * 9

    def plant(spool: PlantedSpool) -> None:
        two = (hostile, b"b@example.org")
        spool.plant("EVK", sender=hostile, to=two, data=data)
        spool.tried("EVK", tries=2, wait=60, reply=hostile)
        texts = spool.control_file("EVK").with_name("xf" + spool.ids["EVK"])
        texts.write_bytes(b"0 1799999700 452 " + hostile + b"\n")
        texts.chmod(0o600)
        said = {"relay": HOSTILE, "text": HOSTILE, "recipients": [[1, HOSTILE]]}
        deferred = {"time": NOW - 60.0, "event": "deferred", **said}
        _journal(spool, "EVK", deferred, {"time": NOW - 59.0, "event": HOSTILE, **said})

    async with staged(MessagesPage(), tmp_path, plant=plant) as stage:
        await stage.opened("EVK", "open")
        for section in Section:
            await _section(stage, section)
            await stage.until(lambda: "reading" not in stage.text)
            await stage.pilot.pause(0.05)
            bad = [c for c in stage.text if c != "\n" and not c.isprintable()]
            assert not bad, f"{section}: {bad}"
        await _section(stage, Section.HEADERS)
        await stage.do("raw")
        await stage.sees("[b]bold[/b]")
        assert all(c == "\n" or c.isprintable() for c in stage.text)


_BROKEN = (
    b"",
    b"no header and no empty line",
    b"\r\n\r\n",
    b"Subject: =?no-such?b?!!!?= =?utf-8?q?=ZZ?=\r\n\r\n\x00\xff",
    b"Subject: x\r\nContent-Type: text/plain; charset=idna\r\n\r\n\xff",
    b"X: " + b"y" * 200_000 + b"\r\n\r\nbody",
    b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%",
    b"Content-Type: multipart/mixed\r\n\r\nno boundary",
)


async def test_mail_that_is_broken_can_be_looked_at(tmp_path: Path) -> None:
    def plant(spool: PlantedSpool) -> None:
        for number, data in enumerate(_BROKEN):
            spool.plant(f"BRK{number}", data=data, age=100 - number)

    async with staged(MessagesPage(), tmp_path, plant=plant) as stage:
        for number in range(len(_BROKEN)):
            await stage.opened(f"BRK{number}", "open")
            for section in (Section.HEADERS, Section.BODY, Section.RAW):
                await _section(stage, section)
                await stage.until(lambda: "reading" not in stage.text)
            assert all(c == "\n" or c.isprintable() for c in stage.text)
            await stage.do("back")


async def test_the_view_opens_at_a_recipient_that_another_page_names(
    tmp_path: Path,
) -> None:
    async with staged(MessagesPage(), tmp_path) as stage:
        stage.page.focus_on((stage.spool.ids["DEF"], 2))
        await stage.until(lambda: stage.page.message.grid.cursor == 2)
        await stage.sees("[Recipients]", "c@other.net")


async def test_what_is_narrow_names_one_section(tmp_path: Path) -> None:
    async with staged(MessagesPage(), tmp_path, size=(40, 12)) as stage:
        await stage.opened("DEF", "open")
        await stage.sees("[Envelope]  1 of 9  ← →")
        await stage.do("column-left")
        await stage.sees("[Why]  9 of 9")
