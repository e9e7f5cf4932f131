"""Reading a typed beta key: which stored keys it can mean."""

import re

from api import typed_text
from api.key_shape import GROUP_LENGTH, GROUP_PATTERN, KEY_PATTERN, MAX_LENGTH, PREFIX, format_key

MAX_TYPED_LENGTH = 1000
"""Characters of the longest text that is searched for a key: a link that another system has wrapped."""

STORED = re.compile(KEY_PATTERN)
"""A key of our shape, as it is stored."""

_BEGINNING = re.compile(
    f"{PREFIX}-[0-9A-Z]{{0,{GROUP_LENGTH}}}|{PREFIX}-{GROUP_PATTERN}-[0-9A-Z]{{0,{GROUP_LENGTH - 1}}}"
)

_EDGE = rf"[\s&#%/={re.escape(typed_text.MARKS_AROUND)}]"

_WITHIN_TEXT = re.compile(rf"(?:^|(?<={_EDGE})|(?<=%[0-9A-F]{{2}}))({KEY_PATTERN})(?={_EDGE}|$)")
"""A whole key in a sentence or in a link, such as `?key=BETA-…`; a link in a link is percent-encoded."""

_COMPACT = re.compile(f"({PREFIX})?({GROUP_PATTERN}{GROUP_PATTERN})")


def is_beginning(typed: str) -> bool:
    """Whether a text is the beginning of a key of our shape, which is still being typed."""
    return len(typed) < MAX_LENGTH and _BEGINNING.fullmatch(typed_text.fold(typed).upper()) is not None


def canonical(typed: str) -> str | None:
    """The key as it is stored, or None for a text that cannot be a key."""
    candidates = candidate_keys(typed)
    return candidates[0] if candidates else None


def candidate_keys(typed: str) -> list[str]:
    """The stored keys that `typed` can mean, the most likely first.

    Case, spaces, dashes and invisible characters of a key of our shape are ignored, and its prefix may be
    missing. It may stand in quotes, in a sentence or in a link, which may contain no other key. A key of
    another shape is looked up as typed and in capitals, with and without a label such as `Key:` before it.
    Texts that cannot be a key give none: PostgreSQL rejects NUL and lone surrogates.
    """
    if STORED.fullmatch(typed):
        return [typed]
    if len(typed) > MAX_TYPED_LENGTH:
        return []
    folded = typed_text.fold(typed)
    unwrapped = typed_text.unwrap(folded)
    unlabelled = typed_text.unwrap(typed_text.without_label(unwrapped))
    candidates = [folded, folded.upper(), typed.strip()]
    candidates += [form for text in (unwrapped, unlabelled) for form in (text, text.upper())]
    within = set(_WITHIN_TEXT.findall(folded.upper()))
    if len(within) == 1 and not typed_text.has_filler(typed):
        candidates.insert(0, *within)
    elif match := _COMPACT.fullmatch(typed_text.compact(unwrapped).upper()) or _COMPACT.fullmatch(
        typed_text.compact(unlabelled).upper()
    ):
        # Ten symbols without the prefix may be a key of another shape, which an old system issued.
        candidates.insert(0 if match[1] else 2, format_key(match[2]))
    return [key for key in dict.fromkeys(candidates) if 0 < len(key) <= MAX_LENGTH and key.isprintable()]
