"""Reading a typed search: the beginnings of words that a beta key or tenant must have.

Triggers in PostgreSQL store the words of each row in the same form: see the function `store_search_words`.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from api import typed_text

MAX_LENGTH = 200
"""Characters of a search; the rest is ignored."""

MAX_WORD = 40
"""Characters of a stored word; the rest is ignored, also in a search."""

_MARKS = re.compile("[\u0300-\u036f]")

_LETTERS = str.maketrans(
    {
        **dict(zip("\u00f8\u0142\u0111\u00f0\u0127\u0131\u0167\u03c2", "olddhit\u03c3", strict=True)),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        "\u2019": "'",
        "\u00df": "ss",
        "\u00e6": "ae",
        "\u0153": "oe",
    }
)

_OTHER_PUNCTUATION = re.compile(
    "[\u0080-\u00bf\u00d7\u00f7\u2000-\u206f\u20a0-\u20cf\u2190-\u2bff\u2e00-\u2e7f\u3000-\u3004"
    "\u3008-\u3030\u30fb\U0001f000-\U0001faff]"
)
"""Punctuation, symbols and emoji beyond ASCII, which separate words as white space does."""

_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_BETWEEN_WORDS = re.compile(f"[{re.escape(_PUNCTUATION.replace('.', ''))}]+")


@dataclass(frozen=True, slots=True)
class Search:
    """A row matches that has words with all of the beginnings `words`, or a word with one of `codes`."""

    words: tuple[str, ...] = ()
    """Empty matches nothing."""
    codes: tuple[str, ...] = ()
    """Beginnings of a key or tax id without separators."""

    @classmethod
    def of(cls, typed: str, codes: Iterable[str] = ()) -> "Search":
        """The search for the words of a text, or for one of `codes`."""
        words = dict.fromkeys(word[:MAX_WORD] for word in _words(search_form(typed)))
        needed = [
            word for word in words if not any(other != word and other.startswith(word) for other in words)
        ]
        return cls(tuple(needed), tuple(dict.fromkeys(code[:MAX_WORD] for code in codes if code)))


def search_form(typed: str) -> str:
    """A text as it is stored: in lower case, without accents and with single spaces."""
    decomposed = unicodedata.normalize("NFKD", typed_text.clean(typed[:MAX_LENGTH]))
    lower = _MARKS.sub("", decomposed).lower().translate(_LETTERS)
    return " ".join(_OTHER_PUNCTUATION.sub(" ", lower).split())


def _words(form: str) -> Iterable[str]:
    """An address is one word, and so is what dots join, such as a domain."""
    for token in form.split():
        if "@" in token.strip(_PUNCTUATION) or token.endswith("@"):
            # `ana@` is the beginning of an address, `@example` that of a domain.
            words = [token.lstrip(_PUNCTUATION).rstrip(_PUNCTUATION.replace("@", ""))]
        else:
            words = [word.strip(_PUNCTUATION) for word in _BETWEEN_WORDS.split(token)]
        yield from filter(None, words)


def compact_form(typed: str) -> str | None:
    """A search for a part of a key or a tax id, without separators: `7QX4M-9` is `7qx4m9`.

    None for what is no such part, or has less than four characters.
    """
    compact = re.sub(r"[\s.,/-]+", "", search_form(typed_text.unwrap(typed_text.fold(typed[:MAX_LENGTH]))))
    return compact if re.fullmatch("[a-z0-9&]{4,}", compact) else None
