"""The media types of GraphQL over HTTP, and which of them an Accept header prefers."""

from functools import lru_cache

JSON = b"application/json; charset=utf-8"
GRAPHQL_RESPONSE = b"application/graphql-response+json; charset=utf-8"
HTML = b"text/html; charset=utf-8"


def accepts_html(accept: bytes | None) -> bool:
    """Whether the header names text/html, as that of a browser does."""
    return accept is not None and _parse_qualities(accept[:MAX_ACCEPT]).get(b"text/html", 0) > 0


MAX_ACCEPT = 1000
"""Bytes of an Accept header that are read: five times those of a browser. Each comma takes time."""


def choose_media_type(accept: bytes | None) -> bytes | None:
    """`JSON` or `GRAPHQL_RESPONSE`; None if the client accepts neither."""
    return _choose(accept[:MAX_ACCEPT]) if accept else JSON


@lru_cache(maxsize=256)
def _choose(accept: bytes) -> bytes | None:
    qualities = _parse_qualities(accept)
    wildcard = qualities.get(b"application/*", qualities.get(b"*/*", 0.0))
    json = qualities.get(b"application/json", wildcard)
    graphql_response = qualities.get(b"application/graphql-response+json", wildcard)
    if graphql_response > json:
        return GRAPHQL_RESPONSE
    if json <= 0:
        return None
    # With equal qualities the newer type is for clients that name it; a wildcard gets plain JSON.
    names_newer_type = graphql_response == json and b"application/graphql-response+json" in qualities
    return GRAPHQL_RESPONSE if names_newer_type else JSON


def _parse_qualities(accept: bytes) -> dict[bytes, float]:
    """The quality of each media range of an Accept header, from 0 to 1; 0 if it is not a number."""
    qualities: dict[bytes, float] = {}
    for item in accept.lower().split(b","):
        media_range, *parameters = (part.strip() for part in item.split(b";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith(b"q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        qualities[media_range] = max(quality, qualities.get(media_range, 0.0))
    return qualities
