"""Nothing hidden gets to a terminal or a log."""

from __future__ import annotations

import logging
import os
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq import log
from tuiq.log import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
ANY_CHARACTER = st.characters(codec=None, exclude_categories=())


def shows_everything(text: str) -> bool:
    return not any(unicodedata.category(char) in HIDDEN for char in text)


@given(st.text(ANY_CHARACTER))
def test_no_hidden_character_survives_in_text(text: str) -> None:
    assert shows_everything(printable(text))


@given(st.binary())
def test_no_hidden_character_survives_in_bytes(raw: bytes) -> None:
    assert shows_everything(printable(raw))


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_printable_ascii_stays_as_it_is(text: str) -> None:
    assert text == printable(text)
    assert text == printable(text.encode())


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        (b"tab\tline\nback\\slash", r"tab\x09line\x0aback\slash"),
        (b"caf\xc3\xa9", "café"),
        (b"caf\xe9", r"caf\xe9"),
        ("\x9b2J", r"\x9b2J"),
        ("a\u202eb", r"a\u202eb"),
        ("a\u200db\ufeff", r"a\u200db\ufeff"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("fill\u3164\ufe0f", r"fill\u3164\ufe0f"),
        ("全角\u3000空白", "全角\u3000空白"),
        ("\udc80\ud800", r"\x80\ud800"),
    ],
)
def test_hidden_characters_become_visible_escapes(raw: bytes | str, shown: str) -> None:
    assert shown == printable(raw)


def test_the_table_stays_small_whatever_mail_contains() -> None:
    printable("".join(map(chr, range(0x20000))))

    assert len(log._TABLE) <= log._CACHE_LIMIT


@pytest.fixture
def tuiq_logger() -> Iterator[logging.Logger]:
    logger, handlers = logging.getLogger("tuiq"), logging.getLogger().handlers[:]
    yield logger
    logging.getLogger().handlers[:] = handlers
    logger.setLevel(logging.NOTSET)


def test_a_log_line_is_one_escaped_line(
    tuiq_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log.setup(environ={})
    tuiq_logger.info("to=%s", "a\x1b[2J\n\x85@example.org")
    tuiq_logger.debug("not shown")

    line = capsys.readouterr().err
    assert line.endswith(" to=a\\x1b[2J\\x0a\\x85@example.org\n")
    assert line.count("\n") == 1


def test_a_traceback_keeps_its_lines_and_hides_nothing(
    tuiq_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log.setup(environ={})
    try:
        raise ValueError("\x1b[31m")  # noqa: TRY301
    except ValueError:
        tuiq_logger.exception("failed")

    lines = capsys.readouterr().err.splitlines()
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-1] == "ValueError: \\x1b[31m"


def test_verbose_shows_debug_lines(
    tuiq_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log.setup(verbose=True, environ={})
    tuiq_logger.debug("dialogue")

    assert "dialogue" in capsys.readouterr().err


def test_the_journal_gets_priorities_instead_of_times(
    tuiq_logger: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    stat = os.fstat(2)
    log.setup(environ={"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"})
    tuiq_logger.warning("low disk")
    tuiq_logger.error("suspect")

    assert capfd.readouterr().err == "<4>low disk\n<3>suspect\n"
