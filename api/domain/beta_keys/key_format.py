"""The shape of a beta key, and the spellings that mean the same key."""

import re
import unicodedata

MAX_KEY_LENGTH = 20
"""Characters of the longest key; those of an old system may have other shapes than ours."""


def canonical(key: str) -> str | None:
    """A key as it is stored, so that whoever types it finds it; None for what cannot be one."""
    found = spellings(key)
    return found[0] if found else None


_OUR_KEY = re.compile(r"BETA-[0-9A-Z]{5}-[0-9A-Z]{5}")

_OUR_SHAPE = re.compile(r"BETA([0-9A-Z]{5})([0-9A-Z]{5})")


def spellings(typed: str) -> list[str]:
    """The keys that `typed` may mean, the likeliest first.

    Anything that cannot be a key is left out, because PostgreSQL takes neither NUL nor lone surrogates.
    """
    if _OUR_KEY.fullmatch(typed):
        return [typed]
    if len(typed) > 10 * MAX_KEY_LENGTH:
        return []
    typed = typed.strip()
    compact = "".join(
        character
        for character in typed.upper()
        if not character.isspace() and unicodedata.category(character) != "Pd"
    )
    candidates = [typed, typed.upper()]
    if ours := _OUR_SHAPE.fullmatch(compact):
        candidates.insert(0, f"BETA-{ours[1]}-{ours[2]}")
    return [key for key in dict.fromkeys(candidates) if 0 < len(key) <= MAX_KEY_LENGTH and key.isprintable()]
