"""What a spool ought to hold: the model of the state machine in test_machine.py."""

from __future__ import annotations

from dataclasses import dataclass, field

from tuiq.spool.answers import HOLD_ENDS, Result, Verb

TOUCHES = {
    Verb.HOLD: "TAU",
    Verb.FLUSH: "TFU",  # in doubt is retried by default
    Verb.REQUEUE: "TUF",
    Verb.DELETE: "TAUF",
    Verb.UNDO: "X",
    Verb.BOUNCE: "TU",
    Verb.DELIVERED: "TUF",
}
"""States that a verb can do something about."""
MESSAGE_BYTE = {Verb.DELETE: "X", Verb.BOUNCE: "B", Verb.PURGE: "P"}
RECIPIENT_BYTE = {
    Verb.HOLD: "H",
    Verb.RELEASE: "-",
    Verb.UNHOLD: "-",
    Verb.DELETE: "X",
    Verb.BOUNCE: "B",
}
UNDER_LOCK = {Verb.REQUEUE, Verb.UNDO, Verb.DELIVERED}


@dataclass(slots=True)
class Mail:
    """One message as it ought to be."""

    states: list[str]
    sender: bool = True
    """Whether failures can be reported to somebody."""
    requests: list[str] = field(default_factory=list)
    hold: str = "-"
    request: str = "-"
    notices: int = 0
    """Notices sent about it."""
    gone: bool = False
    opened: int = 0
    by_word: set[int] = field(default_factory=set)
    """Recipients that an operator marked as delivered."""

    def __post_init__(self) -> None:
        self.requests = self.requests or ["-"] * len(self.states)

    # -- what the holder does ----------------------------------------------------

    def wish(self, index: int) -> str:
        """Return X or B when a request ends the recipient, else an empty string."""
        if self.request in {"X", "P"} or self.requests[index] == "X":
            return "X"
        if self.request == "B" or self.requests[index] == "B":
            return "B"
        return ""

    def report(self) -> None:
        """F to B, with one notice."""
        if self.sender and "F" in self.states:
            self.notices += 1
            self.states = ["B" if s == "F" else s for s in self.states]

    def apply(self, *, report: bool = True) -> None:
        """Turn requests into states."""
        failed = False
        for index, state in enumerate(self.states):
            wish = self.wish(index) if state in "TUF" else ""
            if wish == "X":
                self.states[index] = "X"
            elif wish == "B" and state != "F":
                self.states[index] = "F"
                failed = True
        if failed and report:
            self.report()

    def conclude(self) -> None:
        """Finish when nothing is left that could be undone."""
        settled = all(state in "DBX" for state in self.states)
        self.gone = settled and ("X" not in self.states or self.request == "P")

    def recover(self) -> None:
        """A and U of a dead holder go back to T."""
        self.states = ["T" if s in "AU" else s for s in self.states]

    def back(self, index: int) -> None:
        """An open attempt ends without a verdict, minding requests."""
        self.states[index] = {"X": "X", "B": "F", "": "T"}[self.wish(index)]

    # -- what operators do ---------------------------------------------------------

    def ask(self, verb: Verb, chosen: list[int], *, whole: bool) -> Result:
        """Write request bytes while another process holds the message."""
        if verb in UNDER_LOCK or (not whole and verb in {Verb.PURGE, Verb.FLUSH}):
            return Result.IN_FLIGHT
        self.write(verb, chosen, whole=whole)
        found = {self.states[index] for index in chosen}
        if verb in {Verb.FLUSH, *HOLD_ENDS}:
            return Result.ACTED
        if found & set("AU"):
            return Result.IN_FLIGHT
        return Result.ACTED if found & set("TF") else Result.REFUSED

    def write(self, verb: Verb, chosen: list[int], *, whole: bool) -> None:
        """Write the operators' bytes of *verb*."""
        if not whole:
            keep = "XB" if verb in {Verb.HOLD, *HOLD_ENDS} else ""
            for index in chosen:
                if not keep or self.requests[index] not in keep:
                    self.requests[index] = RECIPIENT_BYTE[verb]
            return
        if verb in HOLD_ENDS:
            self.requests = [r.replace("H", "-") for r in self.requests]
        if verb in {Verb.HOLD, *HOLD_ENDS}:
            self.hold = RECIPIENT_BYTE[verb]
        else:
            self.request = MESSAGE_BYTE.get(verb, self.request)

    def act(self, verb: Verb, chosen: list[int], *, whole: bool) -> Result:
        """Do *verb* with the lock free."""
        self.states = ["T" if s == "A" else s for s in self.states]
        self.apply(report=False)
        if verb is Verb.UNDO and whole:
            chosen = self.undone(chosen)
        able = self.can(verb, chosen, whole=whole)
        if able and verb in UNDER_LOCK:
            self.change(verb, chosen)
        elif able and (whole or verb is not Verb.FLUSH):
            self.write(verb, chosen, whole=whole)
        self.report()
        self.apply()
        self.conclude()
        return Result.ACTED if able else Result.REFUSED

    def undone(self, chosen: list[int]) -> list[int]:
        """Leave out what was marked as delivered beside what was deleted."""
        cancelled = [i for i in chosen if self.states[i] == "X"]
        return [i for i in cancelled if i not in self.by_word] or cancelled

    def can(self, verb: Verb, chosen: list[int], *, whole: bool) -> bool:
        """Say whether *verb* has anything to do."""
        if verb in HOLD_ENDS:
            if self.hold == "H":
                return whole
            return any(self.requests[i] == "H" for i in chosen)
        touched = TOUCHES.get(verb)
        return touched is None or any(self.states[i] in touched for i in chosen)

    def change(self, verb: Verb, chosen: list[int]) -> None:
        """Do a verb that needs the lock."""
        if verb is Verb.DELIVERED:
            hits, after = "TUF", "X"
        else:
            hits, after = ("X" if verb is Verb.UNDO else "TUF"), "T"
        touched = [i for i in chosen if self.states[i] in hits]
        if verb is not Verb.DELIVERED:
            self.request = "-"
            cleared = touched if verb is Verb.UNDO else chosen
            for index in cleared:
                if self.requests[index] in "XB":
                    self.requests[index] = "-"
        if verb is Verb.REQUEUE:
            self.opened = 0
        for index in touched:
            self.states[index] = after
        if verb is Verb.DELIVERED:
            self.by_word |= set(touched)
        else:
            self.by_word -= set(touched)
