"""Which key does what, and how a key is written for people."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from textual.keys import Keys, _character_to_key, format_key, key_to_character

from tuiq.log import printable
from tuiq.tui.commands import COMMANDS

_NAMES = {
    "space": "Space",
    "enter": "Enter",
    "escape": "Esc",
    "tab": "Tab",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "backspace": "Backspace",
    "delete": "Del",
    "insert": "Ins",
    "ctrl": "Ctrl",
    "shift": "Shift",
    "alt": "Alt",
    "super": "Super",
}
_MODIFIERS = frozenset({"ctrl", "shift", "alt", "super", "hyper", "meta"})
_SPELLINGS = {
    "esc": "escape",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "del": "delete",
    "ins": "insert",
    "return": "enter",
    "control": "ctrl",
}
_SENT = {"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+h": "backspace"}
"""What terminals send for some keys, so that these are no keys of their own."""
_KNOWN = frozenset(key.value for key in Keys if not key.value.startswith("<"))
_NEVER = "unbound"
"""A key that no terminal sends: Textual cannot take a key away, only change it."""
_ARROWS = {"up": "↑", "down": "↓", "left": "←", "right": "→"}


def shown_key(key: str, *, ascii: bool = False) -> str:
    """Return a Textual key name as people know it: ``Shift+↓``, ``Ctrl+O``, ``/``.

    A letter without Ctrl or Alt stays as it is typed, since ``g`` is not ``G``.
    """
    *modifiers, last = key.split("+") if key != "+" else [key]
    parts = [_NAMES.get(word, word.capitalize()) for word in modifiers]
    if last in _ARROWS:
        parts.append(last.capitalize() if ascii else _ARROWS[last])
    elif last in _NAMES:
        parts.append(_NAMES[last])
    elif len(last) == 1:
        parts.append(last.upper() if modifiers else last)
    else:
        parts.append(_sign(last) or last.capitalize())
    return "+".join(parts)


def _sign(key: str) -> str:
    """Return what a key without modifiers types: ``?``; empty: nothing that shows."""
    sign = key_to_character(key) or format_key(key)
    return sign if len(sign) == 1 and sign.isprintable() else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMap:
    """The keys of every command; no key stands for two."""

    keys: Mapping[str, tuple[str, ...]]
    """By command id, as Textual names them; the first is shown.  () is no key."""
    complaints: tuple[str, ...] = ()
    """Why a wish was not granted, one sentence each."""

    @property
    def overrides(self) -> dict[str, str]:
        """Return what differs from how tuiq comes, for ``App.set_keymap``."""
        return {
            id: ",".join(keys) or _NEVER
            for id, keys in self.keys.items()
            if keys != _usual(id)
        }

    def shown(self, command: str, *, ascii: bool = False) -> str:
        """Return the first key of a command for people; empty: it has none."""
        keys = self.keys[command]
        return shown_key(keys[0], ascii=ascii) if keys else ""

    def all_shown(self, command: str, *, ascii: bool = False) -> list[str]:
        """Return every key of a command for people."""
        return [shown_key(key, ascii=ascii) for key in self.keys[command]]


def make_keymap(wishes: Mapping[str, str]) -> KeyMap:
    """Return the keys as *wishes*, command id -> keys, change them.

    A wish that cannot be granted is complained of, and its command keeps the keys it
    comes with.
    """
    granted: dict[str, tuple[str, ...]] = {}
    complaints = []
    for id, text in wishes.items():
        try:
            granted[_command(id)] = _parsed(text)
        except ValueError as error:
            complaints.append(f"[keys] {printable(id)}: {error}")
    while (clash := _clash(granted)) is not None:
        loser, key, winner = clash
        del granted[loser]
        complaints.append(
            f"[keys] {loser}: {shown_key(key)} is the key of {winner}; choose another, "
            f"or give {winner} another first"
        )
    keys = {id: granted.get(id, _usual(id)) for id in COMMANDS}
    return KeyMap(keys=keys, complaints=tuple(complaints))


def _usual(command: str) -> tuple[str, ...]:
    """Return the keys that a command comes with."""
    return tuple(COMMANDS[command].keys.split(","))


def _clash(granted: Mapping[str, tuple[str, ...]]) -> tuple[str, str, str] | None:
    """Return a wish that collides, the key, and the command that has it."""
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for id in sorted(COMMANDS, key=lambda id: id in granted):
        for key in granted.get(id, _usual(id)):
            owners[key].append(id)
    for key, ids in owners.items():
        if len(ids) > 1 and ids[-1] in granted:
            return ids[-1], key, ids[0]
    return None


def _command(id: str) -> str:
    """Return *id* if there is such a command."""
    if id in COMMANDS:
        return id
    near = difflib.get_close_matches(id, COMMANDS, 1)
    hint = f"did you mean {near[0]}?" if near else "the help (?) lists them"
    raise ValueError(f"there is no such command; {hint}")


def _parsed(text: str) -> tuple[str, ...]:
    """Return the keys in *text* as Textual names them."""
    words = [word.strip() for word in text.split(",")]
    if words == [""]:
        return ()
    return tuple(dict.fromkeys(map(_key, words)))


def _key(word: str) -> str:
    """Return one key as Textual names it: ``Ctrl+O``, ``PgDn``, ``?`` or its own."""
    *modifiers, last = word.split("+") if word.strip("+") else [word]
    modifiers = [_SPELLINGS.get(one.lower(), one.lower()) for one in modifiers]
    if len(last) == 1:
        last = _character_to_key(last)
    elif last:
        last = _SPELLINGS.get(last.lower(), last.lower())
    if modifiers == ["shift"] and len(last) == 1:
        modifiers, last = [], last.upper()
    elif modifiers and len(last) == 1:
        last = last.lower()
    known = last in _KNOWN or _sign(last)
    if not known or not set(modifiers) <= _MODIFIERS:
        raise ValueError(
            f"{printable(word)!r} is no key; keys are written like h, H, ?, space, f5, "
            "ctrl+o or shift+down, with commas between them"
        )
    key = "+".join([*modifiers, last])
    return _SENT.get(key, key)
