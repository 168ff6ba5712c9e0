"""What every test stands on: no configuration from the machine, fair properties.

Tests that measure or explore hand their figures to ``report``; they are printed
at the end of the run.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from pathlib import Path

_FIGURES = "figures"

# A shared machine stalls at random: time is pytest-timeout's affair alone.
settings.register_profile(
    "dev",
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("ci", settings.get_profile("dev"), max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(autouse=True)
def no_configuration_from_outside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Hide the configuration of whoever runs the tests, here and in children."""
    monkeypatch.delenv("TUIQ_CONFIG", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-config-home"))


def pytest_configure() -> None:
    """Let children be interrupted, though a shell ran the tests in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Report(Protocol):
    """Adds one line to the figures."""

    def __call__(self, name: str, counts: object) -> None:
        """Say that *name* came to *counts*."""


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Return a function that prints counts and keeps them for the summary."""

    def add(name: str, counts: object) -> None:
        print(f"{name}: {counts}")
        record_property(_FIGURES, f"{name}: {counts}")

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of all tests that passed or failed."""
    lines = [
        str(value)
        for outcome in ("passed", "failed")
        for result in terminalreporter.stats.get(outcome, [])
        for key, value in getattr(result, "user_properties", [])
        if key == _FIGURES
    ]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
