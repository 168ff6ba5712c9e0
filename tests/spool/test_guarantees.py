"""FORMAT.md names a test for each guarantee; none of them may be missing."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FORMAT = (ROOT / "tuiq" / "spool" / "FORMAT.md").read_text()
_ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


def test_every_guarantee_names_its_tests_and_they_exist() -> None:
    section = FORMAT.partition("## 11.")[2].partition("## 12.")[0]
    rows = {int(number): shown for number, _, shown in _ROW.findall(section)}
    missing = [
        f"{file}::{name}"
        for shown in rows.values()
        for file, name in _TEST.findall(shown)
        if f"def {name}(" not in (ROOT / "tests" / file).read_text()
    ]

    assert missing == []
    assert all(_TEST.search(shown) for shown in rows.values())
    assert sorted(rows) == list(range(1, 28))
