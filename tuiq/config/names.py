"""Domain names in the one form in which they are compared and asked for."""

from __future__ import annotations


def ascii_domain(text: str) -> str:
    """Return *text* in lower case, U-labels as A-labels (IDNA 2008, UTS 46).

    A dot at the end is dropped.  Raises ValueError where a name beyond ASCII is none.
    """
    name = text.removesuffix(".")
    if name.isascii():
        return name.lower()
    import idna  # sendmail has no use for it

    encoded: bytes = idna.encode(name, uts46=True)
    return encoded.decode("ascii")
