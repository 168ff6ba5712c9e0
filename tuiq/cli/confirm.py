"""Questions on the terminal before an action on a described set of messages."""

from __future__ import annotations

import sys

from tuiq.actions.verbs import CARDS, MANY
from tuiq.actions.words import plural
from tuiq.spool.answers import Verb


def is_interactive() -> bool:
    """Say whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(verb: Verb, count: int) -> bool:
    """Ask whether *verb* shall be done to *count* messages.

    What may lose mail, and more of it than a screen shows, wants the number typed.
    """
    if CARDS[verb].is_destructive and count > MANY:
        question = f"type the number of messages to {_doing(verb)} them: "
        return _ask(question) == str(count)
    question = f"{_doing(verb)} {plural(count, 'message')}? [y/N] "
    return _ask(question).lower() in ("y", "yes")


def _doing(verb: Verb) -> str:
    return "mark as delivered" if verb is Verb.DELIVERED else verb.value


def _ask(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        sys.stderr.write("\n")
    return answer.strip().replace(",", "")
