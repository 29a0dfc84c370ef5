"""Words one after the other in a text, as the word indexes of both databases find them.

A word is a run of ASCII letters and digits or anything from U+0080 on; what stands between two words
of a phrase does not matter, and its last word may go on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

_IN_A_WORD = r"0-9a-z\x80-\U0010ffff"
FUNCTION = "umbel_holds"
"""The name of `holds` in the SQL of SQLite, where LIKE and GLOB cannot say "anything but a word"."""


@lru_cache(maxsize=256)
def finder(phrase: str) -> Callable[[str], object]:
    """Return what tells whether a text holds ``phrase``: both in lower case, one space between words."""
    words = map(re.escape, phrase.split(" "))
    return re.compile(f"(?<![{_IN_A_WORD}])" + f"[^{_IN_A_WORD}]+".join(words)).search


def holds(text: str | None, phrase: str) -> bool:
    """Whether ``text`` holds ``phrase``, without regard to the case of ASCII letters."""
    if text is None:
        return False
    lower = text.lower() if text.isascii() else text.encode(errors="replace").lower().decode()
    return finder(phrase)(lower) is not None
