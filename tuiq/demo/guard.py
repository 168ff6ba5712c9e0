"""The process that cleans up after ``tuiq demo``, however that one ends.

It holds the reading end of a pipe whose writing end only the demo has.  When the
pipe ends, because the demo closed it or because it died, the guard stops the
runner, which is its child, and removes the throwaway spool.  It has a session of
its own, so that a Ctrl+C or a closed terminal reaches the demo alone.  Should the
guard be killed, the kernel ends the runner.

The pipe carries two lines, ``RUN`` and ``STOP``: the runner shall start, the runner
shall end.  The guard says a line on its stdout when the runner has ended.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

LOG = "runner.log"
RUN = b"run\n"
STOP = b"stop\n"
_PATIENCE = 8.0
"""Seconds until a runner that does not end is killed; above its drain_timeout."""
_PR_SET_PDEATHSIG = 1
_SOURCE = str(Path(__file__).resolve().parents[2])


def environment() -> dict[str, str]:
    """Return the environment in which a child finds this very tuiq."""
    path = os.pathsep.join(filter(None, [_SOURCE, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def start_guard(directory: Path, *, keep: bool) -> subprocess.Popen[bytes]:
    """Start the guard of *directory*; it removes it unless told to *keep* it."""
    return subprocess.Popen(
        [sys.executable, "-m", "tuiq.demo.guard", str(directory), str(int(keep))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    )


def stop_guard(guard: subprocess.Popen[bytes], directory: Path, *, keep: bool) -> None:
    """Have the guard clean up and wait for it; clean up if it could not."""
    assert guard.stdin is not None
    with contextlib.suppress(OSError):
        guard.stdin.close()
    try:
        guard.wait(_PATIENCE + 4)
    except subprocess.TimeoutExpired:
        guard.kill()
        guard.wait()
    if guard.stdout is not None:
        guard.stdout.close()
    if not keep:
        remove(directory)


def remove(directory: Path) -> None:
    """Remove *directory*, although somebody may still be writing in it."""
    for _ in range(5):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return


def main(directory: Path, *, keep: bool) -> int:
    """Run the runner when told to, until the pipe ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # the pipe decides
    runner: subprocess.Popen[bytes] | None = None
    try:
        for line in sys.stdin.buffer:
            if line == STOP and runner is None:
                _say("never started")
            elif line == STOP:
                _stop(runner)
            elif runner is None:
                runner = _start_runner(directory)
                threading.Thread(target=_report, args=(runner,), daemon=True).start()
    finally:
        _stop(runner)
        if not keep:
            os.chdir("/")
            remove(directory)
    return 0


def _start_runner(directory: Path) -> subprocess.Popen[bytes]:
    """Start what ``tuiq --run`` starts, with its own log."""
    guard = os.getpid()
    config = str(directory / "tuiq.toml")
    with open(directory / LOG, "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tuiq", "--config", config, "--run"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory,
            preexec_fn=lambda: _die_with(guard),
        )


def _die_with(parent: int) -> None:
    """Ask the kernel to end this process when *parent* dies (prctl(2))."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel was asked
        os._exit(1)


def _report(runner: subprocess.Popen[bytes]) -> None:
    _say(f"ended {runner.wait()}")


def _say(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(line, flush=True)


def _stop(runner: subprocess.Popen[bytes] | None) -> None:
    """End the runner, if there is one, within a bound."""
    if runner is None:
        return
    with contextlib.suppress(ProcessLookupError):
        runner.terminate()
    try:
        runner.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        runner.kill()
        runner.wait()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), keep=sys.argv[2] == "1"))
