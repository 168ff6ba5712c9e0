"""The spool: the only code that opens queue files (see FORMAT.md).

The names below are loaded when they are asked for: a submission needs few of them
and is over in a moment.
"""

TYPE_CHECKING = False  # the module typing takes longer to load than a submission
if TYPE_CHECKING:
    from tuiq.spool.answers import Answer, Result, Target, Verb
    from tuiq.spool.spool import Spool, open_spool

__all__ = ["Answer", "Result", "Spool", "Target", "Verb", "open_spool"]

_HOMES = {
    "Spool": "tuiq.spool.spool",
    "open_spool": "tuiq.spool.spool",
    "Answer": "tuiq.spool.answers",
    "Result": "tuiq.spool.answers",
    "Target": "tuiq.spool.answers",
    "Verb": "tuiq.spool.answers",
}


def __getattr__(name: str) -> object:
    """Load the module that holds *name* (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(home), name)
