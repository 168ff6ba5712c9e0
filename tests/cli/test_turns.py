"""Work that several processes share comes back whole and in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.benchmarks.filled import fill_spool
from tuiq.cli.turns import in_turns
from tuiq.errors import SpoolUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Each runs in a process of its own: in this one a test runner may have threads.
_MAILQ = """
import sys
from tuiq.cli import listing, turns
from tuiq.cli.main import dispatch
listing.PART, turns.MOST = int(sys.argv[1]), int(sys.argv[2])
sys.exit(dispatch(sys.argv[3:]))
"""


def python(code: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-c", code, *words),
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("layout", [(), ("--json",), ("--postfix",)])
def test_a_listing_is_the_same_by_one_process_and_by_several(
    tmp_path: Path, layout: tuple[str, ...]
) -> None:
    settings = str(fill_spool(tmp_path / "spool", 100, queues=2))
    alone, shared = (
        python(_MAILQ, "3", processes, "mailq", *layout, TUIQ_CONFIG=settings)
        for processes in ("1", "4")
    )
    assert shared.stderr == ""
    assert shared.stdout.count("subscriber") == 100
    assert shared.stdout == alone.stdout


def test_results_come_in_order_from_as_many_processes_as_asked() -> None:
    done = python(
        "import os\n"
        "from tuiq.cli.turns import in_turns\n"
        "def work(n): yield n; yield 100_000 * 'x'; yield os.getpid()\n"
        "found = list(in_turns(range(1, 20), work, processes=3))\n"
        "assert found[0::3] == list(range(1, 20)), found[0::3]\n"
        "assert len(set(found[2::3])) == 3 and os.getpid() in found\n"
        "try: os.waitpid(-1, 0)\n"
        "except ChildProcessError: print('nobody left')\n"
    )
    assert done.stdout == "nobody left\n", done.stderr


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "raise ValueError"])
def test_the_death_of_a_helper_is_told_and_its_work_not_passed_over(end: str) -> None:
    done = python(
        "import os\n"
        "from tuiq.cli.turns import in_turns\n"
        "main = os.getpid()\n"
        "def work(n):\n"
        "    yield n\n"
        f"    if n == 7 and os.getpid() != main: {end}\n"
        "found = []\n"
        "try:\n"
        "    for n in in_turns(range(20), work, processes=2): found.append(n)\n"
        "except Exception as error: print(type(error).__name__, *found)\n"
    )
    error, *found = done.stdout.split()
    assert error == SpoolUnavailable.__name__, done.stderr
    assert found in ([*"0123456"], [*"01234567"])


def test_whoever_stops_reading_ends_the_helpers(tmp_path: Path) -> None:
    settings = str(fill_spool(tmp_path / "spool", 3000))
    with subprocess.Popen(
        (sys.executable, "-c", _MAILQ, "10", "4", "mailq", "--json"),
        env={**os.environ, "TUIQ_CONFIG": settings},
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.wait(timeout=60)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


def test_a_short_list_needs_no_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(number: int) -> Iterator[Any]:
        yield number

    monkeypatch.delattr(os, "fork")
    assert list(in_turns([1, 2, 3], work, processes=4)) == [1, 2, 3]
