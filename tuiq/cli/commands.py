"""The words of the command line: which module each one lives in, and its help.

A module behind a word has two functions, ``register(parser)``, which adds its
arguments, and ``run(args, config_loader)``, which returns the exit status.  It is
imported only when its word is used; ``args.command`` is the word.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One word."""

    module: str
    about: str
    """What it does, as a sentence without a full stop."""


GROUPS: dict[str, dict[str, Command]] = {
    "begin": {
        "init": Command("tuiq.cli.init", "make a spool and its tuiq.toml"),
        "config": Command("tuiq.cli.configure", "show every setting in effect"),
        "demo": Command("tuiq.cli.demo", "try it all out in a throwaway world"),
    },
    "hand in mail": {
        "sendmail": Command("tuiq.cli.sendmail", "take a message from stdin"),
    },
    "look": {
        "mailq": Command("tuiq.cli.mailq", "list the queue"),
        "show": Command("tuiq.cli.show", "show one message with its recipients"),
        "why": Command("tuiq.cli.why", "say in one line what a message waits for"),
        "locks": Command("tuiq.cli.locks", "say who works on which message"),
        "domains": Command("tuiq.cli.domains", "count recipients by domain and age"),
        "route": Command("tuiq.cli.route", "say where mail for an address would go"),
        "status": Command("tuiq.cli.status", "say what the runner is doing"),
        "metrics": Command("tuiq.cli.metrics", "print numbers for Prometheus"),
        "trace": Command("tuiq.cli.trace", "follow a message through the journal"),
        "check": Command("tuiq.cli.check", "look the spool over, mend it if asked"),
    },
    "act": {
        "hold": Command("tuiq.cli.operate", "start no attempt until released"),
        "release": Command("tuiq.cli.operate", "end a hold"),
        "flush": Command("tuiq.cli.operate", "try now"),
        "requeue": Command("tuiq.cli.operate", "start over, with a fresh lifetime"),
        "delete": Command("tuiq.cli.operate", "take out of the queue, into the trash"),
        "undo": Command("tuiq.cli.operate", "take an action back"),
        "purge": Command("tuiq.cli.operate", "empty the trash"),
        "bounce": Command("tuiq.cli.operate", "return to the sender now"),
        "delivered": Command("tuiq.cli.operate", "mark as delivered by your word"),
        "pause": Command("tuiq.cli.operate", "stop the spool, a part or a destination"),
        "resume": Command("tuiq.cli.operate", "end a pause"),
    },
}
"""The words by what they are for, in the order of the help text."""

COMMANDS: dict[str, Command] = {
    word: command for group in GROUPS.values() for word, command in group.items()
}
