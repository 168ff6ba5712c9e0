"""What the views print as JSON is what the README says they print."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

README = Path(__file__).parents[2] / "README.md"
GOLDEN = Path(__file__).parent / "golden"
FREE = frozenset({"states", "counters", "rates"})
"""Members whose own members are values, not names."""


def members(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            if name not in FREE:
                yield from members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner)


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.json*")), ids=lambda f: f.name)
def test_every_member_is_documented(file: Path) -> None:
    text = README.read_text().split("## Machine-readable output\n")[1]
    section = text.split("\n## ")[0]
    command = re.split(r"[-.]", file.name)[0]
    _, _, after = section.partition(f"`tuiq {command} --json`")
    table = after.split("\n`tuiq ")[0]
    common = section.split("\n`tuiq mailq")[0]
    documented = set(re.findall(r"`(\w+)`", common + table))
    for line in file.read_text().splitlines():
        assert set(members(json.loads(line))) - documented == set()
