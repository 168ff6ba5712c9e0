"""Which key does what, and how a key is written for people."""

from __future__ import annotations

from textual.keys import format_key

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
        shown = format_key(last)
        parts.append(shown.capitalize() if shown == last else shown)
    return "+".join(parts)
