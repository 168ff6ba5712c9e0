"""``tuiq show``: the whole message, nothing of it obeyed by the terminal."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tuiq.cli.show import write_raw
from tuiq.spool import control

if TYPE_CHECKING:
    from collections.abc import Callable

ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.mark.parametrize(
    ("name", "message", "arguments"),
    [
        ("show.txt", "def", ()),
        ("show.json", "def", ("--json",)),
        ("show-hostile.txt", "evp", ()),
        ("show-damaged.json", "bad", ("--json",)),
    ],
)
def test_a_message_is_shown_as_pinned(
    stocked: Any,
    tuiq: Callable[..., Any],
    golden: Callable[[str, str], None],
    name: str,
    message: str,
    arguments: tuple[str, ...],
) -> None:
    ran = tuiq("show", stocked.ids[message], *arguments)
    assert (ran.status, ran.err) == (0, "")
    golden(name, ran.out)


@pytest.mark.parametrize("option", ["", "--headers", "--body"])
def test_hostile_mail_reaches_no_terminal(
    stocked: Any, tuiq: Callable[..., Any], option: str
) -> None:
    arguments = [option] if option else []
    out = tuiq("show", *arguments, stocked.ids["evp"]).out
    assert out
    assert not ACTIVE.search(out)


def test_headers_are_decoded_then_escaped(
    stocked: Any, tuiq: Callable[..., Any]
) -> None:
    lines = tuiq("show", "--headers", stocked.ids["evp"]).lines
    assert lines == ["Subject: Grü\\x1b[2J"]


def test_raw_is_the_data_byte_for_byte(planted: Any) -> None:
    data = b"Subject: x\r\n\r\n\x1b\xff\r\n"
    queue_id = planted.plant("abc", data=data)
    command = [sys.executable, "-m", "tuiq", "show", "--config", str(planted.config)]
    ran = subprocess.run(
        [*command, "--raw", queue_id], capture_output=True, check=True, timeout=60
    )
    assert ran.stdout == data


def test_raw_is_escaped_when_it_would_reach_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    write_raw(b"a\x1b[2J\r\nb")
    assert terminal.getvalue() == "a\\x1b[2J\nb\n"


def test_the_preview_says_where_the_rest_is(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    body = b"".join(b"line %d\r\n" % n for n in range(30))
    queue_id = planted.plant("abc", data=b"A: b\r\n\r\n" + body)
    lines = tuiq("show", queue_id).lines
    assert lines[-2:] == ["line 19", f"[more: tuiq show --body {queue_id}]"]
    assert tuiq("show", "--body", queue_id).lines[-1] == "line 29"


def test_one_recipient_is_shown_by_its_number(
    stocked: Any, tuiq: Callable[..., Any]
) -> None:
    shown = json.loads(tuiq("show", "--json", f"{stocked.ids['def']}/3").out)
    assert [(r["number"], r["address"]) for r in shown["recipients"]] == [
        (3, "full@b.example")
    ]
    assert shown["recipients"][0]["reply"] == "452 4.2.2 mailbox full"


def test_tabs_are_shown_as_spaces(planted: Any, tuiq: Callable[..., Any]) -> None:
    queue_id = planted.plant("abc", data=b"A: b\r\n\tc\r\n\r\nx\ty\r\n")
    assert tuiq("show", queue_id).lines[-3:] == ["A: b c", "", "x       y"]


@pytest.mark.parametrize("number", ["0", "4", "x", ""])
def test_a_recipient_that_is_not_there_is_a_usage_error(
    stocked: Any, tuiq: Callable[..., Any], number: str
) -> None:
    ran = tuiq("show", f"{stocked.ids['def']}/{number}")
    assert (ran.status, ran.out) == (64, "")


@pytest.mark.parametrize(
    ("poke", "word"),
    [
        (b"T-", "todo"),
        (b"TH", "held"),
        (b"TX", "delete asked"),
        (b"TB", "bounce asked"),
        (b"A-", "attempt"),
        (b"U-", "in doubt"),
        (b"D-", "delivered"),
        (b"F-", "failed"),
        (b"B-", "bounced"),
        (b"X-", "cancelled"),
        (b"X-0000000000250", "delivered, by operator's word"),
    ],
)
def test_every_recipient_state_has_its_word(
    planted: Any, tuiq: Callable[..., Any], poke: bytes, word: str
) -> None:
    queue_id = planted.plant("abc")
    planted.slot("abc", 0, poke)
    row = tuiq("show", queue_id).out.split("LAST REPLY\n")[1].splitlines()[0]
    assert row.startswith(f"1  {word}  ")


def test_failures_are_quoted_from_the_bounce_file(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    queue_id = planted.plant("abc")
    planted.slot("abc", 0, b"F-01000000005505.1.1    ")
    path = planted.control_file("abc").with_name(f"bf{queue_id}")
    path.write_bytes(b"0 1799999700 550-5.1.1 no such user\n")
    shown = json.loads(tuiq("show", "--json", queue_id).out)
    assert shown["recipients"][0]["reply"] == "550 5.1.1 no such user"


def test_a_message_whose_data_is_gone_is_shown_without_it(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    queue_id = planted.plant("abc")
    planted.control_file("abc").with_name(f"df{queue_id}").unlink()
    shown = json.loads(tuiq("show", "--json", queue_id).out)
    assert (shown["headers"], shown["body"]) == ([], "")


def test_a_destroyed_control_file_is_shown_as_damaged(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    queue_id = planted.plant("abc")
    planted.poke("abc", (0, b"garbage!"))
    ran = tuiq("show", queue_id)
    assert ran.status == 0
    assert f"{queue_id}, damaged" in ran.out
    assert "not a tuiq control file" in ran.out


def test_a_part_of_an_id_is_enough_when_it_fits_one_message(
    stocked: Any, tuiq: Callable[..., Any]
) -> None:
    queue_id = stocked.ids["fresh"]
    for part in (queue_id[:13], queue_id[-6:], queue_id[-6:].lower()):
        assert json.loads(tuiq("show", "--json", part).out)["queue_id"] == queue_id


def test_a_part_that_fits_several_lists_them(
    stocked: Any, tuiq: Callable[..., Any]
) -> None:
    ran = tuiq("show", "1K52W" + "2")
    assert ran.status == 0
    planted = [stocked.plant(name, age=600.5) for name in ("aaa", "bbb")]
    ran = tuiq("show", planted[0][:9])
    assert (ran.status, ran.out) == (64, "")
    assert all(queue_id in ran.err for queue_id in planted)


@pytest.mark.parametrize(("part", "status"), [("ZZZZZZ", 66), ("FRESH", 64), ("", 64)])
def test_an_id_that_fits_nothing_is_refused(
    stocked: Any, tuiq: Callable[..., Any], part: str, status: int
) -> None:
    assert tuiq("show", part).status == status


def test_a_message_in_the_trash_says_so(stocked: Any, tuiq: Callable[..., Any]) -> None:
    shown = json.loads(tuiq("show", "--json", stocked.ids["trash"]).out)
    assert shown["state"] == "trashed"
    assert shown["trashed"] == stocked.now - 3600


def test_the_envelope_parameters_are_shown(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    queue_id = planted.plant("abc")
    planted.poke("abc", (control.NOTICE, b"W"))
    shown = json.loads(tuiq("show", "--json", queue_id).out)
    assert (shown["uid"], shown["via"], shown["delay_notice_sent"]) == (
        1000,
        "sendmail",
        True,
    )
