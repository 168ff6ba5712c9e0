"""T8: the spool does what its model says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    run_state_machine_as_test,
)

from tests.conftest import Report
from tests.crash.machine import SpoolMachine
from tests.crash.test_races_faulty import apply_then_reread
from tuiq.spool.passes import Pass
from tuiq.spool.setup import create_spool


def run(
    tmp_path: Path,
    phases: Sequence[Phase],
    examples: int,
    *,
    derandomize: bool = False,
) -> None:
    """Run the machine on a spool below *tmp_path*.

    Without Phase.shrink: that takes minutes; add it to understand a failure.
    """
    create_spool(tmp_path / "spool")
    queue = tmp_path / "spool" / "q.1"
    run_state_machine_as_test(
        lambda: SpoolMachine(queue),  # type: ignore[arg-type]
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            phases=phases,
            derandomize=derandomize,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_spool_does_what_the_model_says(tmp_path: Path, report: Report) -> None:
    run(tmp_path, [Phase.generate], 60)
    report("T8 state machine", "60 runs of 50 steps")


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_the_spool_does_what_the_model_says_for_long(tmp_path: Path) -> None:
    run(tmp_path, [Phase.generate], 2000)


def test_the_machine_notices_a_lost_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pass, "end", apply_then_reread)
    with pytest.raises(AssertionError):
        run(tmp_path, [Phase.generate], 500, derandomize=True)
