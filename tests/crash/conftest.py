"""The table of what the explorers tried, printed at the end of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

_KEY = "tried"


class Report(Protocol):
    """Adds one line to the table."""

    def __call__(self, name: str, counts: object) -> None:
        """Say that *name* was explored with *counts*."""


@pytest.fixture
def report(
    record_property: Callable[[str, object], None],
) -> Report:
    """Return a function that prints counts and keeps them for the summary."""

    def add(name: str, counts: object) -> None:
        print(f"{name}: {counts}")
        record_property(_KEY, f"{name}: {counts}")

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the lines of all tests that passed or failed."""
    lines = [
        str(value)
        for outcome in ("passed", "failed")
        for result in terminalreporter.stats.get(outcome, [])
        for key, value in getattr(result, "user_properties", [])
        if key == _KEY
    ]
    if lines:
        terminalreporter.section("crash states and schedules tried")
        for line in lines:
            terminalreporter.write_line(line)
