"""The shape of a beta key, defined once: `BETA-XXXXX-XXXXX`.

This module imports nothing of Gatehouse, so that logging and deployment derive their patterns from it too.
"""

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""The 30 symbols of generated keys, without the ambiguous 0, O, 1, I, L and U."""

PREFIX = "BETA"

GROUP_LENGTH = 5
"""Symbols of each of the two groups."""

SYMBOLS = 2 * GROUP_LENGTH
"""Symbols of one key: 49 random bits."""

GROUP_PATTERN = f"[0-9A-Z]{{{GROUP_LENGTH}}}"
"""One group in a regular expression. An old system's keys of this shape may contain ambiguous symbols."""

KEY_PATTERN = f"{PREFIX}-{GROUP_PATTERN}-{GROUP_PATTERN}"
"""A whole key in a regular expression, for `re` and for PostgreSQL's `~`."""

MAX_LENGTH = 20
"""Characters of the longest key. Keys that an old system issued may have any shape up to this length."""

UNISSUED_KEY = f"{PREFIX}-TEST-12345"
"""A key for examples and probes. Its first group has four symbols, so it is never generated."""


def format_key(symbols: str) -> str:
    """The key of ten symbols."""
    return f"{PREFIX}-{symbols[:GROUP_LENGTH]}-{symbols[GROUP_LENGTH:]}"
