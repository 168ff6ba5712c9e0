"""``tuiq mailq``: the queue, in sendmail's layout, Postfix's, or as JSON lines.

Takes no lock and keeps no message: what is read is printed.  Only sendmail's
layout, whose first line counts what follows, holds the text of one queue
directory back until that directory is read.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tuiq.actions.circumstances import look_around
from tuiq.cli.layouts import as_json, as_postfix, as_sendmail
from tuiq.cli.listing import Listing
from tuiq.spool.spool import open_spool

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tuiq.config import Config


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tuiq mailq``."""
    layout = parser.add_mutually_exclusive_group()
    layout.add_argument(
        "--json", action="store_true", help="one JSON object a line, as postqueue -j"
    )
    layout.add_argument("--postfix", action="store_true", help="the layout of Postfix")
    parser.add_argument(
        "--filter", metavar="FILTER", default="", help="only what the filter selects"
    )
    parser.add_argument(
        "--trashed", action="store_true", help="the deleted messages instead"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="state, tries and next try too"
    )


def run(args: argparse.Namespace, config_loader: Callable[[], Config]) -> int:
    """List the queue."""
    with open_spool(config_loader()) as spool:
        listing = Listing(
            spool,
            look_around(spool),
            expression=args.filter,
            trashed=args.trashed,
        )
        if args.json:
            texts = as_json(listing)
        elif args.postfix:
            texts = as_postfix(listing)
        else:
            texts = as_sendmail(listing, verbose=args.verbose)
        for text in texts:
            sys.stdout.write(text)
    return 0


def main() -> int:
    """Run as ``tuiq-mailq`` or under the name ``mailq``."""
    from tuiq.cli.diagnostics import guarded
    from tuiq.cli.main import dispatch

    return guarded(lambda: dispatch(["mailq", *sys.argv[1:]]))
