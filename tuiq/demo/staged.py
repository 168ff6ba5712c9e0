"""``tuiq demo`` on a terminal: the UI in front, the world in a process behind it.

The world ends when the pipe to it does, whether the UI was left or killed; what it
has to say in the end is shown below the UI's last screen.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tuiq import config as configuration
from tuiq.demo import guard
from tuiq.demo.play import Options, play
from tuiq.demo.summary import summary
from tuiq.demo.view import Unseen
from tuiq.errors import TuiqError, UsageError
from tuiq.log import printable


def show(options: Options) -> int:
    """Show the demo in the UI until that is left; return its exit status."""
    keep = "" if options.keep is None else str(options.keep.absolute())
    world = subprocess.Popen(
        [sys.executable, "-m", "tuiq.demo.staged", options.command, keep],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=guard.environment(),
        text=True,
        errors="surrogateescape",
        start_new_session=True,  # a Ctrl+C is for the UI
    )
    assert world.stdin is not None
    assert world.stdout is not None
    with world:
        place = world.stdout.readline().rstrip("\n")
        if not place.startswith("/"):
            raise UsageError(place or "demo: its world did not start; see --plain")
        from tuiq.tui.start import run

        try:
            status = run(configuration.load(place))
        finally:
            world.stdin.close()
            said = world.stdout.read()
    print(said, end="")
    return status


def main(command: str, keep: str) -> int:
    """Be the world behind a UI."""
    options = Options(command=command, keep=Path(keep) if keep else None, staged=True)
    try:
        scene, ending = play(options, Unseen(sys.stdout))
    except TuiqError as error:
        print(printable(str(error)))
        return 1
    for line in summary(scene, ending):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
