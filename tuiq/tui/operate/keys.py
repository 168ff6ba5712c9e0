"""Keys as the user has them, for sentences that name one."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tuiq.tui.keymap import KeyMap, make_keymap

if TYPE_CHECKING:
    from tuiq.tui.world import World


def keymap_of(world: World) -> KeyMap:
    """Return the keys in force."""
    return _made(tuple(world.choices.keys.items()))


@lru_cache(maxsize=4)
def _made(wishes: tuple[tuple[str, str], ...]) -> KeyMap:
    return make_keymap(dict(wishes))


def key_of(world: World, command: str) -> str:
    """Return the key of a command as people know it; its name when it has none."""
    shown = keymap_of(world).shown(command, ascii=world.options.ascii)
    return shown or f":{command}"
