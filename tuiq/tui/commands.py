"""Every command of the UI: its id, its keys, and the words that explain it.

The id is what a user's key map, the palette and the tour name; it never changes.
Whether a command can work now is not known here: the page says (``Page.why_not``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Group(StrEnum):
    """What a command is for; also the order of the help."""

    MOVE = "Move"
    GO = "Go"
    NARROW = "Narrow"
    MARK = "Mark"
    ORDER = "Order"
    ACT = "Act"
    LOOK = "Look"
    RUNNER = "Runner"
    VIEW = "View"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One thing a key can do."""

    id: str
    keys: str
    """Textual key names, separated by commas; the first is shown."""
    label: str
    """One or two words, for the footer and the palette."""
    gloss: str
    """One sentence without a full stop, for the help."""
    group: Group


def _c(id: str, keys: str, label: str, gloss: str, group: Group) -> Command:
    return Command(id=id, keys=keys, label=label, gloss=gloss, group=group)


_MOVE, _GO, _NARROW, _MARK = Group.MOVE, Group.GO, Group.NARROW, Group.MARK
_ORDER, _ACT, _LOOK = Group.ORDER, Group.ACT, Group.LOOK
_RUNNER, _VIEW = Group.RUNNER, Group.VIEW

_ALL = (
    _c("down", "down,j", "Down", "go to the next row", _MOVE),
    _c("up", "up,k", "Up", "go to the row before", _MOVE),
    _c("page-down", "pagedown,ctrl+d", "Page down", "go a screen down", _MOVE),
    _c("page-up", "pageup,ctrl+b", "Page up", "go a screen up", _MOVE),
    _c("first", "home,g", "First", "go to the first row", _MOVE),
    _c("last", "end,G", "Last", "go to the last row", _MOVE),
    _c("column-left", "left", "Left", "focus the column to the left", _MOVE),
    _c("column-right", "right", "Right", "focus the column to the right", _MOVE),
    _c("follow", "F", "Follow", "keep the focused row in sight as it moves", _MOVE),
    _c("jump", "ctrl+o", "Jump", "label everything that can be focused", _MOVE),
    _c("pane", "tab", "Pane", "go to the other pane", _MOVE),
    _c("go-queues", "1", "Queues", "see the queue directories", _GO),
    _c("go-messages", "2", "Messages", "see the messages", _GO),
    _c("go-recipients", "3", "Recipients", "see every recipient", _GO),
    _c("go-shape", "4", "Shape", "see domains by age, and reasons", _GO),
    _c("go-runner", "5", "Runner & Locks", "see who works on what", _GO),
    _c("go-activity", "6", "Activity", "see what was done", _GO),
    _c("open", "enter", "Open", "open what is focused", _GO),
    _c("back", "escape", "Back", "leave what is open", _GO),
    _c("previous", "minus", "Previous", "go to the screen before", _GO),
    _c("palette", "colon,ctrl+p", "Commands", "find a command by its name", _GO),
    _c("filter", "slash", "Filter", "show only what matches", _NARROW),
    _c(
        "filter-toggle",
        "backslash",
        "Filter on/off",
        "drop the filter, or take it up again",
        _NARROW,
    ),
    _c("filter-clear", "ctrl+u", "Clear filter", "show everything", _NARROW),
    _c("filter-save", "ctrl+s", "Save filter", "keep the filter under a name", _NARROW),
    _c(
        "filter-cell",
        "equals_sign",
        "Only this",
        "show only rows like the focused cell",
        _NARROW,
    ),
    _c(
        "filter-not-cell",
        "exclamation_mark",
        "Not this",
        "hide rows like the focused cell",
        _NARROW,
    ),
    _c("next-match", "n", "Next match", "go to the next row that matches", _NARROW),
    _c("previous-match", "N", "Previous match", "go to the match before", _NARROW),
    _c("mark", "space", "Mark", "mark the row, or unmark it", _MARK),
    _c("mark-range", "V", "Range", "mark from here to where you press it again", _MARK),
    _c("mark-down", "shift+down", "Mark down", "mark and go down", _MARK),
    _c("mark-up", "shift+up", "Mark up", "mark and go up", _MARK),
    _c("mark-all", "A", "Mark all", "mark everything that is shown", _MARK),
    _c("mark-invert", "I", "Invert", "mark what is not, unmark what is", _MARK),
    _c("unmark-all", "U", "Unmark all", "take every mark away, hidden ones too", _MARK),
    _c("sort", "s", "Sort", "sort by the focused column; again turns it round", _ORDER),
    _c("sort-menu", "o", "Sort by", "choose the column to sort by", _ORDER),
    _c("columns", "c", "Columns", "choose columns, their order and width", _ORDER),
    _c("group", "d", "Group by", "count by something else", _ORDER),
    _c("hold", "h", "Hold", "start no attempt until released", _ACT),
    _c("release", "H", "Release", "end a hold", _ACT),
    _c("flush", "f", "Flush", "try now, and see how it goes", _ACT),
    _c(
        "canary",
        "C",
        "Canary flush",
        "try 1, 5 or 50 first; stop at the first refusal",
        _ACT,
    ),
    _c("requeue", "r", "Requeue", "start over, with a fresh lifetime", _ACT),
    _c("delete", "D", "Delete", "take out of the queue, into the trash", _ACT),
    _c("purge", "X", "Purge", "remove from the trash for good", _ACT),
    _c("bounce", "B", "Bounce", "give up and tell the sender", _ACT),
    _c(
        "delivered", "ctrl+g", "Mark delivered", "count as delivered by your word", _ACT
    ),
    _c("pause", "P", "Pause", "start no attempts here for a while", _ACT),
    _c("resume", "p", "Resume", "end a pause", _ACT),
    _c("undo", "u", "Undo", "take the last action back", _ACT),
    _c("why", "w", "Why not now", "say what the message waits for", _LOOK),
    _c("transcript", "l", "Transcript", "read what was said to the servers", _LOOK),
    _c("raw", "v", "Raw", "see the message as it is stored", _LOOK),
    _c("lock", "L", "Lock", "see who holds the message", _LOOK),
    _c("copy", "y", "Copy id", "copy the id to the clipboard (OSC 52)", _LOOK),
    _c("export", "e", "Export", "write what is marked or shown as JSON lines", _LOOK),
    _c("runner-start", "S", "Start runner", "deliver from here", _RUNNER),
    _c(
        "runner-drain",
        "T",
        "Drain runner",
        "end attempts that run, start none",
        _RUNNER,
    ),
    _c(
        "runner-limit",
        "plus",
        "Limits",
        "change how many connections there may be",
        _RUNNER,
    ),
    _c(
        "pane-bigger",
        "left_square_bracket",
        "Pane bigger",
        "give the pane more lines",
        _VIEW,
    ),
    _c(
        "pane-smaller",
        "right_square_bracket",
        "Pane smaller",
        "give the pane fewer lines",
        _VIEW,
    ),
    _c("freeze", "z", "Freeze", "hold the display still; work goes on", _VIEW),
    _c("rescan", "R", "Rescan", "read the queue directories again", _VIEW),
    _c("redraw", "ctrl+l", "Redraw", "paint the whole screen again", _VIEW),
    _c("plot-shorter", "less_than_sign", "Shorter", "plot a shorter time", _VIEW),
    _c("plot-longer", "greater_than_sign", "Longer", "plot a longer time", _VIEW),
    _c("mouse", "M", "Mouse", "use the mouse here, or leave it to the terminal", _VIEW),
    _c("theme", "ctrl+t", "Theme", "choose colours, with a preview", _VIEW),
    _c("jobs", "J", "Jobs", "see what is being done, and stop it", _VIEW),
    _c("tour-next", "ctrl+n", "Next step", "skip a step of the tour", _VIEW),
    _c("tour-end", "ctrl+x", "End tour", "end the tour", _VIEW),
    _c("help", "question_mark", "Help", "the keys of this screen", _VIEW),
    _c("help-here", "f1", "Help here", "help on what is focused", _VIEW),
    _c("quit", "q", "Quit", "leave; asks only while something is at work", _VIEW),
)

COMMANDS: dict[str, Command] = {command.id: command for command in _ALL}
"""By id, in the order of the help."""
