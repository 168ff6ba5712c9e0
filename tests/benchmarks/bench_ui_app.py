"""The whole UI on a terminal, over a large queue that changes.

``python -m tests.benchmarks.bench_ui_app [--small] [--messages N] [--spool DIR]``.
tuiq runs in a process of its own on a pseudo terminal of 120x36.  Told are the time to
the first rows, to the first byte after a key (a tick may answer first: a lower bound),
bytes per tick and while nothing happens, and memory of all its processes: at rest, and
while another process makes 1,000 changes a second to real files.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import bench_ui_live
from tests.benchmarks.bench_ui_live import Times
from tests.benchmarks.filled import fill_spool, sync
from tests.tui.terminal.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_KEYS = {"down": ("j",), "page down": ("\x1b[6~",), "end, home": ("G", "g")}
_PRESSES = 100
_REST = 10.0
"""Seconds over which bytes are counted."""
_LONG = 900.0


def measure(settings: Path, home: Path) -> None:
    """Open the UI and use it."""
    environ = {"XDG_CONFIG_HOME": str(home), "XDG_STATE_HOME": str(home)}
    argv = [sys.executable, "-m", "tuiq", "--config", str(settings)]
    began = time.monotonic()
    with Terminal(argv, env=environ) as ui:
        ui.read_until(lambda t: "Messages" in t.text)
        print(f"first paint           {time.monotonic() - began:8.2f} s")
        ui.read_until(lambda t: "@" in t.text, timeout=_LONG)
        print(f"first rows, read      {time.monotonic() - began:8.2f} s")
        ui.drawn = False
        _press(ui, "while all are read")
        ui.drawn = True
        ui.press("\x0c")
        ui.read_until(lambda t: "● live" in t.text, timeout=_LONG)
        print(f"all read              {time.monotonic() - began:8.2f} s")
        ui.drawn = False
        _memory(ui)
        ui.read_for(12.0)  # the rates settle, and ages of under a minute
        print(f"bytes in {_REST:.0f} s at rest   {ui.read_for(_REST):8,}")
        _press(ui, "at rest")
        with _changing(settings):
            ui.read_for(3.0)
            _press(ui, f"{bench_ui_live.RATE:,} changes/s")
            sent, used = ui.read_for(_REST), ui.cpu()
            ui.read_for(_REST)
            print(f"bytes a tick          {sent / _REST / 2:8,.0f}")
            print(f"processor             {(ui.cpu() - used) / _REST:8.1%}")
        _memory(ui)
        ui.press("q")
        ui.wait()


def _press(ui: Terminal, when: str) -> None:
    """Press each key often, at no even pace."""
    for name, keys in _KEYS.items():
        times = Times()
        ui.press("g").read_for(0.5)
        for number in range(_PRESSES):
            ui.read_for(0.05 + number % 7 * 0.007)
            before = ui.sent
            with times.one():
                ui.press(keys[number % len(keys)])
                ui.read_until(lambda t: t.sent > before)  # noqa: B023
        times.cpu.clear()
        print(f"{name:10} {when:20} {times}")


@contextmanager
def _changing(settings: Path) -> Iterator[None]:
    (queue,) = settings.parent.glob("q.*")
    with bench_ui_live.churning(queue):
        yield


def _memory(ui: Terminal) -> None:
    """Print the resident memory of the UI and of what it started."""
    own = ui.memory() / 2**20
    others = sum(_resident(pid) for pid in ui.children())
    print(f"memory                {own:8.0f} MiB, its scanner {others:.0f}")


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=460_800)
    parser.add_argument("--small", action="store_true", help="5,000 messages")
    parser.add_argument("--where", type=Path, help="a directory for the queue")
    parser.add_argument("--spool", type=Path, help="a spool that was filled before")
    options = parser.parse_args(argv)
    place = Path(tempfile.mkdtemp(prefix="tuiq-bench-", dir=options.where))
    try:
        spool = options.spool or place / "spool"
        if not options.spool:
            fill_spool(spool, 5_000 if options.small else options.messages)
            sync()
        measure(spool / "tuiq.toml", place / "home")
    finally:
        shutil.rmtree(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
