"""Chooses the language of a response by the Accept-Language header."""

from functools import lru_cache

from api.messages import LANGUAGES


@lru_cache(maxsize=512)
def preferred_language(accept_language: str | None) -> str:
    """The one of `LANGUAGES` with the highest weight in an Accept-Language header (RFC 9110), or English.

    A language may have a region, also as operating systems write it: `es-CO`, `es-419`, `es_CO.UTF-8`.
    """
    best, best_weight = LANGUAGES[0], 0.0
    for part in (accept_language or "")[:500].split(","):
        name, _, parameters = part.strip().partition(";")
        weight = _parse_weight(parameters)
        language = name.strip().lower().replace("_", "-").partition("-")[0]
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def _parse_weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
