"""One message to 20,000 recipients, 100 a transaction, against Postfix: recipients/s.

``python -m tests.benchmarks.bench_fanout [--small] [--recipients N] [--rounds N]``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.benchmarks import draining, side
from tests.benchmarks.draining import Load

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH = 100


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    given = side.arguments(
        "deliver one message to many recipients by one smarthost",
        argv,
        recipients=(20_000, 1_000, "recipients of the message"),
        rounds=(5, 1, "rounds of everything; the median counts"),
    )
    side.require_postfix()
    load = Load(messages=1, recipients=given.recipients, batch=BATCH)
    draining.against_postfix(
        given,
        load,
        f"Fan-out: one message of {load.size:,} bytes to {load.recipients:,} "
        f"recipients, {BATCH} a transaction",
        "Postfix: smtp_destination_recipient_limit = "
        f"default_destination_recipient_limit = {BATCH}; "
        f"tuiq: recipients_per_transaction = {BATCH}",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
