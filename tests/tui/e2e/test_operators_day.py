"""The UI as operators use it: keys into a terminal, screens out, a real spool."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.tui.e2e.conftest import open_ui
from tests.tui.e2e.tmux import ROOT

if TYPE_CHECKING:
    from tests.cli.conftest import PlantedSpool
    from tests.tui.e2e.tmux import Tmux


def tuiq(spool: PlantedSpool, *words: str) -> str:
    """Return what a command says about the spool."""
    result = subprocess.run(
        [sys.executable, "-m", "tuiq", "--config", str(spool.config), *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return result.stdout


def state_of(spool: PlantedSpool, name: str) -> str:
    """Return the state word of a planted message, as the command line says it."""
    shown = tuiq(spool, "show", spool.ids[name])
    found = re.match(r"message +\w+, (\w+)", shown)
    assert found, shown
    return found[1]


def narrow(ui: Tmux, text: str, count: str) -> None:
    """Filter by *text*; wait until the list says *count*."""
    ui.keys("/")
    ui.keys("C-u")
    ui.type(text)
    ui.until(count)
    ui.keys("Enter")


def test_what_is_held_in_the_ui_is_held_and_undo_takes_it_back(
    ui: Tmux, spool: PlantedSpool
) -> None:
    narrow(ui, "dom:full.example", "5 of ")
    ui.keys("A")
    ui.until("5 marked")
    ui.keys("h")
    ui.until("5 held")
    assert state_of(spool, "QA0") == "held"

    ui.keys("u")
    ui.until("5 taken back")
    assert state_of(spool, "QA0") == "deferred"
    assert state_of(spool, "HED") == "held", "what was held before stays"


def test_delete_needs_its_own_key_and_undo_brings_the_mail_back(
    ui: Tmux, spool: PlantedSpool
) -> None:
    narrow(ui, "to:ann", "1 of ")
    ui.keys("D")
    ui.until("Delete: 1 message")
    ui.keys("Enter")
    ui.keys("D")
    ui.until("Delete: 1 message")
    assert state_of(spool, "NEW") == "due", "neither Enter nor D confirms"

    ui.keys("y")
    ui.until("1 deleted")
    assert state_of(spool, "NEW") == "trashed"

    ui.keys("u")
    ui.until("1 taken back")
    assert state_of(spool, "NEW") == "due"


def test_two_uis_see_what_the_other_does(
    ui: Tmux, spool: PlantedSpool, tmp_path: Path
) -> None:
    with open_ui(spool, tmp_path / "other") as other:
        other.until("ann@example.org")
        narrow(ui, "to:ann", "1 of ")
        ui.keys("h")
        ui.until("1 held")
        other.until(lambda screen: bool(re.search(r"ann@example.org.*held", screen)))

        other.keys("6")
        other.until(lambda screen: bool(re.search(r"hold .* 1 +done", screen)))


def test_a_storm_of_resizes_ends_in_a_right_screen(ui: Tmux) -> None:
    for columns in (60, 200, 41, 90, 33, 120, 80):
        ui.resize(columns, columns // 3)
    ui.resize(80, 24)

    screen = ui.until("[2 Messages]")
    assert max(map(len, screen.splitlines())) <= 80
    assert len(screen.splitlines()) == 24


def test_a_directory_that_vanishes_is_told_and_the_others_go_on(
    ui: Tmux, spool: PlantedSpool
) -> None:
    (spool.path / "q.2").rename(spool.path / "away")
    ui.keys("R")
    ui.keys("1")
    ui.until(lambda screen: bool(re.search(r"q\.2 .*(vanish|gone|no such)", screen)))
    ui.keys("2")
    ui.until("ann@example.org")

    (spool.path / "away").rename(spool.path / "q.2")
    ui.keys("R")
    narrow(ui, "queue:q.2", "6 of")


def test_a_runner_that_is_killed_is_told_and_mail_stays(
    ui: Tmux, spool: PlantedSpool
) -> None:
    tuiq(spool, "pause", "spool")  # so that the runner has nothing to try
    ui.keys("S")
    ui.until("runner ▶")
    os.kill(ui.pid_of("--run"), signal.SIGKILL)

    ui.until(lambda screen: bool(re.search(r"runner ■|killed", screen)))
    assert state_of(spool, "HED") == "held"


def test_the_embedded_runner_ends_when_its_ui_is_killed(
    ui: Tmux, spool: PlantedSpool
) -> None:
    ui.keys("S")
    ui.until("runner ▶")
    runner = ui.pid_of("--run")
    os.kill(ui.pid_of(str(spool.config)), signal.SIGKILL)

    ui.until("ended with 137")
    with subprocess.Popen(["tail", f"--pid={runner}", "-f", "/dev/null"]) as waiting:
        assert waiting.wait(60) == 0


def test_terminate_restores_the_terminal(ui: Tmux, spool: PlantedSpool) -> None:
    os.kill(ui.pid_of(str(spool.config)), signal.SIGTERM)

    screen = ui.until("ended with 0")
    assert "[2 Messages]" not in screen


def test_the_first_command_of_the_readme_shows_mail_on_its_way(tmp_path: Path) -> None:
    from tests.tui.e2e.tmux import Tmux

    environ = {"XDG_CONFIG_HOME": str(tmp_path / "c"), "TMPDIR": str(tmp_path)}
    with Tmux("demo", environ=environ) as demo:
        demo.until(lambda screen: "shop@harbor.example" in screen)
        demo.until("runner ▶")
        demo.keys("q")
        screen = demo.until("ended with 0")

    assert "The server's books agree" in screen
    assert list(tmp_path.glob("tuiq-demo-*")) == []
