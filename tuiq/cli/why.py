"""``tuiq why``: in one line, what a message waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.actions.circumstances import look_around
from tuiq.actions.explain import explain
from tuiq.actions.json_text import json_line
from tuiq.actions.lookup import find_id
from tuiq.actions.mail_json import holder_json
from tuiq.spool.spool import open_spool

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tuiq.config import Config


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tuiq why``."""
    parser.add_argument("id", metavar="ID", nargs="+", help="a message, or part of it")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """Explain each message on a line of its own."""
    with open_spool(config_loader()) as spool:
        around = look_around(spool)
        for text in args.id:
            entry = spool.entry(find_id(spool.directories, text))
            reason = explain(entry, around)
            if args.json:
                print(
                    json_line(
                        {
                            "queue_id": entry.queue_id,
                            "state": around.state(entry).value,
                            "cause": reason.cause.value,
                            "text": reason.text,
                            "until": reason.until,
                            "holder": holder_json(around, entry.queue_id),
                        }
                    )
                )
            else:
                print(f"{entry.queue_id}: {reason.text}")
    return 0
