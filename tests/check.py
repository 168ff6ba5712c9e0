"""The one check command: format, lint, types, imports, tests.

``python tests/check.py`` stops at the first step that fails; ``--all`` runs
every step and then tells which ones failed.  What follows ``--`` goes to pytest.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = Path(sysconfig.get_path("scripts"))


def steps(pytest_args: list[str]) -> list[tuple[str, list[str]]]:
    """Return (what it checks, command line) of each step, in order."""
    python = [sys.executable, "-m"]
    return [
        ("format", [*python, "ruff", "format", "--check", "."]),
        ("lint", [*python, "ruff", "check", "."]),
        ("types", [*python, "mypy"]),
        ("imports", [str(SCRIPTS / "lint-imports")]),
        ("tests", [*python, "pytest", "-n", "2", *pytest_args]),
    ]


def run(name: str, command: list[str]) -> bool:
    """Run one step from the project's root and say how it went."""
    print(f"== {name}: {shlex.join(command)}", flush=True)
    began = time.monotonic()
    passed = subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    verdict = "ok" if passed else "FAILED"
    print(f"== {name}: {verdict} ({time.monotonic() - began:.1f} s)", flush=True)
    return passed


def main() -> int:
    """Run the steps; return 0 when all passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="go on after a failure")
    parser.add_argument("pytest_args", nargs="*", help="arguments for pytest, after --")
    options = parser.parse_args()
    failed = []
    for name, command in steps(options.pytest_args):
        if run(name, command):
            continue
        failed.append(name)
        if not options.all:
            break
    print(f"== failed: {', '.join(failed)}" if failed else "== all checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
