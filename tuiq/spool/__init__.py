"""The spool: the only code that opens queue files (see FORMAT.md)."""

from __future__ import annotations

from tuiq.spool.spool import Spool, open_spool
from tuiq.spool.verbs import Answer, Result, Target, Verb

__all__ = ["Answer", "Result", "Spool", "Target", "Verb", "open_spool"]
