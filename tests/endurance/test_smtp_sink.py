"""Delivery to a server that is not ours: Postfix's smtp-sink."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Report
from tests.endurance.world import Pair, World, submit
from tests.peers.postfix import folder, smtp_sink

SINK = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MESSAGES = 1000
RECIPIENTS = 5000
ENTRY = re.compile(rb"^X-Rcpt-Args: <(.*)>$|\(tuiq\) id (\w+)", re.MULTILINE)


@pytest.fixture
def where() -> Iterator[Path]:
    """A folder where smtp-sink, as nobody, can write."""
    with folder() as path:
        path.chmod(0o777)
        yield path


def dumped(dump: Path) -> Counter[Pair]:
    """Count what the sink took; each message's recipients stand before its id."""
    counts: Counter[Pair] = Counter()
    waiting: list[str] = []
    for match in ENTRY.finditer(dump.read_bytes()):
        address, queue_id = match.groups()
        if address is not None:
            waiting.append(address.decode())
        else:
            counts.update((queue_id.decode(), each) for each in waiting)
            waiting.clear()
    assert not waiting
    return counts


@pytest.mark.slow
@pytest.mark.skipif(SINK is None, reason="smtp-sink (Debian package postfix) is absent")
def test_a_real_smtp_sink_gets_everything_once(
    world: World, report: Report, where: Path
) -> None:
    dump, said = where / "dump", where / "said"
    with said.open("wb") as out, smtp_sink("-c", "-D", str(dump), said=out) as port:
        world.configure(port=port)
        with world.open() as spool:
            many = [f"r{n}@d{n % 50}.example" for n in range(RECIPIENTS)]
            newsletter = submit(spool, many)
            expected = {(newsletter, address) for address in many}
            for n in range(MESSAGES):
                address = f"single{n}@d{n % 50}.example"
                expected.add((submit(spool, [address]), address))
        began = time.monotonic()
        done = world.tuiq("--run", "--once")
        seconds = time.monotonic() - began
        counts = dumped(dump)
        transactions = re.findall(rb"mesg=(\d+)", said.read_bytes())[-1]
    assert done.returncode == 0, done.stderr[-2000:]
    report(
        "smtp-sink",
        f"{MESSAGES} messages and one of {RECIPIENTS} recipients, "
        f"{int(transactions)} transactions, {counts.total()} recipients, "
        f"{seconds:.1f} s",
    )
    assert counts == Counter(expected)
    assert int(transactions) == MESSAGES + RECIPIENTS // 50
    assert not any(world.path.glob("q.*/[qdtbx]f*"))
