"""Two containers, one queue: every runner is pid 1 in a pid namespace of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Report
from tests.endurance.test_concurrent import (
    DELAYS,
    SETTINGS,
    UNLOCKED,
    claims_lost,
    queue_mail,
    run_until_empty,
)
from tests.endurance.world import TUIQ, deliveries, make_world, serving
from tuiq.spool.journal import Kind

NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc")


def _can_unshare() -> bool:
    if shutil.which(NAMESPACE[0]) is None:
        return False
    return subprocess.run((*NAMESPACE, "true"), check=False).returncode == 0


@pytest.mark.skipif(not _can_unshare(), reason="needs the right to make pid namespaces")
@pytest.mark.parametrize(
    "runner",
    [(*TUIQ, "--run", "--once"), UNLOCKED],
    ids=["as shipped", "directory locks off"],
)
def test_two_containers_share_a_queue(
    runner: tuple[str, ...],
    tmp_path: Path,
    report: Report,
    request: pytest.FixtureRequest,
) -> None:
    """Nothing in the spool may rest on a pid meaning the same to everybody."""
    world = make_world(tmp_path / "spool")
    log = tmp_path / "server.log"
    with serving(log, *DELAYS) as port:
        world.configure(port=port, delivery=SETTINGS)
        wanted = queue_mail(world)
        started = run_until_empty(world, (*NAMESPACE, *runner), 2)

    sent = deliveries(log)
    pids = {record.pid for record in world.journal(Kind.RUNNER)}
    lost = claims_lost(world)
    report(
        f"2 pid namespaces, {request.node.callspec.id}",
        f"{len(wanted)} recipients, {started} runs, {lost} claims lost to a busy lock",
    )
    assert (set(sent), max(sent.values()), pids) == (wanted, 1, {1})
