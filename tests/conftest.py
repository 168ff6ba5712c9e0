"""What every test stands on: no configuration from the machine, fair properties."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from pathlib import Path

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
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-config-home"))
