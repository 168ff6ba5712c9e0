"""strace: what a process asks of the kernel, and what happens when it is refused."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.endurance.world import World

_LINE = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(?:\((.*)| resumed>(.*))")
_UNFINISHED = " <unfinished ...>"
_RESULT = re.compile(r"(.*)\) += (-?\d+|\?)(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One system call; *began* and *ended* are places in the trace."""

    name: str
    arguments: str
    """As strace prints them, descriptors with their paths."""
    result: str
    began: int
    ended: int

    @property
    def ok(self) -> bool:
        return not self.result.startswith(("-", "?"))


@functools.cache
def _refusal() -> str:
    """Say why strace cannot be used here, else nothing."""
    if shutil.which("strace") is None:
        return "strace is absent"
    done = subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "true"],
        capture_output=True,
        check=False,
    )
    return done.stderr.decode().strip() if done.returncode else ""


def require_strace() -> None:
    """Skip the test where nothing can be traced."""
    if reason := _refusal():
        pytest.skip(f"no strace: {reason}")


def strace(
    world: World,
    calls: Iterable[str],
    *command: str,
    inject: str = "",
    given: bytes = b"",
) -> tuple[int, list[Call]]:
    """Trace *calls* of a process and its threads; give its exit status as well."""
    out = world.path.parent / "trace"
    options = ["-f", "-y", "-qq", "-s", "64", "-o", str(out)]
    options += ["-e", f"trace={','.join(calls)}"]
    # strace 6.1 injects no signals where it stops only at the calls it traces.
    options += ["-e", f"inject={inject}"] if inject else ["--seccomp-bpf"]
    done = world.run("strace", *options, *command, given=given)
    return done.returncode, parse(out)


def parse(out: Path) -> list[Call]:
    """Read a trace; calls in the order in which they began."""
    open_calls: dict[tuple[str, str], tuple[str, int]] = {}
    calls: list[Call] = []
    for place, line in enumerate(out.read_text(errors="replace").splitlines()):
        match = _LINE.match(line)
        if match is None:
            continue  # signals and exits
        pid, name, begun, resumed = match.groups()
        if begun is not None and begun.endswith(_UNFINISHED):
            open_calls[pid, name] = (begun.removesuffix(_UNFINISHED), place)
            continue
        start, began = ("", place) if begun else open_calls.pop((pid, name))
        found = _RESULT.match(start + (begun or resumed))
        if found is None:
            continue
        arguments, result, more = found.groups()
        calls.append(
            Call(
                name=name,
                arguments=arguments,
                result=result + more,
                began=began,
                ended=place,
            )
        )
    return sorted(calls, key=lambda call: call.began)
