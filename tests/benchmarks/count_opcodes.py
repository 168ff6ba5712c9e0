"""Which functions a delivery spends the interpreter on, in bytecodes.

    python -m tests.benchmarks.count_opcodes [--messages 1000] [--rows 60]

Counts, unlike times, are the same on a busy machine, so a change shows at once.  They
are no times: beside a bytecode of 15 ns stand an enum's member (57 ns), a value made by
position (105) or by keywords (226), a slice of a bytearray made bytes (108).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests.benchmarks import side
from tests.benchmarks.draining import Load, fill_tuiq, make_spool, sinking
from tuiq.config import load
from tuiq.runner.loop import loop_factory
from tuiq.runner.runner import Options, Runner
from tuiq.runner.wire import Removed
from tuiq.spool.claim import Claim
from tuiq.spool.finish import unlink_control, unlink_rest
from tuiq.spool.spool import Spool, open_spool


class Meter:
    """Counts calls and bytecodes of all Python code that the main thread runs."""

    def __init__(self) -> None:
        self.opcodes = Counter[CodeType]()
        self.calls = Counter[CodeType]()

    def trace(self, frame: FrameType, event: str, _given: Any) -> Any:
        """Be ``sys.settrace``'s function, and each frame's."""
        if event == "call":
            self.calls[frame.f_code] += 1
            frame.f_trace_lines = False
            frame.f_trace_opcodes = True
        elif event == "opcode":
            self.opcodes[frame.f_code] += 1
        return self.trace

    def print(self, messages: int, rows: int) -> None:
        total = self.opcodes.total()
        calls = self.calls.total()
        print(f"{total / messages:.0f} bytecodes, {calls / messages:.0f} calls each")
        for code, count in self.opcodes.most_common(rows):
            where = code.co_filename.removeprefix(f"{side.ROOT}/")
            print(
                f"{count / messages:7.1f} in {self.calls[code] / messages:5.2f} calls "
                f"{where}:{code.co_firstlineno} {code.co_qualname}"
            )


async def deliver(spool: Spool) -> None:
    """Deliver all of *spool* in this process; unlinking is another one's work."""

    async def remove(claims: Sequence[Claim], *, sync: bool) -> Removed:
        del sync
        for claim in claims:
            unlink_control(claim.directory, claim.queue_id)
            unlink_rest(claim.directory, claim.queue_id, has_texts=claim.has_texts)
        return Removed(number=0, failed={}, problem="")

    runner = Runner(spool, list(spool.directories), Options(once=True))
    runner.marks.remover = remove
    await runner.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=60, help="functions to list")
    parser.add_argument("--where", type=Path, default=None, help="a folder on a disk")
    given = parser.parse_args()
    meter = Meter()
    with side.scratch(given.where) as where, sinking(where) as sink:
        make_spool(where / "spool", sink.port)
        fill_tuiq(where / "spool", Load(messages=given.messages))
        with (
            open_spool(load(where / "spool" / "tuiq.toml")) as spool,
            asyncio.Runner(loop_factory=loop_factory()) as loop,
        ):
            sys.settrace(meter.trace)
            try:
                loop.run(deliver(spool))
            finally:
                sys.settrace(None)
    meter.print(given.messages, given.rows)


if __name__ == "__main__":
    main()
