r"""Classes of replies: what is left when ids, addresses and numbers are taken away.

``452 4.2.2 mailbox of user17 is full`` is one of ``452 4.2.2 mailbox of … is full``.
A class is a regular expression for ``err:``; a reply belongs to exactly one class, the
one that ``classify`` says, and the expression matches exactly the replies of the class
(``test_reasons`` proves it), so that counts and filters agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from tuiq.actions.filter_tree import Term, Value
from tuiq.log import printable

_WORDS = 4
"""Plain words that tell classes apart."""
_BLANKS = 2
"""Variable words after which nothing is looked at any more."""
_LENGTH = 110
"""Characters of an expression after which it ends with the word; the filter takes
200, and no word adds more than 50."""
_LETTERS = 20
"""Of a longer word only so many letters count."""
_VARIABLE = rf"[a-z,:']{{0,{_LETTERS - 1}}}+(\.[^ ]|[^a-z,:'. ])[^ ]*+"
"""A word that early has something other than letters, marks, and a dot at its end."""
_IS_VARIABLE = re.compile(_VARIABLE, re.IGNORECASE)
_CODE = r"[245]\d\d"
_STATUS = r"[245]\.\d{1,3}\.\d{1,3}"
_CODES = re.compile(f"({_CODE})(?: ({_STATUS}))?(?![^ ])")
_WORD_ENDS = "(?![^ ])"


@dataclass(frozen=True, slots=True)
class Reason:
    """The class of a reply."""

    label: str
    """For people; clean."""
    pattern: str
    """What ``err:`` takes; empty for messages without a reply."""

    @property
    def filter(self) -> str:
        """Return the filter text that selects the messages of the class."""
        value = Value(text=self.pattern, regex=bool(self.pattern))
        operator = ":" if self.pattern else "="
        return str(Term(field="err", operator=operator, values=(value,)))


NO_REPLY = Reason("(no reply yet)", "")


@lru_cache(maxsize=4096)
def classify(reply: bytes) -> Reason:
    """Return the class of a reply as it stands in a control file."""
    text = reply.decode("utf-8", "surrogateescape")
    if not text:
        return NO_REPLY
    codes = _CODES.match(text)
    shown = [code for code in codes.groups() if code] if codes else []
    parts = [re.escape(code) for code in shown]
    rest = text[codes.end() :].removeprefix(" ") if codes else text
    words = rest.split(" ") if rest else []
    if words and len(parts) < 2 and _IS_VARIABLE.fullmatch(words[0]):
        # What looks like a code is one, and no variable word.
        guard = f"(?!{_STATUS if parts else _CODE}{_WORD_ENDS})"
    else:
        guard = ""
    shown_words, expressions, is_whole = _fold(words, sum(map(len, parts)))
    if expressions:
        expressions[0] = guard + expressions[0]
    parts += expressions
    pattern = "^" + " ".join(parts) + ("$" if is_whole else _WORD_ENDS)
    return Reason(printable(" ".join(filter(None, [*shown, *shown_words]))), pattern)


def _fold(words: list[str], length: int) -> tuple[list[str], list[str], bool]:
    """Return what is shown of *words*, their expressions, and whether all counted.

    Whether a word counts must not depend on it: else one class would contain another.
    """
    shown: list[str] = []
    expressions: list[str] = []
    plain = blanks = 0
    for word in words:
        if _IS_VARIABLE.fullmatch(word):
            blanks += 1
            shown.append("…")
            expressions.append(_VARIABLE)
        else:
            plain += bool(word)
            shown.append(word.lower())
            expressions.append(_letters(word.lower()))
        length += len(expressions[-1])
        if plain == _WORDS or blanks == _BLANKS or length > _LENGTH:
            return shown, expressions, False
    return shown, expressions, True


def _letters(word: str) -> str:
    """Return the expression for a plain word."""
    if len(word) <= _LETTERS:
        return re.escape(word)
    return re.escape(word[:_LETTERS]) + "[^ ]++"
