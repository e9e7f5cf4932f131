"""Searching: a text in the form that is stored in `searchText`, by which keys and tenants are found."""

import re
import unicodedata

from api import typed_text

MAX_LENGTH = 200
"""Characters of a search; the rest is ignored."""

_MARKS = re.compile("[\u0300-\u036f]")

_LETTERS = str.maketrans(
    {
        **dict(zip("\u00f8\u0142\u0111\u00f0\u0127\u0131\u0167", "olddhit", strict=True)),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        "\u2019": "'",
        "\u00df": "ss",
        "\u00e6": "ae",
        "\u0153": "oe",
    }
)


def search_form(typed: str) -> str:
    """What people mean by a search: in lower case, without accents and with single spaces.

    The trigger `set_search_text` in PostgreSQL does the same with what is stored.
    """
    decomposed = unicodedata.normalize("NFKD", typed_text.clean(typed[:MAX_LENGTH]))
    return " ".join(_MARKS.sub("", decomposed).lower().translate(_LETTERS).split())


def compact_form(typed: str) -> str | None:
    """A search for a part of a key or a tax id, without separators: `7QX4M-9` is `7qx4m9`.

    None for what is no such part, or has less than four characters.
    """
    compact = re.sub(r"[\s.,/-]+", "", search_form(typed_text.unwrap(typed_text.fold(typed[:MAX_LENGTH]))))
    return compact if re.fullmatch("[a-z0-9&]{4,}", compact) else None
