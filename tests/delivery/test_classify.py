"""What replies mean, without a wire."""

from __future__ import annotations

import pytest

from tuiq.delivery.classify import is_plain
from tuiq.mail.reply import Reply

OK, GO, NO, LATER = (Reply(code=code) for code in (250, 354, 550, 450))


@pytest.mark.parametrize(
    ("replies", "recipients", "plain"),
    [
        ([OK, OK, GO], 1, True),
        ([OK, OK, OK, GO], 2, True),
        ([OK, GO], 1, False),
        ([OK, OK, OK, GO], 1, False),
        ([OK, GO, GO], 1, False),
        ([GO, OK, GO], 1, False),
        ([OK, NO, GO], 1, False),
        ([LATER, OK, GO], 1, False),
        ([OK, OK, OK], 1, False),
        ([OK, OK, NO], 1, False),
        ([], 1, False),
    ],
)
def test_only_a_yes_to_everything_needs_no_judgement(
    replies: list[Reply], recipients: int, plain: bool
) -> None:
    assert is_plain(replies, recipients) is plain
